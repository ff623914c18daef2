//! `hosts/<node>/<fact>.txt`: what ordinary commands print on every node.

use futures::future::try_join_all;
use jiff::Timestamp;

use super::Part;
use crate::{
    LabError,
    replay::Files,
    rigs::{Live, Node},
};

/// Facts by name, with the command of each; `{since}` is when the run began, in seconds.
const FACTS: [(&str, &str); 13] = [
    ("conntrack", "conntrack -S"),
    ("df", "df -P | grep -v -e ' /run/containerd/' -e ' /var/lib/kubelet/pods/'"),
    ("df-inodes", "df -iP | grep -v -e ' /run/containerd/' -e ' /var/lib/kubelet/pods/'"),
    ("dmesg", "dmesg --time-format iso --since @{since}"),
    ("inodes-by-directory", INODES),
    ("ip-route", "ip route"),
    ("journal-kubelet", "journalctl -u kubelet --no-pager -o short-iso --since @{since} -n 12"),
    ("netns", "readlink /proc/self/ns/net"),
    ("ss", "ss -tlnp"),
    ("sysctl", SYSCTL),
    ("systemctl-containerd", "systemctl status containerd --no-pager -n 0 | sed '/CGroup:/,$d'"),
    ("systemctl-kubelet", "systemctl status kubelet --no-pager -n 0 | sed '/CGroup:/,$d'"),
    ("uname", "uname -a"),
];

/// Facts that are taken only when the diagnoser asks, because they cost the node something, or are long.
const ASKED: [(&str, &str); 2] =
    [("conntrack-sources", SOURCES), ("nft", "nft list ruleset 2>/dev/null || iptables-save")];

/// Who the entries of the connection tracking table are from: how many, and the network of their first source address.
const SOURCES: &str = "conntrack -L 2>/dev/null | awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^src=/) { \
                       split(substr($i, 5), a, \".\"); n[a[1] \".\" a[2] \".0.0/16\"]++; break } } \
                       END { for (s in n) print n[s], s }' | sort -rn | head";

const SYSCTL: &str = "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max \
                      net.ipv4.ip_local_port_range net.ipv4.ip_forward net.ipv4.tcp_tw_reuse net.core.somaxconn";

/// Of file systems that have used more than 90 % of their inodes: the folders with the most entries.
const INODES: &str = "df -iP | awk 'NR > 1 && $2 > 0 && $3 / $2 > 0.9 { print $6 }' | sort -u | while read -r mount; do \
                      echo \"# $mount\"; find \"$mount\" -xdev -mindepth 1 -printf '%h\\n' | sort | uniq -c | sort -rn | head; done";

/// The counters that are read twice, under the name that says they are the earlier ones.
pub(super) async fn counters(live: &Live) -> Result<Part, LabError> {
    of_all(live.rig.nodes(), &[("conntrack.earlier", "conntrack -S")], "0").await
}

/// Every fact of every node.
pub(super) async fn collect(live: &Live, begun: Timestamp) -> Result<Part, LabError> {
    of_all(live.rig.nodes(), &FACTS, &begun.as_second().to_string()).await
}

/// One fact of one node, asked for by the diagnoser.
pub(super) async fn answer(node: &Node, fact: &str) -> Result<Files, String> {
    let (_, command) = FACTS
        .iter()
        .chain(&ASKED)
        .find(|(name, _)| *name == fact)
        .ok_or(format!("the lab has no command for `{fact}`"))?;
    asked(node, fact, command, "0").await
}

/// One fact of one node or machine, or why it cannot be had.
pub(super) async fn asked(node: &Node, fact: &str, command: &str, since: &str) -> Result<Files, String> {
    let part = of_one(node, &[(fact, command)], since).await.map_err(|error| error.to_string())?;
    match part.missed.first() {
        Some(missed) => Err(missed.why.clone()),
        None => Ok(part.files),
    }
}

/// Facts of several nodes or machines.
pub(super) async fn of_all(nodes: &[Node], facts: &[(&str, &str)], since: &str) -> Result<Part, LabError> {
    let mut whole = Part::default();
    for part in try_join_all(nodes.iter().map(|node| of_one(node, facts, since))).await? {
        whole.merge(part);
    }
    Ok(whole)
}

async fn of_one(node: &Node, facts: &[(&str, &str)], since: &str) -> Result<Part, LabError> {
    let scripts: Vec<String> = facts.iter().map(|(_, command)| command.replace("{since}", since)).collect();
    let mut part = Part::default();
    for ((fact, _), output) in facts.iter().zip(node.side_by_side(&scripts).await?) {
        let file = format!("hosts/{}/{fact}.txt", node.name);
        match output.ok() {
            Ok(text) => drop(part.files.insert(file, text)),
            Err(why) => part.miss(file, why),
        }
    }
    Ok(part)
}
