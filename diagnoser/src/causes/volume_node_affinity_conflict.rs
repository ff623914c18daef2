//! The volume of pods can be had on other nodes only than those that would take them.
//!
//! # What it looks like
//! Pods stay Pending without a node though their claim is bound and there is room. The scheduler says `had volume node affinity
//! conflict`: the volume is of one zone or one node (a local volume), and that is gone, full or tainted, or the pods ask for
//! another.
//!
//! # Confirm by hand
//! `kubectl get pv PV -o jsonpath={.spec.nodeAffinity}` against `kubectl get nodes --show-labels` and the nodes that the pods
//! may run on.
//!
//! # Fix
//! Bring a node of that place back, let the pods go where their volume is, or make the volume anew where they are (its data has
//! to be carried over).
//!
//! # Who acts
//! Whoever runs the storage, with the owner of the workload.
//!
//! # Source
//! kubernetes.io, Persistent Volumes, "Node Affinity"; kube-scheduler's plugin VolumeBinding (ErrReasonNodeConflict).

use super::{Case, Cause, Finding, obstacles, scheduling::Stage};

/// See the module's comment.
pub struct VolumeNodeAffinityConflict;

impl Cause for VolumeNodeAffinityConflict {
    fn id(&self) -> &'static str {
        "volume-node-affinity-conflict"
    }

    fn source(&self) -> &'static str {
        include_str!("volume_node_affinity_conflict.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let summary = "Let OWNER run where its volume can be had, or use another volume";
        obstacles::findings(case, Stage::Volume, summary, "/spec/volumes")
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    fn world(pod: &str, says: &str) -> String {
        format!(
            r#"object Node n1  metadata.labels.host=n1  status.allocatable.cpu="2"
             object Node n2  metadata.labels.host=n2  status.allocatable.cpu="2"
             set node/n2  spec.taints[0].key=k  spec.taints[0].effect=NoSchedule
             deployment a/s  app=s
             pod a/s-1  app=s  creating  owner deployment/a/s
             set pod/a/s-1  spec.nodeName=null  status.containerStatuses=null  {pod}
             event pod/a/s-1  FailedScheduling  0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 {says}."#
        )
    }

    const CLAIMS: &str = "spec.volumes[0].persistentVolumeClaim.claimName=data";
    const SAYS: &str = "node(s) had volume node affinity conflict";

    fn volume(host: &str) -> String {
        const TERM: &str = "spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0]";
        format!(
            "object PersistentVolumeClaim a/data  spec.volumeName=v  status.phase=Bound
             object PersistentVolume v  status.phase=Bound  {TERM}.key=host  {TERM}.operator=In  {TERM}.values[0]={host}"
        )
    }

    #[test]
    fn holds_for_a_volume_of_a_node_that_is_gone() {
        check(&format!("{}\n{}\n=> volume-node-affinity-conflict deployment/a/s", world(CLAIMS, SAYS), volume("n9")));
    }

    #[test]
    fn twin_the_volume_is_of_this_node_or_it_is_the_room() {
        check(&format!("{}\n{}\n=> unknown", world(CLAIMS, SAYS), volume("n1")));
        let large = format!("{CLAIMS}  spec.containers[0].resources.requests.cpu=\"3\"");
        check(&format!(
            "{}\n{}\n=> insufficient-resources deployment/a/s",
            world(&large, "Insufficient cpu"),
            volume("n1")
        ));
    }

    #[test]
    fn unknown_where_the_scheduler_is_not_heard() {
        let said = format!("{}\n{}", world(CLAIMS, SAYS), volume("n9"));
        let silent: Vec<&str> = said.lines().filter(|line| !line.contains("FailedScheduling")).collect();
        check(&format!("{}\nmissed events forbidden\n=> unknown lacks events of namespace a", silent.join("\n")));
    }
}
