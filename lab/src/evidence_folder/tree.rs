//! What lies in a folder, or in one that was packed: names, and the text of each on request. It is anyone's: nothing in it is
//! trusted to be small, to be text, or to stay inside.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::archive;
use crate::LabError;

/// Of longer text files only the end is read.
pub(super) const TEXT_CAP: u64 = 16 << 20;
/// JSON and YAML have no meaningful end, so a larger file is an error.
const WHOLE_CAP: u64 = 512 << 20;
/// More files are no evidence folder but a file system; the largest must-gathers have some ten thousand.
const MOST_FILES: usize = 200_000;

/// The files of a folder, by name: relative to it and `/`-separated.
pub(super) struct Tree {
    shown: PathBuf,
    files: BTreeMap<String, Held>,
}

/// Where the bytes of a file are.
enum Held {
    OnDisk(PathBuf),
    Unpacked(Vec<u8>),
}

impl Tree {
    /// Looks through a folder, or unpacks an archive of one in memory. Hidden files and folders are passed over, and symbolic
    /// links that lead out.
    ///
    /// # Errors
    /// When it is not there, cannot be opened, is another file, or is too large.
    pub(super) fn open(shown: &Path) -> Result<Self, LabError> {
        let bad = |what: String, next: &str| LabError::BadInput {
            place: shown.display().to_string(),
            what,
            next: next.to_owned(),
        };
        let real = shown.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                bad("this folder does not exist".to_owned(), "Give the folder that holds the evidence: --evidence DIR")
            }
            _ => bad(format!("cannot be opened: {error}"), "Check that you may read it."),
        })?;
        let mut tree = Self { shown: shown.to_owned(), files: BTreeMap::new() };
        if real.is_dir() {
            tree.walk(&real)?;
            return Ok(tree);
        }
        match archive::unpack(&real, shown)? {
            Some(unpacked) => {
                tree.files = unpacked.into_iter().map(|(name, bytes)| (name, Held::Unpacked(bytes))).collect();
                Ok(tree)
            }
            None => Err(bad(
                "this is a file, a folder is wanted".to_owned(),
                "Give the folder that holds it, or a .tar or .tar.gz of one.",
            )),
        }
    }

    fn walk(&mut self, real: &Path) -> Result<(), LabError> {
        let mut open = vec![PathBuf::new()];
        while let Some(below) = open.pop() {
            let place = self.shown.join(&below);
            let entries = match fs::read_dir(real.join(&below)) {
                Ok(entries) => entries,
                Err(error) if below.as_os_str().is_empty() => return Err(LabError::file(&place, error)),
                Err(error) => {
                    tracing::warn!("{} cannot be looked into: {error}", place.display());
                    continue;
                }
            };
            for entry in entries {
                let entry = entry.map_err(|error| LabError::file(&place, error))?;
                let name = below.join(entry.file_name());
                if entry.file_name().to_string_lossy().starts_with('.') {
                    continue;
                }
                match kind_of(&entry.path(), real) {
                    Kind::Folder => open.push(name),
                    Kind::File => {
                        drop(self.files.insert(name.to_string_lossy().into_owned(), Held::OnDisk(entry.path())));
                    }
                    Kind::LeadsOut => {
                        tracing::warn!("{} leads out of the folder; passed over", self.shown.join(&name).display());
                    }
                    Kind::Other => {}
                }
            }
            if self.files.len() > MOST_FILES {
                return Err(LabError::BadInput {
                    place: self.shown.display().to_string(),
                    what: format!("more than {MOST_FILES} files are in it"),
                    next: "Give a folder that holds evidence alone.".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The name of every file.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// A file as the user would name it.
    pub(super) fn shown(&self, name: &str) -> PathBuf {
        self.shown.join(name)
    }

    /// The text of a file; of a long one that is neither JSON nor YAML the end.
    ///
    /// # Errors
    /// When it cannot be read, or is JSON or YAML and too large or not UTF-8.
    pub(super) fn text(&self, name: &str) -> Result<String, LabError> {
        let shown = self.shown(name);
        let fail = |error: io::Error| LabError::file(&shown, error);
        let whole = is_whole(name);
        let (mut bytes, size) = match self.files.get(name) {
            Some(Held::OnDisk(path)) => {
                let mut file = File::open(path).map_err(fail)?;
                let size = file.metadata().map_err(fail)?.len();
                if whole && size > WHOLE_CAP {
                    return Err(LabError::BadInput {
                        place: shown.display().to_string(),
                        what: format!("{} MiB is more than the {} MiB that are read", size >> 20, WHOLE_CAP >> 20),
                        next: "Collect fewer kinds or namespaces.".to_owned(),
                    });
                }
                let skipped = if whole { 0 } else { size.saturating_sub(TEXT_CAP) };
                file.seek(SeekFrom::Start(skipped)).map_err(fail)?;
                let mut bytes = Vec::new();
                file.take(WHOLE_CAP).read_to_end(&mut bytes).map_err(fail)?;
                (bytes, size)
            }
            Some(Held::Unpacked(bytes)) => (bytes.clone(), bytes.len() as u64),
            None => return Err(fail(io::ErrorKind::NotFound.into())),
        };
        if whole {
            return String::from_utf8(bytes).map_err(|error| not_text(&shown, &error));
        }
        if size > TEXT_CAP {
            tracing::warn!(
                "{}: only the last {} MiB are read; line numbers count from there",
                shown.display(),
                TEXT_CAP >> 20
            );
            bytes.drain(..bytes.len().saturating_sub(TEXT_CAP as usize));
            // The first line is cut.
            let whole = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            bytes.drain(..whole);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Whether a file means nothing without its beginning.
fn is_whole(name: &str) -> bool {
    [".json", ".jsonl", ".yaml", ".yml"].iter().any(|end| name.ends_with(end))
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

fn not_text(shown: &Path, error: &std::string::FromUtf8Error) -> LabError {
    let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    LabError::BadInput {
        place: format!("{}:{line}:{column}", shown.display()),
        what: "this is not UTF-8 text".to_owned(),
        next: "JSON and YAML are UTF-8; was the file compressed, or written by a program with another encoding?"
            .to_owned(),
    }
}
