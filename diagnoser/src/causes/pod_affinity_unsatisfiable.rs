//! Pods want to be beside other pods, and there are none such on any node that would take them.
//!
//! # What it looks like
//! The pods stay Pending without a node, and a Service with no other pods has no endpoint. The scheduler says that nodes `didn't
//! match pod affinity rules`.
//!
//! # Confirm by hand
//! `kubectl -n NS get pod POD -o jsonpath={.spec.affinity.podAffinity}` shows a labelSelector and a topologyKey;
//! `kubectl get pods -A -o wide -l SELECTOR` has no pod on a node, or only on nodes that do not take the pod.
//!
//! # Fix
//! Correct the selector or its namespaces; let the pods that are meant run first; or make the rule preferred.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Assigning Pods to Nodes, "Inter-pod affinity and anti-affinity".

use super::{Case, Cause, Finding, neighbours, scheduling::Stage};

/// See the module's comment.
pub struct PodAffinityUnsatisfiable;

impl Cause for PodAffinityUnsatisfiable {
    fn id(&self) -> &'static str {
        "pod-affinity-unsatisfiable"
    }

    fn source(&self) -> &'static str {
        include_str!("pod_affinity_unsatisfiable.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let summary = "Let OWNER ask to be beside pods that there are";
        neighbours::findings(case, "podAffinity", Stage::Beside, summary)
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    fn world(label: &str, says: &str) -> String {
        const RULE: &str = "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]";
        format!(
            r#"object Node n1  metadata.labels.host=n1  status.allocatable.cpu="2"
             object Node n2  metadata.labels.host=n2  status.allocatable.cpu="2"
             set node/n2  spec.taints[0].key=k  spec.taints[0].effect=NoSchedule
             pod a/x-1  app=x  ready  on n2
             pod b/y-1  app=y  ready  on n1
             deployment a/s  app=s
             pod a/s-1  app=s  creating  owner deployment/a/s
             set pod/a/s-1  spec.nodeName=null  status.containerStatuses=null  {RULE}.topologyKey=host  {RULE}.labelSelector.matchLabels.app={label}
             event pod/a/s-1  FailedScheduling  0/2 nodes are available: {says}."#
        )
    }

    const SAYS: &str = "1 node(s) had untolerated taint(s), 1 node(s) didn't match pod affinity rules";

    #[test]
    fn holds_where_nobody_is_meant_or_only_those_of_another_namespace() {
        check(&format!("{}\n=> pod-affinity-unsatisfiable deployment/a/s", world("z", SAYS)));
        check(&format!("{}\n=> pod-affinity-unsatisfiable deployment/a/s", world("y", SAYS)));
    }

    #[test]
    fn twin_the_first_of_its_kind_may_go_anywhere() {
        check(&format!("{}\n=> unknown", world("s", "1 node(s) had untolerated taint(s), 1 node(s) had no time")));
    }

    #[test]
    fn unknown_where_the_scheduler_speaks_of_something_else_or_is_not_heard() {
        check(&format!("{}\n=> unknown", world("z", "1 node(s) had untolerated taint(s), 1 node(s) had no time")));
        let said = world("z", SAYS);
        let silent = said.lines().filter(|line| !line.contains("FailedScheduling")).collect::<Vec<_>>().join("\n");
        check(&format!("{silent}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
