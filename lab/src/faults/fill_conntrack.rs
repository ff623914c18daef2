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

/// Room that is left where entries give way, for new ones to come in before the first has to.
const SPARE: u32 = 100;
/// The addresses of the entries: a range for documentation (RFC 5737), nobody's.
const NOBODY: &str = "198.51.100.0/24";
/// Makes room by ending what ends soon anyway, then loads as many entries as the table takes.
const FILL: &str = r#"
conntrack -D -p udp; conntrack -D -p icmp
for state in SYN_SENT SYN_RECV FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE; do conntrack -D -p tcp --state $state; done
max=$(sysctl -n net.netfilter.nf_conntrack_max); count=$(sysctl -n net.netfilter.nf_conntrack_count)
awk -v n=$((max - count - {spare})) -v flags="{flags}" 'BEGIN { for (i = 0; i < n; i++) {
  c = "198.51.100." (1 + int(i / 50000)); p = 10000 + i % 50000
  printf "-A -t 900 %s -s %s -d 203.0.113.10 -r 203.0.113.10 -q %s -p tcp --sport %d --dport 443", flags, c, c, p
  printf " --reply-port-src 443 --reply-port-dst %d --state ESTABLISHED\n", p } }' | conntrack -R -
true
"#;

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
            let (flags, spare) = if self.assured { ("-u SEEN_REPLY,ASSURED", 0) } else { ("", SPARE) };
            let fill = FILL.replace("{flags}", flags).replace("{spare}", &spare.to_string());
            Ok(vec![Mutation::new(
                format!("fill the connection tracking table of {node}"),
                Action::shell(node, &format!("{{ {fill} }} >/dev/null 2>&1")),
                format!("flush the connection tracking table of {node}"),
                // Only these: a flush would also cut connections that go on, and their ends notice late.
                Action::shell(node, &format!("pkill -x conntrack; conntrack -D -s {NOBODY} >/dev/null 2>&1; true")),
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

    fn is_exclusive(&self) -> bool {
        true
    }
}
