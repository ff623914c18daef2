//! Failed probes. A probe counts as a symptom only where it goes a way that someone uses; else it is a measurement.

use std::collections::{BTreeMap, BTreeSet};

use crate::json::Value;

use super::{Asked, Observation, Symptom, alike, origin};
use crate::{
    connections,
    evidence::{Object, Outcome, Probe, ProbeKind, Target},
    model::{Edge, Model, Relation},
    policy::container_port,
    subject::Subject,
};

/// Who suffers, by which kind of probe, of what, and how it fails.
type Group = (Subject, Option<Subject>, ProbeKind, String, String);

/// One symptom for each target, kind and way of failing; what `requests` show already is added to theirs.
pub(super) fn symptoms(model: &Model<'_>, requests: &mut [Symptom]) -> Vec<Symptom> {
    let went_well = went_well(model);
    let mut groups: BTreeMap<Group, Vec<(usize, &Probe)>> = BTreeMap::new();
    for (index, probe) in model.evidence.probes.iter().enumerate() {
        let Some(subject) = suffering(model, probe) else { continue };
        if !connections::is_used(model, probe) {
            continue;
        }
        let what = format!("{} {}", probe.method.as_deref().unwrap_or_default(), probe.target);
        if probe.failed() && went_well.get(&way(probe)).is_none_or(|last| *last <= probe.time) {
            let how = probe.status.map_or_else(|| probe.outcome.to_string(), |status| status.to_string());
            groups
                .entry((subject, connections::of_probe(model, probe), probe.kind, what, how))
                .or_default()
                .push((index, probe));
        }
    }
    let mut found: Vec<Symptom> = Vec::new();
    for ((subject, connection, _, _, _), probes) in groups {
        let (index, first) = probes[0];
        let seen = match (first.outcome, first.status) {
            _ if connection.is_some() => connections::seen_by_probe(first),
            (Outcome::Answered, Some(status)) => Observation::Status(status, first.seconds),
            (outcome, _) => Observation::Failed(outcome),
        };
        let known = requests.iter_mut().find(|s| connection.is_some() && s.connection == connection);
        if let Some(known) = known.filter(|known| alike(known.seen, seen)) {
            known.evidence.push(first.cite(index));
            continue;
        }
        let path = match first.target() {
            Target::Url { path, .. } => Some(path),
            _ => None,
        };
        // The same request in the hops' logs is the same suffering, and says where it ends.
        if let Some(path) = &path {
            let request = format!("{} {path}:", first.method.as_deref().unwrap_or("GET"));
            let same = requests
                .iter_mut()
                .find(|s| s.subject == subject && s.says.starts_with(&request) && alike(s.seen, seen));
            if let Some(same) = same {
                same.evidence.push(first.cite(index));
                continue;
            }
        }
        let mut scope = if let Some(connection) = &connection {
            connections::scope(model, connection)
        } else if path.is_some() {
            origin::scope(model, &subject, None, first.from.as_ref(), Asked::from_probe(first).as_ref())
        } else {
            connection_scope(model, &subject, first.from.as_ref())
        };
        scope.extend(Asked::from_probe(first).map(|asked| asked.subject()));
        let times = if probes.len() > 1 { format!(" ({} probes)", probes.len()) } else { String::new() };
        let method = first.method.as_deref().map(|method| format!("{method} ")).unwrap_or_default();
        found.push(Symptom {
            id: format!("probe-{}", index + 1),
            says: format!("{method}{}: {}{times}", first.target, first.says()),
            subject,
            seen,
            since: probes.iter().filter_map(|(_, probe)| probe.time).min(),
            evidence: probes.iter().take(3).map(|(index, probe)| probe.cite(*index)).collect(),
            scope: scope.into(),
            origin: None,
            user: true,
            connection,
        });
    }
    found.sort_by_key(|symptom| symptom.id.trim_start_matches("probe-").parse::<usize>().unwrap_or_default());
    found
}

/// Who suffers when this probe fails; `None` where nobody uses that way.
fn suffering(model: &Model<'_>, probe: &Probe) -> Option<Subject> {
    let near = probe.from.as_ref().map(Subject::namespace).filter(|namespace| !namespace.is_empty());
    // What could not even be sent for want of an address to send from (EADDRNOTAVAIL) says nothing of its target.
    if probe.outcome == Outcome::Failed && probe.text.as_deref().is_some_and(crate::evidence::lacks_own_address) {
        return None;
    }
    match probe.target() {
        // What does not resolve is the name, whatever it would lead to.
        Target::Name(name) if probe.kind == ProbeKind::Dns => {
            let asks = probe.from.as_ref().is_none_or(|from| uses_name(model, from, &name));
            asks.then(|| Subject::global("name", &name))
        }
        Target::Url { host, .. } | Target::Name(host) => {
            Some(model.resolve(&host, near).unwrap_or_else(|| Subject::global("name", &host)))
        }
        // Where nothing is known of who uses the Service, a failed probe is taken at its word.
        Target::Object(service, _) if service.is("service") => match &probe.from {
            Some(from) if model.object(&service).is_some() => uses(model, from, &service).then_some(service),
            _ => Some(service),
        },
        // Of machines nothing is known but what was tried, which is taken at its word.
        Target::Object(..) => Some(Subject::global("host", &connections::named(model, probe)?)),
    }
}

/// Whether a pod connects to what a name stands for, or was seen asking for it. Of others than pods nothing else is known.
fn uses_name(model: &Model<'_>, from: &Subject, name: &str) -> bool {
    if model.object(from).is_none() {
        return true;
    }
    match model.resolve(name, Some(from.namespace())) {
        Some(service) => uses(model, from, &service),
        None => model.names_requested(from).contains(&Subject::global("name", name)),
    }
}

/// Whether a pod, or any pod of a node, opens connections to a Service, or to one of its pods at a port that this Service
/// forwards to. Where policies say who may come in, a node is nobody they speak of, and its failure is none of its pods'.
fn uses(model: &Model<'_>, from: &Subject, service: &Subject) -> bool {
    if from.is("node") {
        let governed =
            |edge: &Edge| model.dependencies(&edge.to).iter().any(|below| below.relation == Relation::GovernedBy);
        let here =
            model.dependents(from).iter().filter(|(pod, relation)| *relation == Relation::RunsOn && pod.is("pod"));
        return !model.dependencies(service).iter().any(governed)
            && here.into_iter().any(|(pod, _)| uses(model, pod, service));
    }
    let connects = model.dependencies(from).iter().filter(|edge| edge.relation == Relation::ConnectsTo);
    connects.into_iter().any(|edge| edge.to == *service)
        || model.records_of(from).any(|(_, record)| {
            let upstream = record.upstream.as_deref().unwrap_or_default();
            let port = upstream.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            let to = model.resolve(upstream, Some(from.namespace())).and_then(|to| model.object(&to));
            to.zip(port).is_some_and(|(pod, port)| forwards(model, service, pod, port))
        })
}

/// Whether a Service forwards to this port of this pod.
fn forwards(model: &Model<'_>, service: &Subject, pod: &Object, port: u16) -> bool {
    let to = model.dependencies(service).iter().any(|edge| edge.to == *pod.subject());
    let ports = model.object(service).map_or(&[][..], |service| service.list("/spec/ports"));
    to && ports.iter().any(|each| match each.get("targetPort").unwrap_or(&each["port"]) {
        Value::String(name) => container_port(pod, name) == Some(port),
        number => number.as_u64() == Some(u64::from(port)),
    })
}

/// What is tried by a probe: its kind, from where, the target, and the method.
type Way<'a> = (ProbeKind, Option<&'a Subject>, &'a str, Option<&'a str>);

fn way(probe: &Probe) -> Way<'_> {
    (probe.kind, probe.from.as_ref(), &probe.target, probe.method.as_deref())
}

/// When each way was last tried with success.
fn went_well<'e>(model: &Model<'e>) -> BTreeMap<Way<'e>, Option<jiff::Timestamp>> {
    let mut last: BTreeMap<Way<'_>, Option<jiff::Timestamp>> = BTreeMap::new();
    for probe in model.evidence.probes.iter().filter(|probe| !probe.failed()) {
        let known = last.entry(way(probe)).or_default();
        *known = probe.time.max(*known);
    }
    last
}

/// Where the fault behind a failed connection can sit: the target, what it forwards to, and both ends' nodes and policies.
fn connection_scope(model: &Model<'_>, subject: &Subject, from: Option<&Subject>) -> BTreeSet<Subject> {
    model.closure(from.cloned().into_iter().chain([subject.clone()]), |_, edge| edge.relation != Relation::ConnectsTo)
}
