//! What the two ways of running out of space have in common: who said so, and which file system is meant.

use super::{Case, Finding, Lack, State};
use crate::{
    evidence::{Citation, Fact, FileSystem, Hosts, Object, Since},
    model::Model,
    propagation::Mode,
    subject::Subject,
    symptoms::{Observation, event_time, failed_units},
};

/// Whether a text carries the kernel's words for ENOSPC (errno(3)).
pub(super) fn says_no_space(text: &str) -> bool {
    text.to_ascii_lowercase().contains("no space left on device")
}

/// The latest warning on a pod that something could not be written for want of space.
pub(super) fn event_of(model: &Model<'_>, pod: &Object) -> Option<Citation> {
    let events = model.evidence.objects.events_about(pod.subject());
    events
        .filter_map(|event| {
            Some((event_time(event), event, event.text("/message").filter(|text| says_no_space(text))?))
        })
        .max_by_key(|(time, event, _)| (*time, event.subject().clone()))
        .map(|(_, event, message)| event.cite("/message", message))
}

/// A pod's own word, in its log or an event, that it could not write for want of space.
pub(super) fn complaint_of(model: &Model<'_>, pod: &Object) -> Option<Citation> {
    let logged = model.evidence.logs.of(pod.subject()).iter().find_map(|log| log.last_line(says_no_space));
    logged.or_else(|| event_of(model, pod))
}

/// Paths of the node that a pod uses through hostPath volumes.
pub(super) fn host_paths(pod: &Object) -> Vec<(String, &str)> {
    let volumes = pod.list("/spec/volumes").iter().enumerate();
    volumes
        .filter_map(|(v, volume)| {
            let path = volume["hostPath"]["path"].as_str()?;
            Some((format!("/spec/volumes/{v}/hostPath/path"), path))
        })
        .collect()
}

/// One way of running out.
pub(super) struct Resource {
    /// The host fact that shows it: `df` or `df-inodes`.
    pub fact: &'static str,
    /// The command of that fact.
    pub command: &'static str,
    /// What is counted.
    pub unit: &'static str,
}

/// A file system that is full, and the pods that suffer from it.
pub(super) struct Full<'e> {
    pub host: &'e str,
    pub row: FileSystem,
    pub evidence: Vec<Citation>,
}

/// Examines every host for file systems that are full of `resource` and that a pod which complains keeps its data on.
pub(super) fn examine(case: &Case<'_, '_>, resource: &Resource, proof: impl Fn(Full<'_>) -> State) -> Vec<Finding> {
    let model = case.model;
    let mut found = Vec::new();
    for pod in model.evidence.objects.of_kind("pod") {
        // Where nobody suffers and nobody complains there is nothing to say.
        if !case.in_scope(pod.subject()) && complaint_of(model, pod).is_none() {
            continue;
        }
        let (Some(host), paths) = (pod.node(), host_paths(pod)) else { continue };
        if paths.is_empty() {
            continue;
        }
        let subject = model.evidence.machine(host);
        let effects = vec![(pod.subject().clone(), Mode::Errors), (pod.subject().clone(), Mode::Down)];
        let state = match model.evidence.hosts.file_systems(host, resource.fact) {
            Fact::Missed(why) => State::Undecided(vec![Lack::host_fact(host, resource.fact, resource.command, why)]),
            Fact::Seen(rows) => one(model, pod, host, &paths, &rows, resource, &proof),
        };
        found.push(Finding { subject, effects, state });
    }
    found.extend(alone(case, resource, proof));
    found
}

/// File systems of machines that are full and of which nothing else is told, with the services that ended over it.
fn alone(case: &Case<'_, '_>, resource: &Resource, proof: impl Fn(Full<'_>) -> State) -> Vec<Finding> {
    let (seen, mode) = match resource.fact {
        "df" => (Observation::NoSpace, Mode::NoSpace),
        _ => (Observation::NoInodes, Mode::NoInodes),
    };
    let mut found = Vec::new();
    for symptom in case.symptoms.iter().filter(|symptom| symptom.seen == seen) {
        let host = &symptom.subject.name;
        let hosts = &case.model.evidence.hosts;
        let rows = hosts.file_systems(host, resource.fact).seen().unwrap_or_default();
        let line = symptom.evidence.first().map(|cited| cited.path.clone()).unwrap_or_default();
        let Some(row) = rows.into_iter().find(|row| format!("line {}", row.line) == line) else { continue };
        let mut evidence = symptom.evidence.clone();
        let mut effects = vec![(symptom.subject.clone(), mode)];
        for (unit, _) in failed_units(case.model, host) {
            if let Some(said) = hosts.last_said(host, &unit.name, Since::Start, says_no_space).seen().flatten() {
                effects.push((Subject::namespaced("unit", host, &unit.name), Mode::Down));
                evidence.push(said);
            }
        }
        found.push(Finding { subject: symptom.subject.clone(), effects, state: proof(Full { host, row, evidence }) });
    }
    found
}

fn one(
    model: &Model<'_>,
    pod: &Object,
    host: &str,
    paths: &[(String, &str)],
    rows: &[FileSystem],
    resource: &Resource,
    proof: &impl Fn(Full<'_>) -> State,
) -> State {
    let file = Hosts::file(host, resource.fact);
    // The file system a path lies on is the one with the longest mount point.
    let on = |path: &str| rows.iter().filter(|row| row.holds(path)).max_by_key(|row| row.mount_point.len());
    let Some((pointer, path, row)) = paths.iter().find_map(|(pointer, path)| {
        let row = on(path).filter(|row| row.is_full())?;
        Some((pointer, *path, row))
    }) else {
        let free: Vec<Citation> = paths
            .iter()
            .filter_map(|(_, path)| on(path))
            .map(|row| {
                Citation::line(
                    &file,
                    row.line,
                    format!("{}: {} of {} {} free", row.mount_point, row.free, row.total, resource.unit),
                )
            })
            .collect();
        return State::excluded(format!("{} are left where {} keeps its data", resource.unit, pod.subject()), free);
    };
    let mut evidence = vec![
        Citation::line(&file, row.line, format!("{}: 0 of {} {} free", row.mount_point, row.total, resource.unit)),
        pod.cite(pointer, format!("{} keeps data in {path}", pod.subject())),
    ];
    match complaint_of(model, pod) {
        Some(complaint) => evidence.push(complaint),
        None if model.evidence.logs.of(pod.subject()).is_empty() => {
            return State::Undecided(vec![Lack::log(pod.subject(), None, "not collected")]);
        }
        None => return State::excluded(format!("{} does not complain of missing space", pod.subject()), evidence),
    }
    proof(Full { host, row: row.clone(), evidence })
}
