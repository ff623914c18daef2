//! NetworkPolicy evaluation, by hand because no library does it right.
//!
//! Source: networking/v1 types.go and the API conventions on label selectors. A pod selected by any policy for a direction
//! is isolated in that direction; then the union of what those policies allow is allowed, and nothing else.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use serde_json::Value;

use crate::evidence::{Fact, Object, Objects};

/// The direction a policy governs, seen from the pod it selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Into the pod.
    Ingress,
    /// Out of the pod.
    Egress,
}

/// Whether a LabelSelector selects these labels. Empty selects all.
pub fn label_selector(selector: &Value, labels: &BTreeMap<&str, &str>) -> bool {
    let equal = selector["matchLabels"]
        .as_object()
        .is_none_or(|map| map.iter().all(|(key, value)| labels.get(key.as_str()).copied() == value.as_str()));
    let expressions = selector["matchExpressions"].as_array().is_none_or(|list| {
        list.iter().all(|expression| {
            let value = expression["key"].as_str().and_then(|key| labels.get(key));
            let among = value.is_some_and(|value| {
                expression["values"].as_array().is_some_and(|values| values.iter().any(|v| v.as_str() == Some(value)))
            });
            match expression["operator"].as_str() {
                Some("In") => among,
                Some("NotIn") => !among,
                Some("Exists") => value.is_some(),
                Some("DoesNotExist") => value.is_none(),
                _ => false,
            }
        })
    });
    equal && expressions
}

/// Whether a policy isolates a pod in a direction. Without `policyTypes` every policy governs ingress, and egress where it
/// has egress rules.
pub fn isolates(policy: &Object, pod: &Object, direction: Direction) -> bool {
    if policy.namespace() != pod.namespace() {
        return false;
    }
    let types = policy.list("/spec/policyTypes");
    let governs = match direction {
        Direction::Ingress => types.is_empty() || types.iter().any(|t| t == "Ingress"),
        Direction::Egress => {
            if types.is_empty() {
                policy.get("/spec/egress").is_some()
            } else {
                types.iter().any(|t| t == "Egress")
            }
        }
    };
    governs && label_selector(policy.get("/spec/podSelector").unwrap_or(&Value::Null), &pod.labels())
}

/// The other end of a connection.
pub struct Peer<'a> {
    /// The pod; `None` for an address outside the cluster.
    pub pod: Option<&'a Object>,
    /// Its address.
    pub address: Option<IpAddr>,
}

/// Whether one policy allows `pod` to be reached from (or to reach) `peer` on a TCP `port` of the destination.
/// Missed where a namespace's labels are needed and were not collected.
pub fn allows(
    policy: &Object,
    objects: &Objects,
    pod: &Object,
    peer: &Peer<'_>,
    port: u16,
    direction: Direction,
) -> Fact<bool> {
    let (rules, peers_key) = match direction {
        Direction::Ingress => (policy.list("/spec/ingress"), "from"),
        Direction::Egress => (policy.list("/spec/egress"), "to"),
    };
    let destination = match direction {
        Direction::Ingress => Some(pod),
        Direction::Egress => peer.pod,
    };
    let mut unknown = None;
    for rule in rules {
        if !ports_match(rule["ports"].as_array(), destination, port) {
            continue;
        }
        let peers = rule[peers_key].as_array().map_or(&[][..], Vec::as_slice);
        if peers.is_empty() {
            return Fact::Seen(true);
        }
        for term in peers {
            match peer_matches(term, policy.namespace(), objects, peer) {
                Fact::Seen(true) => return Fact::Seen(true),
                Fact::Seen(false) => {}
                Fact::Missed(why) => unknown = Some(why),
            }
        }
    }
    unknown.map_or(Fact::Seen(false), Fact::Missed)
}

fn ports_match(ports: Option<&Vec<Value>>, destination: Option<&Object>, port: u16) -> bool {
    let Some(ports) = ports.filter(|ports| !ports.is_empty()) else { return true };
    ports.iter().any(|rule| {
        if rule["protocol"].as_str().is_some_and(|protocol| protocol != "TCP") {
            return false;
        }
        match &rule["port"] {
            Value::Null => true,
            Value::String(name) => destination.is_some_and(|pod| container_port(pod, name) == Some(port)),
            number => {
                let from = number.as_u64().unwrap_or_default();
                let to = rule["endPort"].as_u64().unwrap_or(from);
                (from..=to).contains(&u64::from(port))
            }
        }
    })
}

/// The number of a named TCP container port.
pub fn container_port(pod: &Object, name: &str) -> Option<u16> {
    let ports = pod.list("/spec/containers").iter().chain(pod.list("/spec/initContainers"));
    ports
        .flat_map(|container| container["ports"].as_array().into_iter().flatten())
        .find(|port| port["name"] == name && port["protocol"].as_str().unwrap_or("TCP") == "TCP")
        .and_then(|port| port["containerPort"].as_u64()?.try_into().ok())
}

fn peer_matches(term: &Value, policy_namespace: &str, objects: &Objects, peer: &Peer<'_>) -> Fact<bool> {
    if let Some(block) = term["ipBlock"].as_object() {
        let inside = |text: &Value| {
            let net: Option<IpNet> = text.as_str().and_then(|text| text.parse().ok());
            net.zip(peer.address).is_some_and(|(net, address)| net.contains(&address))
        };
        let except = block.get("except").and_then(Value::as_array).is_some_and(|list| list.iter().any(inside));
        return Fact::Seen(block.get("cidr").is_some_and(inside) && !except);
    }
    let Some(pod) = peer.pod else { return Fact::Seen(false) };
    // An absent podSelector beside a namespaceSelector selects all pods of those namespaces.
    if !label_selector(&term["podSelector"], &pod.labels()) {
        return Fact::Seen(false);
    }
    match &term["namespaceSelector"] {
        Value::Null => Fact::Seen(pod.namespace() == policy_namespace),
        selector => {
            // Every namespace carries this label (kubernetes/enhancements KEP-2161), so a selector on it alone needs no object.
            let mut labels = BTreeMap::from([("kubernetes.io/metadata.name", pod.namespace())]);
            if let Some(namespace) = objects.of_kind("namespace").find(|object| object.name() == pod.namespace()) {
                labels.extend(namespace.labels());
                return Fact::Seen(label_selector(selector, &labels));
            }
            if label_selector(selector, &labels) {
                Fact::Seen(true)
            } else {
                Fact::Missed(format!("namespace {} was not collected", pod.namespace()))
            }
        }
    }
}
