//! A client jumps over a bastion that does not lead to the server (PermitOpen), and another one does.
//!
//! # What it looks like
//! The log-in at the bastion succeeds, then "channel 0: open failed: administratively prohibited: open failed" and "stdio
//! forwarding failed". Other servers are reached over the same bastion.
//!
//! # Confirm by hand
//! `ssh -G HOST` says which bastion is taken (proxyjump). On that bastion `sshd -T | grep -e permitopen -e forwarding` does not
//! let HOST through, and `journalctl -u ssh` says "Received request ... to connect to host HOST port 22, but the request was
//! denied". On another one `sshd -T` does, and `nc -z HOST 22` connects there.
//!
//! # Fix
//! `ProxyJump` in ~/.ssh/config, or `ssh -J`.
//!
//! # Who acts
//! Whoever runs the client.
//!
//! # Source
//! sshd_config(5), PermitOpen, AllowTcpForwarding; ssh_config(5), ProxyJump; RFC 4254, 5.1 (SSH_OPEN_ADMINISTRATIVELY_PROHIBITED).

use std::net::IpAddr;

use super::{Case, Cause, Finding, Lack, Proof, State, log_ins};
use crate::{
    connections::Connection,
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Protocol},
    model::Model,
    ways,
};

/// See the module's comment.
pub struct SshWrongBastion;

impl Cause for SshWrongBastion {
    fn id(&self) -> &'static str {
        "ssh-wrong-bastion"
    }

    fn source(&self) -> &'static str {
        include_str!("ssh_wrong_bastion.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let each = case.model.connections().iter().filter_map(|connection| {
            let attempt = connection.typical().filter(|attempt| attempt.logs_in())?;
            attempt.text.as_deref().filter(|text| text.contains("open failed: administratively prohibited"))?;
            let client = connection.client()?;
            let (bastion, _) = case.model.machines.owner(*connection.addresses.first()?)?;
            Some(Finding {
                subject: case.model.evidence.machine(client),
                effects: log_ins::effects(connection),
                state: look(case.model, connection, client, bastion),
            })
        });
        each.collect()
    }
}

/// What a bastion's settings say of a destination.
enum Leads {
    /// It may be connected to.
    There(Vec<Citation>),
    /// It may not.
    Elsewhere(Vec<Citation>),
}

fn look(model: &Model<'_>, connection: &Connection, client: &str, bastion: &str) -> State {
    let (to, port) = (connection.to.as_str(), connection.port.unwrap_or(22));
    let mut lacks: Vec<Lack> = Vec::new();
    let configured = match log_ins::configured(model, client, to, "proxyjump") {
        Fact::Seen(configured) => configured,
        Fact::Missed(why) => {
            lacks.push(log_ins::lack_configured(client, to, &why));
            None
        }
    };
    let mut evidence = match leads(model, bastion, to, port) {
        Fact::Seen(Leads::Elsewhere(cited)) => cited,
        Fact::Seen(Leads::There(cited)) => {
            return State::excluded(format!("{bastion} lets connections to {to} through"), cited);
        }
        Fact::Missed(why) => {
            lacks.push(log_ins::lack_settings(bastion, &why));
            vec![]
        }
    };
    // Whoever else the client's configuration jumps over, and whatever machine is known to let it through.
    let named = log_ins::values(model, client, to, "proxyjump");
    let mut others: Vec<(String, Option<&str>)> = Vec::new();
    for value in &named {
        let owner = host_of(model, client, value).and_then(|address| model.machines.owner(address));
        if let Some((host, _)) = owner.filter(|(host, _)| *host != bastion) {
            others.push((host.to_owned(), Some(value)));
        }
    }
    for host in model.evidence.services.machines().filter(|host| *host != bastion) {
        if !others.iter().any(|(other, _)| other == host) {
            others.push((host.to_owned(), None));
        }
    }
    let mut right = None;
    for (host, value) in &others {
        match leads(model, host, to, port) {
            Fact::Seen(Leads::There(cited)) if reaches(model, client, host, to, port) => {
                right = right.or(Some((host, *value, cited)));
            }
            Fact::Missed(why) if value.is_some() => lacks.push(log_ins::lack_settings(host, &why)),
            _ => {}
        }
    }
    if !lacks.is_empty() {
        return State::Undecided(lacks);
    }
    let Some((host, value, cited)) = right else {
        return State::excluded(format!("no other bastion is known that leads to {to}"), evidence);
    };
    evidence.extend(cited);
    evidence.extend(configured.as_ref().map(|configured| configured.cited.clone()));
    evidence.extend(connection.cites());
    let command = configured.and_then(|configured| {
        let value = value.map(str::to_owned).or_else(|| instead(model, client, &configured.value, host))?;
        log_ins::rewrite(&configured, &value)
    });
    let patch = command.map(|command| Change::Run { host: client.to_owned(), command });
    let fix = Fix {
        summary: format!("Let {client} jump over {} to {to}", value.unwrap_or(host)),
        patch: patch.into_iter().collect(),
    };
    State::Holds(Box::new(Proof { evidence, fix, wants: vec![], changed: None }))
}

/// Whether a bastion's sshd lets connections to a destination through.
fn leads(model: &Model<'_>, bastion: &str, to: &str, port: u16) -> Fact<Leads> {
    let open = match log_ins::setting(model, bastion, "permitopen") {
        Fact::Missed(why) => return Fact::Missed(why),
        Fact::Seen(open) => open,
    };
    for (key, bars) in [("disableforwarding", &["yes"][..]), ("allowtcpforwarding", &["no", "remote"][..])] {
        let lines = log_ins::setting(model, bastion, key).seen().unwrap_or_default();
        let barring = lines.into_iter().find(|(words, _)| words.iter().any(|word| bars.contains(word)));
        if let Some((_, cited)) = barring {
            return Fact::Seen(Leads::Elsewhere(vec![cited]));
        }
    }
    let may = |word: &str| {
        let (host, own) = word.rsplit_once(':').unwrap_or((word, ""));
        let host = host.trim_matches(['[', ']']);
        word == "any" || host.eq_ignore_ascii_case(to) && (own == "*" || own == port.to_string())
    };
    let allowed = open.iter().any(|(words, _)| words.iter().any(|word| may(word)));
    let cited = open.iter().map(|(_, cited)| cited.clone()).collect();
    Fact::Seen(if allowed || open.is_empty() { Leads::There(cited) } else { Leads::Elsewhere(cited) })
}

/// The address that a word of `ProxyJump` means: `user@host:port`.
fn host_of(model: &Model<'_>, client: &str, value: &str) -> Option<IpAddr> {
    let host = value.rsplit_once('@').map_or(value, |(_, host)| host);
    let host = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(host, _)| host);
    let host = host.trim_matches(['[', ']']);
    let from = model.evidence.machine(client);
    let (address, _) = model.machines.meaning(host, Some(&from)).into_iter().next()?;
    Some(address)
}

/// A value of `ProxyJump` with another bastion in it, by the name that the client has for it.
fn instead(model: &Model<'_>, client: &str, value: &str, bastion: &str) -> Option<String> {
    let from = model.evidence.machine(client);
    let is_its = |address: IpAddr| model.machines.owner(address).is_some_and(|(host, _)| host == bastion);
    let own = model.machines.meanings().iter().filter(|meaning| meaning.to.as_ref() == Some(&from));
    let name = own.filter(|meaning| is_its(meaning.address)).map(|meaning| meaning.name.as_str()).min()?;
    let (user, host) = value.rsplit_once('@').map_or(("", value), |(user, _)| value.split_at(user.len() + 1));
    let port = host.rfind(':').filter(|at| host[at + 1..].parse::<u16>().is_ok()).map_or("", |at| &host[at..]);
    Some(format!("{user}{name}{port}"))
}

/// Whether the client's packets get to another bastion, and its own to the server.
fn reaches(model: &Model<'_>, client: &str, bastion: &str, to: &str, port: u16) -> bool {
    let arrives = |from: &str, to: IpAddr, port| ways::ways(model, from, to, port, Protocol::Tcp).fault().is_none();
    let mut own = model.machines.addresses(bastion);
    let meant = model.machines.meaning(to, Some(&model.evidence.machine(bastion)));
    own.any(|(address, _)| arrives(client, address, 22))
        && meant.iter().any(|(address, _)| !address.is_loopback() && arrives(bastion, *address, port))
}

#[cfg(test)]
mod tests {
    use crate::sketch::{check, patch};

    const WORLD: &str = "machine laptop 10.1.1.10/24
        machine east 10.1.1.21/24 10.2.1.21/24 listens 0.0.0.0:22
        machine west 10.1.1.22/24 10.3.1.22/24 listens 0.0.0.0:22
        machine files 10.2.1.30/24 listens 0.0.0.0:22
        file hosts/laptop/hosts-file.txt | 10.1.1.21 east.example.test | 10.1.1.22 west.example.test
        file hosts/east/hosts-file.txt | 10.2.1.30 files.example.test
        file services/east/sshd-T.txt | port 22 | permitopen files.example.test:22
        file services/west/sshd-T.txt | port 22 | permitopen other.example.test:22 mail.example.test:*
        file hosts/laptop/ssh-G-files.example.test.txt | hostname files.example.test | proxyjump west.example.test | /r/config:1:Host files* | /r/config:2:  ProxyJump west.example.test | /r/config:3:Host x | /r/config:4:  ProxyJump ops@east.example.test:22
        probe host/laptop -> ssh://files.example.test  failed in 300ms  at 10.1.1.22:22  says channel 0: open failed: administratively prohibited: open failed; stdio forwarding failed";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n=> ssh-wrong-bastion host/laptop"));
        let closed = WORLD
            .replace("permitopen other.example.test:22 mail.example.test:*", "allowtcpforwarding no | permitopen any");
        check(&format!("{closed}\n=> ssh-wrong-bastion host/laptop"));
    }

    #[test]
    fn the_fix_names_a_bastion_that_leads_there() {
        assert!(patch(WORLD).contains("#ops@east.example.test:22#"), "{}", patch(WORLD));
        let unnamed = WORLD.replace(" | /r/config:3:Host x | /r/config:4:  ProxyJump ops@east.example.test:22", "");
        assert!(patch(&unnamed).contains("2s#west\\\\.example\\\\.test#east.example.test#"), "{}", patch(&unnamed));
    }

    #[test]
    fn twin_no_other_leads_there_either() {
        check(&format!(
            "{}\n=> unknown",
            WORLD.replace("permitopen files.example.test:22", "permitopen files.example.test:23")
        ));
        check(&format!("{WORLD}\nroute east - 10.2.1.0/24 dev eth1 proto kernel scope link src 10.2.1.21\n=> unknown"));
    }

    #[test]
    fn twin_it_is_not_the_settings_that_say_no() {
        check(&format!("{}\n=> unknown", WORLD.replace("mail.example.test:*", "files.example.test:*")));
    }

    #[test]
    fn unknown_without_its_readings() {
        for file in
            ["services/west/sshd-T.txt", "services/east/sshd-T.txt", "hosts/laptop/ssh-G-files.example.test.txt"]
        {
            check(&format!("{WORLD}\nwithout {file}\n=> unknown lacks {file}"));
        }
    }
}
