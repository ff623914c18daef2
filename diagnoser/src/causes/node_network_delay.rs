//! The packets of a node are held up on their way, each by much the same time.
//!
//! # What it looks like
//! From one moment on every request over the border of the node is late, whoever makes it; what its pods ask of each other, and
//! what the pods of other nodes ask of each other, is as fast as ever. The node is ready, and its CPU is not busier.
//!
//! # Confirm by hand
//! `ping` from that node to each other one takes so much more, and between the others it does not; `tc -s qdisc show` there shows a
//! qdisc that delays, or has a queue; `ip -s link` and the switch's counters show errors where it is the cable.
//!
//! # Fix
//! Take the delay away; until then move what others wait for: `kubectl cordon NODE`, and delete its pods.
//!
//! # Who acts
//! Whoever owns the machine and its network.
//!
//! # Source
//! tc-netem(8); kubernetes.io, Cluster Networking.

use super::{Case, Cause, Finding, Lack, State, node_packet_loss, pod_network_delay};
use crate::{
    delays::{self, Fit, Measured, Part},
    diagnosis::Fix,
    evidence::Citation,
    losses::{self, Queue},
};

/// See the module's comment.
pub struct NodeNetworkDelay;

impl Cause for NodeNetworkDelay {
    fn id(&self) -> &'static str {
        "node-network-delay"
    }

    fn source(&self) -> &'static str {
        include_str!("node_network_delay.rs")
    }

    fn owner(&self) -> &'static str {
        "network"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let all = delays::measured(model);
        if !all.iter().any(Measured::is_late) {
            return vec![];
        }
        let (fit, parts) = delays::best(&all, Measured::is_late);
        let mut findings = Vec::new();
        for part in &parts {
            let Part::Node(node) = *part else { continue };
            let subject = model.evidence.machine(node);
            let state = if let Some(cited) = delays::cite_saturated(model, node) {
                State::excluded("it has no processor left", vec![cited])
            } else if let Some(cited) = node_packet_loss::loses(model, &all, node) {
                State::excluded("packets are lost there, and not held up", vec![cited])
            } else if let Some(Queue::Delays(queue)) = losses::queue_of_node(model, node) {
                State::holds(evidence(case, &all, node).into_iter().chain([queue]).collect(), fix(node))
            } else if fit == Fit::Called && parts.len() == 1 && !are_uneven(&all, node) {
                match (pod_network_delay::told_to_wait(model), delays::unmeasured(model, &all)) {
                    (None, Some(other)) => State::Undecided(vec![pod_network_delay::lack_measurements(other)]),
                    (Some(fault), _) => State::excluded("the mesh is told to hold requests up", vec![fault]),
                    (None, None) => State::holds(evidence(case, &all, node), fix(node)),
                }
            } else {
                let why = "a delay elsewhere would look the same".to_owned();
                State::Undecided(vec![Lack { request: None, ..Lack::host_fact(node, "tc", "tc -s qdisc", why) }])
            };
            findings.push(Finding { effects: pod_network_delay::effects(&all, &subject), subject, state });
        }
        findings
    }
}

/// Whether all that run there and are late are so as those are whose packets are lost.
fn are_uneven(all: &[Measured<'_>], node: &str) -> bool {
    let late: Vec<_> = all.iter().filter(|measured| measured.nodes.contains(node) && measured.is_late()).collect();
    !late.is_empty() && late.iter().all(|measured| measured.is_uneven())
}

fn fix(node: &str) -> Fix {
    let summary = format!("Take away what delays the packets of {node}; until then move its pods elsewhere");
    Fix { summary, patch: vec![] }
}

/// Who is late, where they run, and whom they call elsewhere.
fn evidence(case: &Case<'_, '_>, all: &[Measured<'_>], node: &str) -> Vec<Citation> {
    let model = case.model;
    let late = all.iter().filter(|measured| measured.is_late()).filter_map(|measured| measured.cite(model)).take(4);
    let inside = all.iter().filter(|measured| measured.nodes.contains(node));
    let called = all.iter().filter(|measured| !measured.nodes.contains(node) && measured.tail.is_some());
    let runs = inside.filter_map(|measured| model.pods_of(&measured.workload).next());
    let runs = runs.map(|pod| pod.cite("/spec/nodeName", format!("{} runs on {node}", pod.subject()))).take(3);
    late.chain(runs).chain(called.filter_map(|measured| measured.cite_tail(model)).take(3)).collect()
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    /// `a` and `b` on one node call `x` and `y` on another, `c` beside these calls `y`; medians and slowest tenths of all.
    fn world(rows: &str) -> String {
        let workload = |name: &str, node: &str, calls: &str| {
            format!(
                "service n/{name}  selector app={name}  80 -> 80
                 deployment n/{name}  app={name}
                 pod n/{name}-1  app={name}  ready  on {node}  owner deployment/n/{name}
                 set pod/n/{name}-1 spec.containers[0].args={calls}\n"
            )
        };
        let names = ["a", "b", "c", "x", "y"];
        let header: Vec<String> = names.iter().map(|n| format!("{n}-p50latency,{n}-p90latency")).collect();
        let row = |at: usize, cells: &str| format!("{at},{}", cells.replace([' ', '/'], ","));
        let well = (0..4).map(|at| row(at, "9/9 9/9 9/9 3/3 3/3"));
        let table: Vec<String> = well.chain((4..9).map(|at| row(at, rows))).collect();
        format!(
            "{}{}{}{}{}probe service/n/a:80  connected in 1ms\nfile metrics.csv | time,{} | {}\n",
            workload("a", "n1", "[\"http://x:80/\",\"http://y:80/\"]"),
            workload("b", "n1", "[\"http://x:80/\",\"http://y:80/\"]"),
            workload("c", "n2", "[\"http://y:80/\"]"),
            workload("x", "n2", "[]"),
            workload("y", "n2", "[]"),
            header.join(","),
            table.join(" | ")
        )
    }

    #[test]
    fn holds_where_all_over_its_border_are_late_and_nobody_else() {
        check(&format!("{}=> node-network-delay node/n1", world("2000/3000 1500/3000 9/9 3/900 3/900")));
    }

    #[test]
    fn twins_all_who_call_one_are_late_or_one_over_the_border_is_not() {
        check(&format!("{}=> pod-network-delay deployment/n/y", world("2000/3000 1500/3000 1500/3000 3/3 3/3")));
        check(&format!("{}=> unknown lacks the CPU of a", world("2000/3000 9/9 9/9 3/900 3/3")));
        check(&format!("{}=> unknown", world("2000/3000 9/9 9/9 3/3 3/3")));
    }

    #[test]
    fn unknown_where_nothing_tells_the_nodes_apart() {
        check(&format!("{}=> unknown lacks hosts/n1/tc.txt", world("2000/3000 1500/3000 9/9 3/3 3/3")));
    }
}
