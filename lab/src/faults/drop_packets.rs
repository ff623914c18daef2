//! A node's firewall drops what is forwarded to the pods of a workload on it.

use diagnoser::Subject;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Break;
use crate::{
    LabError,
    ledger::Mutation,
    rigs::{Action, Live, Now},
};

/// `drop-packets: {to: statefulset/shop/api, port: 80}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropPackets {
    /// The workload.
    pub to: Subject,
    /// The port of its pods.
    pub port: u16,
    /// Only on this node, by role; else on every node that has a pod of it.
    #[serde(default)]
    pub node: Option<String>,
}

impl DropPackets {
    /// The pods' nodes and addresses.
    async fn places(&self, live: &Live) -> Result<Vec<(String, String)>, LabError> {
        let only = self.node.as_ref().map(|node| live.rig.node(node)).transpose()?;
        let text =
            |pod: &Value, pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let pods = live.pods(&self.to).await?;
        let places = pods.iter().map(|pod| (text(pod, "/spec/nodeName"), text(pod, "/status/podIP")));
        Ok(places.filter(|(node, _)| only.is_none_or(|only| only.name == *node)).collect())
    }

    fn rule(&self, address: &str) -> String {
        format!("FORWARD -d {address}/32 -p tcp -m tcp --dport {} -j DROP", self.port)
    }
}

impl Break for DropPackets {
    fn mutations<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Vec<Mutation>, LabError>> {
        Box::pin(async move {
            let places = self.places(live).await?;
            let each = places.iter().map(|(node, address)| {
                let rule = self.rule(address);
                Mutation::new(
                    format!("drop what goes to {address}:{} on {node}", self.port),
                    Action::shell(node, &format!("iptables -I {rule}")),
                    format!("let through on {node} what goes to {address}:{}", self.port),
                    Action::shell(node, &format!("! iptables -C {rule} 2>/dev/null || iptables -D {rule}")),
                )
            });
            Ok(each.collect())
        })
    }

    /// Every rule is there.
    fn effect<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Now<String>, LabError>> {
        Box::pin(async move {
            let places = self.places(live).await?;
            for (node, address) in &places {
                live.rig.node(node)?.shell(&format!("iptables -C {}", self.rule(address))).await?;
            }
            Ok(Now::Holds(format!("{} rules drop what goes to {}", places.len(), self.to)))
        })
    }

    fn is_exclusive(&self) -> bool {
        true
    }
}
