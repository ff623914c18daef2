//! Reads an evidence folder, from anyone: nothing in it is trusted to be there, to be whole or to be small.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use crate::LabError;

/// Of longer text files only the end is read.
const TEXT_CAP: u64 = 16 << 20;
/// JSON has no meaningful end, so a larger file is an error.
const JSON_CAP: u64 = 512 << 20;
/// Deeper folders are not looked into; the deepest that mean anything are `services/<name>/<topic>/`.
const DEEPEST: usize = 4;

/// What an evidence folder may hold, for messages.
pub const MAY_HOLD: &str =
    "An evidence folder may hold objects.json, probes.json, traffic.jsonl, alerts.json, metrics.csv,
coverage.json, logs/<namespace>_<pod>_<container>.txt, hosts/<host>/<command>.txt and services/<name>/;
each is optional. A start: kubectl get pods,services,endpointslices,events -A -o json > objects.json";

/// Reads every file of the form, relative name to text. Symbolic links that lead out of the folder are passed over.
///
/// # Errors
/// When the folder is missing, is a file or holds nothing of the form, or when a file cannot be read as text.
pub fn read(folder: &Path) -> Result<BTreeMap<String, String>, LabError> {
    let bad = |what: String, next: &str| LabError::BadInput {
        place: folder.display().to_string(),
        what,
        next: next.to_owned(),
    };
    let real = folder.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            bad("this folder does not exist".to_owned(), "Give the folder that holds the evidence: --evidence DIR")
        }
        _ => bad(format!("cannot be opened: {error}"), "Check that you may read it."),
    })?;
    if !real.is_dir() {
        return Err(bad("this is a file, a folder is wanted".to_owned(), "Give the folder that holds it."));
    }
    let mut files = BTreeMap::new();
    let mut open = vec![(PathBuf::new(), 0)];
    while let Some((below, depth)) = open.pop() {
        let here = real.join(&below);
        let entries = fs::read_dir(&here).map_err(|error| LabError::file(&shown(folder, &below), error))?;
        for entry in entries {
            let entry = entry.map_err(|error| LabError::file(&shown(folder, &below), error))?;
            let name = below.join(entry.file_name());
            match kind_of(&entry.path(), &real) {
                Kind::Folder if depth < DEEPEST => open.push((name, depth + 1)),
                Kind::File if is_of_the_form(&name) => {
                    let text = read_file(&entry.path(), &shown(folder, &name))?;
                    files.insert(name.to_string_lossy().into_owned(), text);
                }
                Kind::LeadsOut => {
                    tracing::warn!("{} leads out of the folder; passed over", shown(folder, &name).display())
                }
                _ => {}
            }
        }
    }
    if !files.is_empty() {
        return Ok(files);
    }
    let inner = real.join("evidence");
    if inner.is_dir() {
        let meant = folder.join("evidence");
        return Err(bad("this looks like a recording".to_owned(), &format!("Its evidence is in {}.", meant.display())));
    }
    Err(bad("there is no evidence in this folder".to_owned(), MAY_HOLD))
}

/// A file as the user would name it.
fn shown(folder: &Path, below: &Path) -> PathBuf {
    folder.join(below)
}

enum Kind {
    File,
    Folder,
    LeadsOut,
    Other,
}

/// What an entry is, seen through links, as long as they stay inside. Linked folders are never entered: they could be loops.
fn kind_of(path: &Path, real: &Path) -> Kind {
    let Ok(own) = path.symlink_metadata() else { return Kind::Other };
    if own.is_dir() {
        return Kind::Folder;
    }
    if own.is_symlink() && !path.canonicalize().is_ok_and(|target| target.starts_with(real)) {
        return Kind::LeadsOut;
    }
    if path.metadata().is_ok_and(|metadata| metadata.is_file()) { Kind::File } else { Kind::Other }
}

fn is_of_the_form(name: &Path) -> bool {
    let Some(text) = name.to_str() else { return false };
    match text.split('/').collect::<Vec<_>>()[..] {
        [file] => matches!(
            file,
            "changes.json"
                | "objects.json"
                | "probes.json"
                | "traffic.jsonl"
                | "alerts.json"
                | "metrics.csv"
                | "coverage.json"
        ),
        ["logs", file] | ["hosts", _, file] => file.ends_with(".txt"),
        ["services", _, ..] => !text.ends_with('~'),
        _ => false,
    }
}

fn read_file(path: &Path, shown: &Path) -> Result<String, LabError> {
    let json = shown.extension().is_some_and(|extension| extension == "json" || extension == "jsonl");
    let fail = |error: io::Error| LabError::file(shown, error);
    let mut file = File::open(path).map_err(fail)?;
    let size = file.metadata().map_err(fail)?.len();
    if json && size > JSON_CAP {
        return Err(LabError::BadInput {
            place: shown.display().to_string(),
            what: format!("{} MiB is more than the {} MiB that are read", size >> 20, JSON_CAP >> 20),
            next: "Collect fewer kinds or namespaces.".to_owned(),
        });
    }
    let skipped = if json { 0 } else { size.saturating_sub(TEXT_CAP) };
    file.seek(SeekFrom::Start(skipped)).map_err(fail)?;
    let mut bytes = Vec::new();
    file.take(JSON_CAP).read_to_end(&mut bytes).map_err(fail)?;
    if skipped > 0 {
        tracing::warn!(
            "{}: only the last {} MiB are read; line numbers count from there",
            shown.display(),
            TEXT_CAP >> 20
        );
        // The first line is cut.
        let whole = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        bytes.drain(..whole);
    }
    if !json {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        LabError::BadInput {
            place: format!("{}:{line}:{column}", shown.display()),
            what: "this is not UTF-8 text".to_owned(),
            next: "JSON is UTF-8; was the file compressed, or written by a program with another encoding?".to_owned(),
        }
    })
}
