//! The intent of every change, on disk before it is made, with what takes it back: so a killed run can be undone.
//!
//! One file a run, one JSON line a change. A lock beside them says whether a run is going on.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use diagnoser::Subject;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    LabError,
    events::{Event, Journal},
    rigs::{Action, System, kind_of},
    root,
};

/// A change that is about to be made, and how it is taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mutation {
    /// What changes, in words.
    pub what: String,
    /// The change.
    pub action: Action,
    /// How it is taken back, in words.
    pub undo_says: String,
    /// What takes it back; none where another change's undo does.
    pub undo: Option<Action>,
}

impl Mutation {
    /// A change and what takes it back.
    pub fn new(what: impl Into<String>, action: Action, undo_says: impl Into<String>, undo: Action) -> Self {
        Self { what: what.into(), action, undo_says: undo_says.into(), undo: Some(undo) }
    }

    /// Setting one field of an object; `now` is the object as it is.
    pub fn set(now: &Value, object: &Subject, path: &str, value: Value) -> Self {
        Self::edit(now, object, vec![(path.to_owned(), value)])
    }

    /// Setting several fields of an object at once; `now` is the object as it is.
    pub fn edit(now: &Value, object: &Subject, fields: Vec<(String, Value)>) -> Self {
        let before: Vec<(String, Value)> =
            fields.iter().map(|(path, _)| (path.clone(), now.pointer(path).cloned().unwrap_or(Value::Null))).collect();
        let each = fields.iter().zip(&before).map(|((path, value), (_, was))| format!("{path}: {was} -> {value}"));
        let what = format!("{object} {}", each.collect::<Vec<_>>().join(", "));
        let set = |fields: Vec<(String, Value)>| Action::Set { object: object.clone(), fields };
        Self::new(what, set(fields), format!("{object} as it was"), set(before))
    }

    /// Creating an object.
    ///
    /// # Errors
    /// When the object has no kind the lab handles.
    pub fn apply(object: &Value) -> Result<Self, LabError> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let kind = kind_of(text("/kind").unwrap_or_default())?;
        let subject = kind.subject(text("/metadata/namespace"), text("/metadata/name").unwrap_or_default());
        let undo = Action::Delete(subject.clone());
        Ok(Self::new(format!("create {subject}"), Action::Apply(object.clone()), format!("delete {subject}"), undo))
    }

    /// A change whose traces go with what it was made on.
    pub fn passing(what: impl Into<String>, action: Action) -> Self {
        Self { what: what.into(), action, undo_says: "goes with the world".to_owned(), undo: None }
    }
}

/// The ledger of the run that is going on.
pub struct Ledger {
    path: PathBuf,
    file: Mutex<File>,
    undos: Mutex<Vec<Action>>,
}

impl LeftOver {
    /// Whether it made machines: then they are all there is to remove.
    pub fn is_of_machines(&self) -> bool {
        self.undos.iter().any(|undo| matches!(undo, Action::Raze { .. }))
    }
}

/// What a run that did not end well left: its file and what takes it back, last change first.
pub struct LeftOver {
    /// The ledger's file.
    pub path: PathBuf,
    /// What takes it back.
    pub undos: Vec<Action>,
}

fn folder() -> PathBuf {
    root::cache().join("ledger")
}

impl Ledger {
    /// Begins a ledger for a run of this scenario. Only for who holds the lock.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn begin(scenario: &str) -> Result<Self, LabError> {
        let path = folder().join(format!("{scenario}-{}.jsonl", std::process::id()));
        let file =
            OpenOptions::new().create(true).append(true).open(&path).map_err(|error| LabError::file(&path, error))?;
        Ok(Self { path, file: Mutex::new(file), undos: Mutex::default() })
    }

    /// Makes a change: its intent is on the disk before.
    ///
    /// # Errors
    /// When the intent cannot be written (then nothing is changed), or the change fails.
    pub async fn make(&self, system: &System, mutation: &Mutation, journal: &Journal) -> Result<(), LabError> {
        let line = serde_json::to_string(mutation).map_err(|error| LabError::file(&self.path, error))? + "\n";
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
            written.map_err(|error| LabError::file(&self.path, error))?;
        }
        self.undos.lock().unwrap_or_else(PoisonError::into_inner).extend(mutation.undo.clone());
        journal.record(Event::Mutation { what: mutation.what.clone(), undo: mutation.undo_says.clone() });
        system.act(&mutation.action).await
    }

    /// Takes everything back that was changed, last first, and ends the ledger.
    ///
    /// # Errors
    /// When something cannot be taken back; the ledger stays then, for `lab gc`.
    pub async fn take_back(&self, system: &System) -> Result<(), LabError> {
        let mut undos = self.undos.lock().unwrap_or_else(PoisonError::into_inner).clone();
        undos.reverse();
        system.take_back(&undos).await?;
        fs::remove_file(&self.path).map_err(|error| LabError::file(&self.path, error))
    }
}

/// Sees to it that no other run is going on, for as long as the file is held.
///
/// # Errors
/// When one is.
pub fn lock() -> Result<File, LabError> {
    let path = folder().join("lock");
    fs::create_dir_all(folder()).map_err(|error| LabError::file(&folder(), error))?;
    let file =
        OpenOptions::new().create(true).append(true).open(&path).map_err(|error| LabError::file(&path, error))?;
    file.try_lock().map_err(|_| LabError::Live {
        what: "beginning".to_owned(),
        why: "another run of the lab is going on on this machine".to_owned(),
        next: "Wait for it, or interrupt it with Ctrl-C: it undoes what it did.".to_owned(),
    })?;
    Ok(file)
}

/// What runs left that did not end well. A line that was cut off was never acted upon.
pub fn left_over() -> Vec<LeftOver> {
    let files = fs::read_dir(folder()).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut ledgers: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|kind| kind == "jsonl")).collect();
    ledgers.sort();
    ledgers.into_iter().map(|path| LeftOver { undos: undos_in(&path), path }).collect()
}

fn undos_in(path: &Path) -> Vec<Action> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let changes = text.lines().filter_map(|line| serde_json::from_str::<Mutation>(line).ok());
    let mut undos: Vec<Action> = changes.filter_map(|change| change.undo).collect();
    undos.reverse();
    undos
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_knows_what_was_before() {
        let service = Subject::namespaced("service", "a", "s");
        let now = json!({"spec": {"ports": [{"port": 80, "targetPort": "http"}]}});
        let change = Mutation::set(&now, &service, "/spec/ports/0/targetPort", json!(8080));
        assert_eq!(change.what, "service/a/s /spec/ports/0/targetPort: \"http\" -> 8080");
        let Some(Action::Set { fields, .. }) = change.undo else { panic!("{:?}", change.undo) };
        assert_eq!(fields, [("/spec/ports/0/targetPort".to_owned(), json!("http"))]);
    }

    #[test]
    fn a_killed_run_is_undone_from_the_last_change_to_the_first_and_a_cut_line_is_passed_over() {
        let path = std::env::temp_dir().join(format!("lab-ledger-{}.jsonl", std::process::id()));
        let change = |name: &str| {
            let action = Action::shell("n", name);
            serde_json::to_string(&Mutation::new(name, action.clone(), "", action)).unwrap()
        };
        fs::write(&path, format!("{}\n{}\n{{\"what\": \"cut", change("a"), change("b"))).unwrap();
        assert_eq!(undos_in(&path), [Action::shell("n", "b"), Action::shell("n", "a")]);
        fs::remove_file(&path).unwrap();
    }
}
