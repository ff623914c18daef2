//! A NetworkPolicy isolates pods from what they need: their packets are dropped on the way out.
//!
//! # What it looks like
//! The pods serve, and everything for which they ask another fails after a wait: silence, not a refusal. Others reach the
//! same destination at once, so it is not the destination that lets nobody in.
//!
//! # Confirm by hand
//! `kubectl -n NS get networkpolicies`, and for each whose `podSelector` matches the calling pod and that governs egress
//! compare `egress` with the destination's labels, namespace and port. `kubectl -n NS exec POD -- nc -zvw2 DESTINATION-IP PORT`
//! times out; the same from a pod without such a policy connects.
//!
//! # Fix
//! Add an egress rule for the destination, on the port it listens on; remember the cluster's DNS (UDP and TCP 53).
//!
//! # Who acts
//! The owner of the policy; where policies are governed centrally, hand over to network security with source, destination and port.
//!
//! # Source
//! kubernetes.io, Concepts / Network Policies: "The two sorts of pod isolation"; k8s.io/api/networking/v1 types.go.

use super::{
    Case, Cause, Finding, Proof, State,
    policies::{self, How, Judged, Stopped},
};
use crate::{diagnosis::Fix, policy::Direction, propagation::Mode};

/// See the module's comment.
pub struct NetworkPolicyDeniesEgress;

impl Cause for NetworkPolicyDeniesEgress {
    fn id(&self) -> &'static str {
        "network-policy-denies-egress"
    }

    fn source(&self) -> &'static str {
        include_str!("network_policy_denies_egress.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let judged = case.judgement().towards(Direction::Egress);
        let mut found: Vec<Finding> = judged.map(|judged| examine(case, judged)).collect();
        found.extend(policies::blind(case.model, &[Mode::RelaysSilent]));
        found
    }
}

fn examine(case: &Case<'_, '_>, judged: &Judged<'_, '_>) -> Finding {
    let denied: Vec<&Stopped<'_>> = judged.connections.stopped.iter().filter(|s| s.how == How::NoRule).collect();
    let names = policies::lookups_of_the_cut_off(judged, &case.judgement().flows);
    let mut effects = policies::silence(case, &denied, &case.judgement().flows);
    effects.extend(policies::nameless(case.model, names.iter().map(|stopped| stopped.flow.from)));
    if denied.is_empty() {
        effects = judged.governed.iter().map(|pod| (pod.clone(), Mode::RelaysSilent)).collect();
    }
    let state = if !denied.is_empty() {
        State::Holds(Box::new(proof(case, judged, &denied, &names)))
    } else if judged.connections.none() {
        policies::nobody_seen(judged.policy)
    } else if judged.connections.lacks.is_empty() {
        State::excluded(
            "no connection in use lacks a rule of it",
            vec![judged.policy.cite("/spec/egress", "its rules")],
        )
    } else {
        State::Undecided(judged.connections.lacks.iter().cloned().collect())
    };
    Finding { subject: judged.policy.subject().clone(), effects, state }
}

fn proof(case: &Case<'_, '_>, judged: &Judged<'_, '_>, denied: &[&Stopped<'_>], names: &[&Stopped<'_>]) -> Proof {
    let policy = judged.policy;
    let to = policies::list(denied.iter().map(|stopped| stopped.flow.to));
    let mut evidence = policies::readings(case, judged, denied);
    let rules = policy.list("/spec/egress").len();
    evidence.push(policy.cite("/spec/egress", format!("{rules} rules, none lets out to {to}")));
    let from = policies::list(denied.iter().map(|stopped| stopped.flow.from));
    let summary = format!("Let {from} out to {to} by a rule of {}", policy.subject());
    let all: Vec<&Stopped<'_>> = denied.iter().chain(names).copied().collect();
    Proof {
        evidence,
        fix: Fix { summary, patch: vec![policies::let_pass(case.model, judged, &all)] },
        wants: vec![],
        changed: policies::changed(case.model, policy),
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    /// `web` is asked by a client and asks `api`; a neighbour of it asks `api` too.
    const WORLD: &str = "service a/web  selector app=web  80 -> 80
         service a/api  selector app=api  80 -> 80
         pod a/web-1  app=web  ready  listens 0.0.0.0:80  calls api.a:80
         pod a/api-1  app=api  ready  listens 0.0.0.0:80
         pod a/other-1  app=other  ready  calls api.a:80
         conntrack n1  900 of 262144  drop 0 -> 0
         probe pod/a/other-1 -> service/a/api:80  connected in 1ms
         request hop=client method=GET path=/ seconds=2.0 status=502 upstream=web.a:80 pod=b/c-1 id=r at=-1 x9
         request hop=web method=GET path=/ seconds=2.0 status=502 upstream=api.a:80 pod=a/web-1 id=r error=\"timeout: connect\" at=-1 x9";

    #[test]
    fn holds_where_nothing_is_let_out() {
        check(&format!(
            "{WORLD}
             object NetworkPolicy a/out spec.podSelector.matchLabels.app=web spec.policyTypes=[\"Egress\"]
             => network-policy-denies-egress networkpolicy/a/out"
        ));
    }

    #[test]
    fn holds_where_only_others_are_reached() {
        check(&format!(
            "{WORLD}
             object NetworkPolicy a/out spec.podSelector.matchLabels.app=web spec.policyTypes=[\"Egress\"] spec.egress=[{{\"to\":[{{\"podSelector\":{{\"matchLabels\":{{\"app\":\"db\"}}}}}}]}}]
             => network-policy-denies-egress networkpolicy/a/out"
        ));
    }

    #[test]
    fn twin_the_destination_lets_nobody_in() {
        check(&format!(
            "{WORLD}
             object NetworkPolicy a/out spec.podSelector.matchLabels.app=web spec.policyTypes=[\"Egress\"] spec.egress=[{{}}]
             policy a/in  selects app=api  allows ingress from a app=other
             => network-policy-denies-ingress networkpolicy/a/in"
        ));
    }

    #[test]
    fn twin_a_policy_that_lets_out() {
        check(&format!(
            "{WORLD}
             object NetworkPolicy a/base spec.podSelector={{}} spec.policyTypes=[\"Egress\"]
             object NetworkPolicy a/out spec.podSelector.matchLabels.app=web spec.egress=[{{\"to\":[{{\"podSelector\":{{\"matchLabels\":{{\"app\":\"api\"}}}}}}]}}]
             => unknown"
        ));
    }

    #[test]
    fn unknown_when_policies_were_not_listed() {
        check(&format!("{WORLD}\nmissed networkpolicies forbidden\n=> unknown lacks networkpolicies of namespace a"));
    }

    #[test]
    fn unknown_when_the_labels_of_a_namespace_are_not_known() {
        check(&format!(
            "{WORLD}
             object NetworkPolicy a/out spec.podSelector.matchLabels.app=web spec.policyTypes=[\"Egress\"] spec.egress=[{{\"to\":[{{\"namespaceSelector\":{{\"matchLabels\":{{\"team\":\"x\"}}}}}}]}}]
             missed namespaces forbidden
             => unknown lacks namespaces"
        ));
    }
}
