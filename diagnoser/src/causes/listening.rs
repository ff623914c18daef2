//! What the causes share by which a machine refuses connections itself, for want of a process that takes them: which port of
//! which machine is asked for, what its sockets say, and what its service manager does.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{Case, Finding, Lack, State, configuration_rejected, space::says_no_space};
use crate::{
    connections::Connection,
    evidence::{Citation, Ended, Fact, Hosts, Listener, Since, Unit},
    model::Model,
    propagation::Mode,
};

/// A port of a machine that refuses, and who asks.
pub(super) struct Refused<'m> {
    /// The machine.
    pub host: String,
    /// The address that is asked.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Who asks.
    pub asked: Vec<&'m Connection>,
}

/// Whether a process takes the connections.
pub(super) enum Sockets {
    /// That was not collected.
    Unseen(Lack),
    /// One does.
    Take(Citation),
    /// One listens on the port, for the machine itself alone.
    Loopback(Vec<Citation>),
    /// One listens on the port, on another address.
    Elsewhere(Vec<Citation>),
    /// None listens on the port; all that listen otherwise.
    Nobody(Vec<Listener>),
}

/// Why nobody listens on a port.
pub(super) enum Why {
    /// A service that should is not running.
    Down(Unit, Citation),
    /// A service listens on another port, for which nobody asks.
    OtherPort(Listener, Option<(Unit, Citation)>),
    /// Nothing tells; the one service that runs there, if there is one.
    Plain(Option<(Unit, Citation)>),
    /// That cannot be told without these.
    Unclear(Vec<Lack>),
}

/// Every port of a machine that refuses connections somebody suffers from, with all who ask there: a proxy whose connections
/// are refused may say no more than that its request failed.
pub(super) fn refused<'m>(case: &Case<'m, '_>) -> Vec<Refused<'m>> {
    let model = case.model;
    let mut found: BTreeMap<(String, IpAddr, u16), Vec<&Connection>> = BTreeMap::new();
    for connection in case.suffering() {
        let Some(port) = connection.port.filter(|_| connection.comes_to(&[crate::evidence::Outcome::Refused])) else {
            continue;
        };
        for address in connection.addresses.iter().filter(|address| !is_sent_on(connection, **address)) {
            if let Some((host, _)) = model.machines.owner(*address) {
                found.entry((host.to_owned(), *address, port)).or_default().push(connection);
            }
        }
    }
    for ((_, address, port), asked) in &mut found {
        let others = model.connections().iter().filter(|connection| {
            connection.serves
                && connection.port == Some(*port)
                && connection.addresses.contains(address)
                && !is_sent_on(connection, *address)
        });
        asked.extend(others);
        let mut seen = BTreeSet::new();
        asked.retain(|connection| seen.insert(connection.subject()));
    }
    found.into_iter().map(|((host, address, port), asked)| Refused { host, address, port, asked }).collect()
}

/// Whether what goes to an address is sent on to another there: then it is not refused for want of this port.
fn is_sent_on(connection: &Connection, address: IpAddr) -> bool {
    let mut ways = connection.ways.iter().filter(|(to, _)| *to == address);
    ways.any(|(_, ways)| ways.there.hops.last().is_some_and(|hop| hop.translated.is_some()))
}

impl Refused<'_> {
    /// What a cause says of it: the machine is the subject, and whoever asks is refused.
    pub(super) fn finding(&self, model: &Model<'_>, state: State) -> Finding {
        let effects = self.asked.iter().map(|connection| (connection.subject(), Mode::Refused)).collect();
        Finding { subject: model.evidence.machine(&self.host), effects, state }
    }

    /// What the sockets say.
    pub(super) fn sockets(&self, model: &Model<'_>) -> Sockets {
        const FACT: &str = "ss";
        let all = match model.evidence.hosts.listeners(&self.host, FACT) {
            Fact::Seen(all) => all,
            Fact::Missed(why) => return Sockets::Unseen(Lack::host_fact(&self.host, FACT, "ss -tlnp", why)),
        };
        let cite = |listener: &Listener| {
            let process = listener.process.as_ref().map(|process| format!(" {process}")).unwrap_or_default();
            Hosts::cite(&self.host, FACT, listener.line, format!("{}:{}{process}", listener.address, listener.port))
        };
        let here: Vec<&Listener> = all.iter().filter(|listener| listener.port == self.port).collect();
        if let Some(taking) = here.iter().find(|listener| listener.takes(self.address)) {
            return Sockets::Take(cite(taking));
        }
        let cited: Vec<Citation> = here.iter().map(|listener| cite(listener)).collect();
        match (here.is_empty(), here.iter().all(|listener| listener.is_loopback())) {
            (true, _) => Sockets::Nobody(all),
            (false, true) => Sockets::Loopback(cited),
            (false, false) => Sockets::Elsewhere(cited),
        }
    }

    /// The socket on the port, whoever may connect to it.
    pub(super) fn socket(&self, model: &Model<'_>) -> Option<Listener> {
        let all = model.evidence.hosts.listeners(&self.host, "ss").seen()?;
        all.into_iter().find(|listener| listener.port == self.port)
    }

    /// That nobody listens on the port, as a reading.
    pub(super) fn nobody(&self) -> Citation {
        Citation::new(Hosts::file(&self.host, "ss"), "", format!("nothing listens on port {}", self.port))
    }

    /// Why nobody listens on the port, as far as the service manager and the other sockets tell.
    pub(super) fn why(&self, model: &Model<'_>, listening: &[Listener]) -> Why {
        let units = services(model, &self.host);
        let others: Vec<&Listener> = listening.iter().filter(|listener| self.is_nobodys(model, listener)).collect();
        let (running, mut down): (Vec<_>, Vec<_>) = units.iter().partition(|(unit, _)| unit.runs());
        // What ended by itself tells more than what rests: much does so once it has done its work.
        if down.iter().any(|(unit, _)| unit.failed()) {
            down.retain(|(unit, _)| unit.failed());
        }
        // One process may listen on several addresses and ports.
        let names: std::collections::BTreeSet<_> = others.iter().map(|listener| &listener.process).collect();
        match (&down[..], others.first(), names.len()) {
            ([(unit, cited)], None, _) => Why::Down(unit.clone(), cited.clone()),
            ([(unit, cited)], Some(_), _) if unit.failed() => Why::Down(unit.clone(), cited.clone()),
            ([], Some(_), 1) if units.is_empty() => {
                let why = "it says whether the process that listens is the one that should".to_owned();
                Why::Unclear(vec![Lack::host_fact(
                    &self.host,
                    "systemctl",
                    "systemctl list-units --type=service --all",
                    why,
                )])
            }
            ([], Some(other), 1) => {
                let whose = running.iter().find(|(unit, _)| is_of(unit, other)).or(running.first()).copied();
                Why::OtherPort((*other).clone(), whose.cloned())
            }
            ([], None, _) => Why::Plain(running.first().filter(|_| running.len() == 1).copied().cloned()),
            _ => Why::Unclear(vec![]),
        }
    }

    /// Whether a socket takes connections from other machines and none of these asks for it.
    fn is_nobodys(&self, model: &Model<'_>, listener: &Listener) -> bool {
        /// Processes that machines have whatever else they are for.
        const EVERYWHERE: [&str; 14] = [
            "sshd",
            "systemd",
            "systemd-resolve",
            "systemd-network",
            "rpcbind",
            "rpc.statd",
            "chronyd",
            "ntpd",
            "cupsd",
            "node_exporter",
            "exim4",
            "master",
            "dockerd",
            "containerd",
        ];
        let asked = |connection: &Connection| {
            connection.port == Some(listener.port) && connection.host(model) == Some(self.host.as_str())
        };
        let own = listener.process.as_deref().is_some_and(|process| EVERYWHERE.contains(&process));
        let taken_for_granted = own || listener.process.is_none() && matches!(listener.port, 22 | 111);
        !listener.is_loopback() && !taken_for_granted && !model.connections().iter().any(asked)
    }
}

/// Whether a socket is held by a service, as far as names and process ids tell.
fn is_of(unit: &Unit, listener: &Listener) -> bool {
    let name = unit.name.trim_end_matches(".service");
    listener.process.as_deref().is_some_and(|process| name.contains(process) || process.contains(name))
}

/// The service that holds a socket, as `systemctl` takes its name; none where that cannot be told.
pub(super) fn service_of(model: &Model<'_>, host: &str, listener: &Listener) -> Option<String> {
    let of = services(model, host).into_iter().find(|(unit, _)| unit.runs() && is_of(unit, listener));
    of.map(|(unit, _)| unit.name.trim_end_matches(".service").to_owned())
}

/// The services that a machine is there for: those whose status was asked for by name, else those of the list that are none of
/// the system's own; of the latter only what runs or has failed, for the manager lists much that is meant to rest.
fn services(model: &Model<'_>, host: &str) -> Vec<(Unit, Citation)> {
    /// How services begin that every system has.
    const SYSTEM: [&str; 31] = [
        "systemd-",
        "dbus",
        "ssh",
        "cron",
        "getty",
        "serial-getty",
        "console-getty",
        "user@",
        "user-runtime",
        "rsyslog",
        "syslog",
        "chrony",
        "ntp",
        "network",
        "nftables",
        "firewalld",
        "polkit",
        "unattended-",
        "snapd",
        "multipathd",
        "ModemManager",
        "udisks",
        "accounts-daemon",
        "apt-",
        "auditd",
        "containerd",
        "docker",
        "cloud-",
        "initrd-",
        "kmod-",
        "emergency",
    ];
    let hosts = &model.evidence.hosts;
    let named = hosts.fact_names(host).filter_map(|fact| fact.strip_prefix("systemctl-"));
    let mut own: Vec<(Unit, Citation)> = named.filter_map(|unit| hosts.unit(host, unit).seen()).collect();
    let listed = hosts.units(host).seen().unwrap_or_default();
    if !own.is_empty() {
        // One that has failed counts, though nobody asked for its status.
        for unit in listed.into_iter().filter(|unit| unit.exists() && unit.failed()) {
            if !own.iter().any(|(known, _)| known.is(&unit.name)) {
                let cited = Hosts::cite(host, "systemctl", unit.line, unit.says.clone());
                own.push((unit, cited));
            }
        }
        return own;
    }
    let meant = |unit: &Unit| {
        unit.exists()
            && (unit.runs() && unit.sub == "running" || unit.failed())
            && !SYSTEM.iter().any(|start| unit.name.starts_with(start))
    };
    let listed = listed.into_iter().filter(meant);
    listed
        .map(|unit| {
            let cited = Hosts::cite(host, "systemctl", unit.line, unit.says.clone());
            (unit, cited)
        })
        .collect()
}

/// What made a service end that says more than that it did: the kernel for want of memory, its own configuration, or a file
/// system that is full.
pub(super) fn deeper(model: &Model<'_>, host: &str, unit: &Unit) -> Option<(&'static str, Citation)> {
    let name = unit.name.trim_end_matches(".service");
    if !unit.failed() {
        return None;
    }
    let kills = model.evidence.hosts.oom_kills(host).seen().unwrap_or_default();
    let killed = kills.iter().rev().find(|kill| kill.unit().is_some_and(|killed| unit.is(killed)));
    if let Some(kill) = killed {
        return Some((
            "the kernel killed it for want of memory",
            Hosts::cite(host, "dmesg", kill.line, kill.says.clone()),
        ));
    }
    if unit.result.as_deref() == Some("oom-kill") {
        let fact = format!("systemctl-{name}");
        return Some((
            "the kernel killed it for want of memory",
            Hosts::cite(host, &fact, unit.line, unit.says.clone()),
        ));
    }
    if let Some(cited) = configuration_rejected::said(model, host, unit).seen().flatten() {
        return Some(("it does not accept its configuration", cited));
    }
    let said = model.evidence.hosts.last_said(host, name, Since::Start, says_no_space).seen().flatten();
    said.map(|cited| ("it found no space left to write to", cited))
}

/// What is lacking to say whether anything deeper made a service fail: the kernel's log where it was killed, else its journal.
pub(super) fn unread(model: &Model<'_>, host: &str, unit: &Unit) -> Vec<Lack> {
    let name = unit.name.trim_end_matches(".service");
    let hosts = &model.evidence.hosts;
    match (&unit.ended, hosts.oom_kills(host), hosts.journal(host, name)) {
        _ if !unit.failed() => vec![],
        (Some(Ended::Exited(_)), _, Fact::Missed(why)) => {
            vec![Lack::host_fact(host, &format!("journal-{name}"), &format!("journalctl -u {name}"), why)]
        }
        (Some(Ended::Killed(_)), Fact::Missed(why), _) => {
            vec![Lack::host_fact(host, "dmesg", "dmesg -T | grep -i -e oom-kill -e 'Killed process'", why)]
        }
        _ => vec![],
    }
}
