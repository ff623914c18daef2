//! A NetworkPolicy is meant for the right peer and names another port than the one that is used.
//!
//! # What it looks like
//! Silence, as with any policy that drops; and at a glance the policy looks right, because the peer stands in it. Nothing in
//! use goes through that rule: the port it lets through (number, name, range or protocol) is one that nobody connects to.
//!
//! # Confirm by hand
//! `kubectl -n NS get networkpolicy NAME -o yaml`: compare `ports` of the rule whose `from` (or `to`) matches the peer with
//! the port the pods listen on. Policies apply to the pod's port, after the Service's `port` was translated to `targetPort`.
//!
//! # Fix
//! Set the rule's port to the one the destination pods listen on.
//!
//! # Who acts
//! The owner of the policy; where policies are governed centrally, hand over to network security with source, destination and port.
//!
//! # Source
//! k8s.io/api/networking/v1 types.go, NetworkPolicyPort; kubernetes.io, Concepts / Network Policies, "Targeting a range of ports".

use std::collections::{BTreeMap, BTreeSet};

use crate::json::Value;

use super::{
    Case, Cause, Finding, Proof, State,
    policies::{self, How, Judged, Stopped},
};
use crate::{
    diagnosis::{Change, Fix},
    policy::{Direction, Port},
    propagation::Mode,
};

/// See the module's comment.
pub struct NetworkPolicyWrongPort;

impl Cause for NetworkPolicyWrongPort {
    fn id(&self) -> &'static str {
        "network-policy-wrong-port"
    }

    fn source(&self) -> &'static str {
        include_str!("network_policy_wrong_port.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let judged = case.judgement().iter();
        let mut found: Vec<Finding> = judged.map(|judged| examine(case, judged)).collect();
        found.extend(policies::blind(case.model, &[Mode::Silent, Mode::RelaysSilent]));
        found
    }
}

fn examine(case: &Case<'_, '_>, judged: &Judged<'_, '_>) -> Finding {
    let mut by_rule: BTreeMap<usize, Vec<&Stopped<'_>>> = BTreeMap::new();
    for stopped in &judged.connections.stopped {
        if let How::OtherPort(rule) = stopped.how {
            by_rule.entry(rule).or_default().push(stopped);
        }
    }
    let stopped: Vec<&Stopped<'_>> = by_rule.values().flatten().copied().collect();
    let mut effects = policies::silence(case, &stopped, &case.judgement().flows);
    if effects.is_empty() {
        let mode = if judged.direction == Direction::Ingress { Mode::Silent } else { Mode::RelaysSilent };
        effects = judged.governed.iter().map(|pod| (pod.clone(), mode)).collect();
    }
    let state = if !by_rule.is_empty() {
        State::Holds(Box::new(proof(case, judged, &by_rule, &stopped)))
    } else if judged.connections.none() {
        policies::nobody_seen(judged.policy)
    } else if judged.connections.lacks.is_empty() {
        let rules = judged.policy.cite(judged.direction.rules(), "its rules");
        State::excluded("no rule of it is for the right peer and a port that nobody uses", vec![rules])
    } else {
        State::Undecided(judged.connections.lacks.iter().cloned().collect())
    };
    Finding { subject: judged.policy.subject().clone(), effects, state }
}

fn proof(
    case: &Case<'_, '_>,
    judged: &Judged<'_, '_>,
    by_rule: &BTreeMap<usize, Vec<&Stopped<'_>>>,
    all: &[&Stopped<'_>],
) -> Proof {
    let (policy, rules) = (judged.policy, judged.direction.rules());
    let mut evidence = policies::readings(case, judged, all);
    let mut patch = Vec::new();
    let mut used = BTreeSet::new();
    for (rule, stopped) in by_rule {
        let place = format!("{rules}/{rule}/ports");
        let ports: BTreeSet<Port> = stopped.iter().map(|stopped| stopped.flow.port).collect();
        evidence.push(policy.cite(&place, format!("lets through other ports than {}, which is used", words(&ports))));
        // The only port of a rule is replaced; among several nobody can say which is wrong.
        let now = policy.list(&place);
        let mut right: Vec<Value> = if now.len() > 1 { now.to_vec() } else { vec![] };
        right.extend(policies::written(ports.iter().copied()));
        let from = policy.get(&place).cloned().unwrap_or(Value::Null);
        patch.push(Change::Set { object: policy.subject().clone(), path: place, from, to: right.into() });
        used.extend(ports);
    }
    let summary = format!("Let {} pass the rule of {} that is meant for it", words(&used), policy.subject());
    Proof { evidence, fix: Fix { summary, patch }, wants: vec![], changed: policies::changed(case.model, policy) }
}

fn words(ports: &BTreeSet<Port>) -> String {
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/s  selector app=s  80 -> 80
         pod a/s-1  app=s  ready  listens 0.0.0.0:80  declares 80
         pod b/c-1  app=c  ready  calls s.a:80
         conntrack n1  900 of 262144  drop 0 -> 0
         probe pod/b/c-1 -> service/a/s:80  timeout in 3s
         object NetworkPolicy a/in spec.podSelector.matchLabels.app=s spec.ingress[0].from[0].namespaceSelector.matchLabels.kubernetes~io/metadata~name=b";

    fn ports(ports: &str) -> String {
        format!("{WORLD}\nset networkpolicy/a/in spec.ingress[0].ports={ports}\n")
    }

    #[test]
    fn holds() {
        for wrong in [
            "[{\"port\":8080}]",
            "[{\"port\":80,\"protocol\":\"UDP\"}]",
            "[{\"port\":81,\"endPort\":90}]",
            "[{\"port\":\"web\"}]",
        ] {
            check(&format!("{}=> network-policy-wrong-port networkpolicy/a/in", ports(wrong)));
        }
    }

    #[test]
    fn holds_beside_a_policy_that_denies_everything() {
        check(&format!(
            "{}policy a/base  selects app=s  denies ingress\n=> network-policy-wrong-port networkpolicy/a/in",
            ports("[{\"port\":8080}]")
        ));
    }

    #[test]
    fn holds_on_the_way_out() {
        check(
            "service a/s  selector app=s  80 -> 8080
             pod a/s-1  app=s  ready  listens 0.0.0.0:8080
             pod b/c-1  app=c  ready  calls s.a:80
             conntrack n1  900 of 262144  drop 0 -> 0
             probe pod/b/c-1 -> service/a/s:80  timeout in 3s
             object NetworkPolicy b/out spec.podSelector={} spec.egress=[{\"to\":[{\"namespaceSelector\":{}}],\"ports\":[{\"port\":80}]},{\"ports\":[{\"port\":53,\"protocol\":\"UDP\"}]}]
             => network-policy-wrong-port networkpolicy/b/out",
        );
    }

    #[test]
    fn twin_the_wrong_peer() {
        check(&format!(
            "{}set networkpolicy/a/in spec.ingress[0].from[0].namespaceSelector.matchLabels.kubernetes~io/metadata~name=d
             => network-policy-denies-ingress networkpolicy/a/in",
            ports("[{\"port\":8080}]")
        ));
    }

    #[test]
    fn twin_the_right_port() {
        check(&format!("{}=> unknown", ports("[{\"port\":80}]")));
    }

    #[test]
    fn unknown_when_policies_were_not_listed() {
        check(&format!("{WORLD}\nmissed networkpolicies forbidden\n=> unknown lacks networkpolicies of namespace a"));
    }

    #[test]
    fn unknown_when_the_labels_of_a_namespace_are_not_known() {
        check(&format!(
            "{}set networkpolicy/a/in spec.ingress[0].from[0].namespaceSelector={{\"matchLabels\":{{\"team\":\"c\"}}}}
             missed namespaces forbidden
             => unknown lacks namespaces",
            ports("[{\"port\":8080}]")
        ));
    }
}
