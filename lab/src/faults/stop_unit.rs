//! A service of a node is stopped: its kubelet, its container runtime.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::Break;
use crate::{
    LabError,
    ledger::Mutation,
    rigs::{Action, Live, Now},
};

/// `stop-unit: {node: worker2, unit: kubelet}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopUnit {
    /// The node, by role.
    pub node: String,
    /// The systemd unit.
    pub unit: String,
}

impl Break for StopUnit {
    fn mutations<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Vec<Mutation>, LabError>> {
        Box::pin(async move {
            let node = &live.rig.node(&self.node)?.name;
            let unit = &self.unit;
            Ok(vec![Mutation::new(
                format!("stop {unit} on {node}"),
                Action::shell(node, &format!("systemctl stop '{unit}'")),
                format!("start {unit} on {node}"),
                Action::shell(node, &format!("systemctl start '{unit}'")),
            )])
        })
    }

    /// systemd says that it does not run.
    fn effect<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Now<String>, LabError>> {
        Box::pin(async move {
            let node = live.rig.node(&self.node)?;
            let state = node.shell(&format!("systemctl is-active '{}' || true", self.unit)).await?;
            let says = format!("{} on {} is {}", self.unit, node.name, state.trim());
            Ok(if state.trim() == "inactive" { Now::Holds(says) } else { Now::NotYet(says) })
        })
    }

    fn is_exclusive(&self) -> bool {
        true
    }
}
