//! A machine asks for names where nobody answers, and others ask elsewhere and are answered.
//!
//! # What it looks like
//! Nothing can be reached by name from this machine; by address it can. Look-ups take seconds (`Temporary failure in name
//! resolution`): nobody answers. Another machine finds the same names in a millisecond.
//!
//! # Confirm by hand
//! `cat /etc/resolv.conf` on both machines; `dig NAME @SERVER` with each of the servers; `resolvectl status` where
//! systemd-resolved is between.
//!
//! # Fix
//! Name the server that answers, where the file comes from: DHCP, cloud-init, NetworkManager, systemd-networkd; the file itself is
//! often written anew.
//!
//! # Who acts
//! Whoever configures the machine.
//!
//! # Source
//! resolv.conf(5); gai_strerror(3), EAI_AGAIN.

use std::net::IpAddr;

use super::{
    Case, Cause, Finding, Lack, State,
    lookups_of_hosts::{Asked, asked},
};
use crate::{
    connections::nameservers,
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts, Protocol},
    model::Model,
    propagation::Mode,
    ways,
};

/// See the module's comment.
pub struct ResolverWrongServer;

impl Cause for ResolverWrongServer {
    fn id(&self) -> &'static str {
        "resolver-wrong-server"
    }

    fn source(&self) -> &'static str {
        include_str!("resolver_wrong_server.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let all = asked(model);
        let mut hosts: Vec<&str> = all.iter().filter(|asked| asked.silent.is_some()).map(|asked| asked.host).collect();
        hosts.dedup();
        hosts
            .into_iter()
            .map(|host| {
                let by_name = model.connections().iter().filter(|c| c.client() == Some(host) && c.name().is_some());
                let effects = by_name.map(|connection| (connection.subject(), Mode::Unresolved)).collect();
                Finding { subject: model.evidence.machine(host), effects, state: one(model, host, &all) }
            })
            .collect()
    }
}

fn one(model: &Model<'_>, host: &str, all: &[Asked<'_>]) -> State {
    let own = || all.iter().filter(|asked| asked.host == host);
    if let Some(found) = own().find_map(|asked| asked.found.clone().or(asked.not_found.clone())) {
        return State::excluded(format!("{host} is answered"), vec![found]);
    }
    let mut evidence: Vec<Citation> = own().filter_map(|asked| asked.silent.clone()).take(2).collect();
    let servers = match model.evidence.hosts.resolver(host, "resolv") {
        Fact::Missed(why) => {
            return State::Undecided(vec![Lack::host_fact(host, "resolv", "cat /etc/resolv.conf", why)]);
        }
        Fact::Seen(resolver) => resolver.asked().to_vec(),
    };
    // Who finds a name that this machine does not, and whom it asks.
    let others: Vec<(&Asked<'_>, IpAddr)> = all
        .iter()
        .filter(|other| other.host != host && other.found.is_some() && own().any(|asked| asked.name == other.name))
        .flat_map(|other| nameservers(model, other.host).into_iter().map(move |server| (other, server)))
        .collect();
    if let Some((other, server)) = others.iter().find(|(_, server)| servers.iter().any(|(own, _)| own == server)) {
        let cited = other.found.iter().cloned().collect();
        return State::excluded(format!("{} asks {server} as well, and is answered", other.host), cited);
    }
    let Some((other, right)) = others.first() else {
        return State::Undecided(vec![of_another(model, host, all)]);
    };
    // That server must be one that this machine could ask.
    let way = ways::ways(model, host, *right, 53, Protocol::Udp);
    if let Some((_, end)) = way.fault() {
        return State::excluded(format!("{host} cannot ask {right} either: {}", end.says()), end.cites());
    }
    let file = Hosts::file(host, "resolv");
    evidence.extend(servers.iter().map(|(server, line)| Citation::line(&file, *line, format!("nameserver {server}"))));
    if let Fact::Seen(theirs) = model.evidence.hosts.resolver(other.host, "resolv") {
        let line = theirs.asked().iter().find(|(server, _)| server == right).map_or(1, |(_, line)| *line);
        evidence.push(Citation::line(
            &Hosts::file(other.host, "resolv"),
            line,
            format!("{} asks {right} and is answered", other.host),
        ));
    }
    evidence.extend(other.found.iter().cloned());
    // The file is often a mount of its own, which cannot be replaced, only written.
    let script = format!(
        "all=$(sed '/^nameserver/d' /etc/resolv.conf); printf 'nameserver {right}\\n%s\\n' \"$all\" >/etc/resolv.conf"
    );
    let command = ["sh", "-c", &script].map(str::to_owned).to_vec();
    let fix = Fix {
        summary: format!("Let {host} ask {right} for names, as {} does", other.host),
        patch: vec![Change::Run { host: host.to_owned(), command }],
    };
    State::holds(evidence, fix)
}

/// The look-up of the same name from a machine that could tell.
fn of_another(model: &Model<'_>, host: &str, all: &[Asked<'_>]) -> Lack {
    let found = all.iter().find(|other| other.host != host && other.found.is_some());
    match found.filter(|other| nameservers(model, other.host).is_empty()) {
        Some(other) => Lack::host_fact(other.host, "resolv", "cat /etc/resolv.conf", "not collected".to_owned()),
        None => Lack {
            what: format!("a look-up from another machine than {host}"),
            why: "no other machine was seen finding the same name".to_owned(),
            how: "getent hosts NAME, and cat /etc/resolv.conf   on a machine that works".to_owned(),
            request: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine c 10.80.1.10/24
         machine e 10.80.1.11/24
         machine d 10.80.1.53/24 listens 0.0.0.0:53
         file hosts/e/resolv.txt | nameserver 10.80.1.53
         probe host/c -> tcp://a.example.test:80  name-not-found in 4s says Temporary failure in name resolution
         probe host/c -> dns://a.example.test  name-not-found in 4s says Temporary failure in name resolution
         probe host/e -> dns://a.example.test  answered in 1ms says 10.80.1.20";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\nfile hosts/c/resolv.txt | nameserver 10.80.1.35\n=> resolver-wrong-server host/c"));
    }

    #[test]
    fn twin_it_asks_the_same_server() {
        check(&format!("{WORLD}\nfile hosts/c/resolv.txt | nameserver 10.80.1.53\n=> unknown"));
    }

    #[test]
    fn unknown_without_its_resolver() {
        check(&format!("{WORLD}\n=> unknown lacks hosts/c/resolv.txt"));
    }
}
