//! A Deployment's memory limit is changed, for example to `512m`, which is half a byte.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Break;
use crate::{
    LabError,
    ledger::Mutation,
    rigs::{Live, Now, pod_subject},
};

/// `memory-limit: {deployment: web, limit: 512m}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryLimit {
    /// The Deployment's name; its first container is meant.
    pub deployment: String,
    /// The limit as it is written. The request, which may not be larger, becomes the same.
    pub limit: String,
}

const RESOURCES: &str = "/spec/template/spec/containers/0/resources";

impl Break for MemoryLimit {
    /// One change, of limit and request together: the API server refuses a request that is larger than the limit.
    fn mutations<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Vec<Mutation>, LabError>> {
        Box::pin(async move {
            let deployment = live.find("deployment", &self.deployment)?;
            let now = live.read(deployment).await?;
            let mut resources = now.pointer(RESOURCES).cloned().unwrap_or_else(|| json!({}));
            resources["limits"]["memory"] = json!(self.limit);
            if !resources["requests"]["memory"].is_null() {
                resources["requests"]["memory"] = json!(self.limit);
            }
            Ok(vec![Mutation::set(&now, deployment, RESOURCES, resources)])
        })
    }

    /// The newest pod has the limit and does not become ready; the kubelet has warned about it.
    fn effect<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Now<String>, LabError>> {
        Box::pin(async move {
            let pods = live.pods(live.find("deployment", &self.deployment)?).await?;
            let limit = |pod: &Value| pod.pointer("/spec/containers/0/resources/limits/memory").cloned();
            let Some(pod) = pods.iter().find(|pod| limit(pod) == Some(json!(self.limit))) else {
                return Ok(Now::NotYet(format!("no pod with the limit {} yet", self.limit)));
            };
            let warning = live.warnings(&pod_subject(pod), pod["metadata"]["uid"].as_str()).await?.pop();
            Ok(match warning {
                Some((reason, message)) => Now::Holds(format!("{reason}: {message}")),
                None => Now::NotYet("a new pod, no warning about it yet".to_owned()),
            })
        })
    }
}
