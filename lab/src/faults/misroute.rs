//! A node gets routes that lead the pods of another node nowhere, as a VPN client or a leftover of a migration brings them.

use futures::future::BoxFuture;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Break;
use crate::{
    LabError,
    ledger::Mutation,
    rigs::{Action, Live, Now},
};

/// `misroute: {node: worker2, to: worker}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Misroute {
    /// The node that gets the routes, by role.
    pub node: String,
    /// The node whose pods they are about, by role.
    pub to: String,
}

impl Misroute {
    /// The halves of the other node's pod network: routes to them win over the one to the whole.
    async fn halves(&self, live: &Live) -> Result<Vec<IpNet>, LabError> {
        let name = &live.rig.node(&self.to)?.name;
        let node = live.read(&diagnoser::Subject::global("node", name)).await?;
        let network = node.pointer("/spec/podCIDR").and_then(Value::as_str).and_then(|text| text.parse::<IpNet>().ok());
        let halves = network.and_then(|network| network.subnets(network.prefix_len() + 1).ok());
        Ok(halves.into_iter().flatten().collect())
    }
}

impl Break for Misroute {
    fn mutations<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Vec<Mutation>, LabError>> {
        Box::pin(async move {
            let node = &live.rig.node(&self.node)?.name;
            let each = self.halves(live).await?.into_iter().map(|half| {
                Mutation::new(
                    format!("lead {half} nowhere on {node}"),
                    Action::shell(node, &format!("ip route add blackhole {half}")),
                    format!("remove the route to {half} on {node}"),
                    Action::shell(node, &format!("ip route del blackhole {half} 2>/dev/null || true")),
                )
            });
            Ok(each.collect())
        })
    }

    /// The node's look-up of an address over there says so.
    fn effect<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Now<String>, LabError>> {
        Box::pin(async move {
            let routes = live.rig.node(&self.node)?.shell("ip route show type blackhole").await?;
            let there = self.halves(live).await?.iter().all(|half| routes.contains(&half.to_string()));
            Ok(if there { Now::Holds(format!("{} has them", self.node)) } else { Now::NotYet(routes) })
        })
    }

    fn is_exclusive(&self) -> bool {
        true
    }
}
