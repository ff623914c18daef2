//! Who connects to a Service and to which pods that leads: what causes between two nodes walk along.

use std::{collections::BTreeSet, net::IpAddr};

use crate::json::Value;

use crate::{
    evidence::Object,
    model::{Model, Relation},
    policy::container_port,
    subject::Subject,
};

/// Pods that connect to a Service: to it, to a name that leads to it, or to the pods behind it.
pub(super) fn callers(model: &Model<'_>, service: &Subject) -> BTreeSet<Subject> {
    let mut ends = BTreeSet::from([service.clone()]);
    let names = model.dependents(service).iter().filter(|(_, relation)| *relation == Relation::RoutesTo);
    ends.extend(names.map(|(name, _)| name.clone()));
    let forwarded = model.dependencies(service).iter().filter(|edge| edge.relation == Relation::ForwardsTo);
    ends.extend(forwarded.map(|edge| edge.to.clone()).filter(|to| to.is("pod")));
    let connecting = ends.iter().flat_map(|end| model.dependents(end));
    connecting
        .filter(|(from, relation)| *relation == Relation::ConnectsTo && from.is("pod"))
        .map(|(from, _)| from.clone())
        .collect()
}

/// The pods a Service selects, each with the ports it is forwarded to.
pub(super) fn backends<'e>(model: &Model<'e>, service: &Object) -> Vec<(&'e Object, u16)> {
    let mut found = Vec::new();
    for &pod in model.selected_pods(service) {
        for port in service.list("/spec/ports") {
            let number = match port.get("targetPort").unwrap_or(&port["port"]) {
                Value::String(name) => container_port(pod, name),
                number => number.as_u64().and_then(|number| number.try_into().ok()),
            };
            found.extend(number.map(|number| (pod, number)));
        }
    }
    found
}

/// The address of a pod.
pub(super) fn address(pod: &Object) -> Option<IpAddr> {
    pod.text("/status/podIP")?.parse().ok()
}
