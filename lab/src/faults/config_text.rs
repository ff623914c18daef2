//! A part of a configuration file in a ConfigMap is changed, and who reads it at its start is restarted.

use diagnoser::Subject;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Break, patch};
use crate::{
    LabError,
    ledger::Mutation,
    rigs::{Live, Now, rolled_out},
};

/// `config-text: {object: configmap/edge/edge, key: nginx.conf, from: "listen 80;", to: "listen 81;", restart: [deployment/edge/edge]}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigText {
    /// The ConfigMap.
    pub object: Subject,
    /// The file in it.
    pub key: String,
    /// The text that is replaced; it must be there, once.
    pub from: String,
    /// What stands there afterwards.
    pub to: String,
    /// Workloads that are restarted after it.
    #[serde(default)]
    pub restart: Vec<Subject>,
}

impl ConfigText {
    fn path(&self) -> String {
        format!("/data/{}", self.key.replace('~', "~0").replace('/', "~1"))
    }
}

impl Break for ConfigText {
    fn mutations<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Vec<Mutation>, LabError>> {
        Box::pin(async move {
            let now = live.read(&self.object).await?;
            let text = now.pointer(&self.path()).and_then(Value::as_str).unwrap_or_default();
            if text.matches(&self.from).count() != 1 {
                return Err(LabError::BadInput {
                    place: format!("config-text {}", self.object),
                    what: format!("`{}` is not in {} exactly once", self.from, self.key),
                    next: "Give a part of the file as the world's manifests have it.".to_owned(),
                });
            }
            let changed = text.replacen(&self.from, &self.to, 1);
            let mut all = vec![Mutation::set(&now, &self.object, &self.path(), json!(changed))];
            for workload in &self.restart {
                all.push(patch::restart(live, workload).await?);
            }
            Ok(all)
        })
    }

    /// Who reads it has started anew.
    fn effect<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Now<String>, LabError>> {
        Box::pin(async move {
            for workload in &self.restart {
                if let Err(why) = rolled_out(Some(&live.read(workload).await?)) {
                    return Ok(Now::NotYet(format!("{workload}: {why}")));
                }
            }
            Ok(Now::Holds(format!("{} is changed", self.object)))
        })
    }

    fn is_exclusive(&self) -> bool {
        self.object.namespace() == "kube-system"
    }
}
