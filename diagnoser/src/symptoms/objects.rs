//! States of the cluster that are wrong by themselves: pods that should serve and do not, Services in use with nothing ready.

use std::collections::BTreeMap;

use super::{Observation, Scope, Symptom};
use crate::{
    evidence::{Citation, Evidence, Fact, Object},
    model::{Model, Relation, is_restarting},
    subject::Subject,
};

/// How long a pod may take to become ready before that alone is a symptom.
pub(super) const START_UP: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// Pods that are down and not merely starting, or that come and go.
pub(super) fn down_pods(model: &Model<'_>) -> Vec<Symptom> {
    let warnings = warnings(model.evidence);
    let mut found = Vec::new();
    for pod in model.troubled() {
        let waiting = pod.list("/status/containerStatuses").iter().chain(pod.list("/status/initContainerStatuses"));
        let reason = waiting
            .filter_map(|status| status["state"]["waiting"]["reason"].as_str())
            .find(|reason| !matches!(*reason, "ContainerCreating" | "PodInitializing"));
        let warning = warnings.get(pod.subject());
        let old = model
            .now
            .zip(pod.time("/metadata/creationTimestamp"))
            .is_some_and(|(now, born)| now.duration_since(born) > START_UP);
        let restarting = is_restarting(pod, model.now);
        let starts = reason.is_none() && warning.is_none() && !old;
        if !restarting && (starts || reason.is_none() && is_spare(model, pod)) {
            continue;
        }
        let why = reason.map(str::to_owned).or_else(|| Some(warning?.says.clone()));
        let state = if restarting { "restarts again and again" } else { "is not ready" };
        found.push(Symptom {
            id: format!("down-{}", found.len() + 1),
            subject: pod.subject().clone(),
            seen: Observation::PodDown,
            says: format!("{} {state}{}", pod.subject(), why.map(|why| format!(": {why}")).unwrap_or_default()),
            since: pod.time("/metadata/creationTimestamp"),
            evidence: [pod.cite(if restarting { "/status/containerStatuses" } else { "/status/conditions" }, state)]
                .into_iter()
                .chain(warning.cloned())
                .collect(),
            scope: Scope::Everything,
            origin: None,
            user: false,
            connection: None,
        });
    }
    found
}

/// Whether a pod runs, is only not ready, and every Service that forwards to it has others that are ready, made from the same
/// template: then nobody misses it. Beside pods of an older template it is a rollout that does not go on, and one that does not
/// run at all is what its workload asked for and has not got.
fn is_spare(model: &Model<'_>, pod: &Object) -> bool {
    if pod.text("/status/phase").is_some_and(|phase| phase != "Running") {
        return false;
    }
    let template = |pod: &Object| {
        let labels = pod.labels();
        let made = labels.get("pod-template-hash").or(labels.get("controller-revision-hash"));
        made.map(|made| (*made).to_owned())
    };
    let own = template(pod);
    let services = model.dependents(pod.subject()).iter().filter(|(_, relation)| *relation == Relation::ForwardsTo);
    let mut served = services.map(|(service, _)| {
        model.ready_behind(service).any(|other| {
            other.subject() != pod.subject() && (pod.controller().is_none() || own.is_some() && template(other) == own)
        })
    });
    let any = served.next();
    any == Some(true) && served.all(|ready| ready)
}

/// Services that something routes to, that should have pods, and have no ready endpoint.
pub(super) fn empty_services(model: &Model<'_>) -> Vec<Symptom> {
    let mut found = Vec::new();
    for service in model.evidence.objects.of_kind("service") {
        let used = model.dependents(service.subject()).iter().any(|(_, relation)| *relation != Relation::ForwardsTo);
        let Fact::Seen((endpoints, cited)) = model.endpoints(service) else { continue };
        let ready = endpoints.iter().any(|endpoint| endpoint.ready);
        if !used || ready || service.map("/spec/selector").is_empty() || meant_to_be_empty(model, service) {
            continue;
        }
        found.push(Symptom {
            id: format!("no-endpoints-{}", found.len() + 1),
            subject: service.subject().clone(),
            seen: Observation::NoEndpoints,
            says: format!("{} has no ready endpoint", service.subject()),
            since: None,
            evidence: if cited.is_empty() { vec![service.cite("/spec/selector", "no endpoints")] } else { cited },
            scope: model.closure([service.subject().clone()], |_, edge| edge.relation != Relation::ConnectsTo).into(),
            origin: None,
            user: false,
            connection: None,
        });
    }
    found
}

/// Whether the workload behind a Service was scaled to zero on purpose.
fn meant_to_be_empty(model: &Model<'_>, service: &Object) -> bool {
    let selector = service.map("/spec/selector");
    ["deployment", "statefulset"].into_iter().any(|kind| {
        let workloads = model.evidence.objects.selected(kind, service.namespace(), &selector);
        workloads.iter().any(|workload| workload.number("/spec/replicas") == Some(0))
    })
}

/// When an event was last seen.
pub(crate) fn event_time(event: &Object) -> Option<jiff::Timestamp> {
    ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp", "/metadata/creationTimestamp"]
        .into_iter()
        .find_map(|pointer| event.time(pointer))
}

/// The latest warning about each object.
pub(crate) fn warnings(evidence: &Evidence) -> BTreeMap<Subject, Citation> {
    let mut latest: BTreeMap<Subject, (Option<jiff::Timestamp>, Citation)> = BTreeMap::new();
    for event in evidence.objects.of_kind("event").filter(|event| event.text("/type") == Some("Warning")) {
        let Some(subject) = event.regarding() else { continue };
        let message = event.text("/message").or_else(|| event.text("/note")).unwrap_or_default();
        let cited = event.cite("/message", format!("{}: {message}", event.text("/reason").unwrap_or_default()));
        let time = event_time(event);
        if latest.get(&subject).is_none_or(|(known, _)| *known <= time) {
            latest.insert(subject, (time, cited));
        }
    }
    latest.into_iter().map(|(subject, (_, cited))| (subject, cited)).collect()
}
