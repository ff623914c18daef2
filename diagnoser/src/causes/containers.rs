//! How containers end, and what that does to who needs them: what the causes of pods that start and do not stay share.
//!
//! Source: core/v1 ContainerStatus; kubernetes.io, Pod Lifecycle, "Container restarts". Exit codes above 128 are signals
//! (128 + n), which say that something ended the container, not what.

use std::collections::BTreeMap;

use super::{Finding, Lack, State};
use crate::{
    evidence::{Citation, Object},
    model::{Model, has_just_restarted},
    propagation::Mode,
    subject::Subject,
};

/// The last time a container ended.
pub(super) struct Ended<'e> {
    pub pod: &'e Object,
    /// The container's name.
    pub name: &'e str,
    /// The exit code.
    pub code: i64,
    /// The runtime's word for it: `Error`, `OOMKilled`, `StartError`.
    pub reason: &'e str,
    /// What the runtime says beside it, or the container's termination message.
    pub message: &'e str,
    /// Whether it had run long enough to be asked for anything.
    pub served: bool,
    pointer: String,
    restarts: i64,
}

impl Ended<'_> {
    /// The reading.
    pub fn cite(&self) -> Citation {
        let Self { name, code, reason, restarts, .. } = self;
        let says = format!("{name} ended with exit code {code}, {reason}; {restarts} restarts");
        self.pod.cite(&self.pointer, says)
    }
}

/// Why a container waits that cannot even be made: for its image, or for what it is set up with
/// (kubernetes/pkg/kubelet/images/types.go, kubernetes/pkg/kubelet/kuberuntime/kuberuntime_container.go).
const UNMADE: [&str; 8] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RegistryUnavailable",
];

/// How the containers of a pod ended last. Left out are those that ended well, as init containers should, and those whose
/// end is history: who cannot be made now is not down over how it ended before.
pub(super) fn ends<'e>(model: &Model<'_>, pod: &'e Object) -> Vec<Ended<'e>> {
    let mut found = Vec::new();
    for list in ["/status/containerStatuses", "/status/initContainerStatuses"] {
        for (index, status) in pod.list(list).iter().enumerate() {
            let Some(key) = ["state", "lastState"].into_iter().find(|key| !status[*key]["terminated"].is_null()) else {
                continue;
            };
            let runs_on = !status["state"]["running"].is_null() && !has_just_restarted(status, model.now);
            let waits = status["state"]["waiting"]["reason"].as_str();
            if runs_on || waits.is_some_and(|reason| UNMADE.contains(&reason)) {
                continue;
            }
            let end = &status[key]["terminated"];
            let time = |key: &str| end[key].as_str()?.parse::<jiff::Timestamp>().ok();
            // What never started is said to have done so in 1970.
            let started = time("startedAt").filter(|time| time.as_second() > 0);
            let ran = time("finishedAt").zip(started).map(|(end, start)| end.duration_since(start));
            let code = end["exitCode"].as_i64().unwrap_or_default();
            if code == 0 {
                continue;
            }
            found.push(Ended {
                pod,
                name: status["name"].as_str().unwrap_or_default(),
                code,
                reason: end["reason"].as_str().unwrap_or_default(),
                message: end["message"].as_str().unwrap_or_default(),
                served: ran.is_some_and(|ran| ran.as_secs() >= 2),
                pointer: format!("{list}/{index}/{key}/terminated"),
                restarts: status["restartCount"].as_i64().unwrap_or_default(),
            });
        }
    }
    found
}

/// Pods that are down or restart again and again, by workload.
pub(super) fn troubled<'e>(model: &Model<'e>) -> BTreeMap<Subject, Vec<&'e Object>> {
    let mut found: BTreeMap<Subject, Vec<&Object>> = BTreeMap::new();
    for pod in model.troubled() {
        found.entry(model.workload_of(pod.subject())).or_default().push(pod);
    }
    found
}

/// Pods that are down take their Service's endpoints away. Those that served before they ended also cut connections and
/// refuse them until the endpoints are gone, again and again.
pub(super) fn effects(workload: &Subject, pods: &[&Object], served: bool) -> Vec<(Subject, Mode)> {
    let mut effects = vec![(workload.clone(), Mode::Down)];
    for pod in pods.iter().map(|pod| pod.subject()) {
        effects.push((pod.clone(), Mode::Down));
        if served {
            effects.extend([Mode::Refused, Mode::Broken, Mode::Empty].map(|mode| (pod.clone(), mode)));
        }
    }
    effects
}

/// One finding for each workload in trouble: what `look` says of its pods, the most telling answer first.
pub(super) fn examine<'e>(
    model: &Model<'e>,
    look: impl Fn(&Subject, &'e Object) -> Option<(State, bool)>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (workload, pods) in troubled(model) {
        let said = pods.iter().filter_map(|pod| look(&workload, pod));
        // The first of the strongest: nothing depends on the order of the list, pods are sorted by name.
        let best = said.fold(None, |best: Option<(State, bool)>, (state, served)| match best {
            Some((known, before)) if known.strength() >= state.strength() => Some((known, before || served)),
            _ => Some((state, served)),
        });
        let Some((state, served)) = best else { continue };
        findings.push(Finding { effects: effects(&workload, &pods, served), subject: workload, state });
    }
    findings
}

/// The missing log of a pod.
pub(super) fn lack_log(pod: &Object) -> Lack {
    let how = format!(
        "kubectl -n {0} logs {1} --all-containers --previous; kubectl -n {0} logs {1} --all-containers",
        pod.namespace(),
        pod.name()
    );
    Lack { how, ..Lack::log(pod.subject(), None, "not collected") }
}

/// The kubelet's word that it ended a container because its liveness (or startup) probe failed.
///
/// Source: kubernetes/pkg/kubelet/kuberuntime/kuberuntime_manager.go, "Container %s failed liveness probe, will be restarted".
pub(super) fn killed_by_kubelet(model: &Model<'_>, pod: &Object) -> Option<Citation> {
    let events = super::kubelet_probes::events(model, pod, "Killing");
    events
        .filter(|(_, message)| message.contains("failed liveness probe") || message.contains("failed startup probe"))
        .last()
        .map(|(event, message)| event.cite("/message", message))
}

#[cfg(test)]
pub(super) mod tests {
    /// A pod of a Deployment that is down.
    pub const POD: &str = "deployment a/p  app=p\npod a/p-1  app=p  unready  owner deployment/a/p";

    /// That its container ended so, again and again, and waits to be started.
    pub fn ended(code: i64, reason: &str) -> String {
        let status = "status.containerStatuses[0]";
        let times = format!(
            "{status}.lastState.terminated.startedAt=2026-01-01T11:59:30Z {status}.lastState.terminated.finishedAt=2026-01-01T11:59:40Z"
        );
        let waits = format!("{status}.state.running=null {status}.state.waiting.reason=CrashLoopBackOff");
        format!(
            "set pod/a/p-1 {waits} {status}.restartCount=4 {status}.lastState.terminated.exitCode={code} {status}.lastState.terminated.reason={reason} {times}"
        )
    }
}
