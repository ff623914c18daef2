//! Some of the packets of a workload's pods are lost on their way, whatever is sent.
//!
//! # What it looks like
//! The slowest requests of one workload are late by 200 ms, 400 ms and so on, and so are those of whoever it asks and of whoever asks
//! it; where much is lost most are, and some fail. Fewer requests are served than before. Nothing restarts, and its CPU is not
//! busier. More is sent again for as long as it lasts, where a mere delay shows that at its beginning at most.
//!
//! # Confirm by hand
//! `kubectl -n NS exec POD -- ping -c 50 ADDRESS` loses some, and takes no longer for the others; on its node
//! `nsenter -n -t PID nstat TcpRetransSegs TcpOutSegs`, twice, and `nsenter -n -t PID tc -s qdisc show` (netem with a `loss`).
//!
//! # Fix
//! Take away what loses them (`tc qdisc del dev eth0 root` in the pod's network), or delete the pod: another gets a new interface.
//!
//! # Who acts
//! Whoever owns the network of the pods; the owner of the workload can move it.
//!
//! # Source
//! RFC 6298; tc-netem(8); nstat(8).

use std::collections::BTreeSet;

use super::{Case, Cause, Finding, Lack, State, pod_network_delay};
use crate::{
    delays::{self, Fit, Measured, Part},
    diagnosis::Fix,
    losses::{self, Queue},
    model::Model,
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct PodPacketLoss;

/// Who loses most sends so many times as much again as the next: those it talks with send some again as well.
const CLEARLY: f64 = 2.0;

impl Cause for PodPacketLoss {
    fn id(&self) -> &'static str {
        "pod-packet-loss"
    }

    fn source(&self) -> &'static str {
        include_str!("pod_packet_loss.rs")
    }

    fn owner(&self) -> &'static str {
        "network"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let all = delays::measured(model);
        let mut findings = by_queues(model, &all);
        let shows = |measured: &Measured<'_>| measured.is_late() || measured.tail.is_some();
        if !findings.is_empty() || !all.iter().any(shows) {
            return findings;
        }
        let again = losses::again_of_workloads(model, &all);
        let rate = |at: usize| again.iter().find(|(of, _)| *of == at).map_or(0.0, |(_, again)| again.rate);
        let (fit, parts) = delays::best(&all, shows);
        let alone = match (fit, parts.as_slice()) {
            (Fit::Called, [Part::Workload(at)]) => Some(*at),
            (Fit::Callers, [Part::Workload(at)]) if all[*at].calls.is_empty() => Some(*at),
            _ => None,
        };
        let nodes = losses::again_on_nodes(model, &all);
        for (at, measured) in all.iter().enumerate().filter(|(_, measured)| shows(measured)) {
            let own = again.iter().find(|(of, _)| *of == at).map(|(_, again)| again.cited.clone());
            let most = (0..all.len()).all(|other| other == at || rate(at) >= CLEARLY * rate(other));
            let node = nodes.iter().find(|again| measured.nodes.contains(again.name)).map(|again| again.cited.clone());
            // Where its node counts it, it is the only one there who is late.
            let beside =
                |late: bool| all.iter().filter(|other| other.nodes == measured.nodes && shows(other) == late).count();
            let counted = own.filter(|_| most).or_else(|| node.filter(|_| beside(true) == 1 && beside(false) > 0));
            // Requests that reach all it asks in pieces are not late for its own slowness.
            let in_pieces = || {
                let pieces = measured.calls.iter().all(|at| all[*at].tail.is_some());
                let seen = again.is_empty() && delays::unmeasured(model, &all).is_none();
                fit == Fit::Called && alone == Some(at) && measured.is_uneven() && pieces && seen
            };
            let state = if let Some(busy) = pod_network_delay::busy(model, measured) {
                State::excluded("it is busier than before, or throttled", vec![busy])
            } else if let Some(fault) = pod_network_delay::told_to_wait(model) {
                State::excluded("the mesh is told to hold requests up", vec![fault])
            } else if let Some(counted) = counted {
                State::holds(
                    measured.cite(model).into_iter().chain([counted]).collect(),
                    fix(model, &measured.workload),
                )
            } else {
                match losses::queue_of_pods(model, &measured.workload) {
                    Some(Queue::Delays(queue)) => State::excluded("its packets are held up, and not lost", vec![queue]),
                    Some(Queue::Passes(queue) | Queue::Loses(queue)) => {
                        State::excluded("nothing loses what its pods send", vec![queue])
                    }
                    None if measured.median.is_some() && !measured.is_spread() => {
                        let cited = measured.cite(model).into_iter().collect();
                        State::excluded(
                            "its requests are late by much the same, and nothing says that more is sent again",
                            cited,
                        )
                    }
                    None if in_pieces() && !losses::is_counted_of_workload(model, measured) => {
                        let called = measured.calls.iter().filter_map(|at| all[*at].cite_tail(model)).take(3);
                        let evidence = measured.cite(model).into_iter().chain(called).collect();
                        State::holds(evidence, fix(model, &measured.workload))
                    }
                    None => State::Undecided(lacks(model, measured)),
                }
            };
            findings.push(finding(model, &all, &measured.workload, state));
        }
        findings
    }
}

/// Workloads in whose pods' network a queue loses packets.
fn by_queues(model: &Model<'_>, all: &[Measured<'_>]) -> Vec<Finding> {
    let hosts = &model.evidence.hosts;
    let looked = hosts.names().any(|host| hosts.fact_names(host).any(|fact| fact.starts_with("tc-")));
    let pods = model.evidence.objects.of_kind("pod").filter(|_| looked).map(|pod| model.workload_of(pod.subject()));
    let workloads: BTreeSet<Subject> = pods.collect();
    let losing = workloads.into_iter().filter_map(|workload| {
        let Some(Queue::Loses(queue)) = losses::queue_of_pods(model, &workload) else { return None };
        let late = all.iter().find(|measured| measured.workload == workload).and_then(|measured| measured.cite(model));
        let state = State::holds([queue].into_iter().chain(late).collect(), fix(model, &workload));
        Some(finding(model, all, &workload, state))
    });
    losing.collect()
}

fn finding(model: &Model<'_>, all: &[Measured<'_>], workload: &Subject, state: State) -> Finding {
    let pods = model.pods_of(workload).map(|pod| (pod.subject().clone(), Mode::Slow));
    let effects = pod_network_delay::effects(all, workload).into_iter().chain(pods).collect();
    Finding { subject: workload.clone(), effects, state }
}

fn fix(model: &Model<'_>, workload: &Subject) -> Fix {
    Fix {
        summary: format!("Take away what loses the packets of {workload}, or let its pods be made anew"),
        patch: pod_network_delay::anew(model, workload),
    }
}

/// What would say that packets are lost: its queues, and what it sends again.
fn lacks(model: &Model<'_>, measured: &Measured<'_>) -> Vec<Lack> {
    let counters = model.pods_of(&measured.workload).next().map(|pod| {
        let node = pod.node().unwrap_or_default();
        let why = "not collected, and more is sent again for as long as packets are lost".to_owned();
        let command = "nstat -as TcpOutSegs TcpRetransSegs";
        Lack { request: None, ..Lack::pod_fact(pod.subject(), node, "nstat", command, why) }
    });
    pod_network_delay::lacks(model, measured).into_iter().chain(counters).collect()
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    /// `a` calls `b` and `c`, `d` beside it calls `c`; medians and slowest tenths of all, and what `b` and the nodes send again.
    fn world(late: &str, again: [&str; 3]) -> String {
        let workload = |name: &str, node: &str, calls: &str| {
            format!(
                "service n/{name}  selector app={name}  80 -> 80
                 deployment n/{name}  app={name}
                 pod n/{name}-1  app={name}  ready  on {node}  owner deployment/n/{name}
                 set pod/n/{name}-1 spec.containers[0].args={calls}\n"
            )
        };
        let names = ["a", "b", "c", "d"];
        let header: Vec<String> = names.iter().map(|n| format!("{n}-p50latency,{n}-p90latency")).collect();
        let row = |at: usize, cells: &str, again: [&str; 3]| {
            format!("{at},{},{}", cells.replace([' ', '/'], ","), again.join(","))
        };
        let well = (0..6).map(|at| row(at, "9/15 3/5 3/5 3/5", ["0.1"; 3]));
        let table: Vec<String> = well.chain((6..15).map(|at| row(at, late, again))).collect();
        format!(
            "{}{}{}{}probe service/n/a:80  connected in 1ms\nfile metrics.csv | time,{},b-tcp_retrans,n1-tcp_retrans,n2-tcp_retrans | {}\n",
            workload("a", "n1", "[\"http://b:80/\",\"http://c:80/\"]"),
            workload("b", "n2", "[]"),
            workload("c", "n2", "[]"),
            workload("d", "n1", "[\"http://c:80/\"]"),
            header.join(","),
            table.join(" | ")
        )
    }
    const LATE: &str = "9/900 3/600 3/5 3/5";
    const CALM: [&str; 3] = ["0.1"; 3];

    #[test]
    fn holds_where_it_sends_again_to_the_end() {
        check(&format!("{}=> pod-packet-loss deployment/n/b", world(LATE, ["8", "0.1", "0.1"])));
        check(&format!("{}=> pod-packet-loss deployment/n/b", world("250/1800 220/1500 3/5 3/5", ["8", "0.1", "0.1"])));
        // Its node counts it, and it is the only one there who is late.
        check(&format!("{}=> pod-packet-loss deployment/n/b", world(LATE, ["0.1", "0.1", "8"])));
    }

    #[test]
    fn holds_where_requests_reach_those_it_asks_in_pieces() {
        check(&format!(
            "{}=> pod-packet-loss deployment/n/a",
            world("9/900 3/600 3/600 3/5", CALM).replace("b-tcp_retrans", "d-tcp_retrans")
        ));
        // Counted, and calm.
        let counted = world("9/900 3/600 3/600 3/5", CALM).replace("b-tcp_retrans", "a-tcp_retrans");
        check(&format!("{counted}=> unknown lacks hosts/n1/tc-n_a-1.txt"));
    }

    #[test]
    fn holds_by_its_queue() {
        let queue = "file hosts/n2/tc-n_b-1.txt | qdisc netem 8001: dev eth0 root refcnt 2 limit 1000 loss 30%";
        check(&format!("{}{queue}\n=> pod-packet-loss deployment/n/b", world(LATE, CALM)));
        check(&format!("{}{queue}\n=> pod-packet-loss deployment/n/b", world("2000/2100 1900/2000 3/5 3/5", CALM)));
    }

    #[test]
    fn twins_a_delay_and_a_queue_that_loses_nothing() {
        let late = world("2000/2100 1900/2000 3/5 3/5", CALM);
        check(&format!("{late}=> unknown lacks hosts/n2/tc-n_b-1.txt"));
        let queue = "file hosts/n2/tc-n_b-1.txt | qdisc netem 8001: dev eth0 root refcnt 2 limit 1000 delay 2s";
        check(&format!("{late}{queue}\n=> pod-network-delay deployment/n/b"));
        let none = "file hosts/n2/tc-n_b-1.txt | qdisc noqueue 0: dev eth0 root refcnt 2";
        check(&format!("{}{none}\n=> unknown", world(LATE, CALM)));
    }

    #[test]
    fn unknown_without_what_is_sent_again() {
        check(&format!("{}=> unknown lacks hosts/n2/nstat-n_b-1.txt", world(LATE, CALM)));
        check(&format!("{}=> unknown lacks hosts/n2/tc-n_b-1.txt", world("250/1800 220/1500 3/5 3/5", CALM)));
    }
}
