//! The way of the failing request, from the client inward, with what was seen at each hop.

use std::collections::BTreeSet;

use crate::{
    diagnosis::{Diagnosis, Hop},
    evidence::{Fact, RequestRecord},
    model::{Model, Relation, is_ready},
    subject::Subject,
    symptoms::Symptom,
};

/// The hops of the first symptom that a user sees (without one: of the first that is told), client first.
pub(super) fn path(model: &Model<'_>, symptoms: &[Symptom], diagnosis: &Diagnosis) -> Vec<Hop> {
    let Some(symptom) = symptoms.iter().find(|symptom| symptom.user).or_else(|| symptoms.first()) else {
        return vec![];
    };
    if let Some(hops) = super::way::path(model, symptom, diagnosis) {
        return hops;
    }
    let failing = failing_ids(model, symptom);
    let mut hops = vec![client(model, symptom, &failing)];
    let mut seen: BTreeSet<Subject> = BTreeSet::new();
    let mut level: BTreeSet<Subject> = BTreeSet::from([symptom.subject.clone()]);
    while let Some(first) = level.first().cloned() {
        if !level.iter().any(|subject| seen.insert(subject.clone())) {
            break;
        }
        if let Some(hop) = hop(model, &level, &first, &failing) {
            hops.push(hop);
        }
        level = next(model, &level, &seen);
    }
    mark_break(model, &mut hops, diagnosis);
    hops
}

/// The ids of requests of this symptom that failed.
fn failing_ids<'a>(model: &Model<'a>, symptom: &Symptom) -> BTreeSet<&'a str> {
    let path_and_method = symptom.says.split(':').next().unwrap_or_default().to_owned();
    let records = model.evidence.traffic.iter().filter(|record| record.failed() && record.time >= symptom.since);
    let same: BTreeSet<&str> = records
        .clone()
        .filter(|record| record.what() == path_and_method)
        .filter_map(|record| record.id.as_deref())
        .collect();
    if same.is_empty() { records.filter_map(|record| record.id.as_deref()).collect() } else { same }
}

fn client(model: &Model<'_>, symptom: &Symptom, failing: &BTreeSet<&str>) -> Hop {
    let records = logged(model, failing, |record| record.hop == "client");
    let subjects: BTreeSet<Subject> = records.iter().filter_map(|record| record.pod()).collect();
    Hop {
        name: "client".to_owned(),
        subjects: subjects.into_iter().collect(),
        seen: vec![crate::symptoms::words(symptom.seen)],
        reached: Some(true),
        broken_after: false,
    }
}

/// Who comes after these: along what leads on, in the order route, forward, connect.
fn next(model: &Model<'_>, level: &BTreeSet<Subject>, seen: &BTreeSet<Subject>) -> BTreeSet<Subject> {
    let edges = || level.iter().flat_map(|subject| model.dependencies(subject)).filter(|edge| !seen.contains(&edge.to));
    let along = |relation: Relation, kind: Option<&str>| -> BTreeSet<Subject> {
        edges()
            .filter(|e| e.relation == relation && kind.is_none_or(|kind| e.to.is(kind)))
            .map(|e| e.to.clone())
            .collect()
    };
    let ways = [
        // A name leads to the edge first; the Ingress of that name comes after the controller.
        along(Relation::RoutesTo, Some("service")),
        along(Relation::ForwardsTo, Some("pod")),
        along(Relation::ConnectsTo, Some("service")),
        ingresses(model, seen),
        along(Relation::RoutesTo, None),
        along(Relation::ConnectsTo, None),
    ];
    ways.into_iter().find(|way| !way.is_empty()).unwrap_or_default()
}

/// The Ingresses of a name already passed, once its own way has ended.
fn ingresses(model: &Model<'_>, seen: &BTreeSet<Subject>) -> BTreeSet<Subject> {
    let names = seen.iter().filter(|subject| subject.is("name"));
    let edges = names
        .flat_map(|name| model.dependencies(name))
        .filter(|edge| edge.to.is("ingress") && !seen.contains(&edge.to));
    edges.map(|edge| edge.to.clone()).collect()
}

fn hop(model: &Model<'_>, level: &BTreeSet<Subject>, first: &Subject, failing: &BTreeSet<&str>) -> Option<Hop> {
    let subjects: Vec<Subject> = level.iter().cloned().collect();
    match first.kind.as_str() {
        "name" => Some(Hop {
            name: "dns".to_owned(),
            seen: vec![resolves(model, first)],
            reached: Some(true),
            subjects,
            broken_after: false,
        }),
        "service" => Some(Hop {
            name: format!("service {}", first.name),
            seen: vec![service_says(model, first)],
            reached: None,
            subjects,
            broken_after: false,
        }),
        "pod" => {
            let records = logged(model, failing, |record| record.pod().is_some_and(|pod| level.contains(&pod)));
            let workload = model.workload_of(first);
            let name = records.first().map_or_else(
                || format!("pod {}", workload.name),
                |record| match record.hop.as_str() {
                    "edge" | "ingress" => record.hop.clone(),
                    _ => format!("pod {}", workload.name),
                },
            );
            let has_records = || level.iter().any(|pod| model.records_of(pod).next().is_some());
            let has_logs = level.iter().any(|pod| !model.evidence.logs.of(pod).is_empty());
            let mut seen = Vec::new();
            let reached = match most_common_status(&records) {
                Some(status) => {
                    seen.push(format!("{status} logged"));
                    Some(true)
                }
                None if !records.is_empty() => Some(true),
                None if !failing.is_empty() && (has_records() || has_logs) => {
                    seen.push("never saw it".to_owned());
                    Some(false)
                }
                None => None,
            };
            seen.extend(pods_say(model, level));
            Some(Hop { name, subjects, seen, reached, broken_after: false })
        }
        // An Ingress is a rule, not a hop.
        _ => None,
    }
}

fn logged<'a>(model: &Model<'a>, ids: &BTreeSet<&str>, of: impl Fn(&RequestRecord) -> bool) -> Vec<&'a RequestRecord> {
    let records = model.evidence.traffic.iter();
    records.filter(|record| record.id.as_deref().is_some_and(|id| ids.contains(id)) && of(record)).collect()
}

fn most_common_status(records: &[&RequestRecord]) -> Option<u16> {
    let mut counts = std::collections::BTreeMap::new();
    for status in records.iter().filter_map(|record| record.status) {
        *counts.entry(status).or_insert(0) += 1;
    }
    counts.into_iter().max_by_key(|(status, count)| (*count, std::cmp::Reverse(*status))).map(|(status, _)| status)
}

fn resolves(model: &Model<'_>, name: &Subject) -> String {
    let to = model.dependencies(name).iter().find(|edge| !edge.to.is("ingress"));
    to.map_or_else(|| "?".to_owned(), |edge| format!("-> {}", edge.to.name))
}

fn service_says(model: &Model<'_>, service: &Subject) -> String {
    let Some(object) = model.object(service) else { return "not collected".to_owned() };
    let ports: Vec<String> = object
        .list("/spec/ports")
        .iter()
        .map(|port| {
            let target = port.get("targetPort").unwrap_or(&port["port"]);
            format!("{} -> {}", port["port"], target.as_str().map_or_else(|| target.to_string(), str::to_owned))
        })
        .collect();
    let empty = matches!(model.endpoints(object), Fact::Seen((endpoints, _)) if !endpoints.iter().any(|e| e.ready));
    if empty { format!("{}, no endpoint", ports.join(", ")) } else { ports.join(", ") }
}

fn pods_say(model: &Model<'_>, pods: &BTreeSet<Subject>) -> Vec<String> {
    let mut says = Vec::new();
    let ready = pods.iter().filter(|pod| model.object(pod).is_some_and(is_ready)).count();
    if ready < pods.len() {
        says.push(format!("{ready} of {} ready", pods.len()));
    }
    let mut ports = BTreeSet::new();
    for pod in pods {
        let Some(object) = model.object(pod) else { continue };
        let fact = format!("ss-{}_{}", object.namespace(), object.name());
        if let Fact::Seen(sockets) = model.evidence.hosts.listeners(object.node().unwrap_or_default(), &fact) {
            ports.extend(sockets.into_iter().map(|socket| socket.port));
        }
    }
    if !ports.is_empty() {
        says.push(format!("listens {}", ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
    }
    says
}

/// The fault sits after the last hop known to have been reached: behind the root where that is a hop itself, else before
/// the first hop that the root governs, carries or makes.
fn mark_break(model: &Model<'_>, hops: &mut [Hop], diagnosis: &Diagnosis) {
    let roots: Vec<&Subject> = diagnosis.root_causes.iter().map(|root| &root.subject).collect();
    let touches = |hop: &Hop, subject: &Subject| hop.subjects.contains(subject);
    let reached = hops.iter().rposition(|hop| hop.reached == Some(true));
    let at_root = hops.iter().position(|hop| roots.iter().any(|root| touches(hop, root)));
    let governed = || {
        let below: Vec<&Subject> =
            roots.iter().flat_map(|root| model.dependents(root)).map(|(subject, _)| subject).collect();
        let behind = hops.iter().enumerate().skip(reached.map_or(1, |index| index + 1));
        let mut first = behind.filter(|(_, hop)| below.iter().any(|subject| touches(hop, subject)));
        first.next().map(|(index, _)| index - 1)
    };
    let index = match (at_root, reached) {
        (Some(root), Some(reached)) => Some(root.max(reached)),
        (Some(root), None) => Some(root),
        (None, _) => governed().or(reached),
    };
    if let Some(index) = index {
        hops[index].broken_after = true;
    }
}
