//! Clients of a database whose logs tell what it answered them, by the Service that stands for it: what the causes share that sit in
//! a database and are seen from its clients.

use std::collections::{BTreeMap, BTreeSet};

use super::databases;
use crate::{
    drivers::{self, Told},
    evidence::{Citation, Object},
    model::{Model, Relation},
    subject::Subject,
};

/// A pod that was turned down.
pub(super) struct Client<'e> {
    /// The pod.
    pub pod: &'e Object,
    /// What it tells.
    pub line: Citation,
    /// Where it is told of the database.
    pub host: Option<Citation>,
}

/// Pods that tell this, by the Service of their database; by themselves where it is not known which one they use.
pub(super) fn telling<'e>(model: &Model<'e>, what: Told) -> BTreeMap<Subject, Vec<Client<'e>>> {
    let mut told: BTreeMap<Subject, Vec<Client<'e>>> = BTreeMap::new();
    for pod in model.evidence.objects.of_kind("pod") {
        let Some(line) = drivers::last(model, pod.subject(), what) else { continue };
        let hosts: BTreeMap<Subject, Citation> =
            databases::of(model, pod).into_iter().map(|database| (database.service, database.host.cited)).collect();
        // Of several nobody knows which one answered so.
        let only = (hosts.len() == 1).then(|| hosts.into_iter().next()).flatten();
        let Some((service, host)) = only else {
            told.entry(pod.subject().clone()).or_default().push(Client { pod, line, host: None });
            continue;
        };
        told.entry(service).or_default().push(Client { pod, line, host: Some(host) });
    }
    told
}

/// The workload behind a Service, where it is one; else the Service itself.
pub(super) fn behind(model: &Model<'_>, service: &Subject) -> Subject {
    // By its pods, for what tells a leader from its followers is often a label that no template has.
    let behind: BTreeSet<Subject> = model
        .dependencies(service)
        .iter()
        .filter(|edge| edge.relation == Relation::ForwardsTo)
        .map(|edge| if edge.to.is("pod") { model.workload_of(&edge.to) } else { edge.to.clone() })
        .collect();
    behind.first().filter(|_| behind.len() == 1).unwrap_or(service).clone()
}
