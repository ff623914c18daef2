//! One instance of several goes bad: its settings stay those of the others, its process behaves otherwise.

use std::collections::BTreeMap;

use diagnoser::Subject;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Break;
use crate::{
    LabError,
    ledger::Mutation,
    rigs::{Action, Live, Now, of_process, running_container},
};

/// `degrade-pod: {pod: pod/shop/api-1, set: {DELAY: 800ms}}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DegradePod {
    /// The pod, of a workload whose pods keep their names.
    pub pod: Subject,
    /// Settings of the workload program that this one instance takes on: DELAY, STATUS, ERROR_RATE.
    pub set: BTreeMap<String, String>,
}

/// Where the workload program looks for settings of its own instance.
const FILE: &str = "/tmp/behaviour";

impl DegradePod {
    /// A script about the running container's file, on the pod's node.
    async fn script(&self, live: &Live, script: &str) -> Result<(String, String), LabError> {
        let pod = live.read(&self.pod).await?;
        let node = pod.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default();
        let container = running_container(&pod).ok_or_else(|| LabError::Live {
            what: format!("looking for the process of {}", self.pod),
            why: "its container does not run".to_owned(),
            next: "Run it again.".to_owned(),
        })?;
        Ok((live.rig.node(node)?.name.clone(), of_process(container, script)))
    }
}

impl Break for DegradePod {
    fn mutations<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Vec<Mutation>, LabError>> {
        Box::pin(async move {
            let lines: String = self.set.iter().map(|(key, value)| format!("{key}={value}\\n")).collect();
            let (node, write) = self.script(live, &format!("printf '{lines}' >/proc/$pid/root{FILE}")).await?;
            let (_, remove) = self.script(live, &format!("rm -f /proc/$pid/root{FILE}")).await?;
            // Where the pod was made anew there is nothing to take back.
            let undo = Action::shell(&node, &format!("( {remove} ) || true"));
            Ok(vec![Mutation::new(
                format!("let {} alone behave otherwise: {:?}", self.pod, self.set),
                Action::shell(&node, &write),
                format!("let {} behave like the others", self.pod),
                undo,
            )])
        })
    }

    /// The file is there for the process to read.
    fn effect<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Now<String>, LabError>> {
        Box::pin(async move {
            let (node, read) = self.script(live, &format!("cat /proc/$pid/root{FILE}")).await?;
            let text = live.rig.node(&node)?.shell(&read).await?;
            Ok(Now::Holds(format!("{} has settings of its own: {}", self.pod, text.trim().replace('\n', " "))))
        })
    }
}
