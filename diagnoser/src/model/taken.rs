//! What nodes have to give, and how much of it the pods on them were promised.

use std::collections::BTreeMap;

use super::{Model, Relation};
use crate::{
    evidence::{Object, Quantity},
    json::Value,
    lookup::Lookup,
    subject::Subject,
};

/// What the pods on a node request together.
#[derive(Default)]
pub(crate) struct Taken {
    /// How many pods there are.
    pub pods: usize,
    /// By resource.
    pub requests: BTreeMap<String, f64>,
}

impl Model<'_> {
    /// What is taken of a node. It is summed up once: every pod that waits is tried on every node.
    pub(crate) fn taken(&self, node: &Subject) -> Option<&Taken> {
        self.taken.get_or_init(|| self.sum_up()).get(node)
    }

    fn sum_up(&self) -> Lookup<Subject, Taken> {
        let mut taken: Lookup<Subject, Taken> = Lookup::default();
        for (node, dependents) in self.dependents.sorted() {
            let on_it = dependents.iter().filter(|(_, relation)| *relation == Relation::RunsOn);
            for pod in on_it.filter_map(|(pod, _)| self.object(pod)) {
                if pod.is_finished() {
                    continue;
                }
                let taken = taken.at(node.clone());
                taken.pods += 1;
                for (resource, amount) in requests(pod) {
                    *taken.requests.entry(resource).or_default() += amount;
                }
            }
        }
        taken
    }
}

/// What a pod requests: the sum of its containers, or its largest init container, whichever is more.
pub(crate) fn requests(pod: &Object) -> BTreeMap<String, f64> {
    let mut sum: BTreeMap<String, f64> = BTreeMap::new();
    for container in pod.list("/spec/containers") {
        for (resource, amount) in of_container(container) {
            *sum.entry(resource).or_default() += amount;
        }
    }
    for container in pod.list("/spec/initContainers") {
        for (resource, amount) in of_container(container) {
            let known = sum.entry(resource).or_default();
            *known = known.max(amount);
        }
    }
    sum
}

/// What one container requests; a request that is not written is taken from the limit.
fn of_container(container: &Value) -> BTreeMap<String, f64> {
    let resources = &container["resources"];
    let amounts = ["limits", "requests"].into_iter().filter_map(|kind| resources[kind].as_object()).flatten();
    amounts.filter_map(|(resource, amount)| Some((resource.to_string(), quantity(amount)?))).collect()
}

/// A quantity, written as text or as a number.
pub(crate) fn quantity(value: &Value) -> Option<f64> {
    value.as_str().map_or_else(|| value.as_f64(), |text| Some(Quantity::parse(text)?.value))
}
