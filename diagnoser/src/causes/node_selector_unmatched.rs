//! Pods ask for a node with labels that no node has, so they are not scheduled.
//!
//! # What it looks like
//! The pods stay Pending without a node; a Service with no other pods has no endpoint, which an ingress controller answers with
//! 503 at once. The scheduler says that nodes `didn't match Pod's node affinity/selector`.
//!
//! # Confirm by hand
//! `kubectl -n NS get pod POD -o jsonpath={.spec.nodeSelector}{.spec.affinity.nodeAffinity}` beside
//! `kubectl get nodes --show-labels`: no node has all that is asked for.
//!
//! # Fix
//! Correct the selector or affinity in the template, or label the nodes that are meant.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Assigning Pods to Nodes, "nodeSelector" and "Node affinity".

use super::{
    Case, Cause, Finding,
    scheduling::{Placement, Stage},
    stuck::{self, Look, put_back},
};
use crate::evidence::Object;

/// See the module's comment.
pub struct NodeSelectorUnmatched;

impl Cause for NodeSelectorUnmatched {
    fn id(&self) -> &'static str {
        "node-selector-unmatched"
    }

    fn source(&self) -> &'static str {
        include_str!("node_selector_unmatched.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        stuck::findings(
            case.model,
            |pod| look(case, pod),
            |owner, _| {
                let summary = format!("Let {owner} ask for nodes that there are, or label those that are meant");
                put_back(case.model, owner, summary, |field| {
                    field.starts_with("/spec/nodeSelector") || field.starts_with("/spec/affinity")
                })
            },
        )
    }
}

fn look(case: &Case<'_, '_>, pod: &Object) -> Option<Look> {
    let fields = ["/spec/nodeSelector", "/spec/affinity/nodeAffinity"];
    let asked = fields.into_iter().find_map(|field| Some((field, pod.get(field)?)))?;
    Some(match case.placements().of(pod)? {
        Err(lacks) => Look::Unclear(lacks),
        Ok(Placement { stage: Stage::Selector, fits, said }) => {
            let mut evidence = vec![pod.cite(asked.0, format!("{} asks for {}", pod.subject(), asked.1))];
            let labels = fits.iter().take(2).map(|fit| {
                let says = format!("{} has no such labels ({} nodes in all)", fit.node.subject(), fits.len());
                fit.node.cite("/metadata/labels", says)
            });
            evidence.extend(labels);
            evidence.extend(said.iter().map(|(_, cited)| cited.clone()));
            Look::Yes(evidence)
        }
        Ok(placement) => Look::No("a node has the labels it asks for".to_owned(), placement.readings()),
    })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"object Node n1  metadata.labels.zone=b  status.allocatable.cpu="2"
             object Node n2  metadata.labels.zone=c  status.allocatable.cpu="2"
             set node/n2  spec.taints[0].key=node-role.kubernetes.io/control-plane  spec.taints[0].effect=NoSchedule
             deployment a/s  app=s
             pod a/s-1  app=s  creating  owner deployment/a/s
             set pod/a/s-1  spec.nodeName=null  status.containerStatuses=null"#;

    const SAYS: &str = "event pod/a/s-1  FailedScheduling  0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.";

    #[test]
    fn holds_for_a_selector_and_for_an_affinity() {
        check(&format!(
            "{WORLD}\nset pod/a/s-1  spec.nodeSelector.zone=x\n{SAYS}\n=> node-selector-unmatched deployment/a/s"
        ));
        const TERM: &str =
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]";
        check(&format!(
            "{WORLD}
             set pod/a/s-1  {TERM}.matchExpressions[0].key=zone  {TERM}.matchExpressions[0].operator=NotIn  {TERM}.matchExpressions[0].values=[\"b\",\"c\"]
             set pod/a/s-1  {TERM}.matchExpressions[0].values[0]=b  {TERM}.matchExpressions[0].values[1]=c
             {SAYS}
             => node-selector-unmatched deployment/a/s"
        ));
    }

    #[test]
    fn twin_the_one_node_that_matches_is_tainted() {
        check(&format!(
            "{WORLD}
             set pod/a/s-1  spec.nodeSelector.zone=b
             set node/n1  spec.taints[0].key=k  spec.taints[0].effect=NoSchedule
             event pod/a/s-1  FailedScheduling  0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s).
             => node-taint-not-tolerated node/n1"
        ));
    }

    #[test]
    fn twin_the_scheduler_speaks_of_something_else() {
        check(&format!(
            "{WORLD}
             set pod/a/s-1  spec.nodeSelector.zone=x
             event pod/a/s-1  FailedScheduling  0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.
             => unknown"
        ));
    }

    #[test]
    fn unknown_without_the_labels_of_the_nodes() {
        check(&format!(
            "{WORLD}\nset pod/a/s-1  spec.nodeSelector.zone=x\n{SAYS}\nset node/n1  metadata.labels=null\n=> unknown lacks nodes"
        ));
    }
}
