//! What machines attempt: every probe and every record of a request that says from which machine it was made, put together
//! by who asks whom on which port.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::{
    evidence::{
        Citation, Outcome, Probe, ProbeKind, Protocol, RequestRecord, Target, host_and_port, lacks_own_address,
    },
    model::{Model, Relation},
    request::Reading,
    subject::Subject,
    symptoms::Observation,
    ways::{self, Ways},
};

/// How many of the last attempts say how it is now.
const WINDOW: usize = 10;
const KIND: &str = "connection";

/// One attempt.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What was tried: `http`, `tcp`, `dns`, `postgres`, `kafka`, `mongodb`, `ssh`; empty where that is not said.
    pub protocol: String,
    /// What was asked for, where it is a request: `GET /orders`.
    pub what: Option<String>,
    /// How it ended. `Failed` where whoever was asked said no in words, or nobody says how.
    pub outcome: Outcome,
    /// The HTTP status.
    pub status: Option<u16>,
    /// Whether whoever was asked refused in words of its own (`text`), so that the connection to it was there.
    pub in_words: bool,
    /// How long it took.
    pub seconds: Option<f64>,
    /// How much was sent, where it is said.
    pub bytes: Option<u64>,
    /// What the server or the system said of a failure.
    pub text: Option<String>,
    /// When.
    pub time: Option<jiff::Timestamp>,
    /// The address it went to, where known.
    pub address: Option<IpAddr>,
    /// Whether it failed.
    pub failed: bool,
    /// Where it stands.
    pub cited: Citation,
}

impl Attempt {
    /// Whether it is a log-in by SSH.
    pub fn logs_in(&self) -> bool {
        self.protocol == "ssh" || self.what.as_deref().is_some_and(|what| what.starts_with("LOGIN "))
    }

    /// What it shows.
    pub fn seen(&self) -> Observation {
        match self.status.filter(|status| *status > 0) {
            Some(status) => Observation::Status(status, self.seconds),
            None if self.in_words => Observation::RefusedInWords,
            None => Observation::Failed(self.outcome),
        }
    }
}

/// Everything that one machine attempted with one name or address, on one port.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Who asks; `None` where the prober did not say.
    pub from: Option<Subject>,
    /// The name or address that was asked for.
    pub to: String,
    /// The port.
    pub port: Option<u16>,
    /// Whether it is opened to serve others, and not by a client or by hand.
    pub serves: bool,
    /// The addresses that it went to, or that the name means to who asks; the surest first. Of a log-in over a jump host that
    /// of the jump host, then that of the name.
    pub addresses: Vec<IpAddr>,
    /// The jump host that it leads over, where it was seen to connect to that in place of the one that was asked for.
    pub jump: Option<IpAddr>,
    /// The attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// The ways to each of the addresses, where it is known who asks on which port. From a jump host on it is that which asks.
    pub ways: Vec<(IpAddr, Ways)>,
}

impl Connection {
    /// It as a subject, `connection/client->db.example.test:5432`: what befalls it is seen by it and no other.
    pub fn subject(&self) -> Subject {
        subject(self.from.as_ref(), &self.to, self.port)
    }

    /// The name that was asked for, where it is one.
    pub fn name(&self) -> Option<Subject> {
        self.to.parse::<IpAddr>().is_err().then(|| Subject::global("name", &self.to))
    }

    /// The machines that have its addresses.
    pub fn hosts(&self, model: &Model<'_>) -> Vec<Subject> {
        let owners = self.addresses.iter().filter_map(|address| model.machines.owner(*address));
        owners.map(|(host, _)| model.evidence.machine(host)).collect()
    }

    /// The machine it is meant for, by name, where it is one.
    pub fn host<'m>(&self, model: &'m Model<'_>) -> Option<&'m str> {
        self.addresses.iter().find_map(|address| model.machines.owner(*address)).map(|(host, _)| host)
    }

    /// The machine that asks, by name.
    pub fn client(&self) -> Option<&str> {
        ways::machine(self.from.as_ref()?)
    }

    /// The ways to the first of its addresses.
    pub fn ways(&self) -> Option<&Ways> {
        self.ways.first().map(|(_, ways)| ways)
    }

    /// The last attempts.
    pub fn latest(&self) -> &[Attempt] {
        &self.attempts[self.attempts.len().saturating_sub(WINDOW)..]
    }

    /// Those of the last attempts that failed; none where it is one of many.
    pub fn failing(&self) -> Vec<&Attempt> {
        let latest = self.latest();
        let failed: Vec<&Attempt> = latest.iter().filter(|attempt| attempt.failed).collect();
        if failed.len() == 1 && latest.len() == WINDOW { vec![] } else { failed }
    }

    /// Whether it fails now, or some of it.
    pub fn fails(&self) -> bool {
        !self.failing().is_empty()
    }

    /// How many of the last attempts failed, and how many there were.
    pub fn share(&self) -> (usize, usize) {
        (self.latest().iter().filter(|attempt| attempt.failed).count(), self.latest().len())
    }

    /// The last failing attempt of the commonest kind.
    pub fn typical(&self) -> Option<&Attempt> {
        let failing = self.failing();
        let alike = |attempt: &Attempt| failing.iter().filter(|other| same(other.seen(), attempt.seen())).count();
        failing.iter().copied().max_by_key(|attempt| (alike(attempt), attempt.time))
    }

    /// What is seen of its failing.
    pub fn seen(&self) -> Option<Observation> {
        self.typical().map(Attempt::seen)
    }

    /// Whether its failing, or some of it, comes to one of these outcomes.
    pub fn comes_to(&self, outcomes: &[Outcome]) -> bool {
        let comes = |seen| matches!(seen, Observation::Failed(outcome) if outcomes.contains(&outcome));
        self.failing().iter().any(|attempt| comes(attempt.seen()))
    }

    /// Whether any of the last attempts got as far as the server: an answer, a connection, words of its own.
    pub fn reaches(&self) -> bool {
        let reached = |attempt: &Attempt| {
            attempt.in_words
                || matches!(attempt.outcome, Outcome::Connected | Outcome::Answered)
                || attempt.status.is_some()
        };
        self.latest().iter().any(reached)
    }

    /// Readings of its failing, a few.
    pub fn cites(&self) -> Vec<Citation> {
        self.typical().map(|attempt| attempt.cited.clone()).into_iter().collect()
    }
}

impl std::fmt::Display for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.subject().name)
    }
}

fn same(a: Observation, b: Observation) -> bool {
    match (a, b) {
        (Observation::Status(a, _), Observation::Status(b, _)) => a == b,
        (a, b) => a == b,
    }
}

/// A connection as a subject.
pub(crate) fn subject(from: Option<&Subject>, to: &str, port: Option<u16>) -> Subject {
    let from = from.map_or("?", |from| &from.name);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Subject::global(KIND, &format!("{from}->{to}{port}"))
}

/// The connection that a probe is an attempt at, where machines are what is spoken of.
pub(crate) fn of_probe(model: &Model<'_>, probe: &Probe) -> Option<Subject> {
    let (from, to, port) = key_of_probe(model, probe)?;
    Some(subject(from.as_ref(), &to, port))
}

/// The connection that a record is an attempt at.
pub(crate) fn of_record(record: &RequestRecord) -> Option<Subject> {
    let (from, to, port) = key_of_record(record)?;
    Some(subject(from.as_ref(), &to, port))
}

/// What a record shows.
pub(crate) fn seen(record: &RequestRecord) -> Observation {
    recorded(0, record).seen()
}

/// What a probe shows.
pub(crate) fn seen_by_probe(probe: &Probe) -> Observation {
    tried(0, probe).seen()
}

/// The machine that a probe names as its target.
pub(crate) fn named(model: &Model<'_>, probe: &Probe) -> Option<String> {
    key_of_probe(model, probe).map(|(_, to, _)| to)
}

type Key = (Option<Subject>, String, Option<u16>);

fn key_of_probe(model: &Model<'_>, probe: &Probe) -> Option<Key> {
    // In a cluster a probe that does not say from where is one of its edge.
    let of_machines = match &probe.from {
        Some(from) => from.is("host"),
        None => model.evidence.objects.is_empty(),
    };
    if !of_machines {
        return None;
    }
    let (to, port) = match probe.target() {
        Target::Url { host, port, .. } => (host, port),
        Target::Object(subject, port) => (subject.is("host").then(|| subject.name.to_string())?, port),
        Target::Name(name) => {
            let (host, port) = host_and_port(&probe.target);
            if port.is_some() { (host.to_owned(), port) } else { (name, None) }
        }
    };
    Some((probe.from.clone(), to.to_ascii_lowercase(), port))
}

fn key_of_record(record: &RequestRecord) -> Option<Key> {
    let from = record.from.as_ref().filter(|from| from.is("host"))?;
    // Of several servers the first, as in URLs.
    let upstream = record.upstream.as_deref()?.split(',').next().filter(|upstream| !upstream.is_empty())?;
    let (to, port) = host_and_port(upstream);
    Some((Some(from.clone()), to.to_ascii_lowercase(), port))
}

/// All connections of machines.
pub(crate) fn of(model: &Model<'_>) -> Vec<Connection> {
    let mut groups: BTreeMap<Key, (bool, Vec<Attempt>)> = BTreeMap::new();
    for (index, probe) in model.evidence.probes.iter().enumerate() {
        if let Some(key) = key_of_probe(model, probe) {
            groups.entry(key).or_default().1.push(tried(index, probe));
        }
    }
    for (index, record) in model.evidence.traffic.iter().enumerate() {
        if let Some(key) = key_of_record(record) {
            let group = groups.entry(key).or_default();
            group.0 |= record.hop != "client";
            group.1.push(recorded(index, record));
        }
    }
    let connections = groups.into_iter().map(|((from, to, port), (serves, mut attempts))| {
        attempts.sort_by_key(|attempt| attempt.time);
        let mut addresses: Vec<IpAddr> = Vec::new();
        let own = attempts.iter().rev().filter_map(|attempt| attempt.address);
        let meant = model.machines.meaning(&to, from.as_ref()).into_iter().map(|(address, _)| address);
        let host = Subject::global("host", &to);
        let named = model.machines.addresses(&host.name).map(|(address, _)| address);
        for address in own.chain(meant).chain(named.take(1)) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let jump = jump(model, from.as_ref(), &to, &attempts);
        if let Some(jump) = jump {
            addresses = [jump].into_iter().chain(beyond(model, &to, jump)).collect();
        }
        let protocol = Protocol::Tcp;
        let ways = match (from.as_ref().and_then(ways::machine), port) {
            (Some(client), Some(port)) => {
                let way = |address: &IpAddr| {
                    let over = jump.filter(|jump| jump != address).and_then(|jump| model.machines.owner(jump));
                    let client = over.map_or(client, |(host, _)| host);
                    (*address, ways::ways(model, client, *address, port, protocol))
                };
                addresses.iter().take(4).map(way).collect()
            }
            _ => vec![],
        };
        Connection { from, to, port, serves, addresses, jump, attempts, ways }
    });
    connections.collect()
}

/// The address of the jump host of a log-in: the last that was connected to, where the name means another or none to who asks.
fn jump(model: &Model<'_>, from: Option<&Subject>, to: &str, attempts: &[Attempt]) -> Option<IpAddr> {
    let own = attempts.iter().filter(|attempt| attempt.logs_in()).filter_map(|attempt| attempt.address).next_back()?;
    let meant = model.machines.meaning(to, from);
    let (host, _) = model.machines.owner(own)?;
    // What the name means to the one that was connected to; on a machine's own its name is often of loopback.
    let own_name = beyond(model, to, own).is_none();
    let direct = meant.iter().any(|(address, _)| *address == own) || host == to || own_name;
    (!direct).then_some(own)
}

/// The address that a name means to the machine that has another one.
fn beyond(model: &Model<'_>, to: &str, jump: IpAddr) -> Option<IpAddr> {
    let (host, _) = model.machines.owner(jump)?;
    let meant = model.machines.meaning(to, Some(&model.evidence.machine(host)));
    let mut meant = meant.into_iter().map(|(address, _)| address).filter(|address| !address.is_loopback());
    meant.find(|address| model.machines.owner(*address).is_none_or(|(other, _)| other != host))
}

fn address(text: Option<&str>) -> Option<IpAddr> {
    let text = text?;
    text.parse().ok().or_else(|| host_and_port(text).0.parse().ok())
}

fn tried(index: usize, probe: &Probe) -> Attempt {
    let scheme = match (probe.target(), probe.kind) {
        (Target::Url { scheme, .. }, _) => scheme,
        (_, ProbeKind::Dns) => "dns".to_owned(),
        (_, ProbeKind::Tcp) => "tcp".to_owned(),
        _ => String::new(),
    };
    let (outcome, in_words) = outcome(probe.outcome, probe.text.as_deref(), !probe.kind.is_plain());
    let what = match probe.target() {
        Target::Url { path, .. } if probe.kind == ProbeKind::Http => {
            Some(format!("{} {path}", probe.method.as_deref().unwrap_or("GET")))
        }
        _ => None,
    };
    Attempt {
        protocol: scheme,
        what,
        outcome,
        status: probe.status,
        in_words,
        seconds: probe.seconds,
        bytes: None,
        text: probe.text.clone(),
        time: probe.time,
        address: address(probe.address.as_deref()),
        failed: probe.failed(),
        cited: probe.cite(index),
    }
}

fn recorded(index: usize, record: &RequestRecord) -> Attempt {
    let error = record.error.as_deref();
    let class = error.and_then(Outcome::from_class).or(record.outcome);
    let plain =
        record.status.is_some() || matches!(record.method.as_str(), "GET" | "POST" | "PUT" | "HEAD" | "CONNECT");
    let ended = if record.status.is_some() && record.error.is_none() { Outcome::Answered } else { Outcome::Failed };
    let (outcome, in_words) = outcome(class.unwrap_or(ended), error, !plain);
    let said = record.status.map_or_else(|| outcome.to_string(), |status| status.to_string());
    let from = record.from.as_ref().map(|from| format!("{from} ")).unwrap_or_default();
    let says = format!("{from}{}: {}", record.what(), error.filter(|e| !e.is_empty()).unwrap_or(&said));
    Attempt {
        protocol: String::new(),
        what: Some(record.what()),
        outcome,
        status: record.status,
        in_words,
        seconds: record.seconds,
        bytes: record.bytes,
        text: record.error.clone(),
        time: record.time,
        address: address(record.address.as_deref()),
        failed: record.failed(),
        cited: Citation::line("traffic.jsonl", index + 1, says),
    }
}

/// How something ended, and whether a server said so in words: what is called `failed` may be the system's word all the same.
fn outcome(said: Outcome, text: Option<&str>, of_server: bool) -> (Outcome, bool) {
    let text = text.map(|text| text.strip_prefix("failed:").unwrap_or(text).trim()).filter(|text| !text.is_empty());
    match (said, text) {
        (Outcome::Failed, Some(text)) if !lacks_own_address(text) => match Outcome::from_words(text) {
            Some(outcome) if !of_server => (outcome, false),
            _ => (Outcome::Failed, of_server),
        },
        _ => (said, false),
    }
}

/// Whether a probe of a machine goes a way that somebody uses. A bare connection or look-up is a measurement where it is known
/// who asks for the same in earnest, and this one is not among them.
pub(crate) fn is_used(model: &Model<'_>, probe: &Probe) -> bool {
    let Some((from, to, port)) = key_of_probe(model, probe) else { return true };
    if !matches!(probe.kind, ProbeKind::Tcp | ProbeKind::Dns) {
        return true;
    }
    let in_earnest = |attempt: &Attempt| !matches!(attempt.protocol.as_str(), "tcp" | "dns");
    let same = |connection: &&Connection| connection.to == to && (port.is_none() || connection.port == port);
    let mut users = model.connections().iter().filter(same).filter(|c| c.attempts.iter().any(in_earnest)).peekable();
    users.peek().is_none() || users.any(|connection| connection.from == from)
}

/// The servers that a machine asks for names, as its resolv.conf has them.
pub fn nameservers(model: &Model<'_>, host: &str) -> Vec<IpAddr> {
    let resolver = model.evidence.hosts.resolver(host, "resolv").seen();
    resolver.map(|resolver| resolver.asked().iter().map(|(server, _)| *server).collect()).unwrap_or_default()
}

/// Where the fault behind a failing connection can sit: the client, the name, the server, every machine on both ways, whoever
/// answers for the name; and what the server itself connects to in order to serve.
pub(crate) fn scope(model: &Model<'_>, connection: &Subject) -> BTreeSet<Subject> {
    let mut scope = BTreeSet::from([connection.clone()]);
    let mut open = vec![connection.clone()];
    let client = find(model, connection).and_then(|found| found.from.clone());
    while let Some(subject) = open.pop() {
        let mut also: Vec<Subject> = Vec::new();
        if let Some(found) = find(model, &subject) {
            also.extend(found.from.clone());
            also.extend(found.name());
            also.extend(found.hosts(model));
            also.extend(found.ways.iter().flat_map(|(_, ways)| machines(model, ways)));
            if let Some(host) = found.client().filter(|_| found.name().is_some()) {
                for server in nameservers(model, host) {
                    also.extend(machines(model, &ways::ways(model, host, server, 53, Protocol::Udp)));
                }
            }
        }
        // What else the client connects to is none of this.
        let leads_on = |relation| relation != Relation::ConnectsTo || client.as_ref() != Some(&subject);
        let edges = model.dependencies(&subject).iter().filter(|edge| leads_on(edge.relation));
        also.extend(edges.map(|edge| edge.to.clone()));
        open.extend(also.into_iter().filter(|subject| scope.insert(subject.clone())));
    }
    scope
}

/// The machines on both ways, those included of which something is lacking that would say how they go on.
fn machines(model: &Model<'_>, ways: &Ways) -> Vec<Subject> {
    let known = ways.hosts().into_iter().map(str::to_owned);
    let lacking = ways.lacks().into_iter().filter_map(|lack| match lack.request?.reading {
        Reading::HostFact { host, .. } => Some(host),
        _ => None,
    });
    known.chain(lacking).map(|host| model.evidence.machine(&host)).collect()
}

/// The connection of a subject.
pub fn find<'m>(model: &'m Model<'_>, subject: &Subject) -> Option<&'m Connection> {
    model.connections().iter().find(|connection| subject.is(KIND) && connection.subject() == *subject)
}
