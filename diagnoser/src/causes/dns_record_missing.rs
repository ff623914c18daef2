//! A server of names answers that there is no such name, and answers others.
//!
//! # What it looks like
//! Whoever asks for the name fails at once, before there is a connection: `Name or service not known`, NXDOMAIN. Other names are
//! answered, and everybody who asks the same server hears the same. Silence (`Temporary failure in name resolution`, after
//! seconds) is another matter: then nobody answered.
//!
//! # Confirm by hand
//! `dig NAME @SERVER` says `status: NXDOMAIN`; `dig OTHER @SERVER` has an answer. Look for the record in the zone: `grep NAME
//! /etc/dnsmasq.d/*`, or the zone file of the server that is authoritative.
//!
//! # Fix
//! Add the record with the address that the name had, or go back to the name that is in the zone. Negative answers are cached
//! for as long as the zone's SOA says.
//!
//! # Who acts
//! Whoever runs the zone.
//!
//! # Source
//! RFC 2308 (a name that does not exist is an answer), gai_strerror(3) (EAI_NONAME is not EAI_AGAIN).

use std::net::IpAddr;

use super::{
    Case, Cause, Finding, Lack, State,
    lookups_of_hosts::{Asked, asked},
};
use crate::{
    connections::Connection,
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact},
    model::Model,
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct DnsRecordMissing;

impl Cause for DnsRecordMissing {
    fn id(&self) -> &'static str {
        "dns-record-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("dns_record_missing.rs")
    }

    fn owner(&self) -> &'static str {
        "network"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let all = asked(model);
        let failing = all.iter().filter(|asked| asked.not_found.is_some());
        failing
            .map(|failing| {
                let subject = Subject::global("name", failing.name);
                let to_name = |connection: &&Connection| connection.to == failing.name;
                let effects =
                    model.connections().iter().filter(to_name).map(|c| (c.subject(), Mode::Unresolved)).collect();
                Finding { subject, effects, state: one(model, failing, &all) }
            })
            .collect()
    }
}

fn one(model: &Model<'_>, failing: &Asked<'_>, all: &[Asked<'_>]) -> State {
    let Some(not_found) = &failing.not_found else { return State::excluded("it is found", vec![]) };
    if let Some(found) = all.iter().find(|other| other.name == failing.name && other.found.is_some()) {
        // Who else asks hears another answer: it is who asks, or whom.
        return State::excluded(format!("{} finds it", found.host), found.found.iter().cloned().collect());
    }
    let of_host = || all.iter().filter(|other| other.host == failing.host && other.name != failing.name);
    let Some(other) = of_host().find_map(|other| other.found.clone()) else {
        if let Some(silent) = of_host().find_map(|other| other.not_found.clone().or(other.silent.clone())) {
            return State::excluded(format!("{} finds no other name either", failing.host), vec![silent]);
        }
        return State::Undecided(vec![another_name(failing.host)]);
    };
    let mut evidence = vec![not_found.clone(), other];
    let servers = crate::connections::nameservers(model, failing.host);
    let asked_there = servers.first().and_then(|server| {
        let (owner, interface) = model.machines.owner(*server)?;
        Some((owner.to_owned(), interface.cite()))
    });
    evidence.extend(asked_there.iter().map(|(_, cited)| cited.clone()));
    let fix = fix(model, failing.name, asked_there.as_ref().map(|(owner, _)| owner.as_str()), &mut evidence);
    State::holds(evidence, fix)
}

/// The record as it was, where a connection that went well before tells its address and the server is one whose files are known.
fn fix(model: &Model<'_>, name: &str, server: Option<&str>, evidence: &mut Vec<Citation>) -> Fix {
    let was = model.connections().iter().filter(|connection| connection.to == name).find_map(|connection| {
        let good = connection.attempts.iter().rev().find(|attempt| !attempt.failed && attempt.address.is_some())?;
        Some((good.address?, good.cited.clone()))
    });
    let Some((address, cited)) = was else {
        return Fix { summary: format!("Give {name} its record again"), patch: vec![] };
    };
    evidence.push(cited);
    let summary = format!("Give {name} its record again: {address}, as it was");
    let dnsmasq = server.filter(|server| match model.evidence.hosts.unit(server, "dnsmasq") {
        Fact::Seen((unit, _)) => unit.runs(),
        Fact::Missed(_) => false,
    });
    let patch = dnsmasq.map(|server| add_record(server, name, address)).into_iter().collect();
    Fix { summary, patch }
}

fn add_record(server: &str, name: &str, address: IpAddr) -> Change {
    let script =
        format!("printf 'host-record={name},{address}\\n' >'/etc/dnsmasq.d/{name}.conf' && systemctl restart dnsmasq");
    Change::Run { host: server.to_owned(), command: ["sh", "-c", &script].map(str::to_owned).to_vec() }
}

fn another_name(host: &str) -> Lack {
    Lack {
        what: format!("what another name comes to on {host}"),
        why: "no other name was looked up there".to_owned(),
        how: format!("getent hosts OTHER-NAME   on {host}: does the server answer at all?"),
        request: None,
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine c 10.80.1.10/24
         machine d 10.80.1.53/24 listens 0.0.0.0:53
         file hosts/c/resolv.txt | nameserver 10.80.1.53";

    #[test]
    fn holds_where_the_server_answers_others() {
        check(&format!(
            "{WORLD}
             probe host/c -> tcp://a.example.test:80  name-not-found in 1ms
             probe host/c -> dns://a.example.test  name-not-found in 1ms
             probe host/c -> dns://b.example.test  answered in 1ms says 10.80.1.20
             => dns-record-missing name/a.example.test"
        ));
    }

    #[test]
    fn twin_silence_is_no_answer() {
        check(&format!(
            "{WORLD}
             probe host/c -> tcp://a.example.test:80  name-not-found in 2s
             probe host/c -> dns://a.example.test  name-not-found in 2s says Temporary failure in name resolution
             probe host/c -> dns://b.example.test  name-not-found in 2s says Temporary failure in name resolution
             => unknown"
        ));
    }

    #[test]
    fn unknown_without_another_name() {
        check(&format!(
            "{WORLD}
             probe host/c -> tcp://a.example.test:80  name-not-found in 1ms
             => unknown lacks what another name comes to on c"
        ));
    }
}
