//! Nodes that are not ready, and services of the cluster's own that do not run on them. A cordoned node is ready and takes no new
//! pods; that hurts nobody by itself.

use std::collections::BTreeSet;

use super::{Observation, Scope, Symptom, objects::START_UP};
use crate::{
    evidence::{Citation, Fact, Object, Unit},
    model::Model,
    subject::Subject,
};

/// What the condition Ready of a node says.
pub(crate) struct Readiness {
    /// `True`, `False` (its kubelet says so) or `Unknown` (nobody says anything).
    pub status: String,
    /// Since when.
    pub since: Option<jiff::Timestamp>,
    /// Where it stands.
    pub evidence: Citation,
}

/// Whether a node is ready; `None` where its conditions were not collected.
pub(crate) fn readiness(node: &Object) -> Option<Readiness> {
    let conditions = node.list("/status/conditions");
    let index = conditions.iter().position(|condition| condition["type"] == "Ready")?;
    let condition = &conditions[index];
    let status = condition["status"].as_str()?.to_owned();
    let message = condition["message"].as_str().or(condition["reason"].as_str()).unwrap_or_default();
    let says = format!("Ready is {status}{}{message}", if message.is_empty() { "" } else { ": " });
    Some(Readiness {
        status,
        since: node.time(&format!("/status/conditions/{index}/lastTransitionTime")),
        evidence: node.cite(&format!("/status/conditions/{index}"), says),
    })
}

/// Nodes that are down and not merely starting.
pub(super) fn down_nodes(model: &Model<'_>) -> Vec<Symptom> {
    let mut found = Vec::new();
    for node in model.evidence.objects.of_kind("node") {
        let Some(ready) = readiness(node).filter(|ready| ready.status != "True") else { continue };
        let age = model.now.zip(node.time("/metadata/creationTimestamp")).map(|(now, born)| now.duration_since(born));
        if age.is_some_and(|age| age < START_UP) {
            continue;
        }
        found.push(Symptom {
            id: format!("node-{}", found.len() + 1),
            subject: node.subject().clone(),
            seen: Observation::NodeDown,
            says: format!("{} is not ready ({})", node.subject(), ready.evidence.says),
            since: ready.since,
            evidence: vec![ready.evidence],
            scope: Scope::Everything,
            origin: None,
            user: false,
            connection: None,
        });
    }
    found
}

/// Whether a node is one of the control plane, by the label that its installer gave it (kubeadm, before 1.24, kubeasz and others).
pub(crate) fn is_control_plane(node: &Object) -> bool {
    let labels = node.labels();
    let roles = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
    roles.iter().any(|role| labels.contains_key(role)) || labels.get("kubernetes.io/role") == Some(&"master")
}

/// The unit of a node's container runtime, by what the node says of it (`containerd://2.1`, `cri-o://1.34`).
pub(crate) fn runtime_unit(node: &Object) -> &'static str {
    let version = node.text("/status/nodeInfo/containerRuntimeVersion").unwrap_or_default();
    match version.split("://").next() {
        Some("cri-o") => "crio",
        Some("docker") => "docker",
        _ => "containerd",
    }
}

/// A service of a machine, as a subject.
pub(crate) fn unit_of(host: &str, unit: &str) -> Subject {
    Subject::namespaced("unit", host, unit)
}

/// The nodes on which a service of the cluster's own does not run and is missed, each with its state. kube-proxy is missed where
/// other nodes run it; where none does, something else does its work. Of the control plane's controllers one is enough. Kubelets and
/// container runtimes are missed everywhere.
pub(crate) fn missed_units<'e>(model: &Model<'e>, unit: &str) -> Vec<(&'e Object, Unit, Citation)> {
    let nodes = model.evidence.objects.of_kind("node");
    let seen = nodes.filter_map(|node| match model.evidence.hosts.unit(node.name(), unit) {
        Fact::Seen((state, cited)) => Some((node, state, cited)),
        Fact::Missed(_) => None,
    });
    let (run, down): (Vec<_>, Vec<_>) = seen.partition(|(_, state, _)| state.runs());
    let missed = match unit {
        "kube-proxy" => !run.is_empty(),
        "kube-scheduler" | "kube-controller-manager" => run.is_empty(),
        _ => true,
    };
    if missed { down.into_iter().filter(|(_, state, _)| state.stopped() || state.failed()).collect() } else { vec![] }
}

/// Services of the cluster's own that do not run where they are missed.
pub(super) fn missed(model: &Model<'_>) -> Vec<Symptom> {
    let mut found: Vec<Symptom> = Vec::new();
    const OF_THEIR_OWN: [&str; 3] = ["kube-proxy", "kube-scheduler", "kube-controller-manager"];
    for unit in OF_THEIR_OWN.into_iter().chain(["kubelet", "containerd", "crio", "docker"]) {
        for (node, _, cited) in missed_units(model, unit) {
            // A node that is not ready for it says so itself.
            let told = readiness(node).is_none_or(|ready| ready.status != "True");
            let of_another = !unit.starts_with("kube") && unit != runtime_unit(node);
            if of_another || told && !OF_THEIR_OWN.contains(&unit) {
                continue;
            }
            let subject = unit_of(node.name(), unit);
            found.push(Symptom {
                id: format!("unit-{}", found.len() + 1),
                scope: BTreeSet::from([subject.clone(), node.subject().clone()]).into(),
                subject,
                seen: Observation::UnitDown,
                says: format!("{unit} does not run on {}", node.subject()),
                since: None,
                evidence: vec![cited],
                origin: None,
                user: false,
                connection: None,
            });
        }
    }
    found
}
