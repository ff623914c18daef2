//! A workload that is asked for is scaled to zero: nobody wants any pod of it.
//!
//! # What it looks like
//! Its Service has no endpoint, which an ingress controller answers with 503 at once. There is no pod, no warning and no
//! error. In a workload that nobody asks for this is no fault, and it is not blamed.
//!
//! # Confirm by hand
//! `kubectl -n NS get deploy NAME` shows 0/0; `kubectl -n NS get events --field-selector reason=ScalingReplicaSet` may show who
//! scaled it from how many.
//!
//! # Fix
//! `kubectl -n NS scale deployment NAME --replicas=N`, once it is clear why it was scaled down.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Deployments, "Scaling a Deployment" and "Replicas".

use crate::json::json;

use super::{Case, Cause, Finding, Lack, State};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Object},
    model::{Model, Relation},
    propagation::Mode,
    subject::Subject,
    symptoms::{events_of, pods_of},
};

/// See the module's comment.
pub struct ScaledToZero;

impl Cause for ScaledToZero {
    fn id(&self) -> &'static str {
        "scaled-to-zero"
    }

    fn source(&self) -> &'static str {
        include_str!("scaled_to_zero.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let objects = &case.model.evidence.objects;
        let workloads = ["deployment", "statefulset"].into_iter().flat_map(|kind| objects.of_kind(kind));
        let idle = workloads.filter(|workload| workload.number("/spec/replicas") == Some(0));
        // The cluster's DNS without a pod is a cause of its own.
        let dns = case.model.dns().map(|dns| dns.subject());
        let of_dns = |(service, _): &(Subject, Relation)| Some(service) == dns;
        let idle = idle.filter(|workload| !case.model.dependents(workload.subject()).iter().any(of_dns));
        let findings = idle.map(|workload| Finding {
            subject: workload.subject().clone(),
            effects: vec![(workload.subject().clone(), Mode::Down)],
            state: examine(case.model, workload),
        });
        findings.collect()
    }
}

fn examine(model: &Model<'_>, workload: &Object) -> State {
    if let Fact::Missed(why) = model.evidence.listed("pod", "pods") {
        return State::Undecided(vec![Lack::objects("pods", Some(workload.namespace()), why)]);
    }
    // A Service may have other pods, or other workloads that ought to have some: then it is theirs to answer.
    let services = model.dependents(workload.subject()).iter().filter(|(_, r)| *r == Relation::ForwardsTo);
    let others = services.flat_map(|(service, _)| model.dependencies(service));
    let other =
        others.filter(|edge| edge.relation == Relation::ForwardsTo && edge.to != *workload.subject()).find(|edge| {
            let wanted = model.object(&edge.to).and_then(|other| other.number("/spec/replicas"));
            wanted != Some(0)
        });
    if let Some(other) = other {
        return State::excluded(
            format!("its Service forwards to {} as well", other.to),
            other.evidence.as_deref().cloned().into_iter().collect(),
        );
    }
    let mut evidence = vec![
        workload.cite("/spec/replicas", "0"),
        workload.cite("/status", format!("{} pods exist", pods_of(model, workload.subject()).count())),
    ];
    let scaled = scaled_down(model, workload);
    let before = scaled.as_ref().map_or(1, |(before, _)| *before);
    evidence.extend(scaled.map(|(_, cited)| cited));
    let subject = workload.subject().clone();
    let patch =
        vec![Change::Set { object: subject, path: "/spec/replicas".to_owned(), from: json!(0), to: json!(before) }];
    let fix = Fix { summary: format!("Scale {} up: replicas 0 -> {before}", workload.subject()), patch };
    State::holds(evidence, fix)
}

/// From how many it was scaled down last: `Scaled down replica set x from 2 to 0`
/// (kubernetes/pkg/controller/deployment/sync.go).
fn scaled_down(model: &Model<'_>, workload: &Object) -> Option<(u64, Citation)> {
    events_of(model.evidence, workload.subject()).into_iter().find_map(|(event, text)| {
        let (_, rest) = text.split_once(" from ")?;
        let before = rest.strip_suffix(" to 0").filter(|_| text.starts_with("Scaled down"))?;
        Some((before.parse().ok()?, event.cite("/message", text)))
    })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             ingress a/s  s.example.test -> s";

    #[test]
    fn holds_where_somebody_asks() {
        check(&format!(
            "{WORLD}
             set deployment/a/s  spec.replicas=0
             event deployment/a/s  ScalingReplicaSet  Scaled down replica set s-1 from 3 to 0
             probe http://s.example.test/  503 in 2ms
             => scaled-to-zero deployment/a/s"
        ));
    }

    #[test]
    fn twin_deliberate_where_nobody_asks() {
        check(&format!(
            "{WORLD}
             set deployment/a/s  spec.replicas=0
             service a/t  selector app=t  80 -> 80
             pod a/t-1  app=t  ready  listens 0.0.0.0:80
             probe service/a/t:80  connected in 1ms
             => healthy"
        ));
    }

    #[test]
    fn twin_the_other_of_two_workloads_behind_one_service_is_to_answer() {
        check(&format!(
            "{WORLD}
             set deployment/a/s  spec.replicas=0
             deployment a/s2  app=s
             pod a/s2-1  app=s  unready  owner deployment/a/s2
             probe http://s.example.test/  503 in 2ms
             => unknown"
        ));
    }

    #[test]
    fn twin_a_selector_that_selects_nothing() {
        check(
            "service a/s  selector app=x  80 -> 80
             deployment a/s  app=s
             pod a/s-1  app=s  ready  owner deployment/a/s
             deployment a/idle  app=idle
             set deployment/a/idle  spec.replicas=0
             ingress a/s  s.example.test -> s
             probe http://s.example.test/  503 in 2ms
             => service-selector-mismatch service/a/s",
        );
    }

    #[test]
    fn unknown_without_pods() {
        check(&format!(
            "{WORLD}
             set deployment/a/s  spec.replicas=0
             probe http://s.example.test/  503 in 2ms
             missed pods forbidden
             => unknown lacks pods of namespace a"
        ));
    }
}
