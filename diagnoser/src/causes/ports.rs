//! The ports that a machine calls from: how many it has, and who holds them.

use std::collections::BTreeMap;

use super::{
    Finding, Lack, State,
    ephemeral_port_exhaustion::{FULL, RANGE},
};
use crate::{
    connections::{Attempt, Connection},
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts, TcpState, lacks_own_address},
    model::Model,
    propagation::Mode,
    subject::Subject,
};

/// The range where nobody has set another.
const USUAL: (u32, u32) = (32768, 60999);

/// Machines whose own system says that there is no port left to call from.
pub(super) fn of_hosts(model: &Model<'_>) -> Vec<Finding> {
    let lacking = |attempt: &&Attempt| attempt.failed && attempt.text.as_deref().is_some_and(lacks_own_address);
    let mut suffering: BTreeMap<&str, Vec<(&Connection, Citation)>> = BTreeMap::new();
    for connection in model.connections() {
        let last = connection.attempts.iter().rev().find(lacking);
        if let (Some(client), Some(last)) = (connection.client(), last) {
            suffering.entry(client).or_default().push((connection, last.cited.clone()));
        }
    }
    let found = suffering.into_iter().map(|(host, connections)| {
        let effects: Vec<(Subject, Mode)> =
            connections.iter().map(|(connection, _)| (connection.subject(), Mode::Errors)).collect();
        let cited = connections.into_iter().map(|(_, cited)| cited).take(1).collect();
        Finding { subject: model.evidence.machine(host), effects, state: examine(model, host, cited) }
    });
    found.collect()
}

fn examine(model: &Model<'_>, host: &str, cited: Vec<Citation>) -> State {
    let hosts = &model.evidence.hosts;
    let (range, sockets) = (range(hosts, host), hosts.sockets(host, "ss-all"));
    let (low, high, range_at, sockets) = match (range, sockets) {
        (Fact::Seen((low, high, at)), Fact::Seen(sockets)) => (low, high, at, sockets),
        (range, sockets) => {
            let mut lacks = Vec::new();
            if let Fact::Missed(why) = sockets {
                lacks.push(Lack::host_fact(host, "ss-all", "ss -tan", why));
            }
            if let Fact::Missed(why) = range {
                lacks.push(Lack::host_fact(host, "sysctl", &format!("sysctl {RANGE}"), why));
            }
            return State::Undecided(lacks);
        }
    };
    let mut taken: BTreeMap<(&str, Option<u16>), (usize, usize)> = BTreeMap::new();
    for socket in sockets.iter().filter(|socket| socket.state != Some(TcpState::Listen)) {
        if socket.local.port.is_some_and(|port| (low..=high).contains(&u32::from(port))) {
            let counts = taken.entry((&socket.peer.address, socket.peer.port)).or_default();
            counts.0 += 1;
            counts.1 += usize::from(socket.state == Some(TcpState::TimeWait));
        }
    }
    let most = taken.into_iter().max_by_key(|(_, (count, _))| *count);
    let ((address, port), (count, waiting)) = most.unwrap_or_default();
    let size = high + 1 - low;
    let to = port.map(|port| format!("{address}:{port}")).unwrap_or_default();
    let says = format!(
        "{count} of the {size} ports {low} to {high} are taken by connections to {to}, {waiting} of them in TIME-WAIT"
    );
    let used = Citation::new(Hosts::file(host, "ss-all"), "", says);
    #[allow(clippy::cast_precision_loss)]
    if (count as f64) < FULL * f64::from(size) {
        return State::excluded(format!("{host} has ports left to call from"), vec![range_at, used]);
    }
    let evidence = [used, range_at].into_iter().chain(cited).collect();
    State::holds(evidence, fix(host, size, count, waiting))
}

/// The range back to what it usually is; where it is that wide, ports that wait for nothing are used again.
fn fix(host: &str, size: u32, count: usize, waiting: usize) -> Fix {
    let run = |setting: String| {
        vec![Change::Run { host: host.to_owned(), command: vec!["sysctl".to_owned(), "-w".to_owned(), setting] }]
    };
    if size < USUAL.1 + 1 - USUAL.0 {
        return Fix {
            summary: format!("Let {host} call from more ports, and keep its connections open between requests"),
            patch: run(format!("{RANGE}={} {}", USUAL.0, USUAL.1)),
        };
    }
    let summary = format!("Keep connections of {host} open between requests");
    // Whoever closes first has the ports that wait, and is who may use them again.
    if waiting * 2 > count {
        return Fix {
            summary: format!("{summary}; until then let new ones have ports in TIME-WAIT"),
            patch: run("net.ipv4.tcp_tw_reuse=1".to_owned()),
        };
    }
    Fix { summary, patch: vec![] }
}

/// First and last port.
fn range(hosts: &Hosts, host: &str) -> Fact<(u32, u32, Citation)> {
    match hosts.text(host, "sysctl") {
        Fact::Missed(why) => Fact::Missed(why),
        Fact::Seen(text) => {
            let found = text.lines().enumerate().find_map(|(i, line)| {
                let (key, value) = line.split_once('=')?;
                let mut numbers = value.split_whitespace().map(str::parse);
                let (low, high) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
                (key.trim() == RANGE).then(|| (low, high, Hosts::cite(host, "sysctl", i + 1, line.trim())))
            });
            found.map_or_else(|| Fact::Missed(format!("{RANGE} is not in it")), Fact::Seen)
        }
    }
}
