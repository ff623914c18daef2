//! Pods do not want to be beside other pods, and on every node that would take them there are such.
//!
//! # What it looks like
//! The pods stay Pending without a node; where others of the workload run, there are as many of them as nodes. A Service with no
//! other pods has no endpoint. The scheduler says that nodes `didn't match pod anti-affinity rules`.
//!
//! # Confirm by hand
//! `kubectl -n NS get pod POD -o jsonpath={.spec.affinity.podAntiAffinity}` shows a labelSelector and a topologyKey;
//! `kubectl get pods -A -o wide -l SELECTOR` has a pod in each domain of that key that the pod could be on.
//!
//! # Fix
//! Correct the selector where it means others than it should; ask for no more replicas than there are domains; make the rule
//! preferred instead of required; or add a node.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Assigning Pods to Nodes, "Inter-pod affinity and anti-affinity".

use super::{Case, Cause, Finding, neighbours, scheduling::Stage};

/// See the module's comment.
pub struct PodAntiAffinityUnsatisfiable;

impl Cause for PodAntiAffinityUnsatisfiable {
    fn id(&self) -> &'static str {
        "pod-anti-affinity-unsatisfiable"
    }

    fn source(&self) -> &'static str {
        include_str!("pod_anti_affinity_unsatisfiable.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let summary = "Let OWNER keep apart only from what it must, and be no more than there is room for so";
        neighbours::findings(case, "podAntiAffinity", Stage::Apart, summary)
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const RULE: &str = "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]";

    fn world(label: &str, says: &str) -> String {
        format!(
            r#"object Node n1  metadata.labels.host=n1  status.allocatable.cpu="2"
             object Node n2  metadata.labels.host=n2  status.allocatable.cpu="2"
             object Node n3  metadata.labels.host=n3  status.allocatable.cpu="2"
             set node/n3  spec.unschedulable=true
             pod a/x-1  app=x  ready  on n1
             pod a/x-2  app=x  ready  on n2
             deployment a/s  app=s
             pod a/s-1  app=s  creating  owner deployment/a/s
             set pod/a/s-1  spec.nodeName=null  status.containerStatuses=null  {RULE}.topologyKey=host  {RULE}.labelSelector.matchLabels.app={label}
             event pod/a/s-1  FailedScheduling  0/3 nodes are available: {says}."#
        )
    }

    const SAYS: &str = "1 node(s) were unschedulable, 2 node(s) didn't match pod anti-affinity rules";

    #[test]
    fn holds_beside_others() {
        check(&format!("{}\n=> pod-anti-affinity-unsatisfiable deployment/a/s", world("x", SAYS)));
    }

    #[test]
    fn holds_among_its_own_kind() {
        let own = "pod a/s-2  app=s  ready  on n1\npod a/s-3  app=s  ready  on n2";
        check(&format!("{}\n{own}\n=> pod-anti-affinity-unsatisfiable deployment/a/s", world("s", SAYS)));
    }

    #[test]
    fn twin_the_others_are_not_those_that_are_meant() {
        check(&format!("{}\n=> unknown", world("y", SAYS)));
    }

    #[test]
    fn twin_the_only_other_node_has_too_little_left() {
        let small = "set pod/a/s-1  spec.containers[0].resources.requests.cpu=\"3\"";
        let says = "1 node(s) were unschedulable, 2 Insufficient cpu";
        check(&format!("{}\n{small}\n=> insufficient-resources deployment/a/s", world("x", says)));
    }

    #[test]
    fn twin_the_node_that_is_free_is_cordoned_and_the_pod_asks_for_it() {
        let asks = "set pod/a/s-1  spec.nodeSelector.host=n3";
        let says = "1 node(s) were unschedulable, 2 node(s) didn't match Pod's node affinity/selector";
        check(&format!("{}\n{asks}\n=> node-taint-not-tolerated node/n3", world("x", says)));
    }

    #[test]
    fn unknown_without_the_word_of_the_scheduler() {
        let said = world("x", SAYS);
        let silent = said.lines().filter(|line| !line.contains("FailedScheduling")).collect::<Vec<_>>().join("\n");
        check(&format!("{silent}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
