//! A router that translates the addresses of many into one of its own has no port of that address left for a new connection, and
//! drops what would open it.
//!
//! # What it looks like
//! Connections that are open go on, new ones to one server time out, more of them the more are open; from machines behind another
//! address, or none, all is well. The client sees nothing but silence. Retries make it worse.
//!
//! # Confirm by hand
//! On the router: `conntrack -S` twice: `insert_failed` and `drop` rise; `conntrack -L -p tcp | grep -c dst=ADDRESS` beside the
//! ports that the rule allows (`nft list ruleset`: `snat to ADDRESS:FIRST-LAST`; without a range about 64,000, to each server and port).
//!
//! # Fix
//! Give the rule more ports or more addresses, let clients keep connections open instead of making new ones, and shorten
//! `nf_conntrack_tcp_timeout_time_wait`. Cloud gateways have the same limit by another name (allocated ports of each VM).
//!
//! # Who acts
//! Whoever runs the router (network or provider): hand over the address, the server and port, and the count.
//!
//! # Source
//! net/netfilter/nf_nat_core.c (get_unique_tuple, nf_nat_l4proto_unique_tuple); conntrack(8); nft(8), "NAT statements"; RFC 7857.

use std::{collections::BTreeSet, net::IpAddr};

use super::{Case, Cause, Finding, Lack, Proof, State};
use crate::{
    connections::Connection,
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts, Outcome, Rule, Verdict},
    model::Model,
    propagation::Mode,
    symptoms::Observation,
};

/// See the module's comment.
pub struct SnatPortExhaustion;

/// The share of the ports from which on they count as used up: entries end while they are counted.
const FULL: f64 = 0.9;
/// Ports where the rule names none (nf_nat_l4proto_unique_tuple: from 1024 on).
const ALL: u32 = 64512;
const LIST: &str = "conntrack-list";

impl Cause for SnatPortExhaustion {
    fn id(&self) -> &'static str {
        "snat-port-exhaustion"
    }

    fn source(&self) -> &'static str {
        include_str!("snat_port_exhaustion.rs")
    }

    fn owner(&self) -> &'static str {
        "network"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let late = |connection: &&Connection| {
            connection.attempts.iter().any(|each| each.failed && each.seen() == Observation::Failed(Outcome::Timeout))
        };
        let mut found = Vec::new();
        for connection in case.model.connections().iter().filter(late) {
            let mut seen = BTreeSet::new();
            for hop in connection.ways.iter().flat_map(|(_, ways)| &ways.there.hops) {
                if let Fact::Missed(why) = case.model.evidence.hosts.rules(&hop.host)
                    && refused(case.model, &hop.host)
                    && seen.insert(hop.host.as_str())
                {
                    let rules = Lack::host_fact(&hop.host, "nft", "nft list ruleset", why);
                    found.push(Finding {
                        subject: case.model.evidence.machine(&hop.host),
                        effects: vec![(connection.subject(), Mode::Silent)],
                        state: State::Undecided(vec![rules]),
                    });
                    continue;
                }
                let rule = hop
                    .translated
                    .as_ref()
                    .filter(|rule| matches!(rule.verdict, Verdict::Snat(_) | Verdict::Masquerade));
                if let (Some(rule), Some(source)) = (rule, hop.source)
                    && seen.insert(hop.host.as_str())
                {
                    found.push(Finding {
                        subject: case.model.evidence.machine(&hop.host),
                        effects: vec![(connection.subject(), Mode::Silent)],
                        state: examine(case.model, connection, &hop.host, rule, (source, hop.destination)),
                    });
                }
            }
        }
        found
    }
}

/// Whether a machine's table of connections took some of them not, since the look before.
fn refused(model: &Model<'_>, host: &str) -> bool {
    let failed = |fact: &str| model.evidence.hosts.conntrack(host, fact).seen().map(|stats| stats.insert_failed);
    failed("conntrack.earlier").zip(failed("conntrack")).is_some_and(|(earlier, later)| later > earlier)
}

fn examine(
    model: &Model<'_>,
    connection: &Connection,
    host: &str,
    rule: &Rule,
    (source, to): (IpAddr, IpAddr),
) -> State {
    let hosts = &model.evidence.hosts;
    let lack =
        |fact: &str, command: &str, why: String| State::Undecided(vec![Lack::host_fact(host, fact, command, why)]);
    let (earlier, later) = match (hosts.conntrack(host, "conntrack.earlier"), hosts.conntrack(host, "conntrack")) {
        (Fact::Seen(earlier), Fact::Seen(later)) => (earlier, later),
        (_, Fact::Missed(why)) => return lack("conntrack", "conntrack -S", why),
        (Fact::Missed(why), Fact::Seen(_)) => {
            return lack("conntrack.earlier", "conntrack -S, twice some seconds apart,", why);
        }
    };
    let failed = Citation::new(
        Hosts::file(host, "conntrack"),
        "",
        format!(
            "insert_failed {} -> {}, drop {} -> {}",
            earlier.insert_failed, later.insert_failed, earlier.drop, later.drop
        ),
    );
    if later.insert_failed <= earlier.insert_failed {
        return State::excluded(format!("{host} finds a port for every connection"), vec![failed]);
    }
    let entries = match hosts.conntrack_entries(host, LIST) {
        Fact::Seen(entries) => entries,
        Fact::Missed(why) => return lack(LIST, "conntrack -L", why),
    };
    let (ports, range) = ports(&rule.text);
    let count = |entry: &&crate::evidence::ConntrackEntry| {
        entry.protocol == "tcp"
            && entry.reply.destination == source
            && entry.reply.source == to
            && connection.port.is_none_or(|port| entry.reply.source_port == port)
            && range.is_none_or(|(low, high)| (low..=high).contains(&u32::from(entry.reply.destination_port)))
    };
    let taken: BTreeSet<u16> = entries.iter().filter(count).map(|entry| entry.reply.destination_port).collect();
    let used = Citation::new(
        Hosts::file(host, LIST),
        "",
        format!("{} of the {ports} ports of {source} are taken by connections to {to}", taken.len()),
    );
    #[allow(clippy::cast_precision_loss)]
    if (taken.len() as f64) < FULL * f64::from(ports) {
        return State::excluded(format!("{host} has ports left for connections to {to}"), vec![used, failed]);
    }
    let mut evidence = vec![Hosts::cite_rule(host, rule), used, failed];
    evidence.extend(connection.cites());
    State::Holds(Box::new(Proof { evidence, fix: fix(host, rule, range), wants: vec![], changed: None }))
}

/// How many ports a rule gives its connections, and which, where it says: `snat to 10.0.0.1:1024-2047`, `masquerade to
/// :1024-2047`, `--to-source 10.0.0.1:1024-2047`, `--to-ports 1024-2047`.
fn ports(text: &str) -> (u32, Option<(u32, u32)>) {
    let range = text.split_whitespace().rev().find_map(|word| {
        let ports = word.rsplit_once(':').map_or(word, |(_, ports)| ports);
        let (low, high) = ports.split_once('-').unwrap_or((ports, ports));
        let (low, high): (u32, u32) = (low.parse().ok()?, high.parse().ok()?);
        // `10.0.0.1` and names are no ports; a port alone stands after a colon.
        (low <= high && high < 65536 && (word.contains(':') || word.contains('-'))).then_some((low, high))
    });
    range.map_or((ALL, None), |(low, high)| (high + 1 - low, Some((low, high))))
}

/// Takes the range of ports out of the rule.
fn fix(host: &str, rule: &Rule, range: Option<(u32, u32)>) -> Fix {
    let summary = format!("Let {host} translate to more ports than `{}` gives, or to more addresses", rule.text);
    let Some((low, high)) = range.filter(|_| !rule.iptables) else { return Fix { summary, patch: vec![] } };
    let written = if low == high { format!(":{low}") } else { format!(":{low}-{high}") };
    let whole = rule.text.replace(&written, "").replace("masquerade to ", "masquerade ");
    let whole = without_counts(&whole);
    let command = match rule.handle {
        Some(handle) => format!("nft replace rule {} {} handle {handle} {whole}", rule.table, rule.chain),
        None => return Fix { summary, patch: vec![] },
    };
    let command = command.split_whitespace().map(str::to_owned).collect();
    Fix { summary, patch: vec![Change::Run { host: host.to_owned(), command }] }
}

/// A rule's words without what it has counted.
fn without_counts(text: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    let mut all = text.split_whitespace();
    while let Some(word) = all.next() {
        if matches!(word, "packets" | "bytes") && words.contains(&"counter") {
            all.next();
        } else {
            words.push(word);
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::ports;
    use crate::sketch::check;

    fn world(earlier: u32, later: u32, taken: &[u16]) -> String {
        let entry = |port: &u16| {
            format!(
                " | tcp 6 66 ESTABLISHED src=10.80.1.10 dst=10.80.2.10 sport={port} dport=80 src=10.80.2.10 dst=10.80.2.1 sport=80 dport={port} [ASSURED] mark=0 use=1"
            )
        };
        let stats = |fact: &str, failed| {
            format!(
                "file hosts/router/{fact}.txt | cpu=0 found=0 invalid=0 insert=0 insert_failed={failed} drop={failed} early_drop=0"
            )
        };
        let list: String = taken.iter().map(entry).collect();
        format!(
            r#"machine client 10.80.1.10/24 via 10.80.1.1
            machine router 10.80.1.1/24 10.80.2.1/24
            machine app 10.80.2.10/24 via 10.80.2.1 listens 0.0.0.0:80
            file hosts/router/nft.txt | table ip nat {{ | chain postrouting {{ | type nat hook postrouting priority srcnat; policy accept; | ip saddr 10.80.1.0/24 ip protocol tcp snat to 10.80.2.1:50000-50003 # handle 3 | }} | }}
            {}
            {}
            file hosts/router/conntrack-list.txt{list}
            request from=host/client hop=client method=GET path=/ status=200 seconds=0.4 upstream=app.example.test:80 address=10.80.2.10:80 id=a at=-9.9 x20
            request from=host/client hop=client method=GET path=/ seconds=3 error="timeout: no answer" upstream=app.example.test:80 address=10.80.2.10:80 id=b at=-5 x10"#,
            stats("conntrack.earlier", earlier),
            stats("conntrack", later)
        )
    }

    const ALL: [u16; 4] = [50000, 50001, 50002, 50003];

    #[test]
    fn holds() {
        check(&format!("{}\n=> snat-port-exhaustion host/router", world(3, 30, &ALL)));
    }

    #[test]
    fn twins_entries_give_way_and_ports_are_left() {
        check(&format!("{}\n=> unknown", world(3, 3, &ALL)));
        check(&format!("{}\n=> unknown", world(3, 30, &ALL[..2])));
        check(&format!("{}\n=> unknown", world(3, 30, &ALL).replace(":50000-50003", "")));
    }

    #[test]
    fn twin_refused() {
        check(&format!("{}\n=> unknown", world(3, 30, &ALL).replace("timeout: no answer", "refused: no")));
    }

    #[test]
    fn unknown_without_the_table() {
        let whole = world(3, 30, &ALL);
        check(&format!(
            "{whole}\nwithout hosts/router/conntrack-list.txt\n=> unknown lacks hosts/router/conntrack-list.txt"
        ));
        check(&format!("{whole}\nwithout hosts/router/nft.txt\n=> unknown lacks hosts/router/nft.txt"));
        check(&format!("{whole}\nwithout hosts/router/conntrack.txt\n=> unknown lacks hosts/router/conntrack.txt"));
    }

    #[test]
    fn ports_of_rules() {
        assert_eq!(ports("oif eth0 snat to 10.0.0.1:1024-2047").0, 1024);
        assert_eq!(ports("masquerade to :1024-1027").0, 4);
        assert_eq!(ports("-A POSTROUTING -o eth0 -j SNAT --to-source 10.0.0.1:5000").0, 1);
        assert_eq!(ports("-A POSTROUTING -j MASQUERADE --to-ports 1024-1033").0, 10);
        assert_eq!(ports("tcp dport 80 snat to 10.0.0.1"), (super::ALL, None));
    }
}
