//! A folder that was packed (`.tar`, `.tar.gz`), unpacked in memory: bounded, and nothing of it is written anywhere.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read, Seek},
    path::{Component, Path},
};

use flate2::read::MultiGzDecoder;
use tar::Archive;

use super::tree::TEXT_CAP;
use crate::LabError;

/// An archive that unpacks to more is not read further: it may be made to fill memory. Large must-gathers stay below this.
const UNPACKED_CAP: u64 = 2 << 30;
/// Files with other endings (profiles, metrics, rotated logs that are packed themselves) are not kept.
const ENDINGS: [&str; 7] = ["csv", "json", "jsonl", "log", "txt", "yaml", "yml"];

/// Folders whose names say what is in them, which are kept although everything is in them.
const TELLING: [&str; 6] = ["cluster-resources", "cluster-scoped-resources", "hosts", "logs", "namespaces", "services"];

/// The files of an archive by name, without the folders that all of them are in; `None` where `real` is no archive.
///
/// # Errors
/// When it cannot be read to its end, or holds more than is read.
pub(super) fn unpack(real: &Path, shown: &Path) -> Result<Option<BTreeMap<String, Vec<u8>>>, LabError> {
    let fail = |error: io::Error| LabError::file(shown, error);
    let mut file = File::open(real).map_err(fail)?;
    // The magic numbers of gzip (RFC 1952) and of a POSIX tar's first header.
    let mut head = Vec::new();
    (&file).take(512).read_to_end(&mut head).map_err(fail)?;
    file.rewind().map_err(fail)?;
    let file = BufReader::new(file);
    let files = if head.starts_with(&[0x1f, 0x8b]) {
        files(MultiGzDecoder::new(file), shown)?
    } else if head.get(257..262) == Some(b"ustar") {
        files(file, shown)?
    } else {
        return Ok(None);
    };
    Ok(Some(without_common_folders(files)))
}

fn files(packed: impl Read, shown: &Path) -> Result<BTreeMap<String, Vec<u8>>, LabError> {
    let broken = |error: io::Error| LabError::BadInput {
        place: shown.display().to_string(),
        what: format!("it cannot be unpacked to its end: {error}"),
        next: "Was it cut off on its way? `tar -tf` says whether it is whole; a folder is read as well.".to_owned(),
    };
    let mut archive = Archive::new(packed.take(UNPACKED_CAP));
    let mut files = BTreeMap::new();
    let mut unpacked = 0;
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        unpacked += entry.size();
        if unpacked > UNPACKED_CAP {
            return Err(LabError::BadInput {
                place: shown.display().to_string(),
                what: format!("it unpacks to more than the {} GiB that are read", UNPACKED_CAP >> 30),
                next: "Unpack what you need of it, and give the folder.".to_owned(),
            });
        }
        let path = entry.path().map_err(broken)?.into_owned();
        let Some(name) = inside(&path) else {
            tracing::warn!("{}: {} leads out of the archive; passed over", shown.display(), path.display());
            continue;
        };
        let ending = Path::new(&name).extension().and_then(|ending| ending.to_str());
        if !entry.header().entry_type().is_file() || ending.is_some_and(|ending| !ENDINGS.contains(&ending)) {
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken)?;
        // One byte more than is read of a text, which then says that it was cut.
        if matches!(ending, Some("log" | "txt")) {
            bytes.drain(..bytes.len().saturating_sub(TEXT_CAP as usize + 1));
        }
        files.insert(name, bytes);
    }
    Ok(files)
}

/// The name of an entry, `/`-separated; `None` where it would lie elsewhere.
fn inside(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(parts.join("/"))
}

/// Archives mostly hold one folder and everything in that.
fn without_common_folders(mut files: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    loop {
        let mut tops = files.keys().map(|name| name.split_once('/').map(|(top, _)| top));
        let Some(Some(top)) = tops.next() else { return files };
        if TELLING.contains(&top) || !tops.all(|other| other == Some(top)) {
            return files;
        }
        let cut = top.len() + 1;
        files = files.into_iter().map(|(name, bytes)| (name[cut..].to_owned(), bytes)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        assert_eq!(inside(Path::new("./a/b.json")).as_deref(), Some("a/b.json"));
        for outside in ["/etc/passwd", "../x", "a/../../x"] {
            assert_eq!(inside(Path::new(outside)), None, "{outside}");
        }
    }

    #[test]
    fn folders_that_hold_everything_are_left_out() {
        let of = |names: &[&str]| -> Vec<String> {
            without_common_folders(names.iter().map(|name| ((*name).to_owned(), vec![])).collect())
                .into_keys()
                .collect()
        };
        assert_eq!(of(&["a/b/c.json", "a/b/d/e.json"]), ["c.json", "d/e.json"]);
        assert_eq!(of(&["a/b.json", "c.json"]), ["a/b.json", "c.json"]);
        assert_eq!(of(&["a/namespaces/shop/core/pods.yaml"]), ["namespaces/shop/core/pods.yaml"]);
        assert_eq!(of(&[]), [""; 0]);
    }
}
