//! Nobody answers for the cluster's names: the workload behind the Service of the cluster's DNS has no pod.
//!
//! # What it looks like
//! No name resolves, for anybody in the cluster, while every other pod is ready. What connects by address, or has looked its
//! names up before, goes on for a while.
//!
//! # Confirm by hand
//! `kubectl -n kube-system get endpointslices -l kubernetes.io/service-name=kube-dns` shows no endpoint;
//! `kubectl -n kube-system get deploy,pods -l k8s-app=kube-dns` shows a Deployment that wants 0 pods, or none at all.
//!
//! # Fix
//! `kubectl -n kube-system scale deployment coredns --replicas=2`, once it is clear who scaled it down (an autoscaler?).
//!
//! # Who acts
//! Whoever runs the cluster.
//!
//! # Source
//! kubernetes.io, Debugging DNS Resolution, "Check if the DNS pod is running" and "Is DNS service up?".

use crate::json::json;

use super::{Case, Cause, Finding, Lack, Proof, State, stuck::events_of};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Object},
    model::{Model, Relation},
    propagation::Mode,
};

/// See the module's comment.
pub struct ClusterDnsDown;

impl Cause for ClusterDnsDown {
    fn id(&self) -> &'static str {
        "cluster-dns-down"
    }

    fn source(&self) -> &'static str {
        include_str!("cluster_dns_down.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let Some(dns) = case.model.dns() else { return vec![] };
        let workload = workload(case.model, dns);
        let subject = workload.map_or(dns, |workload| workload).subject().clone();
        let effects = vec![(dns.subject().clone(), Mode::Empty), (subject.clone(), Mode::Down)];
        vec![Finding { subject, effects, state: examine(case.model, dns, workload) }]
    }
}

/// The workload whose pods answer for the cluster's names.
fn workload<'e>(model: &Model<'e>, dns: &Object) -> Option<&'e Object> {
    let forwards = model.dependencies(dns.subject()).iter().filter(|edge| edge.relation == Relation::ForwardsTo);
    forwards.filter(|edge| !edge.to.is("pod")).find_map(|edge| model.object(&edge.to))
}

fn examine(model: &Model<'_>, dns: &Object, workload: Option<&Object>) -> State {
    if let Some(pod) = model.selected_pods(dns).first() {
        return State::excluded(
            format!("{} is behind it", pod.subject()),
            vec![pod.cite("/metadata/labels", "selected")],
        );
    }
    if let Fact::Missed(why) = model.evidence.listed("pod", "pods") {
        return State::Undecided(vec![Lack::objects("pods", Some("kube-system"), why)]);
    }
    let endpoints = match model.endpoints(dns) {
        Fact::Seen((endpoints, places)) if endpoints.iter().any(|endpoint| endpoint.ready) => {
            return State::excluded("it has ready endpoints", places);
        }
        Fact::Seen((_, places)) => places,
        Fact::Missed(_) => vec![],
    };
    let mut evidence = vec![dns.cite("/spec/selector", "selects no pod")];
    evidence.extend(endpoints);
    let (summary, patch) = match workload {
        Some(workload) => match workload.number("/spec/replicas") {
            Some(0) => {
                evidence.push(workload.cite("/spec/replicas", "0"));
                let (before, cited) = before(model, workload);
                evidence.extend(cited);
                let scale = Change::Set {
                    object: workload.subject().clone(),
                    path: "/spec/replicas".to_owned(),
                    from: json!(0),
                    to: json!(before),
                };
                (format!("Scale {} up: replicas 0 -> {before}", workload.subject()), vec![scale])
            }
            _ => {
                let wants =
                    workload.cite("/spec/replicas", "it wants pods, and something else keeps them from being made");
                return State::excluded("its workload wants pods", vec![wants]);
            }
        },
        None => {
            let kinds = [("deployment", "deployments"), ("daemonset", "daemonsets")];
            let missed = kinds.into_iter().find_map(|(kind, resource)| match model.evidence.listed(kind, resource) {
                Fact::Missed(why) => Some((resource, why)),
                Fact::Seen(()) => None,
            });
            if let Some((resource, why)) = missed {
                return State::Undecided(vec![Lack::objects(resource, Some("kube-system"), why)]);
            }
            ("Install the cluster's DNS again: no workload makes its pods".to_owned(), vec![])
        }
    };
    State::Holds(Box::new(Proof { evidence, fix: Fix { summary, patch }, wants: vec![], changed: None }))
}

/// How many pods there were before: of a Deployment `Scaled down replica set x from 2 to 0`
/// (kubernetes/pkg/controller/deployment/sync.go), else two, as kubeadm installs it.
fn before(model: &Model<'_>, workload: &Object) -> (u64, Option<Citation>) {
    const USUAL: u64 = 2;
    let said = events_of(model.evidence, workload.subject()).into_iter().find_map(|(event, text)| {
        let (_, rest) = text.split_once(" from ")?;
        let before = rest.strip_suffix(" to 0").filter(|_| text.starts_with("Scaled down"))?;
        Some((before.parse::<u64>().ok()?, event.cite("/message", text)))
    });
    said.map_or((USUAL, None), |(before, cited)| (before.max(1), Some(cited)))
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/web  selector app=web  80 -> 80
         service kube-system/kube-dns  selector k8s-app=kube-dns  53 -> 53
         deployment kube-system/dns  k8s-app=kube-dns
         pod a/web-1  app=web  ready  listens 0.0.0.0:80
         pod b/c-1  app=c  ready
         request hop=client method=GET path=/ seconds=0.02 upstream=web.a:80 pod=b/c-1 error=\"dns: x\" at=-1 x9";

    #[test]
    fn holds() {
        check(&format!(
            "{WORLD}
             set deployment/kube-system/dns spec.replicas=0
             => cluster-dns-down deployment/kube-system/dns"
        ));
    }

    #[test]
    fn holds_where_the_workload_is_gone() {
        let gone = WORLD.replace("deployment kube-system/dns  k8s-app=kube-dns", "");
        check(&format!("{gone}\n=> cluster-dns-down service/kube-system/kube-dns"));
    }

    #[test]
    fn twin_the_dns_has_pods() {
        check(&format!("{WORLD}\npod kube-system/dns-1  k8s-app=kube-dns  ready\n=> unknown"));
    }

    #[test]
    fn unknown_when_pods_were_not_listed() {
        check(&format!(
            "{WORLD}
             set deployment/kube-system/dns spec.replicas=0
             missed pods forbidden
             => unknown lacks pods of namespace kube-system"
        ));
    }
}
