//! A NetworkPolicy isolates pods from those who need them: packets are dropped on the way in.
//!
//! # What it looks like
//! Connections to the pods time out: silence, not a refusal. The pods are ready (the kubelet's checks come from the node and
//! are let through), the Service has endpoints, others may still get in.
//!
//! # Confirm by hand
//! `kubectl -n NS get networkpolicies`, and for each whose `podSelector` matches the pod compare `ingress` with the labels of
//! the client's pod and namespace. `kubectl -n CLIENT-NS exec CLIENT -- nc -zvw2 POD-IP PORT` times out.
//!
//! # Fix
//! Add a rule that lets the client in, on the port it needs.
//!
//! # Who acts
//! The owner of the policy; where policies are governed centrally, hand over to network security with source, destination and port.
//!
//! # Source
//! kubernetes.io, Concepts / Network Policies: "The two sorts of pod isolation"; k8s.io/api/networking/v1 types.go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Case, Cause, Finding, Lack, Proof, State};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Object, ProbeKind, Target},
    model::{Model, Relation},
    policy::{self, Direction, Peer},
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct NetworkPolicyDeniesIngress;

impl Cause for NetworkPolicyDeniesIngress {
    fn id(&self) -> &'static str {
        "network-policy-denies-ingress"
    }

    fn source(&self) -> &'static str {
        include_str!("network_policy_denies_ingress.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let flows = flows(case.model);
        let policies = case.model.evidence.objects.of_kind("networkpolicy");
        let mut found: Vec<Finding> = policies.map(|policy| examine(case.model, policy, &flows)).collect();
        if let Fact::Missed(why) = case.model.evidence.listed("networkpolicy", "networkpolicies") {
            found.extend(blind(case.model, &flows, &why));
        }
        found
    }
}

/// A connection that somebody makes: from a pod, to a pod, on a port of that pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flow {
    from: Subject,
    to: Subject,
    port: u16,
}

/// Every flow the evidence knows: who connects to which Service or pod, and the probes made from pods to what is in use.
fn flows(model: &Model<'_>) -> BTreeMap<Flow, Citation> {
    let mut flows = BTreeMap::new();
    for pod in model.evidence.objects.of_kind("pod") {
        for edge in model.dependencies(pod.subject()).iter().filter(|edge| edge.relation == Relation::ConnectsTo) {
            add_flows(model, pod.subject(), &edge.to, &edge.evidence, &mut flows);
        }
    }
    for (index, probe) in model.evidence.probes.iter().enumerate().filter(|(_, probe)| probe.kind != ProbeKind::Dns) {
        if let (Some(from), Target::Object(to, _)) = (&probe.from, probe.target())
            && from.is("pod")
            && to.is("service")
            && model.dependencies(from).iter().any(|edge| edge.relation == Relation::ConnectsTo && edge.to == to)
        {
            add_flows(model, from, &to, &probe.cite(index), &mut flows);
        }
    }
    flows
}

fn add_flows(model: &Model<'_>, from: &Subject, to: &Subject, seen: &Citation, flows: &mut BTreeMap<Flow, Citation>) {
    let services: Vec<&Object> = if to.is("service") {
        model.object(to).into_iter().collect()
    } else {
        let selecting = model.dependents(to).iter().filter(|(_, relation)| *relation == Relation::ForwardsTo);
        selecting.filter_map(|(service, _)| model.object(service)).collect()
    };
    for service in services {
        for pod in model.selected_pods(service) {
            // A client that reaches the Service reaches any of its pods.
            for port in service.list("/spec/ports") {
                let number = match port.get("targetPort").unwrap_or(&port["port"]) {
                    Value::String(name) => policy::container_port(pod, name),
                    number => number.as_u64().and_then(|number| number.try_into().ok()),
                };
                if let Some(port) = number {
                    let flow = Flow { from: from.clone(), to: pod.subject().clone(), port };
                    flows.entry(flow).or_insert_with(|| seen.clone());
                }
            }
        }
    }
}

fn examine(model: &Model<'_>, policy: &Object, flows: &BTreeMap<Flow, Citation>) -> Finding {
    let mut denied = BTreeMap::new();
    let mut lacks = BTreeSet::new();
    let mut governed = Vec::new();
    for pod in model.evidence.objects.in_namespace("pod", policy.namespace()) {
        if policy::isolates(policy, pod, Direction::Ingress) {
            governed.push(pod.subject().clone());
        }
    }
    let into: Vec<(&Flow, &Citation)> = flows.iter().filter(|(flow, _)| governed.contains(&flow.to)).collect();
    if into.is_empty() && !governed.is_empty() {
        lacks.insert(Lack {
            what: "traffic.jsonl".to_owned(),
            why: format!("nothing shows who connects to the pods of {}", policy.subject()),
            how: "the access logs of what calls them, one request a line with its upstream".to_owned(),
            request: None,
        });
    }
    for (flow, seen) in into {
        match allowed(model, flow) {
            Fact::Seen(true) => {}
            Fact::Seen(false) => {
                denied.insert(flow.clone(), seen.clone());
            }
            Fact::Missed(why) => {
                lacks.insert(Lack::objects("namespaces", None, why));
            }
        }
    }
    // Only those whom the denied flows lead to fall silent.
    let hit: BTreeSet<Subject> = denied.keys().map(|flow| flow.to.clone()).collect();
    let silent = if hit.is_empty() { governed.into_iter().collect() } else { hit };
    let effects: Vec<(Subject, Mode)> = silent.into_iter().map(|pod| (pod, Mode::Silent)).collect();
    let state = if !denied.is_empty() {
        State::Holds(Box::new(proof(model, policy, &denied)))
    } else if lacks.is_empty() {
        State::excluded("every connection in use is allowed", vec![policy.cite("/spec", "its rules")])
    } else {
        State::Undecided(lacks.into_iter().collect())
    };
    Finding { subject: policy.subject().clone(), effects, state }
}

/// Whether the union of all policies lets a flow in. A flow from the pod's own node always passes.
fn allowed(model: &Model<'_>, flow: &Flow) -> Fact<bool> {
    let objects = &model.evidence.objects;
    let (Some(to), Some(from)) = (objects.get(&flow.to), objects.get(&flow.from)) else { return Fact::Seen(true) };
    if from.get("/spec/hostNetwork") == Some(&Value::Bool(true))
        && from.text("/spec/nodeName") == to.text("/spec/nodeName")
    {
        return Fact::Seen(true);
    }
    let peer = Peer { pod: Some(from), address: from.text("/status/podIP").and_then(|ip| ip.parse().ok()) };
    let mut unknown = None;
    for policy in objects.in_namespace("networkpolicy", to.namespace()) {
        if policy::isolates(policy, to, Direction::Ingress) {
            match policy::allows(policy, objects, to, &peer, flow.port, Direction::Ingress) {
                Fact::Seen(true) => return Fact::Seen(true),
                Fact::Seen(false) => {}
                Fact::Missed(why) => unknown = Some(why),
            }
        }
    }
    unknown.map_or(Fact::Seen(false), Fact::Missed)
}

fn proof(model: &Model<'_>, policy: &Object, denied: &BTreeMap<Flow, Citation>) -> Proof {
    let mut evidence =
        vec![policy.cite("/spec/podSelector", format!("isolates {}", list(denied.keys().map(|flow| &flow.to))))];
    let rules = policy.list("/spec/ingress");
    evidence.push(policy.cite(
        "/spec/ingress",
        format!("{} rules, none lets in {}", rules.len(), list(denied.keys().map(|flow| &flow.from))),
    ));
    evidence.extend(denied.values().take(2).cloned());
    evidence.extend(silence(model, denied));
    let mut allow: Vec<Value> = rules.to_vec();
    let mut wanted: BTreeMap<String, Value> = BTreeMap::new();
    for flow in denied.keys() {
        if let Some(from) = model.object(&flow.from) {
            let labels = identity(model, from);
            let rule = json!({
                "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": from.namespace()}},
                          "podSelector": {"matchLabels": labels}}],
                "ports": [{"protocol": "TCP", "port": flow.port}],
            });
            wanted.insert(rule.to_string(), rule);
        }
    }
    allow.extend(wanted.into_values());
    let from = policy.get("/spec/ingress").cloned().unwrap_or(Value::Null);
    let change = Change::Set {
        object: policy.subject().clone(),
        path: "/spec/ingress".to_owned(),
        from,
        to: Value::Array(allow),
    };
    let summary = format!(
        "Let {} in at {} by a rule of {}",
        list(denied.keys().map(|flow| &flow.from)),
        list(denied.keys().map(|flow| &flow.to)),
        policy.subject()
    );
    Proof {
        evidence,
        fix: Fix { summary, patch: vec![change] },
        wants: vec![],
        changed: policy.time("/metadata/creationTimestamp"),
    }
}

/// The labels that tell a pod's workload from others: those its owner selects it by, else all that do not change.
fn identity<'e>(model: &Model<'e>, pod: &'e Object) -> BTreeMap<&'e str, &'e str> {
    let owner = model.object(&model.workload_of(pod.subject()));
    let selected_by = owner.map(|owner| owner.map("/spec/selector/matchLabels")).filter(|labels| !labels.is_empty());
    selected_by.unwrap_or_else(|| {
        let passing = ["pod-template-hash", "controller-revision-hash"];
        pod.labels().into_iter().filter(|(key, _)| !passing.contains(key)).collect()
    })
}

/// Probes that met the silence themselves.
fn silence(model: &Model<'_>, denied: &BTreeMap<Flow, Citation>) -> Vec<Citation> {
    let probes = model.evidence.probes.iter().enumerate();
    let met = probes.filter(|(_, probe)| {
        let Target::Object(target, _) = probe.target() else { return false };
        probe.outcome == crate::evidence::Outcome::Timeout
            && denied.keys().any(|flow| probe.from.as_ref() == Some(&flow.from) && flow.to == target)
    });
    met.take(2).map(|(index, probe)| probe.cite(index)).collect()
}

/// Pods that somebody connects to, in namespaces whose policies nobody listed.
fn blind(model: &Model<'_>, flows: &BTreeMap<Flow, Citation>, why: &str) -> Vec<Finding> {
    let namespaces: BTreeSet<&str> = flows
        .keys()
        .map(|flow| flow.to.namespace())
        .chain(model.evidence.objects.of_kind("service").map(Object::namespace))
        .collect();
    namespaces
        .into_iter()
        .map(|namespace| Finding {
            subject: Subject::global("namespace", namespace),
            effects: model
                .evidence
                .objects
                .in_namespace("pod", namespace)
                .map(|pod| (pod.subject().clone(), Mode::Silent))
                .collect(),
            state: State::Undecided(vec![Lack::objects("networkpolicies", Some(namespace), why.to_owned())]),
        })
        .collect()
}

fn list<'a>(subjects: impl Iterator<Item = &'a Subject>) -> String {
    let all: BTreeSet<String> = subjects.map(ToString::to_string).collect();
    all.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  listens 0.0.0.0:80
             pod b/c-1  app=c  ready  calls s.a:80
             conntrack n1  900 of 262144  drop 0 -> 0
             probe pod/b/c-1 -> service/a/s:80  timeout in 3s";

    #[test]
    fn holds() {
        check(&format!(
            "{WORLD}\npolicy a/base  selects app=s  denies ingress\n=> network-policy-denies-ingress networkpolicy/a/base"
        ));
    }

    #[test]
    fn holds_where_only_others_are_let_in() {
        check(&format!(
            "{WORLD}\npolicy a/base  selects app=s  allows ingress from a app=d\n=> network-policy-denies-ingress networkpolicy/a/base"
        ));
    }

    #[test]
    fn twin_policy_that_lets_the_client_in() {
        check(&format!(
            "{WORLD}\npolicy a/base  selects app=s  denies ingress\npolicy a/more  selects app=s  allows ingress from b app=c\n=> unknown"
        ));
    }

    #[test]
    fn twin_conntrack() {
        check(
            "service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  listens 0.0.0.0:80
             pod b/c-1  app=c  ready  calls s.a:80
             conntrack n1  262144 of 262144  drop 0 -> 9
             probe pod/b/c-1 -> service/a/s:80  timeout in 3s
             policy a/base  selects app=s  allows ingress from b app=c
             => conntrack-table-full node/n1",
        );
    }

    #[test]
    fn unknown_when_policies_were_not_listed() {
        check(&format!("{WORLD}\nmissed networkpolicies forbidden\n=> unknown lacks networkpolicies of namespace a"));
    }
}
