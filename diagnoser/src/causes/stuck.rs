//! Pods that do not start, by the workload whose template they are made from; and the way back to the template before.

use std::collections::BTreeMap;

use super::{Finding, Lack, Proof, State, rollout};
use crate::{
    diagnosis::Fix,
    evidence::{Citation, Object},
    model::Model,
    propagation::Mode,
    subject::Subject,
};

pub(super) use crate::symptoms::events_of;

/// What a cause says of one pod.
pub(super) enum Look {
    /// It keeps this pod from starting.
    Yes(Vec<Citation>),
    /// It does not, and why.
    No(String, Vec<Citation>),
    /// That cannot be said without these.
    Unclear(Vec<Lack>),
}

/// Looks at every pod that is down. Pods of one workload of which the same is said are one finding: the cause sits in their
/// template. What it produces are those pods, not others of the workload that may be down for another reason.
pub(super) fn findings(
    model: &Model<'_>,
    look: impl Fn(&Object) -> Option<Look>,
    fix: impl Fn(&Subject, &Object) -> Fix,
) -> Vec<Finding> {
    let mut groups: BTreeMap<(Subject, u8), Vec<(&Object, Look)>> = BTreeMap::new();
    for pod in model.down() {
        let Some(look) = look(pod) else { continue };
        let rank = match look {
            Look::Yes(_) => 0,
            Look::No(..) => 1,
            Look::Unclear(_) => 2,
        };
        groups.entry((model.workload_of(pod.subject()), rank)).or_default().push((pod, look));
    }
    let findings = groups.into_iter().filter_map(|((owner, _), pods)| {
        let effects = pods.iter().map(|(pod, _)| (pod.subject().clone(), Mode::Down)).collect();
        let (pod, look) = pods.into_iter().next()?;
        let state = match look {
            Look::Yes(evidence) => {
                State::Holds(Box::new(Proof { evidence, fix: fix(&owner, pod), wants: vec![], changed: None }))
            }
            Look::No(because, evidence) => State::excluded(because, evidence),
            Look::Unclear(lacks) => State::Undecided(lacks),
        };
        Some(Finding { subject: owner, effects, state })
    });
    findings.collect()
}

/// Sets back what the last rollout changed, of the fields of the template that `matter`; in words only where there is nothing
/// to go back to.
pub(super) fn put_back(model: &Model<'_>, owner: &Subject, summary: String, matter: impl Fn(&str) -> bool) -> Fix {
    Fix { summary, ..rollout::back(model, owner, "", matter).0 }
}

/// The list in which an object would stand if it existed, as a reading.
pub(super) fn not_listed(resource: &str, says: impl Into<String>) -> Citation {
    Citation::new("coverage.json", format!("/listed/{resource}"), says)
}

/// What is said of a pod of which a container waits for this reason, or in these words; words that were spoken of none are left
/// to others.
pub(super) fn waits_for(pod: &Object, wanted: impl Fn(&str, &str) -> bool) -> Option<Look> {
    let (place, name, reason, message) = waiting(pod).find(|(_, _, reason, message)| wanted(reason, message))?;
    Some(Look::Yes(vec![pod.cite(&place, format!("{name} waits: {reason} {message}").trim())]))
}

/// The state of each container that waits: where it stands, the reason, and the message.
pub(super) fn waiting(pod: &Object) -> impl Iterator<Item = (String, &str, &str, &str)> {
    ["initContainerStatuses", "containerStatuses"].into_iter().flat_map(move |list| {
        let statuses = pod.list(&format!("/status/{list}")).iter().enumerate();
        statuses.filter_map(move |(i, status)| {
            let waiting = &status["state"]["waiting"];
            Some((
                format!("/status/{list}/{i}/state/waiting"),
                status["name"].as_str().unwrap_or_default(),
                waiting["reason"].as_str()?,
                waiting["message"].as_str().unwrap_or_default(),
            ))
        })
    })
}
