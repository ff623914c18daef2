//! Pods and what they are made from: small readings that several rooms share.

use crate::json::Value;

use crate::{
    evidence::{Evidence, Object},
    subject::Subject,
};

/// Whether the pod still counts for its workload: not being deleted, not finished.
pub(super) fn counts(pod: &Object) -> bool {
    let standing = pod.standing();
    !standing.deleted && !standing.finished
}

/// Whether the Ready condition is true.
pub fn is_ready(pod: &Object) -> bool {
    pod.standing().ready
}

/// Whether the pod is ready and does not come and go. One that became ready within the last minute, and not because it had
/// just started, was missing from the endpoints shortly before: what was tried then found nobody.
pub fn is_steadily_ready(pod: &Object, now: Option<jiff::Timestamp>) -> bool {
    const WHILE: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
    const START: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);
    let time = |value: &Value| value.as_str()?.parse::<jiff::Timestamp>().ok();
    let statuses = pod.list("/status/containerStatuses").iter();
    let started = statuses.filter_map(|status| time(&status["state"]["running"]["startedAt"])).max();
    let since = pod.list("/status/conditions").iter().find(|c| c["type"] == "Ready");
    let since = since.and_then(|ready| time(&ready["lastTransitionTime"]));
    let lately = now.zip(since).is_some_and(|(now, since)| now.duration_since(since) <= WHILE);
    let again = started.zip(since).is_some_and(|(started, since)| since.duration_since(started) > START);
    is_ready(pod) && !(lately && again)
}

/// Whether every container runs; a ready pod does, even where its containers' states were not collected.
pub fn is_running(pod: &Object) -> bool {
    pod.standing().running
}

/// Whether the pod should serve and does not (not ready, not finished, not being deleted).
pub fn is_down(pod: &Object) -> bool {
    counts(pod) && !is_ready(pod)
}

/// Whether a container of the pod ends again and again, though the pod may be ready at the moment.
pub fn is_restarting(pod: &Object, now: Option<jiff::Timestamp>) -> bool {
    counts(pod)
        && pod.list("/status/containerStatuses").iter().any(|status| {
            // Once may have been an accident, unless the kernel says why it will happen again.
            let least = if status["lastState"]["terminated"]["reason"] == "OOMKilled" { 1 } else { 2 };
            status["restartCount"].as_i64().unwrap_or_default() >= least && has_just_restarted(status, now)
        })
}

/// Whether a container that runs does so no longer than twice what it ran before it ended. One that has outlived that has
/// found its feet, and its end is history.
pub fn has_just_restarted(status: &Value, now: Option<jiff::Timestamp>) -> bool {
    let time = |value: &Value| value.as_str()?.parse::<jiff::Timestamp>().ok();
    let last = &status["lastState"]["terminated"];
    let before = time(&last["finishedAt"]).zip(time(&last["startedAt"])).map(|(end, start)| end.duration_since(start));
    let runs = now.zip(time(&status["state"]["running"]["startedAt"])).map(|(now, start)| now.duration_since(start));
    before.zip(runs).is_some_and(|(before, runs)| runs <= before * 2)
}

/// The topmost owner of a pod. A ReplicaSet is followed to its Deployment; where the ReplicaSet itself was not collected,
/// its name less the pod-template-hash is the Deployment's (kubernetes/pkg/controller/deployment/sync.go).
pub(super) fn top_owner(evidence: &Evidence, pod: &Object) -> Option<Subject> {
    let owner = pod.controller()?;
    if !owner.is("replicaset") {
        return Some(owner.clone());
    }
    if let Some(replica_set) = evidence.objects.get(owner) {
        return Some(replica_set.controller().unwrap_or(owner).clone());
    }
    let (labels, name) = (pod.labels(), owner.name.as_str());
    let by_hash = labels.get("pod-template-hash").and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-'));
    let of = |name: &str| Subject::namespaced("deployment", pod.namespace(), name);
    // Labels may not have been collected either; a Deployment of the name is there then.
    let known =
        || name.rsplit_once('-').map(|(name, _)| of(name)).filter(|known| evidence.objects.get(known).is_some());
    Some(by_hash.map(of).or_else(known).unwrap_or_else(|| owner.clone()))
}
