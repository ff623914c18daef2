//! The nodes on which pods could run are tainted or cordoned, and the pods do not tolerate that, so they are not scheduled.
//!
//! # What it looks like
//! The pods stay Pending without a node although one has room and the labels they ask for; a Service with no other pods has no
//! endpoint, which an ingress controller answers with 503 at once. The scheduler says `had untolerated taint` or `were
//! unschedulable`. Pods that run already stay, so a harmless restart brings it to light.
//!
//! # Confirm by hand
//! `kubectl describe node NODE` shows Taints and Unschedulable; `kubectl -n NS get pod POD -o jsonpath={.spec.tolerations}` has
//! nothing that covers them.
//!
//! # Fix
//! Take the taint away (`kubectl taint node NODE KEY-`, `kubectl uncordon NODE`), or let the pods tolerate it if they are meant
//! to run there.
//!
//! # Who acts
//! Whoever runs the nodes, with the owner of the workload.
//!
//! # Source
//! kubernetes.io, Taints and Tolerations; Safely Drain a Node.

use super::{
    Case, Cause, Finding, Lack, rollout,
    scheduling::{CORDON, Fit, Placement, Stage, is_of_the_control_plane},
    stuck::{self, Look, put_back},
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Fact, Object},
    model::Model,
    subject::Subject,
};

/// See the module's comment.
pub struct NodeTaintNotTolerated;

impl Cause for NodeTaintNotTolerated {
    fn id(&self) -> &'static str {
        "node-taint-not-tolerated"
    }

    fn source(&self) -> &'static str {
        include_str!("node_taint_not_tolerated.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let findings = stuck::findings(case.model, |pod| look(case, pod), |owner, pod| fix(case, owner, pod));
        findings.into_iter().map(|finding| seat(case, finding)).collect()
    }
}

/// The nodes that would take a pod but for taints. What is reserved for the control plane counts only where there is no other.
fn barred<'p, 'e>(placement: &'p Placement<'e>) -> Vec<&'p Fit<'e>> {
    let fits = || placement.fits.iter().filter(|fit| fit.matches && fit.short.is_empty() && !fit.taints.is_empty());
    let reserved = |fit: &&Fit<'_>| fit.taints.iter().any(|(_, key)| is_of_the_control_plane(key));
    let free: Vec<&'p Fit<'e>> = fits().filter(|fit| !reserved(fit)).collect();
    if free.is_empty() { fits().collect() } else { free }
}

fn look(case: &Case<'_, '_>, pod: &Object) -> Option<Look> {
    Some(match case.placements().of(pod)? {
        Err(lacks) => Look::Unclear(lacks),
        Ok(placement) => {
            let barred = barred(placement);
            let (Stage::Taints, Some(first)) = (placement.stage, barred.first()) else {
                return Some(Look::No("no taint alone keeps it from a node".to_owned(), placement.readings()));
            };
            let owner = case.model.workload_of(pod.subject());
            if let ([_], Some(lack)) = (&barred[..], unknown_wishes(case.model, &owner, placement)) {
                return Some(Look::Unclear(vec![lack]));
            }
            let keys: Vec<&str> = first.taints.iter().map(|(_, key)| key.as_str()).collect();
            let mut evidence = vec![
                first.node.cite("/spec/taints", format!("{} is tainted: {}", first.node.subject(), keys.join(", "))),
                pod.cite("/spec/tolerations", format!("{} does not tolerate that", pod.subject())),
            ];
            evidence.extend(placement.said.iter().map(|(_, cited)| cited.clone()));
            Look::Yes(evidence)
        }
    })
}

/// Whether the last rollout of a workload changed what it tolerates: then it, not the nodes, has changed.
fn tolerated_before(model: &Model<'_>, owner: &Subject) -> bool {
    rollout::previous(model, owner)
        .is_some_and(|earlier| earlier.changed().iter().any(|field| field.starts_with("/spec/tolerations")))
}

/// The templates now and before, where it hangs on them whether a wish or a node has changed, and they were not collected.
fn unknown_wishes(model: &Model<'_>, owner: &Subject, placement: &Placement<'_>) -> Option<Lack> {
    let (kind, resource) = match owner.kind.as_str() {
        "deployment" => ("replicaset", "replicasets"),
        "daemonset" | "statefulset" => ("controllerrevision", "controllerrevisions"),
        _ => return None,
    };
    let (resource, why) = match model.evidence.listed(kind, resource) {
        Fact::Missed(why) => (resource.to_owned(), why),
        Fact::Seen(()) if model.object(owner).is_none() => (format!("{}s", owner.kind), "not collected".to_owned()),
        Fact::Seen(()) => return None,
    };
    has_elsewhere(model, owner, placement).then(|| Lack::objects(&resource, Some(owner.namespace()), why))
}

/// Whether nodes are open that would take a pod did it not ask for others: then its wish meets nodes that are closed to it, and
/// whoever wished can wish otherwise. A wish that is older than the template was granted before: then the node is what changed.
fn has_elsewhere(model: &Model<'_>, owner: &Subject, placement: &Placement<'_>) -> bool {
    let wishes = |field: &String| field.starts_with("/spec/nodeSelector") || field.starts_with("/spec/affinity");
    let granted = rollout::previous(model, owner).is_some_and(|earlier| !earlier.changed().iter().any(wishes));
    !granted
        && placement.fits.iter().any(|fit| {
            let free = fit.neighbours.is_none() && fit.obstacle.is_none();
            !fit.matches && fit.taints.is_empty() && fit.short.is_empty() && free
        })
}

/// The one node that is barred, where it is one and there is no other.
fn node<'e>(case: &Case<'_, 'e>, owner: &Subject, pod: &Object) -> Option<(&'e Object, Vec<(usize, String)>)> {
    let Some(Ok(placement)) = case.placements().of(pod) else { return None };
    match &barred(placement)[..] {
        [one] if !tolerated_before(case.model, owner) && !has_elsewhere(case.model, owner, placement) => {
            Some((one.node, one.taints.clone()))
        }
        _ => None,
    }
}

/// Takes away what bars the one node; else goes back to what was tolerated before.
fn fix(case: &Case<'_, '_>, owner: &Subject, pod: &Object) -> Fix {
    let Some((node, taints)) = node(case, owner, pod) else {
        let summary = format!("Let {owner} tolerate the taints of nodes that are meant for it, or take these away");
        return put_back(case.model, owner, summary, |field| field.starts_with("/spec/tolerations"));
    };
    let object = node.subject().clone();
    // From the last to the first, so that places stay what they are.
    let patch = taints.iter().rev().map(|(place, key)| {
        let path = if key == CORDON { "/spec/unschedulable".to_owned() } else { format!("/spec/taints/{place}") };
        Change::Unset { from: node.get(&path).cloned().unwrap_or_default(), object: object.clone(), path }
    });
    let keys: Vec<&str> = taints.iter().map(|(_, key)| key.as_str()).collect();
    let summary = format!("Take the taint {} from {object}, or let {owner} tolerate it", keys.join(", "));
    Fix { summary, patch: patch.collect() }
}

/// The cause sits in the node that is barred where it is the only one that there is for the pods, else in the workload.
fn seat(case: &Case<'_, '_>, mut finding: Finding) -> Finding {
    let pod = finding.effects.first().and_then(|(pod, _)| case.model.object(pod));
    if let Some((node, _)) = pod.and_then(|pod| node(case, &finding.subject, pod)) {
        finding.subject = node.subject().clone();
    }
    finding
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"object Node n1  metadata.labels.zone=b  status.allocatable.cpu="2"
             object Node n2  metadata.labels.zone=c  status.allocatable.cpu="2"  spec.taints[0].key=own  spec.taints[0].effect=NoSchedule
             object Node n3  metadata.labels.zone=b  status.allocatable.cpu="2"
             set node/n3  spec.taints[0].key=node-role.kubernetes.io/control-plane  spec.taints[0].effect=NoSchedule
             deployment a/s  app=s
             service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  creating  owner deployment/a/s
             pod a/s-2  app=s  creating  owner deployment/a/s
             set pod/a/s-1  spec.nodeName=null  status.containerStatuses=null  spec.nodeSelector.zone=b
             set pod/a/s-2  spec.nodeName=null  status.containerStatuses=null  spec.nodeSelector.zone=b
             ingress a/s  s.example.test -> s
             probe http://s.example.test/  503 in 2ms"#;

    const TAINT: &str =
        "set node/n1  spec.taints[0].key=gpu  spec.taints[0].value=yes  spec.taints[0].effect=NoSchedule";

    #[test]
    fn holds_in_the_one_node_that_would_do() {
        check(&format!("{WORLD}\n{TAINT}\n=> node-taint-not-tolerated node/n1"));
    }

    #[test]
    fn holds_for_a_cordon() {
        check(&format!("{WORLD}\nset node/n1  spec.unschedulable=true\n=> node-taint-not-tolerated node/n1"));
    }

    #[test]
    fn holds_in_the_workload_where_several_nodes_would_do() {
        check(&format!(
            "{WORLD}
             {TAINT}
             object Node n4  metadata.labels.zone=b  status.allocatable.cpu=\"2\"  spec.taints[0].key=gpu  spec.taints[0].effect=NoExecute
             => node-taint-not-tolerated deployment/a/s"
        ));
    }

    #[test]
    fn holds_in_the_workload_where_it_asks_for_the_closed_node_and_others_are_open() {
        check(&format!("{WORLD}\nset node/n2  spec.taints=null\n{TAINT}\n=> node-taint-not-tolerated deployment/a/s"));
        check(&format!(
            "{WORLD}\nset node/n2  spec.taints=null\n{TAINT}\nmissed replicasets forbidden\n=> unknown lacks replicasets of namespace a"
        ));
        let less = WORLD.replace("deployment a/s  app=s", "");
        check(&format!("{less}\nset node/n2  spec.taints=null\n{TAINT}\n=> unknown lacks deployments of namespace a"));
        // It asked for it before as well, and was given it.
        let before = "earlier deployment/a/s 1  spec.containers[0].image=x:1";
        check(&format!(
            "{WORLD}\nset node/n2  spec.taints=null\n{TAINT}\n{before}\n=> node-taint-not-tolerated node/n1"
        ));
    }

    #[test]
    fn twin_tolerated_and_twin_only_preferred() {
        check(&format!(
            "{WORLD}
             {TAINT}
             set pod/a/s-1  spec.tolerations[0].operator=Exists
             set pod/a/s-2  spec.tolerations[0].key=gpu  spec.tolerations[0].value=yes
             => unknown"
        ));
        check(&format!("{WORLD}\n{TAINT}\nset node/n1  spec.taints[0].effect=PreferNoSchedule\n=> unknown"));
    }

    #[test]
    fn twin_the_node_is_not_ready() {
        check(&format!("{WORLD}\n{TAINT}\nset node/n1  spec.taints[0].key=node.kubernetes.io/unreachable\n=> unknown"));
    }

    #[test]
    fn unknown_without_nodes() {
        check(&format!("{WORLD}\nmissed nodes forbidden\n=> unknown lacks nodes"));
    }
}
