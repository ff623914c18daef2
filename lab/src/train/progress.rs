//! What a trainee has done, kept in one local file. It is written whole or not at all, and one that cannot be read is
//! reported and left as it is.

use std::{
    env,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Check;
use crate::LabError;

/// The version of the file's form.
pub const FORMAT: u32 = 1;

/// Everything that was finished, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Always [`FORMAT`].
    pub format: u32,
    /// One for every exercise that was finished.
    pub records: Vec<Record>,
}

/// One exercise that was finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The scenario's name.
    pub scenario: String,
    /// Which variant; 0 is as it was recorded.
    pub seed: u64,
    /// The scenario's tags.
    pub tags: Vec<String>,
    /// When it began, UTC.
    pub started: Timestamp,
    /// How long it took.
    pub seconds: i64,
    /// Whether the truth was found.
    pub found: bool,
    /// Out of 100.
    pub points: u32,
    /// How many hints were taken.
    pub hints: usize,
    /// How many answers were given.
    pub answers: u32,
    /// What should have been looked at.
    pub skipped: Vec<Check>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { format: FORMAT, records: vec![] }
    }
}

impl Progress {
    /// Reads the file; where there is none, nothing was done yet.
    ///
    /// # Errors
    /// When it cannot be read, or is not of the form, with line and column.
    pub fn load(file: &Path) -> Result<Self, LabError> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(LabError::file(file, error)),
        };
        let broken = |line: usize, column: usize, what: String| LabError::BadInput {
            place: format!("{}:{line}:{column}", file.display()),
            what,
            next: "Mend it, or move it away to begin anew; it is left as it is.".to_owned(),
        };
        let progress: Self = serde_json::from_str(&text)
            .map_err(|error| broken(error.line(), error.column(), crate::error::plain(&error)))?;
        if progress.format != FORMAT {
            return Err(broken(1, 1, format!("format {} of the progress, this lab reads {FORMAT}", progress.format)));
        }
        Ok(progress)
    }

    /// How often a scenario was finished.
    pub fn times(&self, scenario: &str) -> usize {
        self.records.iter().filter(|record| record.scenario == scenario).count()
    }
}

/// Where it is kept: `chaos-replay-lab/progress.json` in `XDG_DATA_HOME`, else in `~/.local/share`.
pub fn file() -> PathBuf {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    data.unwrap_or_else(env::temp_dir).join("chaos-replay-lab/progress.json")
}

/// Adds a record to the file: what others have added meanwhile stays.
///
/// # Errors
/// When the file is broken or cannot be written; what was there is then still there.
pub fn add(file: &Path, record: Record) -> Result<(), LabError> {
    let lost = |error: io::Error| LabError::BadInput {
        place: file.display().to_string(),
        what: format!("this exercise was not kept: {error}"),
        next: "What was kept before is whole. Make room or the folder writable, or set XDG_DATA_HOME to another."
            .to_owned(),
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(lost)?;
    let lock = File::create(file.with_extension("lock")).map_err(lost)?;
    lock.lock().map_err(lost)?;
    let mut progress = Progress::load(file)?;
    progress.records.push(record);
    let text = serde_json::to_string_pretty(&progress).map_err(|error| lost(error.into()))? + "\n";
    replace(file, &text).map_err(lost)
}

/// Puts a new text in a file's place at once.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let fresh = file.with_extension("new");
    let written = || {
        let mut open = File::create(&fresh)?;
        open.write_all(text.as_bytes())?;
        open.sync_all()?;
        fs::rename(&fresh, file)
    };
    written().inspect_err(|_| drop(fs::remove_file(&fresh)))
}
