//! Pods request more than any node they may run on has left, so they are not scheduled.
//!
//! # What it looks like
//! The pods stay Pending without a node; a Service with no other pods has no endpoint, which an ingress controller answers with
//! 503 at once. The scheduler says `Insufficient cpu` (or memory, ephemeral-storage, a device) or `Too many pods`. What counts
//! are requests, not what is used: an idle node can be full.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` shows the scheduler's words and the requests; `kubectl describe node NODE` shows
//! Allocatable and Allocated resources. The request is larger than their difference on every node that fits otherwise.
//!
//! # Fix
//! Lower the request to what the application needs, free room by taking other pods away, or add nodes.
//!
//! # Who acts
//! The owner of the workload where the request is wrong; whoever runs the cluster where it is right.
//!
//! # Source
//! kubernetes.io, Resource Management for Pods and Containers, "My pods are pending with event message FailedScheduling".

use super::{
    Case, Cause, Finding, Lack,
    preempted_by_priority::{may_have_lost_its_place, taken_by},
    scheduling::{self, Placement, Stage},
    stuck::{self, Look, put_back},
};
use crate::evidence::Object;

/// See the module's comment.
pub struct InsufficientResources;

impl Cause for InsufficientResources {
    fn id(&self) -> &'static str {
        "insufficient-resources"
    }

    fn source(&self) -> &'static str {
        include_str!("insufficient_resources.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        stuck::findings(
            case.model,
            |pod| look(case, pod),
            |owner, _| {
                let summary = format!("Lower what {owner} requests to what a node has left, or add nodes");
                put_back(case.model, owner, summary, |field| field.contains("/resources"))
            },
        )
    }
}

fn look(case: &Case<'_, '_>, pod: &Object) -> Option<Look> {
    let model = case.model;
    if let Some((taker, evidence)) = taken_by(case, pod) {
        return Some(Look::No(format!("it had a place, which {} took", taker.subject()), evidence));
    }
    Some(match case.placements().of(pod)? {
        Err(lacks) => Look::Unclear(lacks),
        Ok(Placement { stage: Stage::Resources, .. }) if may_have_lost_its_place(model, pod) => {
            let why = "a pod of a higher priority may have taken its place".to_owned();
            Look::Unclear(vec![Lack::objects("events", Some(pod.namespace()), why)])
        }
        Ok(Placement { stage: Stage::Resources, fits, said }) => {
            let mut evidence = vec![pod.cite("/spec/containers", requested(pod))];
            let short = fits.iter().filter(|fit| fit.matches && fit.taints.is_empty() && !fit.short.is_empty());
            evidence.extend(short.take(2).map(|fit| {
                let says = format!("{} has too little {} left", fit.node.subject(), fit.short.join(" and "));
                fit.node.cite("/status/allocatable", says)
            }));
            evidence.extend(said.iter().map(|(_, cited)| cited.clone()));
            Look::Yes(evidence)
        }
        Ok(placement) => Look::No("no node that it may run on lacks what it requests".to_owned(), placement.readings()),
    })
}

fn requested(pod: &Object) -> String {
    let requests = scheduling::requests(pod);
    let each = requests.iter().map(|(resource, amount)| match resource.as_str() {
        "memory" | "ephemeral-storage" => format!("{} Mi of {resource}", amount / 1024.0 / 1024.0),
        _ => format!("{amount} {resource}"),
    });
    format!("{} requests {}", pod.subject(), each.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"object Node n1  metadata.labels.zone=b  status.allocatable.cpu="2"  status.conditions[0].type=Ready  status.conditions[0].status="True"
             deployment a/s  app=s
             service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  creating  owner deployment/a/s
             set pod/a/s-1  spec.nodeName=null  status.containerStatuses=null
             ingress a/s  s.example.test -> s
             probe http://s.example.test/  503 in 2ms"#;

    const SAYS: &str =
        "event pod/a/s-1  FailedScheduling  0/1 nodes are available: 1 Insufficient cpu. preemption: not helpful";

    #[test]
    fn holds_for_a_request_larger_than_the_node() {
        check(&format!(
            "{WORLD}
             set pod/a/s-1  spec.containers[0].resources.requests.cpu=2500m
             => insufficient-resources deployment/a/s"
        ));
    }

    #[test]
    fn holds_where_the_others_leave_too_little() {
        check(&format!(
            "{WORLD}
             pod a/t-1  app=t  ready  on n1
             set pod/a/t-1  spec.containers[0].resources.requests.cpu=1500m
             set pod/a/s-1  spec.containers[0].resources.limits.cpu=\"1\"
             {SAYS}
             => insufficient-resources deployment/a/s"
        ));
    }

    #[test]
    fn holds_by_the_scheduler_s_word_where_the_others_were_not_collected() {
        check(&format!(
            "{WORLD}
             set pod/a/s-1  spec.containers[0].resources.requests.cpu=\"1\"
             {SAYS}
             => insufficient-resources deployment/a/s"
        ));
    }

    #[test]
    fn twin_a_taint_and_twin_a_selector() {
        check(&format!(
            "{WORLD}
             set node/n1  spec.taints[0].key=dedicated  spec.taints[0].effect=NoSchedule
             => node-taint-not-tolerated node/n1"
        ));
        check(&format!("{WORLD}\nset pod/a/s-1  spec.nodeSelector.zone=c\n=> node-selector-unmatched deployment/a/s"));
    }

    #[test]
    fn twin_a_node_that_is_not_ready_is_the_node_s_fault() {
        check(&format!(
            "{WORLD}
             object Node n2  metadata.labels.zone=b  status.allocatable.cpu=\"8\"  spec.taints[0].key=node.kubernetes.io/not-ready
             set node/n2  spec.taints[0].effect=NoSchedule
             set pod/a/s-1  spec.containers[0].resources.requests.cpu=\"4\"
             {SAYS}
             => unknown"
        ));
    }

    #[test]
    fn twin_nobody_has_looked_at_the_pod() {
        check(&format!("{WORLD}\n=> unknown"));
    }

    #[test]
    fn unknown_without_nodes() {
        check(&format!("{WORLD}\n{SAYS}\nmissed nodes forbidden\n=> unknown lacks nodes"));
    }
}
