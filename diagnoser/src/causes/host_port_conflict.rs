//! Pods want a port of their node for themselves, and on every node that would take them another pod has it.
//!
//! # What it looks like
//! Pods stay Pending without a node although there is room; often all but the first of several replicas, or beside a daemon
//! that uses the same port. The scheduler says `didn't have free ports for the requested pod ports`.
//!
//! # Confirm by hand
//! `kubectl -n NS get pod POD -o jsonpath={.spec.containers[*].ports}` shows hostPort; the same of the pods on the nodes shows
//! who has it.
//!
//! # Fix
//! Leave hostPort out and reach the pods by a Service; or take another port, or no more replicas than nodes.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Configuration Best Practices (hostPort); kube-scheduler's plugin NodePorts.

use super::{Case, Cause, Finding, obstacles, scheduling::Stage};

/// See the module's comment.
pub struct HostPortConflict;

impl Cause for HostPortConflict {
    fn id(&self) -> &'static str {
        "host-port-conflict"
    }

    fn source(&self) -> &'static str {
        include_str!("host_port_conflict.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let summary = "Let OWNER ask for no port of its node, or for one that is free";
        obstacles::findings(case, Stage::Ports, summary, "/spec/containers")
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

    const WANTS: &str = "spec.containers[0].ports[0].hostPort=9000";
    const SAYS: &str = "node(s) didn't have free ports for the requested pod ports";
    const TAKEN: &str = "pod b/d-1  app=d  ready  on n1\nset pod/b/d-1  spec.containers[0].ports[0].hostPort=9000";

    #[test]
    fn holds_where_another_pod_has_it_or_the_scheduler_knows_of_one() {
        check(&format!("{}\n{TAKEN}\n=> host-port-conflict deployment/a/s", world(WANTS, SAYS)));
        check(&format!("{}\n=> host-port-conflict deployment/a/s", world(WANTS, SAYS)));
    }

    #[test]
    fn twin_it_wants_no_port_or_there_is_no_room() {
        check(&format!("{}\n=> unknown", world("", SAYS)));
        let large = format!("{WANTS}  spec.containers[0].resources.requests.cpu=\"3\"");
        check(&format!("{}\n=> insufficient-resources deployment/a/s", world(&large, "Insufficient cpu")));
    }

    #[test]
    fn unknown_where_the_scheduler_is_not_heard() {
        let said = format!("{}\n{TAKEN}", world(WANTS, SAYS));
        let silent: Vec<&str> = said.lines().filter(|line| !line.contains("FailedScheduling")).collect();
        check(&format!("{}\nmissed events forbidden\n=> unknown lacks events of namespace a", silent.join("\n")));
    }
}
