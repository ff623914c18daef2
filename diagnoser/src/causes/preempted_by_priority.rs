//! The pods of a workload were thrown off their node to make room for pods of a higher priority, and find no other place.
//!
//! # What it looks like
//! Pods that ran well are gone at one moment, without an error of their own, and those made in their place stay Pending for want of
//! CPU or memory, though neither they nor the nodes have changed. Pods of another workload have just been given their place.
//!
//! # Confirm by hand
//! `kubectl -n NS get events --field-selector reason=Preempted` names who took the place; `kubectl get pods -A -o custom-columns=
//! NAME:.metadata.name,P:.spec.priority,NODE:.spec.nodeName` shows the two priorities.
//!
//! # Fix
//! Add nodes, or have the newcomer ask for less. Where its priority is a mistake take its `priorityClassName` away, or set
//! `preemptionPolicy: Never` in the class; what must not be thrown out needs a priority as high.
//!
//! # Who acts
//! The owner of the workload that took the place, with whoever gives priorities.
//!
//! # Source
//! kubernetes.io, Pod Priority and Preemption; kubernetes/pkg/scheduler/framework/preemption (event Preempted).

use std::collections::BTreeMap;

use super::{Case, Cause, Finding, State, rollout, scheduling::Stage};
use crate::{
    diagnosis::Fix,
    evidence::{Citation, Fact, Object},
    model::Model,
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct PreemptedByPriority;

/// Priorities from here on are the system's own (scheduling.k8s.io, HighestUserDefinablePriority).
const SYSTEM: i64 = 1_000_000_000;

impl Cause for PreemptedByPriority {
    fn id(&self) -> &'static str {
        "preempted-by-priority"
    }

    fn source(&self) -> &'static str {
        include_str!("preempted_by_priority.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let mut takers: BTreeMap<Subject, Vec<(&Object, Vec<Citation>)>> = BTreeMap::new();
        for pod in model.down() {
            let Some((taker, evidence)) = taken_by(case, pod) else { continue };
            takers.entry(model.workload_of(taker.subject())).or_default().push((pod, evidence));
        }
        let finding = |(workload, pods): (Subject, Vec<(&Object, Vec<Citation>)>)| {
            let effects = pods.iter().map(|(pod, _)| (pod.subject().clone(), Mode::Down)).collect();
            let evidence = pods.into_iter().flat_map(|(_, evidence)| evidence).take(6).collect();
            let summary = format!("Make room for both, or take its priority over others from {workload}");
            let (fix, _) = rollout::back(model, &workload, "", |field| field.contains("priorityClassName"));
            Finding { subject: workload, effects, state: State::holds(evidence, Fix { summary, ..fix }) }
        };
        takers.into_iter().map(finding).collect()
    }
}

/// The pod for which a sibling of this one, which waits for room, was thrown out; and what shows it.
pub(super) fn taken_by<'e>(case: &Case<'_, 'e>, pod: &Object) -> Option<(&'e Object, Vec<Citation>)> {
    let model = case.model;
    let Some(Ok(placement)) = case.placements().of(pod) else { return None };
    if placement.stage != Stage::Resources {
        return None;
    }
    // Pods made from one template are called alike but for the last part.
    let stem = |name: &str| name.rsplit_once('-').map(|(stem, _)| stem.to_owned());
    let own = stem(pod.name())?;
    let told = model.evidence.objects.in_namespace("event", pod.namespace()).find(|event| {
        let of = event.regarding().filter(|of| of.is("pod"));
        event.text("/reason") == Some("Preempted") && of.is_some_and(|of| stem(&of.name).as_ref() == Some(&own))
    })?;
    let message = told.text("/message").or_else(|| told.text("/note"))?;
    let taker = taker(model, pod, message)?;
    let priority = |pod: &Object| pod.number("/spec/priority").unwrap_or_default();
    let says = format!("{} has priority {}, {} has {}", taker.subject(), priority(taker), pod.subject(), priority(pod));
    let evidence = [
        told.cite("/message", message),
        taker.cite("/spec/priority", says),
        taker.cite("/spec/nodeName", format!("{} has the place", taker.subject())),
        pod.cite("/status/conditions", format!("{} finds no other", pod.subject())),
    ];
    Some((taker, evidence.into_iter().chain(placement.said.iter().map(|(_, cited)| cited.clone())).collect()))
}

/// Whether a pod may have been thrown out, where what was said was not collected: somebody runs who could have had that done.
pub(super) fn may_have_lost_its_place(model: &Model<'_>, pod: &Object) -> bool {
    let least = pod.number("/spec/priority").unwrap_or_default();
    let above = |other: &Object| other.number("/spec/priority").is_some_and(|p| p > least && p < SYSTEM);
    let untold = matches!(model.evidence.listed("event", "events"), Fact::Missed(_));
    untold && model.evidence.objects.of_kind("pod").any(|other| other.node().is_some() && above(other))
}

/// Who took the place: `Preempted by pod UID on node N`, before 1.27 `Preempted by NS/NAME on node N`. Where it is not said, or the
/// pod has no uid in the evidence, the only one on that node whose priority is higher.
fn taker<'e>(model: &Model<'e>, victim: &Object, message: &str) -> Option<&'e Object> {
    let rest = message.split_once("reempted by ")?.1;
    let (who, node) = rest.split_once(" on node ")?;
    let who = who.trim_start_matches("pod ");
    let node = node.trim_end_matches('.');
    let pods = || model.evidence.objects.of_kind("pod").filter(|pod| pod.node() == Some(node));
    let named =
        |pod: &&Object| pod.text("/metadata/uid") == Some(who) || who == format!("{}/{}", pod.namespace(), pod.name());
    if let Some(named) = pods().find(named) {
        return Some(named);
    }
    let least = victim.number("/spec/priority").unwrap_or_default();
    let mut above = pods().filter(|pod| pod.number("/spec/priority").is_some_and(|p| p > least && p < SYSTEM));
    let first = above.next()?;
    let one = model.workload_of(first.subject());
    above.all(|other| model.workload_of(other.subject()) == one).then_some(first)
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"object Node n1  metadata.labels.zone=b  status.allocatable.cpu="2"  status.conditions[0].type=Ready  status.conditions[0].status="True"
             deployment a/s  app=s
             deployment b/t  app=t
             service a/s  selector app=s  80 -> 80
             pod a/s-1-x  app=s  creating  owner deployment/a/s
             set pod/a/s-1-x  spec.nodeName=null  status.containerStatuses=null  spec.containers[0].resources.requests.cpu="1"  spec.priority=0
             pod b/t-1-y  app=t  ready  on n1  owner deployment/b/t
             set pod/b/t-1-y  spec.containers[0].resources.requests.cpu=1500m  spec.priority=1000  metadata.uid=u7
             event pod/a/s-1-x  FailedScheduling  0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.
             ingress a/s  s.example.test -> s
             probe http://s.example.test/  503 in 2ms"#;

    fn thrown_out(by: &str) -> String {
        format!("{WORLD}\nevent pod/a/s-1-w  Preempted  Preempted by {by} on node n1")
    }

    #[test]
    fn holds_in_the_one_who_took_the_place() {
        for by in ["pod u7", "b/t-1-y", "pod u99", "a pod"] {
            check(&format!("{}\n=> preempted-by-priority deployment/b/t", thrown_out(by)));
        }
    }

    #[test]
    fn twin_nobody_was_thrown_out() {
        check(&format!("{WORLD}\n=> insufficient-resources deployment/a/s"));
        // Another workload's pod was, and this one has never had a place.
        check(&format!(
            "{WORLD}\nevent pod/a/r-1-w  Preempted  Preempted by pod u7 on node n1\n=> insufficient-resources deployment/a/s"
        ));
    }

    #[test]
    fn unknown_without_nodes_or_what_was_said() {
        check(&format!("{}\nmissed nodes forbidden\n=> unknown lacks nodes", thrown_out("pod u7")));
        let said = "set pod/a/s-1-x status.conditions=[{\"type\":\"PodScheduled\",\"status\":\"False\",\"message\":\"0/1 nodes are available: 1 Insufficient cpu.\"}]";
        check(&format!("{WORLD}\n{said}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
