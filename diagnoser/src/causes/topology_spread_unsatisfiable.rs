//! Pods are to be spread more evenly than the nodes allow, so they are not scheduled.
//!
//! # What it looks like
//! Pods stay Pending without a node although there is room. The scheduler says `didn't match pod topology spread constraints`,
//! with `missing required label` where no node has the label by which they are to be spread.
//!
//! # Confirm by hand
//! `kubectl -n NS get pod POD -o jsonpath={.spec.topologySpreadConstraints}` against `kubectl get nodes -L KEY` and the pods of
//! its kind on each.
//!
//! # Fix
//! Spread by a label that the nodes have, allow a larger `maxSkew`, or only prefer it (`whenUnsatisfiable: ScheduleAnyway`).
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Pod Topology Spread Constraints; kube-scheduler's plugin PodTopologySpread.

use super::{Case, Cause, Finding, obstacles, scheduling::Stage};

/// See the module's comment.
pub struct TopologySpreadUnsatisfiable;

impl Cause for TopologySpreadUnsatisfiable {
    fn id(&self) -> &'static str {
        "topology-spread-unsatisfiable"
    }

    fn source(&self) -> &'static str {
        include_str!("topology_spread_unsatisfiable.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let summary = "Let OWNER spread its pods by what the nodes have";
        obstacles::findings(case, Stage::Spread, summary, "/spec/topologySpreadConstraints")
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

    const SAYS: &str = "node(s) didn't match pod topology spread constraints";

    fn by(key: &str) -> String {
        const C: &str = "spec.topologySpreadConstraints[0]";
        format!(
            "{C}.maxSkew=1  {C}.topologyKey={key}  {C}.whenUnsatisfiable=DoNotSchedule  {C}.labelSelector.matchLabels.app=s"
        )
    }

    #[test]
    fn holds_where_no_node_has_the_label() {
        check(&format!("{}\n=> topology-spread-unsatisfiable deployment/a/s", world(&by("rack"), SAYS)));
    }

    #[test]
    fn holds_where_too_many_of_its_kind_are_on_the_node() {
        let other = "pod a/s-2  app=s  ready  on n1  owner deployment/a/s";
        check(&format!("{}\n{other}\n=> topology-spread-unsatisfiable deployment/a/s", world(&by("host"), SAYS)));
    }

    #[test]
    fn twin_it_is_only_preferred_or_the_scheduler_speaks_of_something_else() {
        let soft = by("rack").replace("DoNotSchedule", "ScheduleAnyway");
        check(&format!("{}\n=> unknown", world(&soft, SAYS)));
        check(&format!("{}\n=> unknown", world(&by("rack"), "node(s) had no time")));
    }

    #[test]
    fn unknown_where_the_scheduler_is_not_heard() {
        let said = world(&by("rack"), SAYS);
        let silent: Vec<&str> = said.lines().filter(|line| !line.contains("FailedScheduling")).collect();
        check(&format!("{}\nmissed events forbidden\n=> unknown lacks events of namespace a", silent.join("\n")));
    }
}
