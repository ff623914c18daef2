//! A node's connection tracking table is full and gives no entry up: packets of new connections are dropped.
//!
//! # What it looks like
//! New connections to and from the node's pods time out, those that exist go on. The kernel logs
//! `nf_conntrack: table full, dropping packet` and the drop counters rise. A full table alone proves nothing: entries
//! that are not assured give way, and then nothing is dropped.
//!
//! # Confirm by hand
//! On the node: `sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max`; `conntrack -S` twice, some seconds
//! apart: `drop` rises; `dmesg | grep conntrack`.
//!
//! # Fix
//! Delete the entries of whoever holds most of them (`conntrack -D -s NETWORK`; `conntrack -F` cuts everybody's translated
//! connections as well), then raise `net.netfilter.nf_conntrack_max`, shorten the time-outs, or stop whoever opens that many.
//!
//! # Who acts
//! Whoever runs the nodes (platform or network).
//!
//! # Source
//! net/netfilter/nf_conntrack_core.c (__nf_conntrack_alloc, early_drop); Documentation/networking/nf_conntrack-sysctl.rst.

use super::{Case, Cause, Finding, Lack, Proof, State};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts},
    model::{Model, Relation},
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct ConntrackTableFull;

/// The share of the maximum from which the table counts as full; the count moves while it is read.
const FULL: f64 = 0.95;

impl Cause for ConntrackTableFull {
    fn id(&self) -> &'static str {
        "conntrack-table-full"
    }

    fn source(&self) -> &'static str {
        include_str!("conntrack_table_full.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let evidence = case.model.evidence;
        // Where nobody suffers only what holds is worth a word.
        let nodes = evidence.objects.of_kind("node").filter(|node| case.in_scope(node.subject()));
        let mut hosts: Vec<&str> = nodes.map(|node| node.name()).chain(evidence.hosts.names()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
            .into_iter()
            .map(|host| {
                let subject = evidence.machine(host);
                Finding { effects: effects(case.model, &subject), state: examine(case.model, host), subject }
            })
            .collect()
    }
}

/// Silence on the node itself and on every pod whose packets pass through its table.
fn effects(model: &Model<'_>, node: &Subject) -> Vec<(Subject, Mode)> {
    let mut effects = vec![(node.clone(), Mode::Silent)];
    let pods = model.dependents(node).iter().filter(|(_, relation)| *relation == Relation::RunsOn);
    effects.extend(pods.map(|(pod, _)| (pod.clone(), Mode::Silent)));
    effects
}

fn examine(model: &Model<'_>, host: &str) -> State {
    let hosts = &model.evidence.hosts;
    let lack =
        |fact: &str, command: &str, why: String| State::Undecided(vec![Lack::host_fact(host, fact, command, why)]);
    let count = hosts.sysctl(host, "net.netfilter.nf_conntrack_count");
    let max = hosts.sysctl(host, "net.netfilter.nf_conntrack_max");
    let ((count, count_at), (max, max_at)) = match (count, max) {
        (Fact::Seen(count), Fact::Seen(max)) => (count, max),
        (Fact::Missed(why), _) | (_, Fact::Missed(why)) => {
            return lack("sysctl", "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max", why);
        }
    };
    let filled = [count_at, max_at];
    #[allow(clippy::cast_precision_loss)]
    if (count as f64) < FULL * max as f64 {
        return State::excluded(format!("{host} has {count} of {max} entries"), filled.to_vec());
    }
    let earlier = hosts.conntrack(host, "conntrack.earlier");
    let later = hosts.conntrack(host, "conntrack");
    let (earlier, later) = match (earlier, later) {
        (Fact::Seen(earlier), Fact::Seen(later)) => (earlier, later),
        (_, Fact::Missed(why)) => return lack("conntrack", "conntrack -S", why),
        (Fact::Missed(why), _) => return lack("conntrack.earlier", "conntrack -S, twice some seconds apart,", why),
    };
    let rising = Citation::new(
        Hosts::file(host, "conntrack"),
        "",
        format!("drop {} -> {}, early_drop {} -> {}", earlier.drop, later.drop, earlier.early_drop, later.early_drop),
    );
    if later.drop <= earlier.drop {
        return State::excluded(
            format!("the table of {host} is full and nothing is dropped: entries give way"),
            vec![rising],
        );
    }
    let mut evidence = filled.to_vec();
    evidence.push(rising);
    evidence.extend(kernel_log(model, host));
    let (fix, wants) = fix(model, host, count, &mut evidence);
    State::Holds(Box::new(Proof { evidence, fix, wants, changed: None }))
}

/// Deletes the entries of whoever holds most of the table; where that is not known, all.
fn fix(model: &Model<'_>, host: &str, count: u64, evidence: &mut Vec<Citation>) -> (Fix, Vec<Lack>) {
    const FACT: &str = "conntrack-sources";
    let then = "then raise net.netfilter.nf_conntrack_max or stop whoever fills it";
    let run = |words: &[&str]| {
        let command = words.iter().map(|word| (*word).to_owned()).collect();
        vec![Change::Run { host: host.to_owned(), command }]
    };
    let all = || Fix {
        summary: format!("Flush the connection tracking table of {host}, {then}"),
        patch: run(&["conntrack", "-F"]),
    };
    match model.evidence.hosts.text(host, FACT) {
        Fact::Missed(why) => {
            (all(), vec![Lack::host_fact(host, FACT, "conntrack -L, counted by source network,", why)])
        }
        Fact::Seen(text) => {
            let mut rows = text.lines().enumerate().filter_map(|(i, line)| {
                let (entries, network) = line.trim().split_once(' ')?;
                Some((i + 1, entries.parse::<u64>().ok()?, network.trim()))
            });
            // More than half of the table is somebody's; less could be everybody.
            let Some((line, entries, network)) = rows.find(|(_, entries, _)| entries * 2 > count) else {
                return (all(), vec![]);
            };
            evidence.push(Citation::line(
                &Hosts::file(host, FACT),
                line,
                format!("{entries} entries are from {network}"),
            ));
            let summary = format!("Delete the entries from {network} on {host}, {then}");
            (Fix { summary, patch: run(&["conntrack", "-D", "-s", network]) }, vec![])
        }
    }
}

/// The kernel's own word, where it is about this host's network namespace (or names none).
fn kernel_log(model: &Model<'_>, host: &str) -> Option<Citation> {
    let text = model.evidence.hosts.text(host, "dmesg").seen()?;
    let own = model.evidence.hosts.text(host, "netns").seen().and_then(|text| text.split(['[', ']']).nth(1));
    let (number, line) = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains("table full"))
        .filter(|(_, line)| {
            let named = line.split_once("netns ").map(|(_, rest)| rest.trim_matches(|c: char| !c.is_ascii_digit()));
            let named = named.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
            named.is_none() || own.is_none() || named == own
        })
        .last()?;
    Some(Citation::line(&Hosts::file(host, "dmesg"), number + 1, line.trim()))
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  listens 0.0.0.0:80
             probe service/a/s:80  timeout in 3s";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\nconntrack n1  262144 of 262144  drop 3 -> 90\n=> conntrack-table-full node/n1"));
    }

    #[test]
    fn twin_full_table_that_gives_way() {
        check(&format!("{WORLD}\nconntrack n1  262144 of 262144  drop 3 -> 3\n=> unknown"));
    }

    #[test]
    fn twin_policy() {
        check(&format!(
            "{WORLD}
             conntrack n1  900 of 262144  drop 3 -> 3
             pod a/c-1  app=c  ready  calls s:80
             policy a/lock  selects app=s  denies ingress
             probe pod/a/c-1 -> service/a/s:80  timeout in 2s
             => network-policy-denies-ingress networkpolicy/a/lock"
        ));
    }

    #[test]
    fn twin_refused_is_not_silence() {
        check(
            "service a/s  selector app=s  80 -> 81
             pod a/s-1  app=s  ready  listens 0.0.0.0:80
             conntrack n1  262144 of 262144  drop 3 -> 90
             probe service/a/s:80  refused in 1ms
             => service-port-mismatch service/a/s",
        );
    }

    #[test]
    fn a_pod_that_comes_and_goes_leaves_its_service_empty_at_times() {
        let world = |since: &str| {
            format!(
                "service a/s  selector app=s  80 -> 80
                 pod a/s-1  app=s  ready  since {since}  listens 0.0.0.0:80
                 conntrack n1  262144 of 262144  drop 3 -> 90
                 probe service/a/s:80  timeout in 3s
                 probe service/a/s:80  refused in 1ms"
            )
        };
        check(&format!("{}\n=> conntrack-table-full node/n1", world("2026-01-01T11:59:50Z")));
        check(&format!("{}\n=> unknown", world("2026-01-01T11:50:00Z")));
    }

    #[test]
    fn unknown_without_statistics() {
        check(&format!("{WORLD}\n=> unknown lacks hosts/n1/sysctl.txt"));
    }
}
