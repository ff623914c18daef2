//! kube-scheduler does not run, so that nobody gives new pods a node.
//!
//! # What it looks like
//! New pods stay Pending without a node, and nothing says why: no event FailedScheduling, no condition PodScheduled. Pods that have
//! a node go on running; what is restarted, scaled or rolled out does not come up.
//!
//! # Confirm by hand
//! `systemctl status kube-scheduler` on the control plane, or `kubectl -n kube-system get pods -l component=kube-scheduler`, shows
//! that it does not run; `kubectl -n kube-system get lease kube-scheduler -o yaml` shows who held the office and when last.
//!
//! # Fix
//! `systemctl start kube-scheduler`, or put its static manifest (/etc/kubernetes/manifests/kube-scheduler.yaml) right.
//!
//! # Who acts
//! Whoever runs the cluster.
//!
//! # Source
//! kubernetes.io, Kubernetes Scheduler; Leases, "Leader election"; core/v1 PodConditionType PodScheduled.

use super::{
    Case, Cause, Finding, Lack, State,
    node_services::{self, Unit},
};
use crate::{
    diagnosis::Fix,
    evidence::{Citation, Object},
    model::{Model, is_down, is_ready},
    propagation::Mode,
    subject::Subject,
    symptoms::{events_of, unit_of},
};

/// See the module's comment.
pub struct KubeSchedulerDown;

const NAME: &str = "kube-scheduler";
const NAMESPACE: &str = "kube-system";

impl Cause for KubeSchedulerDown {
    fn id(&self) -> &'static str {
        "kube-scheduler-down"
    }

    fn source(&self) -> &'static str {
        include_str!("kube_scheduler_down.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let unheard: Vec<&Object> = model.evidence.objects.of_kind("pod").filter(|pod| unheard(model, pod)).collect();
        let schedulers = schedulers(model);
        if unheard.is_empty() && !schedulers.iter().any(|scheduler| scheduler.unit) {
            return vec![];
        }
        let mut effects: Vec<_> = unheard.iter().map(|pod| (pod.subject().clone(), Mode::Down)).collect();
        let waits = unheard.first().map(|pod| pod.cite("/status", "it has no node, and no scheduler says why"));
        if let Some(runs) = schedulers.iter().find(|scheduler| scheduler.runs) {
            let subject = Subject::global("node", &runs.node);
            return vec![Finding { subject, effects, state: State::excluded("it runs", vec![runs.cited.clone()]) }];
        }
        let Some(first) = schedulers.first() else { return blind(model, effects) };
        for scheduler in &schedulers {
            effects.push((unit_of(&scheduler.node, NAME), Mode::Down));
            effects.extend(scheduler.pod.clone().map(|pod| (pod, Mode::Down)));
        }
        let subject = Subject::global("node", &first.node);
        let fix = match model.object(&subject).filter(|_| first.unit) {
            Some(node) => node_services::start(node, NAME),
            None => Fix { summary: format!("Let {NAME} run on {subject} again"), patch: vec![] },
        };
        let evidence = schedulers.iter().map(|scheduler| scheduler.cited.clone()).chain(waits).collect();
        vec![Finding { subject, effects, state: State::holds(evidence, fix) }]
    }
}

/// Whether a pod waits for a node and no scheduler has said anything of it.
fn unheard(model: &Model<'_>, pod: &Object) -> bool {
    let spoken =
        |reason: &str| matches!(reason, "FailedScheduling" | "Scheduled" | "NotTriggerScaleUp" | "TriggeredScaleUp");
    is_down(pod)
        && pod.text("/spec/nodeName").is_none()
        && pod.text("/status/phase") == Some("Pending")
        && pod.list("/spec/schedulingGates").is_empty()
        && pod.text("/spec/schedulerName").is_none_or(|name| name == "default-scheduler")
        && !pod.list("/status/conditions").iter().any(|condition| condition["type"] == "PodScheduled")
        && !events_of(model.evidence, pod.subject()).iter().any(|(event, _)| event.text("/reason").is_some_and(spoken))
}

/// A scheduler that was looked at.
struct Scheduler {
    node: String,
    runs: bool,
    /// Whether it is a service of the machine, and not a static pod.
    unit: bool,
    pod: Option<Subject>,
    cited: Citation,
}

fn schedulers(model: &Model<'_>) -> Vec<Scheduler> {
    let mut found = Vec::new();
    for node in model.evidence.objects.of_kind("node") {
        let (runs, cited) = match node_services::unit(model, node, NAME) {
            Unit::Runs(cited) => (true, cited),
            Unit::Stopped(cited) | Unit::Fails(cited) => (false, cited),
            Unit::Unseen(_) => continue,
        };
        found.push(Scheduler { node: node.name().to_owned(), runs, unit: true, pod: None, cited });
    }
    for pod in model.evidence.objects.in_namespace("pod", NAMESPACE) {
        let own = pod.labels().get("component") == Some(&NAME);
        let Some(node) = pod.text("/spec/nodeName").filter(|_| own) else { continue };
        let runs = is_ready(pod);
        let cited =
            pod.cite("/status/conditions", format!("{} is {}ready", pod.name(), if runs { "" } else { "not " }));
        found.push(Scheduler { node: node.to_owned(), runs, unit: false, pod: Some(pod.subject().clone()), cited });
    }
    found.extend(in_office(model));
    found
}

/// Who holds the scheduler's lease, and whether it was renewed in time. A lease lasts fifteen seconds.
fn in_office(model: &Model<'_>) -> Option<Scheduler> {
    let lease = model.object(&Subject::namespaced("lease", NAMESPACE, NAME))?;
    let age = model.now?.duration_since(lease.time("/spec/renewTime")?);
    let node = lease.text("/spec/holderIdentity")?.rsplit_once('_')?.0.to_owned();
    let cited = lease.cite("/spec/renewTime", format!("renewed {} s before this was taken", age.as_secs()));
    Some(Scheduler { node, runs: age.as_secs() < 60, unit: false, pod: None, cited })
}

/// Nobody looked at any scheduler.
fn blind(model: &Model<'_>, effects: Vec<(Subject, Mode)>) -> Vec<Finding> {
    let roles = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
    let mut nodes = model.evidence.objects.of_kind("node");
    let Some(node) = nodes.find(|node| roles.iter().any(|role| node.labels().contains_key(role))) else {
        return vec![];
    };
    let why = "not collected".to_owned();
    let lack = Lack::host_fact(node.name(), &format!("systemctl-{NAME}"), &format!("systemctl status {NAME}"), why);
    vec![Finding { subject: node.subject().clone(), effects, state: State::Undecided(vec![lack]) }]
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"object Node cp  metadata.labels.node-role~kubernetes~io/control-plane=yes
             object Node n1  metadata.labels.a=b
             service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             pod a/s-1  app=s  creating  owner deployment/a/s
             set pod/a/s-1  spec.nodeName=null  status.containerStatuses=null  status.conditions=null  status.phase=Pending
             probe service/a/s:80  refused in 1ms"#;

    #[test]
    fn holds_by_its_unit_its_pod_or_its_lease() {
        check(&format!("{WORLD}\nunit cp kube-scheduler inactive (dead)\n=> kube-scheduler-down node/cp"));
        check(&format!(
            "{WORLD}\npod kube-system/kube-scheduler-cp  component=kube-scheduler  unready  on cp\n=> kube-scheduler-down node/cp"
        ));
        check(&format!(
            "{WORLD}\nobject Lease kube-system/kube-scheduler  spec.holderIdentity=cp_1  spec.renewTime=2026-01-01T11:50:00Z\n=> kube-scheduler-down node/cp"
        ));
    }

    #[test]
    fn holds_before_anybody_suffers() {
        check(
            "object Node cp  metadata.labels.a=b
             unit cp kube-scheduler inactive (dead)
             service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  listens 0.0.0.0:80
             probe service/a/s:80  connected in 1ms
             => kube-scheduler-down node/cp",
        );
    }

    #[test]
    fn twin_another_one_runs() {
        check(&format!(
            "{WORLD}\nunit cp kube-scheduler inactive (dead)\nunit n1 kube-scheduler active (running)\n=> unknown"
        ));
    }

    #[test]
    fn twin_a_scheduler_has_spoken_or_another_is_asked_for() {
        let unit = "unit cp kube-scheduler active (running)";
        check(&format!(
            "{WORLD}\n{unit}\nevent pod/a/s-1  FailedScheduling  0/2 nodes are available: 2 node(s) had no time.\n=> unknown"
        ));
        check(&format!("{WORLD}\nset pod/a/s-1  spec.schedulerName=own\n=> unknown"));
    }

    #[test]
    fn unknown_where_nobody_looked() {
        check(&format!("{WORLD}\n=> unknown lacks hosts/cp/systemctl-kube-scheduler.txt"));
    }
}
