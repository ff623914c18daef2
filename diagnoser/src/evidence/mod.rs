//! What can be seen, typed: the evidence folder, parsed once and then frozen.
//!
//! Every reading that a check may want is a [`Fact`]: seen, or missed for a stated reason. Missed is never read as absent.

mod alerts;
mod capture;
mod changes;
mod conntrack_table;
mod conversations;
mod coverage;
mod cpu;
mod file_systems;
mod firewall;
mod hosts;
mod hosts_file;
mod interfaces;
mod journal;
mod kafka;
mod kernel;
mod links;
mod listeners;
mod load;
mod logs;
mod memory;
mod metrics;
mod mongo;
mod objects;
mod oom;
mod packets;
mod probes;
mod processes;
mod qdisc;
mod quantity;
mod resolv;
mod route_rules;
mod routes;
mod services;
mod socket_counts;
mod sockets;
mod standing;
mod tables;
mod text;
mod traffic;
#[cfg(test)]
mod trials;
mod unit_status;
mod unit_words;
mod units;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use alerts::Alert;
pub use capture::Capture;
pub use changes::ObjectChange;
pub use conntrack_table::{ConntrackEntry, Flow, Pool, by_destination, pools};
pub use conversations::Conversation;
pub use coverage::Coverage;
pub use cpu::CpuUse;
pub use file_systems::FileSystem;
pub use firewall::{Judgement, Packet, Protocol, Rejection, Rule, Tracked, Verdict, dropped, judge, translated};
pub use hosts::{ConntrackStats, Hosts};
pub use hosts_file::HostsEntry;
pub use interfaces::Interface;
pub use journal::{JournalLine, Since};
pub use kafka::{KafkaListener, KafkaPartition, KafkaSettings};
pub use kernel::{KernelEvent, KernelLine};
pub use links::{Link, LinkCounts};
pub use listeners::Listener;
pub use load::Load;
pub use logs::{LogFile, Logs};
pub use memory::Memory;
pub(crate) use metrics::middle;
pub use metrics::{Metrics, Rise, Series};
pub use mongo::{ReplicaSet, ReplicaSetMember};
pub(crate) use objects::string_map;
pub use objects::{Object, Objects, selects};
pub use oom::OomKill;
pub use packets::{CapturedPacket, Icmp, Payload, TcpFlags};
pub use probes::{Outcome, Probe, ProbeKind, Target};
pub(crate) use probes::{duration, host_and_port, lacks_own_address};
pub use processes::Process;
pub use qdisc::Qdisc;
pub use quantity::Quantity;
pub use resolv::Resolver;
pub use route_rules::{RouteRule, RuleAction, usual_rules};
pub use routes::{MAIN, Route, RouteKind, Routes};
pub use services::Services;
pub use socket_counts::SocketCounts;
pub use sockets::{Socket, SocketEnd, TcpState};
pub use tables::{Row, Table};
pub use text::Stamp;
pub(crate) use traffic::SIDECAR;
pub use traffic::{RequestRecord, deepest_first};
pub use units::{Active, Ended, Unit};

use crate::subject::Subject;

/// A reading: seen, or missed and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    /// It was read.
    Seen(T),
    /// It was not read; the text says why.
    Missed(String),
}

impl<T> Fact<T> {
    /// The value, where it was seen.
    pub fn seen(self) -> Option<T> {
        match self {
            Self::Seen(value) => Some(value),
            Self::Missed(_) => None,
        }
    }
}

/// Where a reading stands in the evidence and what it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Citation {
    /// The file, relative to the evidence folder.
    pub source: String,
    /// JSON pointer in a JSON file, `line N` in a text file, empty for the whole file.
    pub path: String,
    /// What it says, short.
    pub says: String,
}

impl Citation {
    /// A citation of `path` in `source`.
    pub fn new(source: impl Into<String>, path: impl Into<String>, says: impl Into<String>) -> Self {
        Self { source: source.into(), path: path.into(), says: says.into() }
    }

    /// A citation of a line, counted from 1.
    pub fn line(source: &str, number: usize, says: impl Into<String>) -> Self {
        Self::new(source, format!("line {number}"), says)
    }
}

/// An evidence file that cannot be read, with the place and the next step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct EvidenceError {
    /// Relative to the evidence folder.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// Everything observed.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Kubernetes objects (`objects.json`).
    pub objects: Objects,
    /// Facts of hosts (`hosts/<host>/<fact>.txt`).
    pub hosts: Hosts,
    /// What servers say of themselves (`services/<machine>/<name>.txt` or `.json`).
    pub services: Services,
    /// Attempts made to observe (`probes.json`).
    pub probes: Vec<Probe>,
    /// Requests as each hop logged them (`traffic.jsonl`).
    pub traffic: Vec<RequestRecord>,
    /// Container logs (`logs/`).
    pub logs: Logs,
    /// What was asked for and listed empty, and what was not collected (`coverage.json`).
    pub coverage: Coverage,
    /// When objects were last changed (`changes.json`), oldest first.
    pub changes: Vec<ObjectChange>,
    /// What was measured over time (`metrics.csv`).
    pub metrics: Metrics,
    /// What a monitoring system raised (`alerts.json`).
    pub alerts: Vec<Alert>,
}

impl Evidence {
    /// Reads an evidence folder given as file name (relative, `/`-separated) to text. Files it does not know are left alone.
    ///
    /// # Errors
    /// When a file does not parse; the error names file, line and column.
    pub fn from_files(files: &BTreeMap<String, String>) -> Result<Self, EvidenceError> {
        let mut evidence = Self::default();
        for (name, text) in files {
            evidence.take(name, text)?;
        }
        Ok(evidence)
    }

    /// Reads one file, in place of what it said before.
    ///
    /// # Errors
    /// When it does not parse; then what it said before still stands.
    pub fn take(&mut self, name: &str, text: &str) -> Result<(), EvidenceError> {
        match name {
            "objects.json" => self.objects = Objects::parse(text)?,
            "probes.json" => self.probes = parse_json(name, text)?,
            "traffic.jsonl" => self.traffic = traffic::parse(text)?,
            "coverage.json" => self.coverage = parse_json(name, text)?,
            "metrics.csv" => self.metrics = Metrics::parse(text)?,
            "alerts.json" => self.alerts = alerts::parse(text)?,
            "changes.json" => {
                self.changes = parse_json(name, text)?;
                self.changes.sort();
            }
            _ => {
                if let Some(rest) = name.strip_prefix("hosts/") {
                    self.hosts.add(rest, text);
                } else if let Some(rest) = name.strip_prefix("logs/") {
                    self.logs.add(rest, text);
                } else if let Some(rest) = name.strip_prefix("services/") {
                    self.services.add(rest, text);
                }
            }
        }
        Ok(())
    }

    /// Whether every object of a kind was collected, so that one that is not here does not exist. `resource` is the plural.
    pub fn listed(&self, kind: &str, resource: &str) -> Fact<()> {
        let present = self.objects.of_kind(kind).len();
        if let Some(why) = self.coverage.why_missed(resource) {
            return Fact::Missed(why.to_owned());
        }
        match self.coverage.listed.get(resource) {
            Some(&count) if count > present as u64 => {
                Fact::Missed(format!("{count} were listed when it was collected, {present} are in objects.json"))
            }
            Some(_) => Fact::Seen(()),
            None if present > 0 => Fact::Seen(()),
            None => Fact::Missed("not collected".to_owned()),
        }
    }

    /// How this evidence names the machine `host`: `node/..` where the cluster knows it as a node, by an object of its own or
    /// by pods that run on it, else `host/..`.
    pub fn machine(&self, host: &str) -> Subject {
        let node = Subject::global("node", host);
        let known = self.objects.get(&node).is_some() || self.objects.runs_pods(host);
        if known { node } else { Subject::global("host", host) }
    }
}

/// Parses JSON and turns a failure into the place and the next step.
fn parse_json<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, EvidenceError> {
    serde_json::from_str(text).map_err(|error| json_error(file, 0, &error))
}

/// The error of serde_json with its place; `line_offset` is added for formats of one JSON document a line.
fn json_error(file: &str, line_offset: usize, error: &serde_json::Error) -> EvidenceError {
    let cut_off = error.is_eof();
    EvidenceError {
        file: file.to_owned(),
        line: line_offset + error.line().max(1),
        column: error.column().max(1),
        message: if cut_off { "the file ends in the middle of a value".to_owned() } else { plain(error) },
        help: if cut_off {
            format!("Was the export cut off? Collect {file} again.")
        } else {
            format!("{file} must have the form that docs/formats.md describes.")
        },
    }
}

/// serde_json's message without its own "at line .. column ..", which we print in front.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or_else(|| text.clone(), |(message, _)| message.to_owned())
}

impl fmt::Display for Citation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {})", self.says, self.source, self.path)
    }
}
