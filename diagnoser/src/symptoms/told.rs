//! Pods that run and whose logs tell that what they need fails: a database that turns every write down or has no connection left,
//! another that is not reached, an API server that forbids. Nothing restarts and no probe fails; it is said nowhere else.

use super::{Observation, Scope, Symptom};
use crate::{
    attempts,
    drivers::{self, Told},
    evidence::{Citation, Object},
    model::{Model, addresses_in, is_down, settings},
};

/// One symptom for each pod that tells.
pub(super) fn symptoms(model: &Model<'_>) -> Vec<Symptom> {
    let turned_down = |pod: &Object| drivers::last(model, pod.subject(), Told::ReadOnly);
    let says = "tells that its writes are turned down";
    let full = |pod: &Object| drivers::last(model, pod.subject(), Told::Full);
    let mut all = telling(model, Observation::RefusedInWords, says, turned_down);
    all.extend(telling(model, Observation::RefusedInWords, "tells that its database has no connection left", full));
    let held_up = |pod: &Object| held_up(model, pod).map(|(_, cited)| cited);
    all.extend(telling(model, Observation::RefusedInWords, "tells that a pod may not be taken away", held_up));
    number(all)
}

/// The last line in which a pod tells that another may not be taken away, where it tells so again and again: it drains a node, and
/// the API server answers 429 (policy/v1 Eviction).
pub(crate) fn held_up<'e>(model: &Model<'e>, pod: &Object) -> Option<(&'e str, Citation)> {
    const WORDS: &str = "would violate the pod's disruption budget";
    model.evidence.logs.of(pod.subject()).iter().find_map(|log| {
        let mut lines = log.text.lines().rev().take(200).filter(|line| line.contains(WORDS));
        let last = lines.next()?;
        lines.next()?;
        Some((last, log.last_line(|line| line == last)?))
    })
}

/// Pods that run and tell again and again of attempts in vain: at an address that their own settings name or that is one of a
/// Service; or at what the API server forbids them. It counts only where nobody else suffers, for who starts tries in vain for a while,
/// and where no requests are on record, which tell it themselves or that it does not matter.
pub(super) fn in_vain(model: &Model<'_>) -> Vec<Symptom> {
    if !model.evidence.traffic.is_empty() {
        return vec![];
    }
    let tells = |pod: &Object| {
        let named: Vec<&str> = settings(pod, "/spec").flat_map(|(_, text)| addresses_in(text)).collect();
        let hosts: Vec<&str> =
            named.iter().map(|named| named.rsplit_once(':').map_or(*named, |(host, _)| host)).collect();
        let own = |word: &str| {
            named.contains(&word) || hosts.contains(&word) || attempts::service(model, pod, word).is_some()
        };
        attempts::of_pod(model, pod.subject(), own).or_else(|| forbidden(model, pod))
    };
    telling(model, Observation::FailsInWords, "tells that what it needs fails", tells)
}

/// The API server's word that a pod's account may not do something, in its log (apiserver, `responsewriters.Forbidden`).
fn forbidden(model: &Model<'_>, pod: &Object) -> Option<Citation> {
    const ACCOUNT: &str = "system:serviceaccount:";
    let refused =
        |line: &str| line.contains("is forbidden: User ") && line.contains(ACCOUNT) && line.contains(" cannot ");
    model.evidence.logs.of(pod.subject()).iter().find_map(|log| log.last_line_within(200, refused))
}

/// Each its own name.
fn number(mut all: Vec<Symptom>) -> Vec<Symptom> {
    for (index, symptom) in all.iter_mut().enumerate() {
        symptom.id = format!("told-{}", index + 1);
    }
    all
}

fn telling(
    model: &Model<'_>,
    seen: Observation,
    says: &str,
    tells: impl Fn(&Object) -> Option<Citation>,
) -> Vec<Symptom> {
    let pods = model.evidence.objects.of_kind("pod").filter(|pod| !is_down(pod));
    let told = pods.filter_map(|pod| Some((pod, tells(pod)?)));
    let symptoms = told.enumerate().map(|(index, (pod, line))| Symptom {
        id: format!("told-{}", index + 1),
        subject: pod.subject().clone(),
        seen,
        says: format!("{} {says}", pod.subject()),
        since: None,
        evidence: vec![line],
        scope: Scope::Everything,
        origin: None,
        user: false,
        connection: None,
    });
    symptoms.collect()
}
