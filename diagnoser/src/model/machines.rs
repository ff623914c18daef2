//! Machines by their addresses, and what names mean to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::{
    evidence::{Citation, Evidence, Fact, Hosts, Interface, ProbeKind, Target, host_and_port},
    subject::Subject,
};

/// The machines of the evidence.
#[derive(Debug, Default)]
pub struct Machines {
    interfaces: BTreeMap<String, Vec<Interface>>,
    owners: BTreeMap<IpAddr, BTreeSet<String>>,
    meanings: Vec<Meaning>,
}

/// That a name means an address.
#[derive(Clone, Debug)]
pub struct Meaning {
    /// The name, in lower case.
    pub name: String,
    /// The address.
    pub address: IpAddr,
    /// To whom it does, where it was not said to all.
    pub to: Option<Subject>,
    /// Where it stands.
    pub cited: Citation,
}

impl Machines {
    pub(super) fn new(evidence: &Evidence) -> Self {
        let mut machines = Self::default();
        for host in evidence.hosts.names() {
            let Fact::Seen(interfaces) = evidence.hosts.interfaces(host) else { continue };
            for net in interfaces.iter().filter(|interface| !interface.is_loopback()).flat_map(|i| &i.addresses) {
                machines.owners.entry(net.addr()).or_default().insert(host.to_owned());
            }
            machines.interfaces.insert(host.to_owned(), interfaces);
        }
        machines.meanings = meanings(evidence);
        machines
    }

    /// The interfaces of a machine; none where they were not collected.
    pub fn interfaces(&self, host: &str) -> Option<&[Interface]> {
        self.interfaces.get(host).map(Vec::as_slice)
    }

    /// The machines whose interfaces are known.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.interfaces.keys().map(String::as_str)
    }

    /// Every address of a machine that others could reach, with the interface it is on.
    pub fn addresses(&self, host: &str) -> impl Iterator<Item = (IpAddr, &Interface)> {
        let interfaces = self.interfaces(host).unwrap_or_default().iter().filter(|i| !i.is_loopback());
        interfaces.flat_map(|interface| interface.addresses.iter().map(move |net| (net.addr(), interface)))
    }

    /// The one machine that has an address, and the interface it is on.
    pub fn owner(&self, address: IpAddr) -> Option<(&str, &Interface)> {
        let mut hosts = self.owners.get(&address)?.iter();
        let (host, None) = (hosts.next()?, hosts.next()) else { return None };
        let interface = self.interfaces(host)?.iter().find(|interface| interface.has(address))?;
        Some((host, interface))
    }

    /// What a name, or an address in writing, means to a place, the surest first: what it was itself answered from, what its
    /// own file of names says, what others were answered.
    pub fn meaning(&self, name: &str, from: Option<&Subject>) -> Vec<(IpAddr, Option<&Citation>)> {
        if let Ok(address) = name.parse() {
            return vec![(address, None)];
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let all = || self.meanings.iter().filter(|meaning| meaning.name == name);
        let own: Vec<_> = all().filter(|meaning| from.is_some() && meaning.to.as_ref() == from).collect();
        // What stands in another machine's file of names means nothing here.
        let common = all().filter(|meaning| !meaning.cited.source.starts_with("hosts/")).collect();
        let mut found: Vec<(IpAddr, Option<&Citation>)> = Vec::new();
        for meaning in if own.is_empty() { common } else { own } {
            if !found.iter().any(|(address, _)| *address == meaning.address) {
                found.push((meaning.address, Some(&meaning.cited)));
            }
        }
        found
    }

    /// All that is known of names.
    pub fn meanings(&self) -> &[Meaning] {
        &self.meanings
    }
}

fn meanings(evidence: &Evidence) -> Vec<Meaning> {
    let mut found = Vec::new();
    let mut add = |name: &str, address: &str, to: Option<&Subject>, cited: Citation| {
        let address = address.parse().ok().or_else(|| host_and_port(address).0.parse::<IpAddr>().ok());
        if let Some(address) = address.filter(|_| name.parse::<IpAddr>().is_err()) {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            found.push(Meaning { name, address, to: to.cloned(), cited });
        }
    };
    for (index, probe) in evidence.probes.iter().enumerate() {
        let name = match probe.target() {
            Target::Url { host, .. } => host,
            Target::Name(name) => name,
            Target::Object(..) => continue,
        };
        // A name of several servers, and one that leads on to others, is not what the last address is of.
        let one = probe.kind.is_plain() || !probe.target.contains(',');
        let first = !matches!(probe.kind, ProbeKind::Kafka | ProbeKind::Ssh) && one;
        if let Some(address) = probe.address.as_deref().filter(|_| first) {
            add(&name, address, probe.from.as_ref(), probe.cite(index));
        }
        if let Some(text) = probe.text.as_deref().filter(|_| probe.kind == ProbeKind::Dns && !probe.failed()) {
            let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|w| w.contains(['.', ':']));
            words.for_each(|word| add(&name, word, probe.from.as_ref(), probe.cite(index)));
        }
    }
    for (index, record) in evidence.traffic.iter().enumerate() {
        let (Some(from), Some(upstream), Some(address)) = (&record.from, &record.upstream, &record.address) else {
            continue;
        };
        // As with probes: what leads on to others (a leader, a jump host), and what is of several servers, ends elsewhere.
        if matches!(record.method.as_str(), "LOGIN" | "PRODUCE") || upstream.contains(',') {
            continue;
        }
        let cited = Citation::line("traffic.jsonl", index + 1, format!("{upstream} is {address}"));
        // The clients' records are many and say the same.
        add(host_and_port(upstream).0, address, Some(from), cited);
    }
    for host in evidence.hosts.names() {
        let Fact::Seen(text) = evidence.hosts.text(host, "hosts-file") else { continue };
        let from = evidence.machine(host);
        for (index, line) in text.lines().enumerate() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let Some(address) = words.next() else { continue };
            for name in words {
                let cited = Citation::line(&Hosts::file(host, "hosts-file"), index + 1, line.trim());
                add(name, address, Some(&from), cited);
            }
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|meaning| seen.insert((meaning.name.clone(), meaning.address, meaning.to.clone())));
    found
}
