//! A node has run short of memory, disk or process ids: it takes no new pods and throws out those it has.
//!
//! # What it looks like
//! Pods are Evicted (`The node was low on resource: ...`), or stay Pending as the scheduler says `had untolerated taint
//! {node.kubernetes.io/disk-pressure: }`; the node is Ready all the while.
//!
//! # Confirm by hand
//! `kubectl describe node NODE` shows the condition MemoryPressure, DiskPressure or PIDPressure; on the node df, free, and what
//! uses it.
//!
//! # Fix
//! Free what is short (images, logs, the pod that uses most), or move pods away; requests and limits of ephemeral storage and
//! memory keep it from coming back.
//!
//! # Who acts
//! Whoever runs the nodes.
//!
//! # Source
//! kubernetes.io, Node-pressure Eviction; Taints and Tolerations, "Taint Nodes by Condition".

use std::collections::BTreeMap;

use super::{Case, Cause, Finding, State, scheduling::Stage};
use crate::{
    diagnosis::Fix,
    evidence::Object,
    model::{Model, is_down, is_ready},
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct NodeUnderPressure;

impl Cause for NodeUnderPressure {
    fn id(&self) -> &'static str {
        "node-under-pressure"
    }

    fn source(&self) -> &'static str {
        include_str!("node_under_pressure.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let nodes = model.evidence.objects.of_kind("node");
        let pods = model.evidence.objects.of_kind("pod");
        let evicted: Vec<&Object> = pods.filter(|pod| pod.text("/status/reason") == Some("Evicted")).collect();
        nodes.filter_map(|node| examine(case, node, &evicted)).collect()
    }
}

const CONDITIONS: [(&str, &str); 3] = [
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
];

fn examine(case: &Case<'_, '_>, node: &Object, evicted: &[&Object]) -> Option<Finding> {
    let model = case.model;
    let conditions = node.list("/status/conditions");
    let pressure = CONDITIONS.iter().find_map(|(kind, taint)| {
        let at = conditions.iter().position(|condition| condition["type"] == *kind && condition["status"] == "True")?;
        Some((at, *taint))
    });
    let Some((at, taint)) = pressure else { return relieved(model, node, evicted) };
    let from_here = |pod: &&Object| pod.node() == Some(node.name());
    let kept_out = |pod: &Object| {
        let Some(Ok(placement)) = case.placements().of(pod) else { return false };
        let mut here = placement.fits.iter().filter(|fit| fit.node.subject() == node.subject());
        placement.stage == Stage::NotReady && here.any(|fit| fit.taints.iter().any(|(_, key)| key == taint))
    };
    let evicted = evicted.iter().copied().filter(from_here);
    let suffering: BTreeMap<&Subject, &Object> =
        evicted.chain(model.down().filter(|pod| kept_out(pod))).map(|pod| (pod.subject(), pod)).collect();
    let suffering: Vec<&Object> = suffering.into_values().collect();
    let first = suffering.first()?;
    let kind = conditions[at]["type"].as_str().unwrap_or_default();
    let because = match first.text("/status/message") {
        Some(message) => first.cite("/status/message", message),
        None => first.cite("/status/conditions", format!("{} gets no node", first.subject())),
    };
    let evidence = vec![node.cite(&format!("/status/conditions/{at}"), format!("{kind} is True")), because];
    let workloads = suffering.iter().map(|pod| model.workload_of(pod.subject()));
    let effects = suffering.iter().map(|pod| pod.subject().clone()).chain(workloads).map(|who| (who, Mode::Down));
    let summary = format!("Free what {} is short of ({kind})", node.subject());
    let effects = effects.collect();
    let state = State::holds(evidence, Fix { summary, patch: vec![] });
    Some(Finding { subject: node.subject().clone(), effects, state })
}

/// A node of which no condition is left: throwing pods out has helped it, and nobody made others in the place of these.
fn relieved(model: &Model<'_>, node: &Object, evicted: &[&Object]) -> Option<Finding> {
    let low = |pod: &&Object| {
        let message = pod.text("/status/message").unwrap_or_default();
        pod.node() == Some(node.name()) && message.starts_with("The node was low on resource")
    };
    let lives = |pod: &Object| is_down(pod) || is_ready(pod);
    let replaced = |pod: &Object| model.pods_of(&model.workload_of(pod.subject())).any(lives);
    let evicted: Vec<&Object> = evicted.iter().copied().filter(low).filter(|pod| !replaced(pod)).collect();
    let message = evicted.last()?.text("/status/message")?;
    let evidence = evicted.iter().take(3).filter_map(|pod| {
        Some(pod.cite("/status/message", format!("{}: {}", pod.subject(), pod.text("/status/message")?)))
    });
    let evidence = evidence.collect();
    let services = |pod: &Object| {
        let services = model.evidence.objects.in_namespace("service", pod.namespace());
        let of = services.filter(|service| pod.is_selected(&service.map("/spec/selector")));
        of.map(|service| (service.subject().clone(), Mode::Empty)).collect::<Vec<_>>()
    };
    let effects = evicted.iter().flat_map(|pod| {
        let workload = (model.workload_of(pod.subject()), Mode::Down);
        services(pod).into_iter().chain([workload])
    });
    let effects = effects.collect();
    let summary = format!("Find what used up {}, and make the pods again: {message}", node.subject());
    let state = State::holds(evidence, Fix { summary, patch: vec![] });
    Some(Finding { subject: node.subject().clone(), effects, state })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"object Node n1  metadata.labels.host=n1  status.allocatable.cpu="2"
         deployment a/s  app=s
         pod a/s-1  app=s  creating  owner deployment/a/s
         set pod/a/s-1  spec.nodeName=null  status.containerStatuses=null"#;
    const PRESSURE: &str = "set node/n1  spec.taints[0].key=node.kubernetes.io/disk-pressure  spec.taints[0].effect=NoSchedule  status.conditions[0].type=DiskPressure  status.conditions[0].status=True";
    const SAYS: &str = "event pod/a/s-1  FailedScheduling  0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }.";

    #[test]
    fn holds_for_pods_that_get_no_node() {
        check(&format!("{WORLD}\n{PRESSURE}\n{SAYS}\n=> node-under-pressure node/n1"));
    }

    #[test]
    fn holds_for_who_was_thrown_out_though_no_condition_is_left() {
        let thrown_out = "object Node n1  metadata.labels.host=n1  status.conditions[0].type=Ready  status.conditions[0].status=\"True\"
             pod a/s-1  app=s  unready  on n1
             set pod/a/s-1  status.phase=Failed  status.reason=Evicted  status.message=\"The node was low on resource: memory. \"
             service a/s  selector app=s  80 -> 80
             probe service/a/s:80  refused in 1ms";
        check(&format!("{thrown_out}\n=> node-under-pressure node/n1"));
        check(&format!("{}\n=> unknown", thrown_out.replace("The node was low on resource: memory. ", "x")));
    }

    #[test]
    fn twin_a_taint_that_somebody_wished() {
        let wished = PRESSURE.replace("node.kubernetes.io/disk-pressure", "gpu").replace("=True", "=False");
        let says = SAYS.replace("node.kubernetes.io/disk-pressure: ", "gpu: ");
        check(&format!("{WORLD}\n{wished}\n{says}\n=> node-taint-not-tolerated node/n1"));
    }

    #[test]
    fn twin_the_pressure_is_over_and_unknown_without_nodes() {
        check(&format!("{WORLD}\n{}\n{SAYS}\n=> unknown", PRESSURE.replace("=True", "=False")));
        check(&format!("{WORLD}\n{PRESSURE}\n{SAYS}\nmissed nodes forbidden\n=> unknown lacks nodes"));
    }
}
