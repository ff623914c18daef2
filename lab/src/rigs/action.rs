//! One change to the lab's own cluster: the only way in which anything live is changed.

use std::time::Duration;

use diagnoser::Subject;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Plan, api, is_owned, kind::KindCluster, kind_of};
use crate::LabError;

/// How long a deleted object may take to be gone.
const GONE: Duration = Duration::from_secs(60);

/// A change, complete: what is written to the ledger is enough to make it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Create this object, or bring it to this state.
    Apply(Value),
    /// Set fields of an object, all at once.
    Set {
        /// The object.
        object: Subject,
        /// JSON pointers into the object and what to set each to; null removes it.
        fields: Vec<(String, Value)>,
    },
    /// Delete an object.
    Delete(Subject),
    /// Make a world's networks and machines.
    Raise(Plan),
    /// Remove the networks and machines of a place.
    Raze {
        /// The place, by number.
        place: String,
    },
    /// Run a command on a node or machine of the lab's own.
    Run {
        /// Its name.
        node: String,
        /// Program and arguments.
        command: Vec<String>,
    },
}

impl Action {
    /// A shell script on a node.
    pub fn shell(node: &str, script: &str) -> Self {
        Self::Run { node: node.to_owned(), command: ["bash", "-c", script].map(str::to_owned).to_vec() }
    }
}

impl KindCluster {
    /// Makes one change.
    ///
    /// # Errors
    /// When the object is not the lab's own, the node is not one of its nodes, or the change fails.
    pub async fn act(&self, action: &Action) -> Result<(), LabError> {
        match action {
            Action::Apply(object) => {
                let subject = subject_of(object)?;
                if !is_owned(object) {
                    return Err(foreign(&subject));
                }
                self.api.apply(&subject, object).await
            }
            Action::Set { object, fields } => {
                self.api
                    .edit(object, |whole| {
                        if !is_owned(whole) && !is_of_the_cluster(object) {
                            return Err(foreign(object));
                        }
                        fields.iter().try_for_each(|(path, value)| {
                            set(whole, path, value).map_err(|why| LabError::Live {
                                what: format!("changing {object} {path}"),
                                why,
                                next: "The object has another shape than the change expects.".to_owned(),
                            })
                        })
                    })
                    .await
            }
            Action::Delete(subject) => match self.api.get(subject).await? {
                Some(object) if !is_owned(&object) => Err(foreign(subject)),
                Some(_) => self.api.delete(subject).await,
                None => Ok(()),
            },
            Action::Raise(_) | Action::Raze { .. } => Err(LabError::Live {
                what: "making machines".to_owned(),
                why: "this world has a cluster".to_owned(),
                next: "Machines are of worlds with `rig: docker`.".to_owned(),
            }),
            Action::Run { node, command } => self.node(node)?.insist(command).await.map(drop),
        }
    }

    /// Makes changes that take something back, in this order; what is gone already is no error. Deletions are asked for
    /// together and waited for, before a command runs and at the end. All are tried; the first failure is returned.
    ///
    /// # Errors
    /// When one fails.
    pub async fn take_back(&self, actions: &[Action]) -> Result<(), LabError> {
        let mut result = Ok(());
        let mut deleted: Vec<&Subject> = vec![];
        for action in actions {
            if let Action::Run { .. } = action {
                result = result.and(self.gone(&mut deleted).await);
            }
            if let Action::Set { object, .. } = action
                && let Ok(None) = self.api.get(object).await
            {
                continue;
            }
            if let Action::Delete(subject) = action {
                deleted.push(subject);
            }
            result = result.and(self.act(action).await);
        }
        result.and(self.gone(&mut deleted).await)
    }

    async fn gone(&self, deleted: &mut Vec<&Subject>) -> Result<(), LabError> {
        let wait = deleted.drain(..).map(|subject| {
            self.api.watch(subject, "to be gone", GONE, |object| match object {
                None => Ok(()),
                Some(object) => Err(object.pointer("/status/phase").map_or("still there".to_owned(), Value::to_string)),
            })
        });
        try_join_all(wait).await.map(drop)
    }
}

/// The subject of an object given as JSON.
///
/// # Errors
/// When it has no kind or name, or one the lab does not handle.
pub fn subject_of(object: &Value) -> Result<Subject, LabError> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let kind = kind_of(text("/kind").unwrap_or_default())?;
    let name = text("/metadata/name").unwrap_or_default();
    if name.is_empty() || kind.namespaced != text("/metadata/namespace").is_some() {
        return Err(LabError::BadInput {
            place: format!("{} `{name}`", kind.kind),
            what: "it lacks a name, or has a namespace where its kind has none, or the other way round".to_owned(),
            next: "Write metadata.name, and metadata.namespace where the kind has one.".to_owned(),
        });
    }
    Ok(kind.subject(text("/metadata/namespace"), name))
}

/// Nodes and what makes the cluster work came with the lab's own cluster: they may be changed, never deleted.
fn is_of_the_cluster(subject: &Subject) -> bool {
    subject.is("node") || subject.namespace() == "kube-system"
}

fn foreign(subject: &Subject) -> LabError {
    LabError::Live {
        what: format!("changing {subject}"),
        why: format!("it does not carry the label {}", api::OWNED),
        next: "The lab changes only what it made itself.".to_owned(),
    }
}

/// Sets the value at a JSON pointer, making objects on the way; null removes it.
fn set(whole: &mut Value, pointer: &str, value: &Value) -> Result<(), String> {
    let mut keys: Vec<String> =
        pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
    let last = keys.pop().ok_or("the pointer is empty")?;
    let mut at = whole;
    for key in &keys {
        at = match at {
            Value::Object(map) => map.entry(key).or_insert_with(|| Value::Object(serde_json::Map::new())),
            Value::Array(list) => {
                let index: usize = key.parse().map_err(|_| format!("`{key}` is no place in a list"))?;
                list.get_mut(index).ok_or(format!("the list has no item {index}"))?
            }
            _ => return Err(format!("`{key}` lies inside a plain value")),
        };
    }
    match at {
        Value::Object(map) if value.is_null() => drop(map.remove(&last)),
        Value::Object(map) => drop(map.insert(last, value.clone())),
        Value::Array(list) => {
            let index: usize = last.parse().map_err(|_| format!("`{last}` is no place in a list"))?;
            match list.get_mut(index) {
                Some(_) if value.is_null() => drop(list.remove(index)),
                Some(item) => *item = value.clone(),
                None => return Err(format!("the list has no item {index}")),
            }
        }
        _ => return Err(format!("`{last}` lies inside a plain value")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pointer_sets_adds_and_removes() {
        let mut object = json!({"spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}});
        set(&mut object, "/spec/ports/0/targetPort", &json!(80)).unwrap();
        set(&mut object, "/metadata/annotations/x~1y", &json!("z")).unwrap();
        set(&mut object, "/spec/selector", &Value::Null).unwrap();
        assert_eq!(
            object,
            json!({"metadata": {"annotations": {"x/y": "z"}}, "spec": {"ports": [{"port": 80, "targetPort": 80}]}})
        );
        assert!(set(&mut object, "/spec/ports/1/port", &json!(1)).is_err());
    }

    #[test]
    fn an_object_without_a_name_is_refused() {
        let service = json!({"kind": "Service", "metadata": {"name": "s", "namespace": "n"}});
        assert_eq!(subject_of(&service).unwrap().to_string(), "service/n/s");
        assert!(subject_of(&json!({"kind": "Service", "metadata": {"name": "s"}})).is_err());
        assert!(subject_of(&json!({"kind": "Node", "metadata": {"name": "s"}})).is_ok());
    }
}
