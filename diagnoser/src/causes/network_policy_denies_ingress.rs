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

use super::{
    Case, Cause, Finding, Proof, State,
    policies::{self, How, Judged, Stopped},
};
use crate::{diagnosis::Fix, policy::Direction, propagation::Mode};

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
        let judged = case.judgement().towards(Direction::Ingress);
        let mut found: Vec<Finding> = judged.map(|judged| examine(case, judged)).collect();
        found.extend(policies::blind(case.model, &[Mode::Silent]));
        found
    }
}

fn examine(case: &Case<'_, '_>, judged: &Judged<'_, '_>) -> Finding {
    let denied: Vec<&Stopped<'_>> = judged.connections.stopped.iter().filter(|s| s.how == How::NoRule).collect();
    let mut effects = policies::silence(case, &denied, &case.judgement().flows);
    if effects.is_empty() {
        effects = judged.governed.iter().map(|pod| (pod.clone(), Mode::Silent)).collect();
    }
    let state = if !denied.is_empty() {
        State::Holds(Box::new(proof(case, judged, &denied)))
    } else if judged.connections.none() {
        policies::nobody_seen(judged.policy)
    } else if judged.connections.lacks.is_empty() {
        State::excluded(
            "no connection in use lacks a rule of it",
            vec![judged.policy.cite("/spec/ingress", "its rules")],
        )
    } else {
        State::Undecided(judged.connections.lacks.iter().cloned().collect())
    };
    Finding { subject: judged.policy.subject().clone(), effects, state }
}

fn proof(case: &Case<'_, '_>, judged: &Judged<'_, '_>, denied: &[&Stopped<'_>]) -> Proof {
    let policy = judged.policy;
    let from = policies::list(denied.iter().map(|stopped| stopped.flow.from));
    let mut evidence = policies::readings(case, judged, denied);
    let rules = policy.list("/spec/ingress").len();
    evidence.push(policy.cite("/spec/ingress", format!("{rules} rules, none lets in {from}")));
    let to = policies::list(denied.iter().map(|stopped| stopped.flow.to));
    let summary = format!("Let {from} in at {to} by a rule of {}", policy.subject());
    Proof {
        evidence,
        fix: Fix { summary, patch: vec![policies::let_pass(case.model, judged, denied)] },
        wants: vec![],
        changed: policies::changed(case.model, policy),
    }
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

    /// `web` gives up on `api`, which has got the request and waits for its database; it will log that when it ends.
    const CHAIN: &str = "service a/web  selector app=web  80 -> 80
             service a/api  selector app=api  80 -> 80
             service a/db  selector app=db  5432 -> 5432
             pod a/web-1  app=web  ready  listens 0.0.0.0:80  calls api.a:80
             pod a/api-1  app=api  ready  listens 0.0.0.0:80  calls postgres://u@db.a:5432/x
             pod a/db-1  app=db  ready  listens 0.0.0.0:5432
             log a/api-1 listening
             conntrack n1  900 of 262144  drop 0 -> 0
             request hop=client method=POST path=/ seconds=2.5 status=504 upstream=web.a:80 pod=b/c-1 id=r at=-1 x9
             request hop=web method=POST path=/ seconds=2.5 status=504 upstream=api.a:80 pod=a/web-1 id=r error=\"timeout: x\" at=-1 x9";

    #[test]
    fn holds_at_the_far_end_of_those_who_wait_for_each_other() {
        check(&format!(
            "{CHAIN}\npolicy a/db  selects app=db  denies ingress\n=> network-policy-denies-ingress networkpolicy/a/db"
        ));
    }

    #[test]
    fn twin_the_far_end_lets_the_one_in_who_waits() {
        check(&format!("{CHAIN}\npolicy a/db  selects app=db  allows ingress from a app=api\n=> unknown"));
    }

    #[test]
    fn a_node_that_is_not_let_in_harms_nobody() {
        check(
            "service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  listens 0.0.0.0:80  on n2
             pod b/c-1  app=c  ready  calls s.a:80  on n1
             policy a/base  selects app=s  allows ingress from b app=c
             probe pod/b/c-1 -> service/a/s:80  connected in 1ms
             probe node/n1 -> service/a/s:80  timeout in 2s
             => healthy",
        );
    }

    #[test]
    fn unknown_when_policies_were_not_listed() {
        check(&format!("{WORLD}\nmissed networkpolicies forbidden\n=> unknown lacks networkpolicies of namespace a"));
    }
}
