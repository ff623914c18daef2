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

use super::{Case, Cause, Finding, control_plane};
use crate::{evidence::Object, model::Model, propagation::Mode, symptoms::events_of};

/// See the module's comment.
pub struct KubeSchedulerDown;

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
        let unheard: Vec<&Object> = model.down().filter(|pod| unheard(model, pod)).collect();
        let effects = unheard.iter().map(|pod| (pod.subject().clone(), Mode::Down)).collect();
        let waits = unheard.first().map(|pod| pod.cite("/status", "it has no node, and no scheduler says why"));
        control_plane::findings(model, "kube-scheduler", effects, waits)
    }
}

/// Whether a pod waits for a node and no scheduler has said anything of it.
fn unheard(model: &Model<'_>, pod: &Object) -> bool {
    let spoken =
        |reason: &str| matches!(reason, "FailedScheduling" | "Scheduled" | "NotTriggerScaleUp" | "TriggeredScaleUp");
    pod.node().is_none()
        && pod.text("/status/phase") == Some("Pending")
        && pod.list("/spec/schedulingGates").is_empty()
        && pod.text("/spec/schedulerName").is_none_or(|name| name == "default-scheduler")
        && !pod.list("/status/conditions").iter().any(|condition| condition["type"] == "PodScheduled")
        && !events_of(model.evidence, pod.subject()).iter().any(|(event, _)| event.text("/reason").is_some_and(spoken))
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
        check(&format!("{WORLD}\nset pod/a/s-1  spec.schedulerName=own\n=> scheduler-name-unknown deployment/a/s"));
    }

    #[test]
    fn unknown_where_nobody_looked() {
        check(&format!("{WORLD}\n=> unknown lacks hosts/cp/systemctl-kube-scheduler.txt"));
    }
}
