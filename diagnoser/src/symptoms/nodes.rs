//! Nodes that are not ready. A cordoned node is ready and takes no new pods; that hurts nobody by itself.

use super::{Observation, Symptom, objects::START_UP};
use crate::{
    evidence::{Citation, Object},
    model::Model,
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
            scope: model.closure([node.subject().clone()], |_, _| true),
            origin: None,
            user: false,
            connection: None,
        });
    }
    found
}
