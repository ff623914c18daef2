//! Some of the packets of a machine are lost on their way, whatever is sent.
//!
//! # What it looks like
//! The slowest requests over the border of the machine are late by 200 ms, 400 ms and so on, whoever makes them; where much is lost
//! most are, and some fail. What its pods ask of each other, and others of each other, is as fast as ever. It sends more again than
//! before, and so do those that it talks with, for as long as it lasts; a mere delay shows that at its beginning at most.
//!
//! # Confirm by hand
//! `ping -c 100` from that machine to each other one loses some, and between the others it does not; `nstat TcpRetransSegs
//! TcpOutSegs` there, twice; `tc -s qdisc show` (netem with a `loss`), `ip -s link` and the switch's counters where it is the cable.
//!
//! # Fix
//! Take away what loses them; until then move what others wait for: `kubectl cordon NODE`, and delete its pods.
//!
//! # Who acts
//! Whoever owns the machine and its network.
//!
//! # Source
//! RFC 6298; tc-netem(8); nstat(8).

use super::{Case, Cause, Finding, Lack, State, pod_network_delay};
use crate::{
    delays::{self, Fit, Measured, Part},
    diagnosis::{Change, Fix},
    evidence::Citation,
    losses::{self, Queue},
    model::Model,
    propagation::Mode,
};

/// See the module's comment.
pub struct NodePacketLoss;

impl Cause for NodePacketLoss {
    fn id(&self) -> &'static str {
        "node-packet-loss"
    }

    fn source(&self) -> &'static str {
        include_str!("node_packet_loss.rs")
    }

    fn owner(&self) -> &'static str {
        "network"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let mut findings = on_ways(case);
        let all = delays::measured(model);
        let shows = |measured: &Measured<'_>| measured.is_late() || measured.tail.is_some();
        if !all.iter().any(shows) {
            return findings;
        }
        let (how, parts) = delays::best(&all, shows);
        for node in model.evidence.objects.of_kind("node").map(|node| node.name()) {
            let inside = all.iter().filter(|measured| measured.nodes.contains(node));
            let (late, quiet): (Vec<_>, Vec<_>) = inside.partition(|measured| shows(measured));
            let part = parts.contains(&Part::Node(node));
            // Where it is not known who asks whom, those on it that are late are most of them.
            let fits = part || parts.is_empty() && !late.is_empty() && late.len() >= quiet.len();
            let lost = loses(model, &all, node);
            let state = match (fits, lost) {
                (true, Some(lost)) => {
                    let cites = late.iter().filter_map(|measured| measured.cite(model)).take(4);
                    State::holds(cites.chain([lost]).collect(), fix(node, vec![]))
                }
                (false, Some(lost)) if !late.is_empty() => State::Undecided(vec![lack(node, &lost.says)]),
                (true, None) if part && !late.is_empty() && late.iter().all(|measured| measured.is_uneven()) => {
                    // Requests that reach others in pieces, of all who run there, are not late for the slowness of one.
                    let told_apart =
                        how == Fit::Called && parts.len() == 1 && delays::unmeasured(model, &all).is_none();
                    if told_apart && !losses::is_counted_on_node(model, node) {
                        let cites = late.iter().filter_map(|measured| measured.cite(model)).take(4);
                        State::holds(cites.collect(), fix(node, vec![]))
                    } else {
                        State::Undecided(vec![lack(
                            node,
                            "not collected, and more is sent again for as long as packets are lost",
                        )])
                    }
                }
                _ => continue,
            };
            let subject = model.evidence.machine(node);
            findings.push(Finding { effects: pod_network_delay::effects(&all, &subject), subject, state });
        }
        findings
    }
}

/// What shows that packets of a node are lost, if anything does.
pub(super) fn loses(model: &Model<'_>, all: &[Measured<'_>], node: &str) -> Option<Citation> {
    match losses::queue_of_node(model, node) {
        Some(Queue::Loses(queue)) => return Some(queue),
        Some(Queue::Delays(_)) => return None,
        _ => {}
    }
    let again = losses::again_on_nodes(model, all);
    losses::losing_node(model, &again).filter(|again| again.name == node).map(|again| again.cited.clone())
}

/// Machines on the way of what is late or not done in time, by their queues.
fn on_ways(case: &Case<'_, '_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for connection in case.suffering().filter(|connection| connection.reaches()) {
        for hop in connection.ways.iter().flat_map(|(_, ways)| ways.each()).flat_map(|(_, way)| &way.hops) {
            let Some(link) = &hop.oif else { continue };
            let Some(Queue::Loses(queue)) = losses::queue_of_link(case.model, &hop.host, &link.name) else { continue };
            let command = ["tc", "qdisc", "del", "dev", &link.name, "root"].map(str::to_owned).to_vec();
            let change = Change::Run { host: hop.host.clone(), command };
            findings.push(Finding {
                subject: case.model.evidence.machine(&hop.host),
                effects: vec![(connection.subject(), Mode::Slow)],
                state: State::holds(
                    connection.cites().into_iter().chain([queue]).collect(),
                    fix(&hop.host, vec![change]),
                ),
            });
        }
    }
    findings
}

fn fix(node: &str, patch: Vec<Change>) -> Fix {
    Fix { summary: format!("Take away what loses the packets of {node}; until then move its work elsewhere"), patch }
}

fn lack(node: &str, why: &str) -> Lack {
    Lack { request: None, ..Lack::host_fact(node, "tc", "tc -s qdisc", why.to_owned()) }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    /// `a` and `b` on one node call `x` and `y` on another, `c` beside these calls `y`; medians and slowest tenths of all, and
    /// what the nodes and the control plane send again, at first and at last.
    fn world(rows: &str, first: &str, last: &str) -> String {
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
        let well = (0..4).map(|at| row(at, "9/9 9/9 9/9 3/3 3/3 0/0/0"));
        let since = (4..8).map(|at| row(at, &format!("{rows} {first}")));
        let then = (8..12).map(|at| row(at, &format!("{rows} {last}")));
        let table: Vec<String> = well.chain(since).chain(then).collect();
        format!(
            "{}{}{}{}{}object Node m  metadata.labels.node-role~kubernetes~io/control-plane=\"\"  status.conditions=[{{\"type\":\"Ready\",\"status\":\"True\"}}]
             probe service/n/a:80  connected in 1ms
             file metrics.csv | time,{},n1-tcp_retrans,n2-tcp_retrans,m-tcp_retrans | {}\n",
            workload("a", "n1", "[\"http://x:80/\",\"http://y:80/\"]"),
            workload("b", "n1", "[\"http://x:80/\",\"http://y:80/\"]"),
            workload("c", "n2", "[\"http://y:80/\"]"),
            workload("x", "n2", "[]"),
            workload("y", "n2", "[]"),
            header.join(","),
            table.join(" | ")
        )
    }
    const TAILS: &str = "9/900 9/900 9/9 3/600 3/600";

    #[test]
    fn holds_where_it_sends_again_to_the_end() {
        check(&format!("{}=> node-packet-loss node/n1", world(TAILS, "9/0/5", "8/0/6")));
        check(&format!(
            "{}=> node-packet-loss node/n1",
            world("2000/9000 1500/9000 9/9 3/900 3/900", "9/0/5", "8/0/6")
        ));
    }

    #[test]
    fn holds_where_requests_over_its_border_come_in_pieces() {
        let uncounted = |rows| world(rows, "0/0/0", "0/0/0").replace("tcp_retrans", "other");
        check(&format!("{}=> node-packet-loss node/n1", uncounted(TAILS)));
        check(&format!("{}=> node-network-delay node/n1", uncounted("2000/3000 1500/3000 9/9 3/900 3/900")));
    }

    #[test]
    fn twin_a_delay_is_sent_again_at_its_beginning_alone() {
        check(&format!(
            "{}=> node-network-delay node/n1",
            world("2000/3000 1500/3000 9/9 3/900 3/900", "1/0/25", "0/0/2")
        ));
    }

    #[test]
    fn holds_by_a_queue_of_a_node_or_a_machine() {
        let queue = "file hosts/n1/tc.txt | qdisc netem 8001: dev eth0 root refcnt 2 limit 1000 loss 30%";
        check(&format!("{}{queue}\n=> node-packet-loss node/n1", world(TAILS, "0/0/0", "0/0/0")));
        let machines = "machine client 10.80.1.10/24 via 10.80.1.1
            machine app 10.80.2.10/24 via 10.80.2.1 listens 0.0.0.0:80
            machine router 10.80.1.1/24 10.80.2.1/24
            request from=host/client hop=client method=GET path=/ status=200 seconds=0.4 upstream=app.example.test:80 address=10.80.2.10:80 id=a at=-9.9 x20
            request from=host/client hop=client method=POST path=/ bytes=90000 seconds=3 error=\"timeout: no answer\" upstream=app.example.test:80 address=10.80.2.10:80 id=b at=-9.8 x10
            file hosts/router/tc.txt | qdisc netem 8001: dev eth1 root refcnt 2 limit 1000 LOSS";
        check(&format!("{}\n=> node-packet-loss host/router", machines.replace("LOSS", "loss 30%")));
        check(&format!("{}\n=> unknown", machines.replace("LOSS", "")));
    }

    #[test]
    fn unknown_without_what_is_sent_again_or_where_it_could_be_another() {
        check(&format!("{}=> unknown lacks hosts/n1/tc.txt", world(TAILS, "0/0/0", "0/0/0")));
        check(&format!("{}=> unknown lacks hosts/n1/tc.txt", world(TAILS, "9/9/9", "9/9/9")));
    }
}
