//! A node's connection tracking table is filled with entries loaded from outside: no flood is needed.

use std::time::Duration;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::Break;
use crate::{
    LabError,
    ledger::Mutation,
    rigs::{Action, Live, Now},
};

/// `fill-conntrack: {node: worker, assured: true}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FillConntrack {
    /// The node, by role. Only the table of its own network namespace is touched.
    pub node: String,
    /// Whether the entries are assured: those stay when the table is full, and new connections are dropped. Others give way.
    pub assured: bool,
}

/// How long the world's own traffic gets to show whether packets are dropped.
const WINDOW: Duration = Duration::from_secs(2);
/// From which share of the maximum the table counts as full.
const FULL: f64 = 0.95;

/// The table of one node at one moment.
#[derive(Debug, Default)]
struct Table {
    count: f64,
    max: f64,
    drop: u64,
    early_drop: u64,
}

impl FillConntrack {
    async fn table(&self, live: &Live) -> Result<Table, LabError> {
        let read = "sysctl -n net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max; conntrack -S";
        let text = live.rig.node(&self.node)?.shell(read).await?;
        let numbers: Vec<f64> = text.lines().take(2).filter_map(|line| line.trim().parse().ok()).collect();
        let sum = |key: &str| {
            let pairs = text.split_whitespace().filter_map(|word| word.split_once('='));
            pairs.filter(|(name, _)| *name == key).filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
        };
        let at = |index: usize| numbers.get(index).copied().unwrap_or_default();
        Ok(Table { count: at(0), max: at(1), drop: sum("drop"), early_drop: sum("early_drop") })
    }
}

impl Break for FillConntrack {
    fn mutations<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Vec<Mutation>, LabError>> {
        Box::pin(async move {
            let node = &live.rig.node(&self.node)?.name;
            let flags = if self.assured { "ASSURED,SEEN_REPLY" } else { "SEEN_REPLY" };
            // Addresses of the range for benchmarks (RFC 2544): nobody's. Loading ends with an error when the table is full.
            let fill = format!(
                "max=$(sysctl -n net.netfilter.nf_conntrack_max); file=$(mktemp); \
                 awk -v max=$max -v flags={flags} 'BEGIN {{ for (i = 0; i < max; i++) {{ \
                   a = sprintf(\"198.18.%d.%d\", i / 256 % 256, i % 256); port = 1024 + int(i / 65536); \
                   print \"-A -s\", a, \"-d 198.19.0.1 -r 198.19.0.1 -q\", a, \"-p tcp --sport\", port, \"--dport 80\", \
                   \"--reply-port-src 80 --reply-port-dst\", port, \"--state ESTABLISHED -u\", flags, \"-t 3600\" }} }}' >$file; \
                 conntrack -R $file >/dev/null 2>&1; rm -f $file; true"
            );
            Ok(vec![Mutation::new(
                format!("fill the connection tracking table of {node}"),
                Action::shell(node, &fill),
                format!("flush the connection tracking table of {node}"),
                Action::shell(node, "pkill -x conntrack; conntrack -F >/dev/null 2>&1"),
            )])
        })
    }

    /// The table is full and packets are dropped; or, where entries give way, they do and nothing is dropped.
    fn effect<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Now<String>, LabError>> {
        Box::pin(async move {
            let before = self.table(live).await?;
            sleep(WINDOW).await;
            let after = self.table(live).await?;
            let (drop, gave_way) = (after.drop - before.drop, after.early_drop - before.early_drop);
            let says = format!(
                "{} of {} entries; in {} s {drop} packets were dropped and {gave_way} entries gave way",
                after.count,
                after.max,
                WINDOW.as_secs()
            );
            let bit = if self.assured { drop > 0 } else { gave_way > 0 && drop == 0 };
            Ok(if bit && after.count >= FULL * after.max { Now::Holds(says) } else { Now::NotYet(says) })
        })
    }
}
