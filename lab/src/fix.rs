//! The diagnosed fix as changes to the live system. It is what verifies a diagnosis, and is never the fault's own undo.

use diagnoser::{Diagnosis, diagnosis::Change};
use serde_json::Value;

use crate::{ledger::Mutation, rigs::Action};

/// The changes that the diagnosis asks for, in order. They are made on objects and nodes of the lab's own, or refused.
pub fn changes(diagnosis: &Diagnosis) -> Vec<Mutation> {
    let patches = diagnosis.root_causes.iter().flat_map(|root| &root.fix.patch);
    patches
        .map(|change| match change {
            Change::Set { object, path, from, to } => Mutation::passing(
                format!("fix {object} {path}: {from} -> {to}"),
                Action::Set { object: object.clone(), path: path.clone(), value: to.clone() },
            ),
            Change::Unset { object, path, from } => Mutation::passing(
                format!("fix {object} {path}: {from} -> none"),
                Action::Set { object: object.clone(), path: path.clone(), value: Value::Null },
            ),
            Change::Delete { object } => {
                Mutation::passing(format!("fix: delete {object}"), Action::Delete(object.clone()))
            }
            Change::Run { host, command } => Mutation::passing(
                format!("fix on {host}: {}", command.join(" ")),
                Action::Run { node: host.clone(), command: command.clone() },
            ),
        })
        .collect()
}

/// The fix in one line, for people.
pub fn says(diagnosis: &Diagnosis) -> String {
    let summaries: Vec<&str> = diagnosis.root_causes.iter().map(|root| root.fix.summary.as_str()).collect();
    summaries.join("; ")
}
