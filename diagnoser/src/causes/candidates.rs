//! Nodes as the scheduler tries pods on them: what is the same for every pod that waits is worked out once.

use std::collections::BTreeMap;

use super::obstacles;
use crate::{
    evidence::Object,
    json::{Text, Value},
    model::{Model, Relation, Taken, quantity},
};

/// A node.
pub(super) struct Candidate<'m, 'e> {
    /// It.
    pub node: &'e Object,
    /// Its labels.
    pub labels: BTreeMap<&'e str, &'e str>,
    /// What it has for pods, by resource, where that is known.
    pub allocatable: Option<BTreeMap<&'e str, f64>>,
    /// What the pods on it request.
    pub taken: Option<&'m Taken>,
    /// The pods that have ports of the node's own, with these.
    pub ports: Vec<(&'e Object, Vec<(i64, &'e str)>)>,
}

/// Every node.
pub(super) struct Candidates<'m, 'e> {
    all: Vec<Candidate<'m, 'e>>,
    by_name: BTreeMap<&'e str, usize>,
}

impl<'m, 'e> Candidates<'m, 'e> {
    pub(super) fn new(model: &'m Model<'e>) -> Self {
        let all: Vec<Candidate<'m, 'e>> =
            model.evidence.objects.of_kind("node").map(|node| candidate(model, node)).collect();
        let by_name = all.iter().enumerate().map(|(place, candidate)| (candidate.node.name(), place)).collect();
        Self { all, by_name }
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Candidate<'m, 'e>> {
        self.all.iter()
    }

    /// The node that a pod runs on.
    pub(super) fn of(&self, pod: &Object) -> Option<&Candidate<'m, 'e>> {
        Some(&self.all[*self.by_name.get(pod.node()?)?])
    }
}

fn candidate<'m, 'e>(model: &'m Model<'e>, node: &'e Object) -> Candidate<'m, 'e> {
    let allocatable = node.get("/status/allocatable").and_then(Value::as_object);
    let amount = |(resource, amount): (&'e Text, &'e Value)| Some((resource.as_str(), quantity(amount)?));
    let there = model.dependents(node.subject()).iter().filter(|(_, relation)| *relation == Relation::RunsOn);
    let there = there.filter_map(|(pod, _)| model.object(pod)).filter(|pod| !pod.is_finished());
    let ports = there.map(|pod| (pod, obstacles::ports(pod))).filter(|(_, ports)| !ports.is_empty());
    Candidate {
        node,
        labels: node.labels(),
        allocatable: allocatable.map(|all| all.iter().filter_map(amount).collect()),
        taken: model.taken(node.subject()),
        ports: ports.collect(),
    }
}
