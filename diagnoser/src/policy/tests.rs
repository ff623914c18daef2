//! The evaluation against a second one, written from the words of the documentation and as naively as possible: it works on
//! plain structures instead of JSON, and lists everything that is allowed instead of deciding one connection.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Peer, Port, Protocol, passes};
use crate::evidence::{Fact, Objects};

type Labels = Vec<(String, String)>;

#[derive(Clone, Debug)]
struct Pod {
    namespace: usize,
    labels: Labels,
    node: usize,
    address: String,
    /// Name, number, protocol.
    ports: Vec<(String, u16, Protocol)>,
    host_network: bool,
}

/// One requirement on labels.
#[derive(Clone, Debug)]
enum Needs {
    Equals(String, String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Lacks(String),
}

type Selector = Vec<Needs>;

#[derive(Clone, Debug)]
enum Who {
    Pods(Selector),
    Namespaces(Selector),
    Both(Selector, Selector),
    Block(String, Vec<String>),
}

#[derive(Clone, Debug)]
enum Which {
    All,
    Number(u16),
    Range(u16, u16),
    Named(String),
}

#[derive(Clone, Debug)]
struct Rule {
    who: Vec<Who>,
    ports: Vec<(Option<Protocol>, Which)>,
}

#[derive(Clone, Debug)]
struct Policy {
    namespace: usize,
    selector: Selector,
    /// As `policyTypes` says: ingress, egress; `None` leaves it to the default.
    types: Option<(bool, bool)>,
    ingress: Option<Vec<Rule>>,
    egress: Option<Vec<Rule>>,
}

#[derive(Clone, Debug)]
struct World {
    namespaces: Vec<Labels>,
    pods: Vec<Pod>,
    policies: Vec<Policy>,
}

const ADDRESSES: [&str; 6] = ["10.0.0.1", "10.0.0.9", "10.0.1.1", "10.0.1.130", "10.9.0.1", "192.0.2.7"];
const NUMBERS: [u16; 4] = [53, 80, 81, 90];

// ---- The second evaluation.

fn satisfied(selector: &Selector, labels: &Labels) -> bool {
    let value = |key: &String| labels.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
    selector
        .iter()
        .filter(|needs| !match needs {
            Needs::Equals(key, wanted) => value(key) == Some(wanted.clone()),
            Needs::In(key, list) => value(key).is_some_and(|v| list.contains(&v)),
            Needs::NotIn(key, list) => value(key).is_none_or(|v| !list.contains(&v)),
            Needs::Exists(key) => value(key).is_some(),
            Needs::Lacks(key) => value(key).is_none(),
        })
        .count()
        == 0
}

/// The ends that one entry of `from` or `to` stands for.
fn ends(world: &World, who: &Who, policy: &Policy) -> BTreeSet<usize> {
    let namespaces = |selector: &Selector| -> Vec<usize> {
        (0..world.namespaces.len()).filter(|n| satisfied(selector, &world.namespaces[*n])).collect()
    };
    let pods = |namespaces: Vec<usize>, selector: &Selector| -> BTreeSet<usize> {
        let all = world.pods.iter().enumerate();
        let wanted = all.filter(|(_, pod)| {
            !pod.host_network && namespaces.contains(&pod.namespace) && satisfied(selector, &pod.labels)
        });
        wanted.map(|(index, _)| index).collect()
    };
    match who {
        Who::Pods(selector) => pods(vec![policy.namespace], selector),
        Who::Namespaces(selector) => pods(namespaces(selector), &vec![]),
        Who::Both(namespace, pod) => pods(namespaces(namespace), pod),
        Who::Block(cidr, except) => {
            let holds = |net: &str, pod: &Pod| {
                let (net, address): (IpNet, IpAddr) = (net.parse().unwrap(), pod.address.parse().unwrap());
                net.contains(&address)
            };
            let all = world.pods.iter().enumerate();
            let wanted = all.filter(|(_, pod)| holds(cidr, pod) && !except.iter().any(|net| holds(net, pod)));
            wanted.map(|(index, _)| index).collect()
        }
    }
}

/// Every (other end, port) that a rule lets through, where the destination is `to`, or the other end.
fn let_through(world: &World, rule: &Rule, policy: &Policy, to: Option<usize>) -> BTreeSet<(usize, Port)> {
    let everyone: BTreeSet<usize> = (0..world.pods.len()).collect();
    let others =
        if rule.who.is_empty() { everyone } else { rule.who.iter().flat_map(|who| ends(world, who, policy)).collect() };
    let mut found = BTreeSet::new();
    for other in others {
        let destination = &world.pods[to.unwrap_or(other)];
        // A pod in its node's network is an address: its ports have no names for policies.
        let names = if destination.host_network && to.is_none() { vec![] } else { destination.ports.clone() };
        for number in NUMBERS {
            for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
                let fits = |(wanted, which): &(Option<Protocol>, Which)| {
                    wanted.unwrap_or(Protocol::Tcp) == protocol
                        && match which {
                            Which::All => true,
                            Which::Number(n) => *n == number,
                            Which::Range(first, last) => *first <= number && number <= *last,
                            Which::Named(name) => names.contains(&(name.clone(), number, protocol)),
                        }
                };
                if rule.ports.is_empty() || rule.ports.iter().any(fits) {
                    found.insert((other, Port { protocol, number }));
                }
            }
        }
    }
    found
}

/// Whether one end lets it pass: nothing isolates it there, or something lets it through.
fn one_end(world: &World, governed: usize, other: usize, port: Port, ingress: bool) -> bool {
    let pod = &world.pods[governed];
    let stays_on_node = world.pods[other].host_network && world.pods[other].node == pod.node;
    if pod.host_network || governed == other || stays_on_node {
        return true;
    }
    let selecting: Vec<&Policy> = world
        .policies
        .iter()
        .filter(|policy| {
            let has_egress = policy.egress.as_ref().is_some_and(|rules| !rules.is_empty());
            let (governs_ingress, governs_egress) = policy.types.unwrap_or((true, has_egress));
            let governs = if ingress { governs_ingress } else { governs_egress };
            governs && policy.namespace == pod.namespace && satisfied(&policy.selector, &pod.labels)
        })
        .collect();
    let mut allowed = BTreeSet::new();
    for policy in &selecting {
        let rules = if ingress { &policy.ingress } else { &policy.egress };
        for rule in rules.iter().flatten() {
            allowed.extend(let_through(world, rule, policy, ingress.then_some(governed)));
        }
    }
    selecting.is_empty() || allowed.contains(&(other, port))
}

// ---- The same world as Kubernetes objects.

fn selector_json(selector: &Selector) -> Value {
    let mut labels = serde_json::Map::new();
    let mut expressions = vec![];
    for needs in selector {
        match needs {
            // Two different values for one key cannot stand in one map: the second becomes an expression.
            Needs::Equals(key, value) if !labels.contains_key(key) => drop(labels.insert(key.clone(), json!(value))),
            Needs::Equals(key, value) => expressions.push(json!({"key": key, "operator": "In", "values": [value]})),
            Needs::In(key, list) => expressions.push(json!({"key": key, "operator": "In", "values": list})),
            Needs::NotIn(key, list) => expressions.push(json!({"key": key, "operator": "NotIn", "values": list})),
            Needs::Exists(key) => expressions.push(json!({"key": key, "operator": "Exists"})),
            Needs::Lacks(key) => expressions.push(json!({"key": key, "operator": "DoesNotExist"})),
        }
    }
    let mut whole = json!({});
    if !labels.is_empty() {
        whole["matchLabels"] = labels.into();
    }
    if !expressions.is_empty() {
        whole["matchExpressions"] = expressions.into();
    }
    whole
}

fn rule_json(rule: &Rule, key: &str) -> Value {
    let who: Vec<Value> = rule
        .who
        .iter()
        .map(|who| match who {
            Who::Pods(pods) => json!({"podSelector": selector_json(pods)}),
            Who::Namespaces(namespaces) => json!({"namespaceSelector": selector_json(namespaces)}),
            Who::Both(namespaces, pods) => {
                json!({"namespaceSelector": selector_json(namespaces), "podSelector": selector_json(pods)})
            }
            Who::Block(cidr, except) => json!({"ipBlock": {"cidr": cidr, "except": except}}),
        })
        .collect();
    let ports: Vec<Value> = rule
        .ports
        .iter()
        .map(|(protocol, which)| {
            let mut entry = match which {
                Which::All => json!({}),
                Which::Number(number) => json!({"port": number}),
                Which::Range(first, last) => json!({"port": first, "endPort": last}),
                Which::Named(name) => json!({"port": name}),
            };
            if let Some(protocol) = protocol {
                entry["protocol"] = json!(protocol.as_str());
            }
            entry
        })
        .collect();
    let mut whole = json!({});
    if !who.is_empty() {
        whole[key] = who.into();
    }
    if !ports.is_empty() {
        whole["ports"] = ports.into();
    }
    whole
}

fn labels_json(labels: &Labels) -> Value {
    labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect::<serde_json::Map<_, _>>().into()
}

fn objects(world: &World) -> Objects {
    let mut items = vec![];
    for (index, labels) in world.namespaces.iter().enumerate() {
        items.push(
            json!({"kind": "Namespace", "metadata": {"name": format!("n{index}"), "labels": labels_json(labels)}}),
        );
    }
    for (index, pod) in world.pods.iter().enumerate() {
        let ports: Vec<Value> = pod.ports.iter()
            .map(|(name, number, protocol)| json!({"name": name, "containerPort": number, "protocol": protocol.as_str()}))
            .collect();
        items.push(json!({"kind": "Pod",
            "metadata": {"namespace": format!("n{}", pod.namespace), "name": format!("p{index}"), "labels": labels_json(&pod.labels)},
            "spec": {"nodeName": format!("m{}", pod.node), "hostNetwork": pod.host_network, "containers": [{"ports": ports}]},
            "status": {"podIP": pod.address}}));
    }
    for (index, policy) in world.policies.iter().enumerate() {
        let mut spec = json!({"podSelector": selector_json(&policy.selector)});
        if let Some((ingress, egress)) = policy.types {
            let types = [(ingress, "Ingress"), (egress, "Egress")];
            spec["policyTypes"] = types.iter().filter(|(is, _)| *is).map(|(_, name)| json!(name)).collect();
        }
        let rules = |rules: &Vec<Rule>, key: &str| rules.iter().map(|rule| rule_json(rule, key)).collect::<Value>();
        if let Some(ingress) = &policy.ingress {
            spec["ingress"] = rules(ingress, "from");
        }
        if let Some(egress) = &policy.egress {
            spec["egress"] = rules(egress, "to");
        }
        items.push(json!({"kind": "NetworkPolicy",
            "metadata": {"namespace": format!("n{}", policy.namespace), "name": format!("np{index}")}, "spec": spec}));
    }
    Objects::parse(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()).unwrap()
}

// ---- Random worlds: few keys and values, so that selectors meet labels.

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b"]).prop_map(str::to_owned)
}

fn labels() -> impl Strategy<Value = Labels> {
    prop::collection::btree_map(word(), word(), 0..3).prop_map(|map| map.into_iter().collect())
}

fn selector() -> impl Strategy<Value = Selector> {
    let list = || prop::collection::vec(word(), 1..3);
    let needs = prop_oneof![
        4 => (word(), word()).prop_map(|(k, v)| Needs::Equals(k, v)),
        1 => (word(), list()).prop_map(|(k, v)| Needs::In(k, v)),
        1 => (word(), list()).prop_map(|(k, v)| Needs::NotIn(k, v)),
        1 => word().prop_map(Needs::Exists),
        1 => word().prop_map(Needs::Lacks),
    ];
    prop::collection::vec(needs, 0..3)
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop::sample::select(vec![Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp])
}

fn rule() -> impl Strategy<Value = Rule> {
    let block = || {
        prop::sample::select(vec!["10.0.0.0/24", "10.0.0.0/16", "10.0.1.128/25", "0.0.0.0/0"]).prop_map(str::to_owned)
    };
    let who = prop_oneof![
        2 => selector().prop_map(Who::Pods),
        2 => selector().prop_map(Who::Namespaces),
        2 => (selector(), selector()).prop_map(|(n, p)| Who::Both(n, p)),
        1 => (block(), prop::collection::vec(block(), 0..2)).prop_map(|(cidr, except)| Who::Block(cidr, except)),
    ];
    let number = || prop::sample::select(&NUMBERS[..]);
    let which = prop_oneof![
        1 => Just(Which::All),
        3 => number().prop_map(Which::Number),
        1 => (number(), number()).prop_map(|(a, b)| Which::Range(a.min(b), a.max(b))),
        1 => word().prop_map(Which::Named),
    ];
    let ports = prop::collection::vec((prop::option::of(protocol()), which), 0..3);
    (prop::collection::vec(who, 0..3), ports).prop_map(|(who, ports)| Rule { who, ports })
}

fn world() -> impl Strategy<Value = World> {
    let port = (word(), prop::sample::select(&NUMBERS[..]), protocol());
    let pod = (0..2usize, labels(), 0..2usize, prop::collection::vec(port, 0..3), prop::bool::weighted(0.1));
    let rules = || prop::option::of(prop::collection::vec(rule(), 0..3));
    let types = prop::option::of(prop_oneof![Just((true, false)), Just((false, true)), Just((true, true))]);
    let policy = (0..2usize, selector(), types, rules(), rules());
    let namespaces = prop::collection::vec(labels(), 2);
    (namespaces, prop::collection::vec(pod, 2..6), prop::collection::vec(policy, 0..4)).prop_map(
        |(namespaces, pods, policies)| {
            let pods = pods.into_iter().zip(ADDRESSES);
            World {
                namespaces,
                pods: pods
                    .map(|((namespace, labels, node, ports, host_network), address)| Pod {
                        namespace,
                        labels,
                        node,
                        address: address.to_owned(),
                        ports,
                        host_network,
                    })
                    .collect(),
                policies: policies
                    .into_iter()
                    .map(|(namespace, selector, types, ingress, egress)| Policy {
                        namespace,
                        selector,
                        types,
                        ingress,
                        egress,
                    })
                    .collect(),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Both evaluations agree on every connection of a world.
    #[test]
    fn two_evaluations_agree(world in world()) {
        let objects = objects(&world);
        let pods: Vec<_> = (0..world.pods.len())
            .map(|index| objects.of_kind("pod").find(|pod| pod.name() == format!("p{index}")).unwrap())
            .collect();
        for from in 0..pods.len() {
            for to in 0..pods.len() {
                for number in NUMBERS {
                    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
                        let port = Port { protocol, number };
                        let naive = one_end(&world, from, to, port, false) && one_end(&world, to, from, port, true);
                        let ours = passes(&objects, &Peer::of(pods[from]), &Peer::of(pods[to]), port);
                        prop_assert_eq!(ours, Fact::Seen(naive), "p{} -> p{} {}", from, to, port);
                    }
                }
            }
        }
    }
}

/// A pod `a/p` under one policy with this spec, asked from outside at this address.
fn from_outside(spec: Value, address: &str, number: u16) -> Fact<bool> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"kind": "Pod", "metadata": {"namespace": "a", "name": "p", "labels": {"app": "p"}}, "status": {"podIP": "10.0.0.1"}},
        {"kind": "NetworkPolicy", "metadata": {"namespace": "a", "name": "n"}, "spec": spec}]});
    let objects = Objects::parse(&list.to_string()).unwrap();
    let pod = objects.of_kind("pod").next().unwrap();
    passes(&objects, &Peer::outside(address.parse().unwrap()), &Peer::of(pod), Port::tcp(number))
}

#[test]
fn what_is_outside_is_known_by_its_address_alone() {
    let block = json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.128/25"]}}]}]});
    assert_eq!(from_outside(block.clone(), "192.0.2.7", 80), Fact::Seen(true));
    assert_eq!(from_outside(block, "192.0.2.200", 80), Fact::Seen(false));
    let everybody = json!({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}]}]});
    assert_eq!(from_outside(everybody, "192.0.2.7", 80), Fact::Seen(false), "a namespace selector means pods");
}

#[test]
fn an_empty_list_of_egress_rules_is_no_egress_policy_by_itself() {
    let spec = json!({"podSelector": {}, "ingress": [{}], "egress": []});
    assert_eq!(from_outside(spec, "192.0.2.7", 80), Fact::Seen(true));
}

#[test]
fn labels_of_a_namespace_that_was_not_collected_are_not_guessed() {
    let list = |selector: Value| {
        json!({"apiVersion": "v1", "kind": "List", "items": [
        {"kind": "Pod", "metadata": {"namespace": "a", "name": "p"}},
        {"kind": "Pod", "metadata": {"namespace": "b", "name": "q"}},
        {"kind": "NetworkPolicy", "metadata": {"namespace": "a", "name": "n"},
         "spec": {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": selector}]}]}}]})
        .to_string()
    };
    let asked = |selector: Value| {
        let objects = Objects::parse(&list(selector)).unwrap();
        let pod = |name: &'static str| Peer::of(objects.of_kind("pod").find(|pod| pod.name() == name).unwrap());
        passes(&objects, &pod("q"), &pod("p"), Port::tcp(80))
    };
    assert!(matches!(asked(json!({"matchLabels": {"team": "x"}})), Fact::Missed(_)));
    assert_eq!(asked(json!({"matchLabels": {"kubernetes.io/metadata.name": "b"}})), Fact::Seen(true));
    assert_eq!(asked(json!({"matchLabels": {"kubernetes.io/metadata.name": "c"}})), Fact::Seen(false));
    assert_eq!(asked(json!({})), Fact::Seen(true));
}
