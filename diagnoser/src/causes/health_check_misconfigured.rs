//! A load balancer asks its servers for something that they do not have, takes all of them for dead, and has nobody left to
//! send requests to.
//!
//! # What it looks like
//! The load balancer answers 503 itself, at once (HAProxy: `<NOSRV>`, termination state `SC`), or closes the connection where it
//! does not speak HTTP. Asked directly the servers answer. Where they really are down, they refuse both.
//!
//! # Confirm by hand
//! On the load balancer: `echo 'show stat' | nc -U /run/haproxy/admin.sock | cut -d, -f1,2,18,37,38,57`: status DOWN and why, such as
//! `L7STS,404` or `L4CON`; then the check by hand (`curl -i http://SERVER/PATH`, with the path and port of `option httpchk`) beside `curl -i
//! http://SERVER/`.
//!
//! # Fix
//! Let the check ask for what the servers answer well, on the port that they serve on, and reload the load balancer.
//!
//! # Who acts
//! The owner of the load balancer's configuration.
//!
//! # Source
//! HAProxy configuration manual, `option httpchk`, "check", "8.5. Session state at disconnection"; management guide, 9.1 (`check_status`).

use std::net::SocketAddr;

use super::{
    Case, Cause, Finding, Lack, State,
    cut_off::{logged_by, process, quoted, shell},
};
use crate::{
    connections::{Attempt, Connection},
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Outcome},
    model::Model,
    propagation::Mode,
    symptoms::Observation,
};

/// See the module's comment.
pub struct HealthCheckMisconfigured;

const STATISTICS: &str = "haproxy-stat";
const SETTINGS: &str = "haproxy.cfg";

/// A server as the load balancer sees it.
#[derive(Debug)]
struct Server<'e> {
    backend: &'e str,
    name: &'e str,
    status: &'e str,
    check: &'e str,
    code: &'e str,
    address: Option<SocketAddr>,
    line: usize,
}

impl Cause for HealthCheckMisconfigured {
    fn id(&self) -> &'static str {
        "health-check-misconfigured"
    }

    fn source(&self) -> &'static str {
        include_str!("health_check_misconfigured.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let failing = case.model.connections().iter().filter(|connection| turned_away(connection));
        let found = failing.filter_map(|connection| {
            let host = connection.host(case.model)?;
            Some(Finding {
                subject: case.model.evidence.machine(host),
                effects: vec![
                    (connection.subject(), Mode::Empty),
                    (connection.subject(), Mode::RelaysEmpty),
                    (connection.subject(), Mode::Broken),
                ],
                state: examine(case.model, connection, host)?,
            })
        });
        found.collect()
    }
}

/// Whether some of it ends as it does where a load balancer has no server.
fn turned_away(connection: &Connection) -> bool {
    let ends = |each: &&Attempt| match each.seen() {
        Observation::Status(status, _) => status == 503,
        seen => each.failed && seen == Observation::Failed(Outcome::Reset),
    };
    connection.latest().iter().any(|each| ends(&each))
}

fn examine(model: &Model<'_>, connection: &Connection, host: &str) -> Option<State> {
    let services = &model.evidence.services;
    let text = match services.text(host, STATISTICS) {
        Fact::Seen(text) => text,
        Fact::Missed(why) => {
            // Whoever is known to be no such load balancer is not asked.
            let balances =
                matches!(process(model, host, connection.port?), Fact::Seen(Some(name)) if name == "haproxy");
            let how = format!("echo 'show stat' | nc -U /run/haproxy/admin.sock   on {host}");
            let what = format!("services/{host}/{STATISTICS}.txt");
            return balances.then(|| State::Undecided(vec![Lack { what, why, how, request: None }]));
        }
    };
    let servers = servers(text);
    let down = |backend: &str| {
        servers.iter().any(|row| row.backend == backend && row.name == "BACKEND" && row.status == "DOWN")
    };
    let real = |row: &&Server<'_>| !matches!(row.name, "BACKEND" | "FRONTEND");
    let lost: Vec<&Server<'_>> =
        servers.iter().filter(real).filter(|row| down(row.backend) && row.status.starts_with("DOWN")).collect();
    let file = |line: usize, says: String| services.cite(host, STATISTICS, line, says);
    if lost.is_empty() {
        let cited =
            servers.iter().take(1).map(|row| file(row.line, format!("{}/{} {}", row.backend, row.name, row.status)));
        return Some(State::excluded(format!("{host} has a server for every request"), cited.collect()));
    }
    let mut evidence = Vec::new();
    for row in &lost {
        evidence
            .push(file(row.line, format!("{}/{} {} {} {}", row.backend, row.name, row.status, row.check, row.code)));
        if row.code.starts_with('5') {
            return Some(State::excluded(format!("{} says itself that it is ill", row.name), evidence));
        }
        match serves(model, row) {
            Serves::Yes(cited) => evidence.push(cited),
            Serves::No(cited) => {
                evidence.push(cited);
                return Some(State::excluded(format!("{} does not answer anybody else either", row.name), evidence));
            }
            Serves::Unknown => {
                let address = row.address.map_or_else(|| row.name.to_owned(), |address| address.to_string());
                return Some(State::Undecided(vec![Lack {
                    what: format!("an attempt to reach {address} in probes.json"),
                    why: "nobody has asked it but the load balancer's check".to_owned(),
                    how: format!("curl -i http://{address}/   on {host}"),
                    request: None,
                }]));
            }
        }
    }
    let fix = fix(model, host, &lost, &mut evidence);
    evidence.extend(connection.cites());
    Some(State::holds(evidence, fix))
}

/// The rows of `show stat`, by the names of their columns.
fn servers(text: &str) -> Vec<Server<'_>> {
    let mut lines = text.lines().enumerate();
    let Some(heading) = lines.find_map(|(_, line)| line.strip_prefix("# ")) else { return vec![] };
    let columns: Vec<&str> = heading.split(',').collect();
    let rows = lines.filter_map(|(i, line)| {
        let cells: Vec<&str> = line.split(',').collect();
        let get = |name: &str| columns.iter().position(|column| *column == name).and_then(|at| cells.get(at).copied());
        Some(Server {
            backend: get("pxname")?,
            name: get("svname")?,
            status: get("status")?,
            // `* L7STS` while the next check is under way.
            check: get("check_status").unwrap_or_default().trim_start_matches("* "),
            code: get("check_code").unwrap_or_default(),
            address: get("addr").and_then(|address| address.parse().ok()),
            line: i + 1,
        })
    });
    rows.collect()
}

enum Serves {
    Yes(Citation),
    No(Citation),
    Unknown,
}

/// Whether somebody else than the check gets an answer of a server.
fn serves(model: &Model<'_>, row: &Server<'_>) -> Serves {
    let Some(address) = row.address else { return Serves::Unknown };
    let own = |each: &&Connection| each.port == Some(address.port()) && each.addresses.contains(&address.ip());
    // A connection alone says nothing of what a server answers.
    let tells = |attempt: &&Attempt| attempt.failed || attempt.status.is_some() || !row.check.starts_with("L7");
    let last = |connection: &'_ Connection| connection.attempts.iter().rev().find(tells).cloned();
    let (mut yes, mut no) = (None, None);
    for attempt in model.connections().iter().filter(own).filter_map(last) {
        let well = !attempt.failed && attempt.status.is_none_or(|status| status < 500);
        if well { yes = Some(attempt.cited) } else { no = Some(attempt.cited) }
    }
    match (yes, no) {
        (_, Some(cited)) => Serves::No(cited),
        (Some(cited), None) => Serves::Yes(cited),
        (None, None) => Serves::Unknown,
    }
}

/// Lets the check ask for something that the servers are known to answer well.
fn fix(model: &Model<'_>, host: &str, lost: &[&Server<'_>], evidence: &mut Vec<Citation>) -> Fix {
    const FILE: &str = "/etc/haproxy/haproxy.cfg";
    let nothing =
        Fix { summary: format!("Let the checks of {host} ask for what the servers answer well"), patch: vec![] };
    let Some(text) = model.evidence.services.text(host, SETTINGS).seen() else { return nothing };
    let run = |script: String| vec![Change::Run { host: host.to_owned(), command: shell(script) }];
    if lost.iter().all(|row| row.check.starts_with("L4")) {
        return Fix {
            summary: format!("Let the checks of {host} go to the port that the servers serve on"),
            patch: run(format!(
                "sed -i -E '/^ *(server|default-server) /s# port [0-9]+##' {FILE} && systemctl reload haproxy"
            )),
        };
    }
    let asked = text.lines().enumerate().find_map(|(i, line)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let path = match words[..] {
            ["option", "httpchk", .., path] if path.starts_with('/') => path,
            ["option", "httpchk", _, path, ..] if path.starts_with('/') => path,
            ["http-check", "send", ..] => words.iter().skip_while(|word| **word != "uri").nth(1)?,
            _ => return None,
        };
        Some((i + 1, line.trim(), path))
    });
    let Some((line, says, path)) = asked else { return nothing };
    evidence.push(model.evidence.services.cite(host, SETTINGS, line, says));
    let better = answered(model, lost, path).unwrap_or_else(|| "/".to_owned());
    Fix {
        summary: format!("Let the checks of {host} ask for {better} instead of {path}"),
        patch: run(format!(
            "sed -i -E '{line}s#{}( |$)#{better}\\1#' {FILE} && systemctl reload haproxy",
            quoted(path)
        )),
    }
}

/// The path that these servers have answered well, by their own logs, and that is written most like the one asked for.
fn answered(model: &Model<'_>, lost: &[&Server<'_>], path: &str) -> Option<String> {
    let hosts: Vec<&str> = lost.iter().filter_map(|row| Some(model.machines.owner(row.address?.ip())?.0)).collect();
    let records = model.evidence.traffic.iter().filter(|record| {
        logged_by(record).is_some_and(|host| hosts.contains(&host))
            && record.method == "GET"
            && record.status.is_some_and(|status| status < 400)
    });
    let alike = |other: &str| path.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let paths: std::collections::BTreeSet<&str> = records.map(|record| record.path.as_str()).collect();
    paths.into_iter().max_by_key(|other| (alike(other), std::cmp::Reverse(other.len()))).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine client 10.80.1.10/24
        machine lb 10.80.1.20/24
        machine app 10.80.1.30/24 listens 0.0.0.0:80
        file hosts/lb/ss.txt | LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:((\"haproxy\",pid=175,fd=4))
        probe host/client -> http://shop.example.test/  503 in 2ms  at 10.80.1.20:80";
    const STAT: &str = "file services/lb/haproxy-stat.txt | # pxname,svname,status,check_status,check_code,addr | web,FRONTEND,OPEN,,, | apps,app-1,DOWN,L7STS,404,10.80.1.30:80 | apps,BACKEND,DOWN,,,";
    const SERVES: &str = "probe host/lb -> http://10.80.1.30/  200 in 2ms  at 10.80.1.30:80
        probe host/lb -> tcp://10.80.1.30:80  connected in 1ms  at 10.80.1.30:80";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{STAT}\n{SERVES}\n=> health-check-misconfigured host/lb"));
        let port = STAT.replace("L7STS,404", "L4CON,");
        check(&format!("{WORLD}\n{port}\n{SERVES}\n=> health-check-misconfigured host/lb"));
    }

    #[test]
    fn twin_the_servers_are_down() {
        let down = STAT.replace("L7STS,404", "L4CON,");
        let refused = SERVES.replace("200 in 2ms", "refused in 1ms").replace("connected", "refused");
        check(&format!("{WORLD}\n{down}\n{refused}\n=> unknown"));
    }

    #[test]
    fn twins_the_application_is_ill_and_a_server_is_left() {
        check(&format!("{WORLD}\n{}\n{SERVES}\n=> unknown", STAT.replace(",404,", ",503,")));
        let left = STAT.replace("apps,BACKEND,DOWN", "apps,app-2,UP,L7OK,200,10.80.1.31:80 | apps,BACKEND,UP");
        check(&format!("{WORLD}\n{left}\n{SERVES}\n=> unknown"));
    }

    #[test]
    fn unknown_without_statistics_or_another_opinion() {
        check(&format!("{WORLD}\n{SERVES}\n=> unknown lacks services/lb/haproxy-stat.txt"));
        check(&format!("{WORLD}\n{STAT}\n=> unknown lacks an attempt to reach 10.80.1.30:80 in probes.json"));
    }
}
