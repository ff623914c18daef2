//! A link on the way takes smaller packets than the ends send, and the word of it ("fragmentation needed") does not reach the
//! sender: large packets vanish for ever.
//!
//! # What it looks like
//! Connections are made, small requests are answered at once, large requests or answers hang until somebody gives up. Nobody
//! logs anything. On a slow line the middling ones would pass late; here size alone decides.
//!
//! # Confirm by hand
//! `ping -M do -s 1472 SERVER` gets no answer and no error, a smaller one does; `ip link` on each machine of the way shows a
//! smaller MTU; there, `nft list ruleset` (or the provider's rules on the way back) drops ICMP of type destination-unreachable.
//!
//! # Fix
//! Let ICMP "fragmentation needed" (type 3, code 4) pass. Where the two ends of one link disagree, give them the same MTU. Until
//! then clamp the segment size on the router: `nft add rule ... tcp flags syn tcp option maxseg size set rt mtu`.
//!
//! # Who acts
//! Whoever runs the router: hand over the two MTUs, the machine and the rule.
//!
//! # Source
//! RFC 1191; RFC 2923, section 2.1; RFC 4890 on what not to filter; tcp(7), `tcp_mtu_probing`.

use super::{Case, Cause, Finding, Lack, Proof, State};
use crate::{
    connections::{Attempt, Connection},
    diagnosis::{Change, Fix},
    evidence::{Citation, Outcome},
    propagation::Mode,
    symptoms::Observation,
    ways::{self, Bottleneck, End},
};

/// See the module's comment.
pub struct MtuBlackHole;

/// What comes on top of a body: addresses, ports, the head of a request.
const HEADS: u64 = 600;

impl Cause for MtuBlackHole {
    fn id(&self) -> &'static str {
        "mtu-black-hole"
    }

    fn source(&self) -> &'static str {
        include_str!("mtu_black_hole.rs")
    }

    fn owner(&self) -> &'static str {
        "network"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let mut found = Vec::new();
        for connection in case.model.connections().iter().filter(|connection| hangs(connection)) {
            for (_, ways) in &connection.ways {
                let narrow = ways::bottlenecks(case.model, ways);
                for bottleneck in &narrow {
                    let told = bottleneck.told.as_ref().and_then(End::host);
                    found.push(Finding {
                        subject: case.model.evidence.machine(told.unwrap_or(&bottleneck.host)),
                        effects: vec![(connection.subject(), Mode::Silent)],
                        state: examine(connection, bottleneck),
                    });
                }
                // Where a machine does not say how large its packets are.
                let links = |lack: &Lack| lack.what.ends_with("/ip-addr.txt") || lack.what.ends_with("/ip-route.txt");
                let lacks: Vec<Lack> = ways.lacks().into_iter().filter(links).collect();
                if let (true, Some(client), false) = (narrow.is_empty(), connection.client(), lacks.is_empty()) {
                    found.push(Finding {
                        subject: case.model.evidence.machine(client),
                        effects: vec![(connection.subject(), Mode::Silent)],
                        state: State::Undecided(lacks),
                    });
                }
            }
        }
        found
    }
}

fn timed_out(attempt: &Attempt) -> bool {
    attempt.failed && attempt.seen() == Observation::Failed(Outcome::Timeout)
}

/// Whether some of it times out although connections are made and answered.
fn hangs(connection: &Connection) -> bool {
    let first = connection.attempts.iter().position(timed_out);
    first.is_some_and(|first| connection.attempts[first..].iter().any(|attempt| !attempt.failed))
}

fn examine(connection: &Connection, bottleneck: &Bottleneck) -> State {
    let Bottleneck { host, mtu, sent, cited, told, lacks, .. } = bottleneck;
    if let Some((says, cited)) = not_by_size(connection, u64::from(*mtu)) {
        return State::excluded(says, vec![cited]);
    }
    if !lacks.is_empty() {
        return State::Undecided(lacks.clone());
    }
    let mut evidence = vec![Citation { says: format!("{}, and the ends send {sent}", cited.says), ..cited.clone() }];
    let run = |host: &str, command| vec![Change::Run { host: host.to_owned(), command }];
    let fix = match told {
        Some(End::Arrives(_)) => {
            return State::excluded(
                format!("{host} says that packets are too large, and is heard"),
                vec![cited.clone()],
            );
        }
        Some(End::Unclear { .. } | End::Lacks(_)) => return State::Undecided(vec![]),
        Some(end) => {
            evidence.extend(end.cites());
            let summary = "Let ICMP \"fragmentation needed\" pass".to_owned();
            match end {
                End::Dropped { host, rule, .. } | End::Rejected { host, rule, .. } if !rule.policy => Fix {
                    summary: format!("{summary}: delete the rule `{}` of {host}", rule.text),
                    patch: run(host, rule.delete()),
                },
                _ => Fix { summary, patch: vec![] },
            }
        }
        None => {
            let name = cited.says.split(' ').next().unwrap_or_default();
            let command = ["ip", "link", "set", "dev", name, "mtu", &sent.to_string()].map(str::to_owned).to_vec();
            let summary = format!("Give {name} of {host} the MTU of the other end of its link, {sent}");
            Fix { summary, patch: run(host, command) }
        }
    };
    evidence.extend(connection.attempts.iter().rev().find(|each| timed_out(each)).map(|each| each.cited.clone()));
    State::Holds(Box::new(Proof { evidence, fix, wants: vec![], changed: None }))
}

/// What shows that it is not the large ones that are lost, or not they alone: since the first was lost a large one passed, or
/// small ones are lost as often as they pass.
fn not_by_size(connection: &Connection, mtu: u64) -> Option<(String, Citation)> {
    let first = connection.attempts.iter().position(timed_out)?;
    let since = &connection.attempts[first..];
    let large = since.iter().find(|each| !each.failed && each.bytes.is_some_and(|bytes| bytes > mtu));
    if let Some(large) = large {
        return Some((format!("larger ones than {mtu} bytes pass"), large.cited.clone()));
    }
    let small = |each: &&Attempt| each.bytes.is_some_and(|bytes| bytes + HEADS < mtu);
    let lost: Vec<&Attempt> = since.iter().filter(small).filter(|each| timed_out(each)).collect();
    let passed = since.iter().filter(small).filter(|each| !each.failed).count();
    let one = lost.last().filter(|_| lost.len() > passed)?;
    Some(("small ones are lost as well".to_owned(), one.cited.clone()))
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    /// The line between two routers is narrower than the networks of the ends.
    const WORLD: &str = r#"machine client 10.80.1.10/24 via 10.80.1.1
        machine near 10.80.1.1/24 10.80.2.1/24
        route near 10.80.3.0/24 via 10.80.2.2 dev eth1
        machine far 10.80.2.2/24 10.80.3.1/24 via 10.80.2.1
        machine app 10.80.3.10/24 via 10.80.3.1 listens 0.0.0.0:80
        file hosts/near/ip-addr.txt | 1: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 | inet 10.80.1.1/24 scope global eth0 | 2: eth1: <BROADCAST,UP,LOWER_UP> mtu 1400 | inet 10.80.2.1/24 scope global eth1
        file hosts/far/ip-addr.txt | 1: eth0: <BROADCAST,UP,LOWER_UP> mtu 1400 | inet 10.80.2.2/24 scope global eth0 | 2: eth1: <BROADCAST,UP,LOWER_UP> mtu 1500 | inet 10.80.3.1/24 scope global eth1
        request from=host/client hop=client method=GET path=/ bytes=0 status=200 seconds=0.003 upstream=app.example.test:80 address=10.80.3.10:80 id=a at=-9.9 x20
        request from=host/client hop=client method=POST path=/ bytes=6000 seconds=3 error="timeout: no answer" upstream=app.example.test:80 address=10.80.3.10:80 id=b at=-9.8 x10"#;
    const RULE: &str = "filter near output icmp type destination-unreachable drop";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{RULE}\n=> mtu-black-hole host/near"));
        check(&format!(
            "{WORLD}\nfilter client input icmp type destination-unreachable drop\n=> mtu-black-hole host/client"
        ));
    }

    #[test]
    fn holds_where_the_ends_of_a_link_disagree() {
        let disagree =
            WORLD.replace("eth0: <BROADCAST,UP,LOWER_UP> mtu 1400", "eth0: <BROADCAST,UP,LOWER_UP> mtu 1300");
        let disagree = disagree.replace("mtu 1400", "mtu 1500");
        check(&format!("{disagree}\n=> mtu-black-hole host/far"));
    }

    #[test]
    fn twin_the_sender_is_told() {
        check(&format!("{WORLD}\n=> unknown"));
        check(&format!("{WORLD}\nfilter near output icmp type echo-request drop\n=> unknown"));
    }

    #[test]
    fn twins_it_is_not_the_size() {
        let large =
            WORLD.replace("method=GET path=/ bytes=0", "method=POST path=/ bytes=60000").replace("at=-9.9", "at=-12.9");
        check(&format!("{large}\n{RULE}\n=> unknown"));
        let small = WORLD.replace("bytes=6000", "bytes=60").replace("x20", "x3");
        check(&format!("{small}\n{RULE}\n=> unknown"));
        check(&format!("{}\n{RULE}\n=> unknown", WORLD.replace("mtu 1400", "mtu 1500")));
    }

    #[test]
    fn unknown_without_the_rules_or_the_links() {
        check(&format!("{WORLD}\n{RULE}\nwithout hosts/near/nft.txt\n=> unknown lacks hosts/near/nft.txt"));
        check(&format!("{WORLD}\n{RULE}\nwithout hosts/near/ip-addr.txt\n=> unknown lacks hosts/near/ip-addr.txt"));
    }
}
