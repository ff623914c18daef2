//! Machines that run out of space: a server says so in words, or has ended over it, and a file system is full.

use std::collections::BTreeMap;

use super::{
    Case, Finding, Lack, State,
    space::{Full, Resource, says_no_space},
};
use crate::{
    connections::Connection,
    diagnosis::Change,
    evidence::{Citation, Fact, FileSystem, Hosts, Outcome, Since},
    model::Model,
    propagation::Mode,
    subject::Subject,
};

/// Someone who could not write, in words.
struct Complaint {
    cited: Citation,
    text: String,
}

/// Examines the machines whose servers complain, or have ended with such a complaint.
pub(super) fn examine(case: &Case<'_, '_>, resource: &Resource, proof: impl Fn(Full<'_>) -> State) -> Vec<Finding> {
    let model = case.model;
    let mut by_host: BTreeMap<&str, Vec<&Connection>> = BTreeMap::new();
    for connection in model.connections().iter().filter(|connection| connection.fails()) {
        if let Some(host) = connection.host(model) {
            by_host.entry(host).or_default().push(connection);
        }
    }
    let mut found = Vec::new();
    for (host, connections) in by_host {
        let ended = last_words(model, host);
        let mut complaints: Vec<Complaint> = Vec::new();
        let mut effects: Vec<(Subject, Mode)> = Vec::new();
        for connection in connections {
            let told =
                connection.failing().into_iter().rfind(|attempt| attempt.text.as_deref().is_some_and(says_no_space));
            if let Some(attempt) = told {
                effects.push((connection.subject(), Mode::Errors));
                let text = attempt.text.clone().unwrap_or_default();
                complaints.push(Complaint { cited: attempt.cited.clone(), text });
            } else if !ended.is_empty()
                && connection.comes_to(&[Outcome::Refused])
                && nobody_listens(model, host, connection)
            {
                effects.push((connection.subject(), Mode::Refused));
            }
        }
        if effects.is_empty() {
            continue;
        }
        let (ended, last): (Vec<String>, Vec<Complaint>) = ended.into_iter().unzip();
        complaints.extend(last);
        let state = one(model, host, &complaints, ended, resource, &proof);
        found.push(Finding { subject: model.evidence.machine(host), effects, state });
    }
    found
}

/// What units that do not run any more said of missing space before they ended.
fn last_words(model: &Model<'_>, host: &str) -> Vec<(String, Complaint)> {
    let hosts = &model.evidence.hosts;
    let units = hosts.fact_names(host).filter_map(|fact| fact.strip_prefix("journal-"));
    let ended = units.filter(|unit| hosts.unit(host, unit).seen().is_some_and(|(unit, _)| !unit.runs()));
    let said = |unit: &str| hosts.last_said(host, unit, Since::Start, says_no_space).seen().flatten();
    let complaint = |cited: Citation| Complaint { text: cited.says.clone(), cited };
    ended.filter_map(|unit| said(unit).map(|cited| (unit.to_owned(), complaint(cited)))).collect()
}

/// Whether nothing listens on the port that a connection goes to, as far as is known.
fn nobody_listens(model: &Model<'_>, host: &str, connection: &Connection) -> bool {
    let listeners = model.evidence.hosts.listeners(host, "ss").seen();
    listeners.is_none_or(|all| !all.iter().any(|listener| Some(listener.port) == connection.port))
}

fn one(
    model: &Model<'_>,
    host: &str,
    complaints: &[Complaint],
    ended: Vec<String>,
    resource: &Resource,
    proof: &impl Fn(Full<'_>) -> State,
) -> State {
    let rows = match model.evidence.hosts.file_systems(host, resource.fact) {
        Fact::Missed(why) => {
            return State::Undecided(vec![Lack::host_fact(host, resource.fact, resource.command, why)]);
        }
        Fact::Seen(rows) => rows,
    };
    // Images that are mounted to be read (snap, a disc) are full by nature.
    let of_files = |row: &&FileSystem| {
        let image = ["squashfs", "iso9660", "/dev/loop", "/dev/sr"].iter().any(|kind| row.device.starts_with(kind));
        !(image && (row.mount_point.starts_with("/snap") || row.mount_point.starts_with("/m"))) && row.total > 0
    };
    let rows: Vec<&FileSystem> = rows.iter().filter(of_files).collect();
    let on = |path: &str| rows.iter().filter(|row| row.holds(path)).max_by_key(|row| row.mount_point.len()).copied();
    let paths = complaints.iter().flat_map(|complaint| paths(&complaint.text)).chain(data_directory(model, host));
    let meant: Vec<&FileSystem> = paths.filter_map(|path| on(&path)).collect();
    // Where nobody says which file it was, any full one.
    let looked: &[&FileSystem] = if meant.is_empty() { &rows } else { &meant };
    let file = Hosts::file(host, resource.fact);
    let left = |row: &FileSystem| format!("{}: {} of {} {} free", row.mount_point, row.free, row.total, resource.unit);
    // What was to be written can be larger than what is left.
    let full = looked.iter().find(|row| row.is_full()).or_else(|| looked.iter().find(|row| row.free < row.total / 50));
    let Some(row) = full else {
        let cited = looked.iter().take(3).map(|row| Citation::line(&file, row.line, left(row))).collect();
        return State::excluded(format!("{} are left on {host}", resource.unit), cited);
    };
    let mut evidence: Vec<Citation> = complaints.iter().map(|complaint| complaint.cited.clone()).take(4).collect();
    evidence.push(Citation::line(&file, row.line, left(row)));
    match proof(Full { host, row: (*row).clone(), evidence }) {
        // What has ended over it does not come back by itself.
        State::Holds(mut proof) if !proof.fix.patch.is_empty() => {
            let start = |unit: String| Change::Run {
                host: host.to_owned(),
                command: ["systemctl".to_owned(), "start".to_owned(), unit].to_vec(),
            };
            proof.fix.patch.extend(ended.into_iter().map(start));
            State::Holds(proof)
        }
        state => state,
    }
}

/// Absolute paths in a message.
fn paths(text: &str) -> Vec<String> {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '(' | ')' | ',' | ';' | '=' | '`'));
    let path = |word: &str| word.trim_end_matches([':', '.', ']']).to_owned();
    words.filter(|word| word.starts_with('/') && word.len() > 1).map(path).collect()
}

/// Where PostgreSQL keeps its data; its messages name files relative to that.
fn data_directory(model: &Model<'_>, host: &str) -> Option<String> {
    let settings = model.evidence.services.table(host, "settings").seen()?;
    Some(settings.find("name", "data_directory", "setting")?.0.to_owned())
}
