//! Pods that the API server did not let whoever makes them make: what the causes that stand in such a refusal share.
//!
//! Source: kubernetes.io, Admission Controllers; kubernetes/pkg/controller/replicaset (condition ReplicaFailure, event
//! FailedCreate), which pass on the words of the one that refused.

use super::{Case, Finding, Lack, State, rollout};
use crate::{
    diagnosis::Fix,
    evidence::{Citation, Fact},
    model::Model,
    propagation::Mode,
    subject::Subject,
    symptoms::Lacking,
};

/// One finding for each workload that lacks pods, whose refusal `look` knows how to read. Where nothing was said and what was
/// said was not collected it is undecided.
pub(super) fn findings(
    case: &Case<'_, '_>,
    look: impl Fn(&Lacking<'_>, &str, Vec<Citation>) -> Option<(Subject, State)>,
) -> Vec<Finding> {
    let Fact::Seen(all) = case.model.lacking() else { return vec![] };
    let findings = all.iter().filter_map(|lacking| {
        let workload = lacking.workload.subject();
        let (subject, state) = match (&lacking.refusal, case.model.evidence.listed("event", "events")) {
            (Some((text, cited)), _) => look(lacking, text, vec![lacking.cited.clone(), cited.clone()])?,
            (None, Fact::Missed(why)) => {
                let lack = Lack::objects("events", Some(workload.namespace()), why);
                (workload.clone(), State::Undecided(vec![lack]))
            }
            (None, Fact::Seen(())) => return None,
        };
        Some(Finding { subject, effects: vec![(workload.clone(), Mode::Down)], state })
    });
    findings.collect()
}

/// What a cause says that sits in the template of a workload, and is proven by the refusal.
pub(super) fn in_template(
    model: &Model<'_>,
    lacking: &Lacking<'_>,
    evidence: Vec<Citation>,
    summary: String,
    concerns: impl Fn(&str) -> bool,
) -> (Subject, State) {
    let workload = lacking.workload.subject();
    let (fix, before) = rollout::back(model, workload, summary.clone(), concerns);
    let fix = Fix { summary, ..fix };
    (workload.clone(), State::holds(evidence.into_iter().chain(before).collect(), fix))
}
