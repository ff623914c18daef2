//! The diagnosed fix as changes to the live system. It is what verifies a diagnosis, and is never the fault's own undo.

use diagnoser::{Diagnosis, Subject, diagnosis::Change};
use serde_json::Value;

use crate::{
    ledger::Mutation,
    rigs::{Action, LABEL},
};

/// The changes that the diagnosis asks for, in order. They are made on objects and nodes of the lab's own, or refused.
pub fn changes(diagnosis: &Diagnosis) -> Vec<Mutation> {
    let patches = diagnosis.root_causes.iter().flat_map(|root| &root.fix.patch);
    patches
        .map(|change| match change {
            Change::Set { object, path, from, to } => {
                Mutation::passing(format!("fix {object} {path}: {from} -> {to}"), set(object, path, to.into()))
            }
            Change::Unset { object, path, from } => {
                Mutation::passing(format!("fix {object} {path}: {from} -> none"), set(object, path, Value::Null))
            }
            Change::Delete { object } => {
                Mutation::passing(format!("fix: delete {object}"), Action::Delete(object.clone()))
            }
            Change::Create { object, manifest } => {
                Mutation::passing(format!("fix: create {object}"), Action::Apply(owned(manifest.into())))
            }
            Change::Run { host, command } => Mutation::passing(
                format!("fix on {host}: {}", command.join(" ")),
                Action::Run { node: host.clone(), command: command.clone() },
            ),
        })
        .collect()
}

fn set(object: &Subject, path: &str, value: Value) -> Action {
    Action::Set { object: object.clone(), fields: vec![(path.to_owned(), value)] }
}

/// What a fix creates is the lab's own like everything else it makes, and goes with the world.
fn owned(mut object: Value) -> Value {
    object["metadata"]["labels"][LABEL] = "lab".into();
    object
}

/// The fix in one line, for people.
pub fn says(diagnosis: &Diagnosis) -> String {
    let summaries: Vec<&str> = diagnosis.root_causes.iter().map(|root| root.fix.summary.as_str()).collect();
    summaries.join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_change_of_a_fix_is_an_action_and_leaves_no_undo_of_its_own() {
        let patch = json!([
            {"op": "set", "object": "service/a/s", "path": "/spec/x", "from": 1, "to": 2},
            {"op": "unset", "object": "service/a/s", "path": "/spec/y", "from": 1},
            {"op": "delete", "object": "networkpolicy/a/p"},
            {"op": "run", "host": "n", "command": ["true"]},
        ]);
        let root = json!({"cause": "c", "subject": "service/a/s", "owner": "self", "evidence": [], "explains": [],
            "fix": {"summary": "Mend it", "patch": patch}});
        let diagnosis: Diagnosis =
            serde_json::from_value(json!({"format": 1, "verdict": "confirmed", "root_causes": [root],
            "noise": [], "missing": [], "symptoms": [], "path": [], "steps": []}))
            .unwrap();
        let changes = changes(&diagnosis);
        let object: Subject = "service/a/s".parse().unwrap();
        assert_eq!(changes[1].action, set(&object, "/spec/y", Value::Null));
        assert_eq!(changes[3].action, Action::Run { node: "n".to_owned(), command: vec!["true".to_owned()] });
        assert!(changes.len() == 4 && changes.iter().all(|change| change.undo.is_none()));
        assert_eq!(says(&diagnosis), "Mend it");
    }
}
