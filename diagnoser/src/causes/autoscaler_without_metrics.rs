//! A HorizontalPodAutoscaler has lost the measurements it scales by, and the workload is left with too few pods for its load.
//!
//! # What it looks like
//! More is asked of a workload than its pods can do: they stand at their CPU limit and their requests are late, and the number of
//! pods stays what it was, though more are allowed. The autoscaler says `ScalingActive False`, `FailedGetResourceMetric`.
//!
//! # Confirm by hand
//! `kubectl -n NS describe hpa NAME` shows `<unknown>/50%` and the condition; `kubectl top pods` fails as well where it is the
//! metrics API (`kubectl get apiservice v1beta1.metrics.k8s.io`); `missing request for cpu` is about the pods' own template.
//!
//! # Fix
//! Bring the metrics API back (metrics-server, or the adapter the metric comes from), or give every container the request that
//! the target is a share of. Until then `kubectl scale` by hand.
//!
//! # Who acts
//! Whoever runs the metrics API; of a missing request the owner of the workload.
//!
//! # Source
//! kubernetes.io, Horizontal Pod Autoscaling, "Support for resource metrics" and status conditions; kubernetes/pkg/controller/podautoscaler.

use super::{Case, Cause, Finding, State, pod_network_delay};
use crate::{
    delays,
    diagnosis::Fix,
    evidence::{Citation, Object},
    model::Model,
    subject::Subject,
};

/// See the module's comment.
pub struct AutoscalerWithoutMetrics;

impl Cause for AutoscalerWithoutMetrics {
    fn id(&self) -> &'static str {
        "autoscaler-without-metrics"
    }

    fn source(&self) -> &'static str {
        include_str!("autoscaler_without_metrics.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let autoscalers = case.model.evidence.objects.of_kind("horizontalpodautoscaler");
        autoscalers.filter_map(|autoscaler| examine(case.model, autoscaler)).collect()
    }
}

fn examine(model: &Model<'_>, autoscaler: &Object) -> Option<Finding> {
    let conditions = autoscaler.list("/status/conditions");
    let at = conditions.iter().position(|condition| condition["type"] == "ScalingActive")?;
    let condition = &conditions[at];
    if condition["status"] != "False" || !condition["reason"].as_str()?.starts_with("FailedGet") {
        return None;
    }
    let target = autoscaler.text("/spec/scaleTargetRef/kind").zip(autoscaler.text("/spec/scaleTargetRef/name"));
    let target = target.map(|(kind, name)| Subject::namespaced(kind, autoscaler.namespace(), name))?;
    let all = delays::measured(model);
    let late = all.iter().find(|measured| measured.workload == target)?;
    let message = condition["message"].as_str().unwrap_or_default();
    let blind = autoscaler.cite(&format!("/status/conditions/{at}"), format!("it measures nothing: {message}"));
    let state = match (late.cite_throttled(model).or_else(|| pod_network_delay::busy(model, late)), room(autoscaler)) {
        _ if !has_lost_them(autoscaler, at) => State::excluded("it has never had measurements", vec![blind]),
        (None, _) => State::excluded(format!("{target} has not more to do than before"), vec![blind]),
        (_, None) => State::excluded("it may make no more pods", vec![blind]),
        (Some(busy), Some(room)) => {
            let late = late.cite(model).or_else(|| late.cite_strained(model));
            let evidence = [blind, room, busy].into_iter().chain(late).collect::<Vec<_>>();
            let own = message.contains("missing request for").then(|| target.clone());
            return Some(finding(model, autoscaler, &target, own, evidence));
        }
    };
    Some(Finding { effects: pod_network_delay::effects(&all, &target), subject: autoscaler.subject().clone(), state })
}

fn finding(
    model: &Model<'_>,
    autoscaler: &Object,
    target: &Subject,
    own: Option<Subject>,
    mut evidence: Vec<Citation>,
) -> Finding {
    let server = server(model);
    evidence.extend(server.as_ref().filter(|_| own.is_none()).map(|(_, cited)| cited.clone()));
    let (subject, summary) = match (own, server) {
        (Some(workload), _) => {
            let summary =
                format!("Give every container of {workload} the request that {} goes by", autoscaler.subject());
            (workload, summary)
        }
        (None, Some((service, _))) => (service.clone(), format!("Bring {service} back, by which autoscalers measure")),
        (None, None) => {
            (autoscaler.subject().clone(), format!("Bring the measurements of {} back", autoscaler.subject()))
        }
    };
    let effects = pod_network_delay::effects(&delays::measured(model), target);
    Finding { subject, effects, state: State::holds(evidence, Fix { summary, patch: vec![] }) }
}

/// That it may make more pods than there are.
fn room(autoscaler: &Object) -> Option<Citation> {
    let (now, most) = (autoscaler.number("/status/currentReplicas")?, autoscaler.number("/spec/maxReplicas")?);
    (now < most).then(|| autoscaler.cite("/status/currentReplicas", format!("{now} pods of {most} that are allowed")))
}

/// Whether it has had measurements: it has scaled before, or came to lack them some while after it was made.
fn has_lost_them(autoscaler: &Object, at: usize) -> bool {
    const WHILE: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);
    let since = autoscaler.time(&format!("/status/conditions/{at}/lastTransitionTime"));
    let born = autoscaler.time("/metadata/creationTimestamp");
    autoscaler.get("/status/lastScaleTime").is_some()
        || since.zip(born).is_some_and(|(since, born)| since.duration_since(born) > WHILE)
}

/// The Service of the resource metrics API, where the API server says that it does not answer.
fn server(model: &Model<'_>) -> Option<(Subject, Citation)> {
    let mut apis = model.evidence.objects.of_kind("apiservice");
    apis.find_map(|api| {
        let at =
            api.list("/status/conditions").iter().position(|c| c["type"] == "Available" && c["status"] == "False")?;
        let of = api.text("/spec/group").filter(|group| group.ends_with("metrics.k8s.io"))?;
        let (namespace, name) = api.text("/spec/service/namespace").zip(api.text("/spec/service/name"))?;
        let cited = api.cite(&format!("/status/conditions/{at}"), format!("{of} is not available"));
        Some((Subject::namespaced("service", namespace, name), cited))
    })
}

#[cfg(test)]
mod tests {
    use crate::causes::cpu_throttled::tests::{WELL, since};
    use crate::sketch::check;

    const LOST: &str = "object HorizontalPodAutoscaler n/b  spec.scaleTargetRef.kind=Deployment  spec.scaleTargetRef.name=b  spec.maxReplicas=5  status.currentReplicas=1  status.lastScaleTime=2026-01-01T11:00:00Z
         set horizontalpodautoscaler/n/b status.conditions[0].type=ScalingActive  status.conditions[0].status=\"False\"  status.conditions[0].reason=FailedGetResourceMetric
         set horizontalpodautoscaler/n/b status.conditions[0].message=\"the HPA was unable to compute the replica count: WORDS\"\n";

    fn world(words: &str) -> String {
        format!("{}{}", since(WELL, "900 800 0.5 0.6 25"), LOST.replace("WORDS", words))
    }
    const NONE: &str = "unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)";

    #[test]
    fn holds_where_the_load_has_risen_and_more_pods_are_allowed() {
        check(&format!("{}=> autoscaler-without-metrics horizontalpodautoscaler/n/b", world(NONE)));
        check(&format!("{}=> autoscaler-without-metrics deployment/n/b", world("missing request for cpu")));
        let api = "object APIService v1beta1.metrics.k8s.io spec.group=metrics.k8s.io spec.service.namespace=kube-system spec.service.name=metrics
             set apiservice/v1beta1.metrics.k8s.io status.conditions[0].type=Available status.conditions[0].status=\"False\"";
        check(&format!("{}{api}\n=> autoscaler-without-metrics service/kube-system/metrics", world(NONE)));
    }

    #[test]
    fn twins_it_never_had_them_has_made_all_it_may_or_there_is_no_load() {
        check(&format!("{}=> cpu-throttled deployment/n/b", world(NONE).replace("status.lastScaleTime", "status.x")));
        check(&format!("{}=> cpu-throttled deployment/n/b", world(NONE).replace("maxReplicas=5", "maxReplicas=1")));
        let calm = world(NONE).replace("900,800,0.5,0.6", "30,10,0.1,0");
        check(&format!("{calm}=> healthy"));
    }

    #[test]
    fn unknown_where_it_was_not_measured() {
        check(&format!("{}=> unknown", world(NONE).replace("b-cpu_cfs", "z-cpu_cfs").replace("b-cpu,", "z-cpu,")));
    }
}
