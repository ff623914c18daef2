//! A NetworkPolicy lets pods out to what they need and forgets the cluster's DNS (or does not let them in there): names do
//! not resolve.
//!
//! # What it looks like
//! The pods fail with errors of name resolution, after a wait: look-ups get no answer at all. Connections by address work,
//! and other pods resolve the same names. With `policyTypes: [Egress]` everything that is not allowed is denied, look-ups too.
//!
//! # Confirm by hand
//! `kubectl -n NS exec POD -- nslookup kubernetes.default` times out, from a pod without the policy it answers. In
//! `kubectl -n NS get networkpolicies -o yaml` no egress rule lets the pod reach the pods of `service/kube-dns` on UDP 53.
//!
//! # Fix
//! Add an egress rule to the pods of the cluster's DNS (`k8s-app=kube-dns` in `kube-system`), UDP and TCP port 53.
//!
//! # Who acts
//! The owner of the policy; where policies are governed centrally, hand over to network security.
//!
//! # Source
//! kubernetes.io, Concepts / Network Policies, "Default deny all egress traffic"; Debugging DNS Resolution.

use std::collections::BTreeSet;

use super::{
    Case, Cause, Finding, Lack, Proof, State,
    policies::{self, Judged, Stopped},
};
use crate::{diagnosis::Fix, policy::Direction, propagation::Mode, subject::Subject};

/// See the module's comment.
pub struct NetworkPolicyBlocksDns;

impl Cause for NetworkPolicyBlocksDns {
    fn id(&self) -> &'static str {
        "network-policy-blocks-dns"
    }

    fn source(&self) -> &'static str {
        include_str!("network_policy_blocks_dns.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let judged = case.judgement().iter();
        let mut found: Vec<Finding> = judged.filter_map(|judged| examine(case, judged)).collect();
        found.extend(policies::blind(case.model, &[Mode::Errors]));
        found
    }
}

fn examine(case: &Case<'_, '_>, judged: &Judged<'_, '_>) -> Option<Finding> {
    let cut_off: BTreeSet<&Subject> = policies::lookups_of_the_cut_off(judged, &case.judgement().flows)
        .into_iter()
        .map(|stopped| stopped.flow.from)
        .collect();
    let stopped: Vec<&Stopped<'_>> =
        judged.lookups.stopped.iter().filter(|stopped| !cut_off.contains(stopped.flow.from)).collect();
    let state = if !stopped.is_empty() {
        State::Holds(Box::new(proof(case, judged, &stopped)))
    } else if !judged.lookups.lacks.is_empty() {
        State::Undecided(judged.lookups.lacks.iter().cloned().collect())
    } else if judged.direction == Direction::Ingress {
        // Only a policy over the DNS itself can stop look-ups on their way in.
        return None;
    } else if judged.lookups.none() {
        let why = "whom look-ups go to is not known".to_owned();
        State::Undecided(vec![
            Lack::objects("pods", Some("kube-system"), why.clone()),
            Lack::objects("services", Some("kube-system"), why),
        ])
    } else {
        let because =
            if cut_off.is_empty() { "it lets look-ups of names out" } else { "it lets nothing out that is in use" };
        State::excluded(because, vec![judged.policy.cite("/spec/egress", "its rules")])
    };
    let pods: BTreeSet<&Subject> = match &state {
        State::Holds(_) => stopped.iter().map(|stopped| stopped.flow.from).collect(),
        _ => judged.governed.iter().collect(),
    };
    let effects = policies::nameless(case.model, pods);
    Some(Finding { subject: judged.policy.subject().clone(), effects, state })
}

fn proof(case: &Case<'_, '_>, judged: &Judged<'_, '_>, stopped: &[&Stopped<'_>]) -> Proof {
    let policy = judged.policy;
    let mut evidence = policies::readings(case, judged, stopped);
    let rules = policy.list(judged.direction.rules()).len();
    evidence.push(policy.cite(judged.direction.rules(), format!("{rules} rules, none for look-ups of names (UDP 53)")));
    let change = policies::let_pass(case.model, judged, stopped);
    let from = policies::list(stopped.iter().map(|stopped| stopped.flow.from));
    let summary = format!("Let {from} look names up by a rule of {}", policy.subject());
    Proof {
        evidence,
        fix: Fix { summary, patch: vec![change] },
        wants: vec![],
        changed: policies::changed(case.model, policy),
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    /// `web` asks `api` by name and is not answered; `other` is.
    const WORLD: &str = "service a/web  selector app=web  80 -> 80
         service a/api  selector app=api  80 -> 80
         pod a/web-1  app=web  ready  listens 0.0.0.0:80  calls api.a:80
         pod a/api-1  app=api  ready  listens 0.0.0.0:80
         pod a/other-1  app=other  ready  calls api.a:80
         probe pod/a/other-1 -> service/a/api:80  connected in 1ms
         request hop=client method=GET path=/ seconds=2.0 status=502 upstream=web.a:80 pod=b/c-1 id=r at=-1 x9
         request hop=web method=GET path=/ seconds=2.0 status=502 upstream=api.a:80 pod=a/web-1 id=r error=\"dns: no answer\" at=-1 x9";

    const DNS: &str = "object Service kube-system/kube-dns spec.selector.k8s-app=kube-dns spec.ports=[{\"port\":53,\"targetPort\":53,\"protocol\":\"UDP\"}]
         pod kube-system/dns-1  k8s-app=kube-dns  ready
         set pod/kube-system/dns-1 spec.dnsPolicy=Default";

    /// Egress of `web`: this list of rules.
    fn egress(rules: &str) -> String {
        format!("{WORLD}\n{DNS}\nobject NetworkPolicy a/out spec.podSelector.matchLabels.app=web spec.egress={rules}\n")
    }

    const TO_API: &str = "{\"to\":[{\"podSelector\":{\"matchLabels\":{\"app\":\"api\"}}}]}";

    #[test]
    fn holds() {
        check(&format!("{}=> network-policy-blocks-dns networkpolicy/a/out", egress(&format!("[{TO_API}]"))));
    }

    #[test]
    fn holds_where_only_tcp_is_let_out() {
        let tcp = "{\"ports\":[{\"port\":53,\"protocol\":\"TCP\"}]}";
        check(&format!("{}=> network-policy-blocks-dns networkpolicy/a/out", egress(&format!("[{TO_API},{tcp}]"))));
    }

    #[test]
    fn holds_where_the_dns_lets_nobody_in() {
        check(&format!(
            "{WORLD}\n{DNS}
             object NetworkPolicy kube-system/base spec.podSelector={{}} spec.ingress=[{{\"from\":[{{\"namespaceSelector\":{{\"matchLabels\":{{\"team\":\"x\"}}}}}}]}}]
             => network-policy-blocks-dns networkpolicy/kube-system/base"
        ));
    }

    #[test]
    fn twin_nothing_is_let_out_at_all() {
        check(&format!(
            "{WORLD}\n{DNS}\nobject NetworkPolicy a/out spec.podSelector.matchLabels.app=web spec.policyTypes=[\"Egress\"]
             => network-policy-denies-egress networkpolicy/a/out"
        ));
    }

    #[test]
    fn twin_look_ups_are_let_out() {
        let names = "{\"ports\":[{\"port\":53,\"protocol\":\"UDP\"}]}";
        check(&format!("{}=> unknown", egress(&format!("[{TO_API},{names}]"))));
    }

    #[test]
    fn unknown_when_the_dns_was_not_collected() {
        check(&format!(
            "{WORLD}\nobject NetworkPolicy a/out spec.podSelector.matchLabels.app=web spec.egress=[{TO_API}]
             => unknown lacks services of namespace kube-system"
        ));
    }

    #[test]
    fn unknown_when_policies_were_not_listed() {
        check(&format!(
            "{WORLD}\n{DNS}\nmissed networkpolicies forbidden\n=> unknown lacks networkpolicies of namespace a"
        ));
    }
}
