//! One object is changed, in one or several of its fields at once: a rollout that went wrong, an edit by hand.

use std::collections::BTreeMap;

use diagnoser::Subject;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Break;
use crate::{
    LabError,
    ledger::Mutation,
    rigs::{Live, Now},
};

/// `patch: {object: ingress/shop/web, set: {/spec/rules/0/host: shop.example.com}}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// The object.
    pub object: Subject,
    /// Fields by JSON pointer, all set at once; null removes one.
    pub set: BTreeMap<String, Value>,
    /// Workloads that are restarted after it, because they read it when they start.
    #[serde(default)]
    pub restart: Vec<Subject>,
}

/// What `kubectl rollout restart` sets.
const RESTARTED: &str = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";

/// The change that restarts a workload.
pub(super) async fn restart(live: &Live, workload: &Subject) -> Result<Mutation, LabError> {
    let now = live.read(workload).await?;
    Ok(Mutation::set(&now, workload, RESTARTED, json!(jiff::Timestamp::now().to_string())))
}

/// Whether the controller of a workload has taken its newest form up.
pub(super) async fn taken_up(live: &Live, object: &Subject) -> Result<Now<String>, LabError> {
    let now = live.read(object).await?;
    let number = |pointer: &str| now.pointer(pointer).and_then(Value::as_i64);
    let (made, seen) = (number("/metadata/generation"), number("/status/observedGeneration"));
    Ok(match seen {
        Some(seen) if Some(seen) < made => Now::NotYet(format!("{object} is not taken up yet")),
        _ => Now::Holds(format!("{object} is changed")),
    })
}

impl Break for Patch {
    fn mutations<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Vec<Mutation>, LabError>> {
        Box::pin(async move {
            let fields: Vec<(String, Value)> = self.set.clone().into_iter().collect();
            let mut all = vec![Mutation::edit(&live.read(&self.object).await?, &self.object, fields)];
            for workload in &self.restart {
                all.push(restart(live, workload).await?);
            }
            Ok(all)
        })
    }

    /// The object is as the fault wrote it, and its controller has taken that up.
    fn effect<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Now<String>, LabError>> {
        Box::pin(async move {
            let now = live.read(&self.object).await?;
            for (path, value) in &self.set {
                let found = now.pointer(path).unwrap_or(&Value::Null);
                if !holds(found, value) {
                    return Ok(Now::NotYet(format!("{} {path} reads {found}", self.object)));
                }
            }
            for workload in &self.restart {
                if let Now::NotYet(why) = taken_up(live, workload).await? {
                    return Ok(Now::NotYet(why));
                }
            }
            taken_up(live, &self.object).await
        })
    }

    /// Nodes, and what is in kube-system, serve the whole cluster.
    fn is_exclusive(&self) -> bool {
        self.object.is("node") || self.object.namespace() == "kube-system"
    }
}

/// Whether a value has all that was written; the API server adds defaults.
fn holds(found: &Value, written: &Value) -> bool {
    match (found, written) {
        (Value::Object(found), Value::Object(written)) => written
            .iter()
            .all(|(key, value)| value.is_null() || found.get(key).is_some_and(|found| holds(found, value))),
        (Value::Array(found), Value::Array(written)) => {
            found.len() == written.len() && found.iter().zip(written).all(|(found, written)| holds(found, written))
        }
        (found, written) => found == written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_that_the_server_adds_do_not_matter() {
        let found = json!({"httpGet": {"path": "/x", "scheme": "HTTP"}, "periodSeconds": 10});
        assert!(holds(&found, &json!({"httpGet": {"path": "/x"}})));
        assert!(!holds(&found, &json!({"httpGet": {"path": "/y"}})));
        assert!(!holds(&json!([1, 2]), &json!([1])));
    }
}
