//! One run kept as files: `meta.json`, `scenario.yaml` as run, `history.jsonl`, `evidence/`.
//!
//! Nothing that can be recomputed is kept: diagnosis and score are made anew by every replay.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{LabError, events::Stamped, evidence_folder, root::Root, scenario::Scenario};

/// The version of the recording's form.
pub const FORMAT: u32 = 1;

/// What was run, where and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    /// Always [`FORMAT`].
    pub format: u32,
    /// The version of the lab that recorded it.
    pub lab: String,
    /// When the run began, UTC.
    pub recorded: Timestamp,
    /// Where it ran: `kind`.
    pub rig: String,
    /// The versions of the real components by name: kubernetes, kind, kernel, traefik ...
    pub components: BTreeMap<String, String>,
}

/// A run that can be diagnosed again.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What, where and when.
    pub meta: Meta,
    /// The scenario as it was run.
    pub scenario: Scenario,
    /// What happened, in order.
    pub history: Vec<Stamped>,
    /// The evidence folder: file to text.
    pub evidence: BTreeMap<String, String>,
}

impl Recording {
    /// Reads the recording in a folder; the folder's name is the scenario's.
    ///
    /// # Errors
    /// When a file is missing or does not parse, with the place.
    pub fn load(folder: &Path) -> Result<Self, LabError> {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let meta_file = folder.join("meta.json");
        let meta: Meta = serde_json::from_str(&read(&meta_file)?).map_err(|error| broken(&meta_file, &error, 0))?;
        if meta.format != FORMAT {
            return Err(LabError::BadInput {
                place: meta_file.display().to_string(),
                what: format!("recording format {}, this lab reads {FORMAT}", meta.format),
                next: format!("Record it again: lab record {name}"),
            });
        }
        let scenario =
            Scenario::load(&folder.join("scenario.yaml"), &folder.join("scenario.yaml").display().to_string())?;
        let history_file = folder.join("history.jsonl");
        let history = read(&history_file)?
            .lines()
            .enumerate()
            .map(|(line, text)| serde_json::from_str(text).map_err(|error| broken(&history_file, &error, line)))
            .collect::<Result<_, _>>()?;
        let evidence = evidence_folder::read(&folder.join("evidence"))?.files;
        Ok(Self { meta, scenario: Scenario { name: name.to_owned(), ..scenario }, history, evidence })
    }

    /// Reads the recording of a scenario.
    ///
    /// # Errors
    /// When there is none (with how to make one), or it does not parse.
    pub fn of(root: &Root, name: &str) -> Result<Self, LabError> {
        let folder = root.recordings().join(name);
        if !folder.is_dir() {
            return Err(LabError::Lacks {
                what: format!("there is no recording of `{name}`"),
                command: format!(
                    "lab record {name}   (runs it live and keeps the run; lab doctor says what that needs)"
                ),
            });
        }
        Self::load(&folder)
    }

    /// Writes the recording, whole or not at all: into a new folder beside `folder`, which then takes its place.
    ///
    /// # Errors
    /// When something cannot be written; an older recording is then still there.
    pub fn save(&self, folder: &Path) -> Result<(), LabError> {
        let fresh = beside(folder, "new");
        let old = beside(folder, "old");
        for left_over in [&fresh, &old] {
            remove(left_over)?;
        }
        self.write_files(&fresh).inspect_err(|_| drop(fs::remove_dir_all(&fresh)))?;
        if folder.exists() {
            fs::rename(folder, &old).map_err(|error| LabError::file(folder, error))?;
        }
        if let Err(error) = fs::rename(&fresh, folder) {
            // Put the older one back; if even that fails it is still beside, whole, and the error names the folder.
            drop(fs::rename(&old, folder));
            drop(fs::remove_dir_all(&fresh));
            return Err(LabError::file(folder, error));
        }
        remove(&old)
    }

    fn write_files(&self, folder: &Path) -> Result<(), LabError> {
        let json = |value: serde_json::Result<String>| value.map_err(|error| LabError::file(folder, error));
        write(&folder.join("meta.json"), &(json(serde_json::to_string_pretty(&self.meta))? + "\n"))?;
        write(&folder.join("scenario.yaml"), &self.scenario.source)?;
        let mut history = String::new();
        for stamped in &self.history {
            history.push_str(&json(serde_json::to_string(stamped))?);
            history.push('\n');
        }
        write(&folder.join("history.jsonl"), &history)?;
        for (name, text) in &self.evidence {
            write(&folder.join("evidence").join(name), text)?;
        }
        Ok(())
    }

    /// `Kubernetes 1.34.10 on kind 0.33, 2026-11-23`.
    pub fn made_with(&self) -> String {
        let version =
            |name: &str| self.meta.components.get(name).map_or("?", |version| version.trim_start_matches('v'));
        let date = self.meta.recorded.strftime("%Y-%m-%d");
        match self.meta.rig.as_str() {
            "kind" => format!("Kubernetes {} on kind {}, {date}", version("kubernetes"), version("kind")),
            "docker" => format!("machines on Docker {} and kernel {}, {date}", version("engine"), version("kernel")),
            rig => format!("{rig}, {date}"),
        }
    }
}

/// A hidden folder beside the recording's: tests and listings pass over it.
fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or("recording");
    folder.with_file_name(format!(".{name}.{suffix}"))
}

fn remove(folder: &Path) -> Result<(), LabError> {
    if folder.exists() { fs::remove_dir_all(folder).map_err(|error| LabError::file(folder, error)) } else { Ok(()) }
}

fn read(file: &Path) -> Result<String, LabError> {
    fs::read_to_string(file).map_err(|error| LabError::file(file, error))
}

/// Writes a file and sees it on the disk, so that the rename that follows never shows an empty one.
fn write(file: &Path, text: &str) -> Result<(), LabError> {
    let written = || {
        fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
        let mut open = File::create(file)?;
        open.write_all(text.as_bytes())?;
        open.sync_all()
    };
    written().map_err(|error: std::io::Error| LabError::file(file, error))
}

fn broken(file: &Path, error: &serde_json::Error, lines_before: usize) -> LabError {
    LabError::BadInput {
        place: format!("{}:{}:{}", file.display(), lines_before + error.line(), error.column()),
        what: error.to_string(),
        next: "The recording is damaged: restore it from version control, or record it again.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Event;

    fn recording() -> Recording {
        let text = "title: t\ntags: [control]\nworld: shop\nsymptom: none\ntruth: healthy\n";
        Recording {
            meta: Meta {
                format: FORMAT,
                lab: "0.1.0".to_owned(),
                recorded: Timestamp::UNIX_EPOCH,
                rig: "kind".to_owned(),
                components: [("kubernetes", "v1.34.10"), ("kind", "0.33")]
                    .map(|(k, v)| (k.to_owned(), v.to_owned()))
                    .into(),
            },
            scenario: Scenario::parse("quiet", "scenario.yaml", text).expect("a scenario"),
            history: vec![Stamped {
                time: Timestamp::UNIX_EPOCH,
                event: Event::RunEnded { outcome: "exact".to_owned() },
            }],
            evidence: [("hosts/n/df.txt".to_owned(), "x\n".to_owned())].into(),
        }
    }

    #[test]
    fn what_is_saved_is_loaded_and_an_older_one_is_replaced_whole() {
        let place = std::env::temp_dir().join(format!("lab-recording-{}", std::process::id()));
        let folder = place.join("quiet");
        let first = recording();
        first.save(&folder).expect("it can be written");
        let again = Recording { evidence: [("probes.json".to_owned(), "[]".to_owned())].into(), ..first };
        again.save(&folder).expect("it can be replaced");
        let loaded = Recording::load(&folder).expect("it can be read");
        assert_eq!((&loaded.meta, &loaded.history, &loaded.evidence), (&again.meta, &again.history, &again.evidence));
        assert_eq!((loaded.scenario.name.as_str(), &loaded.scenario.source), ("quiet", &again.scenario.source));
        assert_eq!(fs::read_dir(&place).expect("a folder").count(), 1, "nothing is left beside it");
        assert_eq!(loaded.made_with(), "Kubernetes 1.34.10 on kind 0.33, 1970-01-01");
        fs::remove_dir_all(&place).expect("it can be removed");
    }
}
