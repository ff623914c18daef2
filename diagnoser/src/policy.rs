//! NetworkPolicy evaluation, by hand because no library does it right.
//!
//! Source: networking/v1 types.go, its defaults.go, and the API conventions on label selectors. A pod that any policy selects
//! for a direction is isolated in that direction; then the union of what those policies allow is allowed, and nothing else. A
//! connection must be allowed at both ends.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use crate::json::Value;
use ipnet::IpNet;

use crate::{
    evidence::{Fact, Object, Objects},
    subject::Subject,
};

mod selector;
#[cfg(test)]
mod tests;

pub use selector::{label_selector, selected_pods};

/// The direction a policy governs, seen from the pod it selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Into the pod.
    Ingress,
    /// Out of the pod.
    Egress,
}

impl Direction {
    /// Where the rules of this direction stand in a policy.
    pub fn rules(self) -> &'static str {
        match self {
            Self::Ingress => "/spec/ingress",
            Self::Egress => "/spec/egress",
        }
    }

    /// The key of a rule's peers.
    pub fn peers(self) -> &'static str {
        match self {
            Self::Ingress => "from",
            Self::Egress => "to",
        }
    }
}

/// A transport protocol that policies know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// The default wherever Kubernetes asks for a protocol.
    #[default]
    Tcp,
    /// Look-ups of names, mostly.
    Udp,
    /// Signalling, mostly.
    Sctp,
}

impl Protocol {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

/// A port of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// The protocol.
    pub protocol: Protocol,
    /// The number.
    pub number: u16,
}

impl Port {
    /// A TCP port.
    pub fn tcp(number: u16) -> Self {
        Self { protocol: Protocol::Tcp, number }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol.as_str())
    }
}

/// One end of a connection. A pod in its node's network is its node: policies know it by address only.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// The pod; `None` for a node and for what is outside the cluster.
    pub pod: Option<&'a Object>,
    /// Its address.
    pub address: Option<IpAddr>,
    /// The node it is, or runs on.
    pub node: Option<&'a str>,
}

impl<'a> Peer<'a> {
    /// A pod as an end of a connection.
    pub fn of(pod: &'a Object) -> Self {
        Self {
            pod: (!in_host_network(pod)).then_some(pod),
            address: pod.text("/status/podIP").and_then(|ip| ip.parse().ok()),
            node: pod.node(),
        }
    }

    /// An address outside the cluster.
    pub fn outside(address: IpAddr) -> Self {
        Self { pod: None, address: Some(address), node: None }
    }

    fn is(&self, other: &Peer<'_>) -> bool {
        self.pod.zip(other.pod).is_some_and(|(one, other)| one.subject() == other.subject())
    }
}

/// Whether a pod shares its node's network.
pub fn in_host_network(pod: &Object) -> bool {
    pod.get("/spec/hostNetwork") == Some(&Value::Bool(true))
}

/// Whether a policy isolates a pod in a direction. A pod in its node's network is not governed.
pub fn isolates(policy: &Object, pod: &Object, direction: Direction) -> bool {
    policy.namespace() == pod.namespace()
        && !in_host_network(pod)
        && governs(policy, direction)
        && label_selector(selector(policy), &pod.labels())
}

/// The pods that a policy isolates in a direction.
pub fn isolated<'a>(
    policy: &'a Object,
    objects: &'a Objects,
    direction: Direction,
) -> impl Iterator<Item = &'a Object> {
    let pods = governs(policy, direction).then(|| selected_pods(objects, policy.namespace(), selector(policy)));
    pods.into_iter().flatten().filter(|pod| !in_host_network(pod))
}

/// Without `policyTypes` every policy governs ingress, and egress where it has egress rules.
fn governs(policy: &Object, direction: Direction) -> bool {
    let types = policy.list("/spec/policyTypes");
    match direction {
        Direction::Ingress => types.is_empty() || types.iter().any(|t| t == "Ingress"),
        Direction::Egress if types.is_empty() => !policy.list("/spec/egress").is_empty(),
        Direction::Egress => types.iter().any(|t| t == "Egress"),
    }
}

fn selector(policy: &Object) -> &Value {
    policy.get("/spec/podSelector").unwrap_or(&Value::Null)
}

/// Whether all policies together let a connection pass, at both ends. Missed where a namespace's labels are needed and were
/// not collected.
pub fn passes(objects: &Objects, from: &Peer<'_>, to: &Peer<'_>, port: Port) -> Fact<bool> {
    let end = |governed: &Peer<'_>, direction| {
        let all = governed.pod.map(|pod| objects.in_namespace("networkpolicy", pod.namespace()));
        let isolates = |policy: &&Object| governed.pod.is_some_and(|pod| isolates(policy, pod, direction));
        passes_end(all.into_iter().flatten().filter(isolates), objects, from, to, port, direction)
    };
    let (out, into) = (end(from, Direction::Egress), end(to, Direction::Ingress));
    match (out, into) {
        (Fact::Seen(false), _) | (_, Fact::Seen(false)) => Fact::Seen(false),
        (Fact::Missed(why), _) | (_, Fact::Missed(why)) => Fact::Missed(why),
        _ => Fact::Seen(true),
    }
}

/// The same at one end: out of `from`, or into `to`. What runs on the pod's own node gets in and is reached whatever the
/// policies say, and a pod reaches itself (kubernetes.io, Network Policies).
pub fn passes_end<'p>(
    isolating: impl Iterator<Item = &'p Object>,
    objects: &Objects,
    from: &Peer<'_>,
    to: &Peer<'_>,
    port: Port,
    direction: Direction,
) -> Fact<bool> {
    let (governed, other) = match direction {
        Direction::Ingress => (to, from),
        Direction::Egress => (from, to),
    };
    let Some(pod) = governed.pod else { return Fact::Seen(true) };
    let own_node = other.pod.is_none() && other.node.is_some() && other.node == governed.node;
    if own_node || governed.is(other) {
        return Fact::Seen(true);
    }
    let mut isolated = false;
    let mut unknown = None;
    for policy in isolating {
        isolated = true;
        match allows(policy, objects, pod, other, port, direction) {
            Fact::Seen(true) => return Fact::Seen(true),
            Fact::Seen(false) => {}
            Fact::Missed(why) => unknown = Some(why),
        }
    }
    if isolated { unknown.map_or(Fact::Seen(false), Fact::Missed) } else { Fact::Seen(true) }
}

/// Whether one policy allows `pod` to be reached from (or to reach) `peer` on a port of the destination.
/// Missed where a namespace's labels are needed and were not collected.
pub fn allows(
    policy: &Object,
    objects: &Objects,
    pod: &Object,
    peer: &Peer<'_>,
    port: Port,
    direction: Direction,
) -> Fact<bool> {
    let destination = destination(pod, peer, direction);
    let mut unknown = None;
    for rule in policy.list(direction.rules()) {
        if !ports_match(rule, destination, port) {
            continue;
        }
        match peers_match(rule, policy, objects, peer, direction) {
            Fact::Seen(true) => return Fact::Seen(true),
            Fact::Seen(false) => {}
            Fact::Missed(why) => unknown = Some(why),
        }
    }
    unknown.map_or(Fact::Seen(false), Fact::Missed)
}

/// Whose ports a rule speaks of.
pub fn destination<'a>(pod: &'a Object, peer: &Peer<'a>, direction: Direction) -> Option<&'a Object> {
    match direction {
        Direction::Ingress => Some(pod),
        Direction::Egress => peer.pod,
    }
}

/// Whether a rule is for this port of a destination; without ports it is for all.
pub fn ports_match(rule: &Value, destination: Option<&Object>, port: Port) -> bool {
    let Some(ports) = rule["ports"].as_array().filter(|ports| !ports.is_empty()) else { return true };
    ports.iter().any(|entry| {
        if entry["protocol"].as_str().unwrap_or("TCP") != port.protocol.as_str() {
            return false;
        }
        match &entry["port"] {
            Value::Null => true,
            Value::String(name) => {
                destination.is_some_and(|pod| port_numbers(pod, name, port.protocol).any(|n| n == port.number))
            }
            number => number.as_u64().is_some_and(|first| {
                let last = entry["endPort"].as_u64().unwrap_or(first);
                (first..=last).contains(&u64::from(port.number))
            }),
        }
    })
}

/// Whether a rule is for this peer; without peers it is for all.
pub fn peers_match(
    rule: &Value,
    policy: &Object,
    objects: &Objects,
    peer: &Peer<'_>,
    direction: Direction,
) -> Fact<bool> {
    let terms = rule[direction.peers()].as_array().unwrap_or_default();
    if terms.is_empty() {
        return Fact::Seen(true);
    }
    let mut unknown = None;
    for term in terms {
        match peer_matches(term, policy.namespace(), objects, peer) {
            Fact::Seen(true) => return Fact::Seen(true),
            Fact::Seen(false) => {}
            Fact::Missed(why) => unknown = Some(why),
        }
    }
    unknown.map_or(Fact::Seen(false), Fact::Missed)
}

/// The number of a named TCP container port.
pub fn container_port(pod: &Object, name: &str) -> Option<u16> {
    named_port(pod, name, Protocol::Tcp)
}

/// The number of a named container port of a protocol.
pub fn named_port(pod: &Object, name: &str, protocol: Protocol) -> Option<u16> {
    port_numbers(pod, name, protocol).next()
}

/// The numbers a port's name has in the containers of a pod.
fn port_numbers<'a>(pod: &'a Object, name: &'a str, protocol: Protocol) -> impl Iterator<Item = u16> + 'a {
    let containers = pod.list("/spec/containers").iter().chain(pod.list("/spec/initContainers"));
    containers
        .flat_map(|container| container["ports"].as_array().into_iter().flatten())
        .filter(move |port| port["name"] == name && port["protocol"].as_str().unwrap_or("TCP") == protocol.as_str())
        .filter_map(|port| port["containerPort"].as_u64()?.try_into().ok())
}

fn peer_matches(term: &Value, policy_namespace: &str, objects: &Objects, peer: &Peer<'_>) -> Fact<bool> {
    if let Some(block) = term["ipBlock"].as_object() {
        let Some(address) = peer.address else {
            return Fact::Missed("the address of the peer was not collected".to_owned());
        };
        let inside = |text: &Value| {
            let net: Option<IpNet> = text.as_str().and_then(|text| text.parse().ok());
            net.is_some_and(|net| net.contains(&address))
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
            if let Some(namespace) = objects.get(&Subject::global("namespace", pod.namespace())) {
                labels.extend(namespace.labels());
                return Fact::Seen(label_selector(selector, &labels));
            }
            if by_name_alone(selector) {
                Fact::Seen(label_selector(selector, &labels))
            } else {
                Fact::Missed(format!("namespace {} was not collected", pod.namespace()))
            }
        }
    }
}

/// Whether a namespace's name decides a selector: it asks for no other label.
fn by_name_alone(selector: &Value) -> bool {
    const NAME: &str = "kubernetes.io/metadata.name";
    let labels = selector["matchLabels"].as_object().is_none_or(|map| map.keys().all(|key| key.as_str() == NAME));
    let expressions = selector["matchExpressions"].as_array().is_none_or(|list| list.iter().all(|e| e["key"] == NAME));
    labels && expressions
}
