//! What runs of the suite came to, one line of JSON a run, so that a change is seen over time.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{LabError, root, score::Outcome, suite::Suite};

/// One run of the suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// When it ended, UTC.
    pub time: Timestamp,
    /// `replay` or `live`.
    pub mode: String,
    /// How long it took.
    pub seconds: f64,
    /// What it came to.
    pub rows: Vec<KeptRow>,
}

/// One scenario of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRow {
    /// The scenario's name.
    pub name: String,
    /// How near the diagnosis came.
    pub outcome: Outcome,
    /// The causes that are true, or `healthy`.
    pub truth: String,
    /// The causes that were named, or the verdict.
    pub said: String,
}

/// Where they are kept.
pub fn file() -> PathBuf {
    root::cache().join("suites.jsonl")
}

/// Adds a run.
///
/// # Errors
/// When the file cannot be written; what was in it stays.
pub fn add(file: &Path, suite: &Suite, time: Timestamp) -> Result<(), LabError> {
    let rows = suite.scenarios.iter().map(|row| KeptRow {
        name: row.name.clone(),
        outcome: row.outcome,
        truth: row.truth.clone(),
        said: row.said.clone(),
    });
    let kept = Kept { time, mode: suite.mode.to_owned(), seconds: suite.seconds, rows: rows.collect() };
    let written = || {
        fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
        // It begins a line, should the last one have been cut off; in one write, so that two suites do not mix their lines.
        let line = format!("\n{}\n", serde_json::to_string(&kept)?);
        OpenOptions::new().create(true).append(true).open(file)?.write_all(line.as_bytes())
    };
    written().map_err(|error: io::Error| LabError::file(file, error))
}

/// All runs, oldest first. A line that is not whole, as a full disk leaves one, is passed over.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn load(file: &Path) -> Result<Vec<Kept>, LabError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(LabError::file(file, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Row;

    #[test]
    fn runs_are_added_and_a_broken_line_costs_only_itself() {
        let folder = std::env::temp_dir().join(format!("lab-suites-{}", std::process::id()));
        let file = folder.join("suites.jsonl");
        assert!(load(&file).expect("none yet").is_empty());
        let row = Row {
            name: "s".to_owned(),
            outcome: Outcome::Exact,
            seconds: 0.1,
            says: String::new(),
            control: true,
            truth: "healthy".to_owned(),
            said: "healthy".to_owned(),
        };
        let suite = Suite { mode: "replay", scenarios: vec![row], seconds: 1.0 };
        add(&file, &suite, Timestamp::UNIX_EPOCH).expect("added");
        fs::write(&file, fs::read_to_string(&file).expect("a file") + "{\"time\":").expect("broken");
        add(&file, &suite, Timestamp::UNIX_EPOCH).expect("added");
        let kept = load(&file).expect("both");
        assert_eq!((kept.len(), kept[1].rows[0].said.as_str()), (2, "healthy"));
        fs::remove_dir_all(&folder).expect("it can be removed");
    }
}
