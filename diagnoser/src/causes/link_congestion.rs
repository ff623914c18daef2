//! More is sent over a link than it takes: its queue is full, packets wait in it and are dropped, and what is large is not done in
//! time.
//!
//! # What it looks like
//! Small requests are answered, if late; large ones time out; middling ones pass slowly. Everything over that link suffers,
//! whoever sends it. A black hole for large packets looks alike, but there nothing that is large passes, however long one waits.
//!
//! # Confirm by hand
//! On every machine of the way `tc -s qdisc show` twice, some seconds apart: on one interface `dropped` rises and `backlog` is
//! seldom nought. The rate the queue is limited to stands beside its name (`tbf`, `htb`, `cake`). `ip -s link` says how much is sent.
//!
//! # Fix
//! Raise the rate where it is only set, or have less sent at once: the transfer that fills the line moves to another hour or
//! gets a limit of its own. A longer queue makes everybody wait and cures nothing.
//!
//! # Who acts
//! Whoever runs the link: hand over machine, interface, rate, and the drops in how many seconds.
//!
//! # Source
//! tc(8), tc-tbf(8), tc-fq_codel(8); RFC 5681 on how loss slows TCP; RFC 7567.

use std::collections::BTreeSet;

use super::{Case, Cause, Finding, Lack, State};
use crate::{
    connections::Connection,
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts, Outcome, Qdisc},
    model::Model,
    propagation::Mode,
    symptoms::Observation,
};

/// See the module's comment.
pub struct LinkCongestion;

/// The share of packets dropped from which on connections suffer: a few drops are how every queue tells senders to slow down.
const MANY: f64 = 0.02;
const COMMAND: &str = "tc -s qdisc";

impl Cause for LinkCongestion {
    fn id(&self) -> &'static str {
        "link-congestion"
    }

    fn source(&self) -> &'static str {
        include_str!("link_congestion.rs")
    }

    fn owner(&self) -> &'static str {
        "network"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let mut found = Vec::new();
        for connection in case.model.connections().iter().filter(|connection| suffers(connection)) {
            let mut seen = BTreeSet::new();
            for (_, way) in connection.ways.iter().flat_map(|(_, ways)| ways.each()) {
                for hop in &way.hops {
                    let Some(link) = &hop.oif else { continue };
                    if seen.insert((hop.host.clone(), link.name.clone())) {
                        found.push(Finding {
                            subject: case.model.evidence.machine(&hop.host),
                            effects: vec![(connection.subject(), Mode::Slow)],
                            state: examine(case.model, connection, &hop.host, &link.name),
                        });
                    }
                }
            }
        }
        found
    }
}

/// Whether some of it is not done in time although connections are made.
fn suffers(connection: &Connection) -> bool {
    let late =
        connection.attempts.iter().any(|each| each.failed && each.seen() == Observation::Failed(Outcome::Timeout));
    late && connection.reaches()
}

fn examine(model: &Model<'_>, connection: &Connection, host: &str, link: &str) -> State {
    let read = |fact: &str| model.evidence.hosts.qdiscs(host, fact);
    let (earlier, later) = match (read("tc.earlier"), read("tc")) {
        (Fact::Seen(earlier), Fact::Seen(later)) => (earlier, later),
        (_, Fact::Missed(why)) => return State::Undecided(vec![Lack::host_fact(host, "tc", COMMAND, why)]),
        (Fact::Missed(why), Fact::Seen(later)) => {
            let idle = later.iter().filter(|each| each.device == link).all(|each| each.dropped == Some(0));
            if idle {
                return State::excluded(format!("{link} of {host} drops nothing"), vec![of_file(host, "no drops")]);
            }
            let twice = format!("{COMMAND}, twice some seconds apart,");
            return State::Undecided(vec![Lack::host_fact(host, "tc.earlier", &twice, why)]);
        }
    };
    let all = later.iter().filter(|each| each.device == link);
    let compared = all.filter_map(|now| Some((now, dropped(&earlier, now)?)));
    let Some((queue, (drops, share))) = compared.max_by(|(_, (_, a)), (_, (_, b))| a.total_cmp(b)) else {
        return State::excluded(format!("{link} of {host} counts no drops"), vec![of_file(host, "no statistics")]);
    };
    let line = queue.statistics_line.unwrap_or(queue.line);
    let rising = Hosts::cite(
        host,
        "tc",
        line,
        format!("{link} dropped {drops} packets since the look before, {:.0} % of all", share * 100.0),
    );
    if share < MANY {
        return State::excluded(format!("{link} of {host} drops next to nothing"), vec![rising]);
    }
    if queue.loss.is_some_and(|loss| loss > 0.0) {
        return State::excluded(format!("{link} of {host} is told to lose packets, whatever is sent"), vec![rising]);
    }
    let mut evidence = vec![rising];
    let limit = queue.rate.or_else(|| later.iter().find(|each| each.device == link && each.root)?.rate);
    evidence.extend(limit.map(|rate| {
        Hosts::cite(host, "tc", queue.line, format!("{} lets {} kbit/s through", queue.kind, rate / 1000.0))
    }));
    evidence.extend(connection.cites());
    State::holds(evidence, fix(host, link, &later, limit))
}

fn of_file(host: &str, says: &str) -> Citation {
    Citation::new(Hosts::file(host, "tc"), "", says)
}

/// How many packets a queue has dropped since, and which share of all.
fn dropped(earlier: &[Qdisc], now: &Qdisc) -> Option<(u64, f64)> {
    let same = |before: &&Qdisc| before.device == now.device && before.handle == now.handle && before.kind == now.kind;
    let before = earlier.iter().find(same)?;
    let drops = now.dropped?.checked_sub(before.dropped?)?;
    let sent = now.packets?.checked_sub(before.packets?)?;
    #[allow(clippy::cast_precision_loss)]
    let share = if drops == 0 { 0.0 } else { drops as f64 / (drops + sent) as f64 };
    Some((drops, share))
}

/// Takes a limit away that is set; how much a line takes by nature nobody can set.
fn fix(host: &str, link: &str, queues: &[Qdisc], limit: Option<f64>) -> Fix {
    let root = queues.iter().find(|each| each.device == link && each.root && each.kind != "noqueue");
    match (limit, root) {
        (Some(rate), Some(_)) => Fix {
            summary: format!("Let {host} send more than {} kbit/s over {link}, or send less over it", rate / 1000.0),
            patch: vec![Change::Run {
                host: host.to_owned(),
                command: ["tc", "qdisc", "del", "dev", link, "root"].map(str::to_owned).to_vec(),
            }],
        },
        _ => Fix { summary: format!("Send less over {link} of {host}, or give it a faster line"), patch: vec![] },
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"machine client 10.80.1.10/24 via 10.80.1.1
        machine router 10.80.1.1/24 10.80.2.1/24
        machine app 10.80.2.10/24 via 10.80.2.1 listens 0.0.0.0:80
        file hosts/client/tc.txt | qdisc noqueue 0: dev eth0 root refcnt 2 | >Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0)
        file hosts/app/tc.txt | qdisc noqueue 0: dev eth0 root refcnt 2 | >Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0)
        request from=host/client hop=client method=GET path=/ bytes=0 status=200 seconds=0.4 upstream=app.example.test:80 address=10.80.2.10:80 id=a at=-9.9 x20
        request from=host/client hop=client method=POST path=/ bytes=90000 seconds=3 error="timeout: no answer" upstream=app.example.test:80 address=10.80.2.10:80 id=b at=-9.8 x10"#;

    fn world(kind: &str, earlier: (u32, u32), later: (u32, u32)) -> String {
        let queue = |fact: &str, (sent, dropped): (u32, u32)| {
            format!(
                "file hosts/router/{fact}.txt | qdisc {kind} | >Sent 9 bytes {sent} pkt (dropped {dropped}, overlimits 9 requeues 0) | >backlog 1b 1p requeues 0"
            )
        };
        format!("{WORLD}\n{}\n{}", queue("tc.earlier", earlier), queue("tc", later))
    }

    const TBF: &str = "tbf 8001: dev eth1 root refcnt 2 rate 200Kbit burst 5Kb lat 400ms";

    #[test]
    fn holds() {
        check(&format!("{}\n=> link-congestion host/router", world(TBF, (100, 10), (200, 60))));
        let usual = "fq_codel 0: dev eth1 root refcnt 2 limit 10240p flows 1024 quantum 1514 target 5ms";
        check(&format!("{}\n=> link-congestion host/router", world(usual, (100, 10), (200, 60))));
    }

    #[test]
    fn twins_what_was_dropped_before_and_a_few() {
        check(&format!("{}\n=> unknown", world(TBF, (100, 60), (200, 60))));
        check(&format!("{}\n=> unknown", world(TBF, (100, 10), (1100, 11))));
        let other = TBF.replace("eth1", "eth7");
        check(&format!("{}\n=> unknown", world(&other, (100, 10), (200, 60))));
    }

    #[test]
    fn twin_nothing_passes_at_all() {
        let silent = world(TBF, (100, 10), (200, 60))
            .replace("status=200 seconds=0.4", "error=\"timeout: no answer\" seconds=3");
        check(&format!("{silent}\n=> unknown"));
    }

    #[test]
    fn unknown_without_the_queues() {
        let whole = world(TBF, (100, 10), (200, 60));
        check(&format!("{whole}\nwithout hosts/router/tc.txt\n=> unknown lacks hosts/router/tc.txt"));
        check(&format!("{whole}\nwithout hosts/router/tc.earlier.txt\n=> unknown lacks hosts/router/tc.earlier.txt"));
    }
}
