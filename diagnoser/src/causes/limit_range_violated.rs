//! A workload's pods ask for more or less than a LimitRange of their namespace allows, so they are refused.
//!
//! # What it looks like
//! The workload has no pods and nobody is to be seen that fails: the refusal stands at whoever makes them, and names the bound.
//! Pods made before keep running.
//!
//! # Confirm by hand
//! `kubectl -n NS describe rs -l app=NAME` says `maximum cpu usage per Container is X, but limit is Y` (or minimum, or ratio);
//! `kubectl -n NS describe limitrange`.
//!
//! # Fix
//! Let the containers ask for what is allowed; where the bound is too tight for all, change the LimitRange.
//!
//! # Who acts
//! The owner of the workload; of the LimitRange where it keeps out several.
//!
//! # Source
//! kubernetes.io, Limit Ranges; kubernetes/plugin/pkg/admission/limitranger.

use super::{Case, Cause, Finding, State, refusals};
use crate::{diagnosis::Fix, evidence::Object};

/// See the module's comment.
pub struct LimitRangeViolated;

impl Cause for LimitRangeViolated {
    fn id(&self) -> &'static str {
        "limit-range-violated"
    }

    fn source(&self) -> &'static str {
        include_str!("limit_range_violated.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let mut found = refusals::findings(case, |lacking, text, evidence| {
            says_so(text).then_some(())?;
            let mut ranges = model.evidence.objects.in_namespace("limitrange", lacking.workload.namespace());
            let range = ranges.next().filter(|_| ranges.next().is_none());
            let cited = range.map(|range| range.cite("/spec/limits", "what one may ask for"));
            let summary = format!("Let {} ask for what the LimitRange allows", lacking.workload.subject());
            let evidence = evidence.into_iter().chain(cited).collect();
            Some(refusals::in_template(model, lacking, evidence, summary, |field| field.contains("/resources")))
        });
        // One that keeps out several workloads is itself what does not fit.
        for range in model.evidence.objects.of_kind("limitrange") {
            let kept = |finding: &Finding| {
                finding.subject.namespace() == range.namespace() && matches!(finding.state, State::Holds(_))
            };
            let (out, others): (Vec<_>, Vec<_>) = found.into_iter().partition(kept);
            found = others;
            match <[Finding; 1]>::try_from(out) {
                Ok([one]) => found.push(one),
                Err(several) => found.extend(joined(range, several)),
            }
        }
        found
    }
}

/// `minimum cpu usage per Container is 100m, but request is 50m`, `cpu max limit to request ratio per Pod is 2, but provided ratio is 4`.
fn says_so(text: &str) -> bool {
    let bound = ["maximum ", "minimum ", " max limit to request ratio "].iter().any(|word| text.contains(word));
    bound && text.contains(" per ") && text.contains(" is ") && text.contains(", but ")
}

/// The findings of several workloads as one of the range.
fn joined(range: &Object, several: Vec<Finding>) -> Option<Finding> {
    let mut evidence = vec![range.cite("/spec/limits", "what one may ask for")];
    let mut effects = vec![];
    for finding in several {
        if let State::Holds(proof) = finding.state {
            evidence.extend(proof.evidence);
        }
        effects.extend(finding.effects);
    }
    let summary = format!("Let {} allow what the workloads of its namespace need", range.subject());
    let state = State::holds(evidence, Fix { summary, patch: vec![] });
    (!effects.is_empty()).then(|| Finding { subject: range.subject().clone(), effects, state })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/s  selector app=s  80 -> 80
         deployment a/s  app=s
         object ServiceAccount a/default
         object ReplicaSet a/s-1  spec.replicas=1  metadata.ownerReferences[0].kind=Deployment  metadata.ownerReferences[0].name=s
         ingress a/s  s.example.test -> s
         probe http://s.example.test/  503 in 2ms";

    fn refused(words: &str) -> String {
        format!("{WORLD}\nevent replicaset/a/s-1  FailedCreate  Error creating: {words}")
    }

    const SAYS: &str = "pods \"s-1-x\" is forbidden: maximum memory usage per Container is 64Mi, but limit is 128Mi";
    const RANGE: &str = "object LimitRange a/most  spec.limits[0].type=Container  spec.limits[0].max.memory=64Mi";

    #[test]
    fn holds_in_the_workload() {
        check(&format!("{}\n{RANGE}\n=> limit-range-violated deployment/a/s", refused(SAYS)));
        check(&format!("{}\n=> limit-range-violated deployment/a/s", refused(SAYS)));
    }

    #[test]
    fn holds_in_the_range_where_it_keeps_out_several() {
        let other = "deployment a/t  app=t\nevent deployment/a/t  FailedCreate  Error creating: pods \"t-x\" is forbidden: maximum memory usage per Pod is 64Mi, but limit is 1Gi";
        check(&format!("{}\n{RANGE}\n{other}\n=> limit-range-violated limitrange/a/most", refused(SAYS)));
    }

    #[test]
    fn twin_another_refusal() {
        check(&format!("{}\n{RANGE}\n=> unknown", refused("pods \"s-1-x\" is forbidden: not today")));
    }

    #[test]
    fn unknown_without_what_was_said() {
        check(&format!("{WORLD}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
