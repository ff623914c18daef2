//! One instance of several against its siblings: what `replica-failing` and `replica-slow` share.

use super::{Case, Lack, State};
use crate::{
    evidence::{Citation, Object, RequestRecord},
    model::{Model, is_ready},
    subject::Subject,
    symptoms::Symptom,
};

/// Fewer requests than this say nothing of an instance.
pub(super) const FEW: usize = 5;

/// What an instance and its siblings answered, since the symptom began; each record with its line less one.
pub(super) struct Contrast<'e> {
    /// The instance that stands out.
    pub(super) pod: Subject,
    /// What it is made from.
    pub(super) workload: Subject,
    /// What it answered.
    pub(super) own: Vec<(usize, &'e RequestRecord)>,
    /// What its siblings answered of the same kinds.
    pub(super) others: Vec<(usize, &'e RequestRecord)>,
}

/// For each symptom that ends at one pod alone of a workload of several: the pod against its siblings, or why they cannot
/// be compared.
pub(super) fn contrasts<'e>(
    case: &Case<'_, 'e>,
    of: impl Fn(&Symptom) -> bool,
) -> Vec<(Subject, Result<Contrast<'e>, State>)> {
    let model = case.model;
    let mut found: Vec<(Subject, Result<Contrast<'e>, State>)> = Vec::new();
    for symptom in case.symptoms.iter().filter(|symptom| symptom.user && of(symptom)) {
        let Some(origin) = &symptom.origin else { continue };
        let mut pods = origin.pods.iter();
        let (Some(pod), None) = (pods.next(), pods.next()) else { continue };
        if found.iter().any(|(known, _)| known == pod) {
            continue;
        }
        let Some(object) = model.object(pod) else {
            found.push((pod.clone(), Err(State::Undecided(vec![lack_of_pods(model, pod)]))));
            continue;
        };
        let workload = model.workload_of(pod);
        let siblings: Vec<&Object> = siblings(model, object, &workload);
        if siblings.is_empty() {
            continue;
        }
        found.push((pod.clone(), contrast(model, object, workload, &siblings, &origin.hop, symptom)));
    }
    found
}

/// Ready pods of the same workload.
fn siblings<'e>(model: &Model<'e>, pod: &Object, workload: &Subject) -> Vec<&'e Object> {
    model.pods_of(workload).filter(|other| other.subject() != pod.subject() && is_ready(other)).collect()
}

fn contrast<'e>(
    model: &Model<'e>,
    pod: &Object,
    workload: Subject,
    siblings: &[&Object],
    hop: &str,
    symptom: &Symptom,
) -> Result<Contrast<'e>, State> {
    const TEMPLATE: [&str; 2] = ["pod-template-hash", "controller-revision-hash"];
    let labels = pod.labels();
    for label in TEMPLATE {
        let other = siblings.iter().find(|other| {
            let theirs = other.labels().get(label).copied().map(str::to_owned);
            theirs.is_some() && theirs.as_deref() != labels.get(label).copied()
        });
        if let Some(other) = other.filter(|_| labels.contains_key(label)) {
            let because = format!("{} and {} are made from different templates", pod.subject(), other.subject());
            return Err(State::excluded(because, vec![pod.cite("/metadata/labels", labels[label])]));
        }
    }
    let records = model.evidence.traffic.iter().enumerate().filter(|(_, record)| {
        record.hop == hop && symptom.since.is_none_or(|since| record.time.is_none_or(|time| time >= since))
    });
    let (own, others): (Vec<_>, Vec<_>) = records
        .filter(|(_, record)| {
            record.pod().is_some_and(|by| by == *pod.subject() || siblings.iter().any(|other| by == *other.subject()))
        })
        .partition(|(_, record)| record.pod().as_ref() == Some(pod.subject()));
    let others: Vec<_> =
        others.into_iter().filter(|(_, other)| own.iter().any(|(_, record)| record.what() == other.what())).collect();
    if others.len() < FEW {
        let silent = siblings.iter().find(|other| model.evidence.logs.of(other.subject()).is_empty());
        return Err(match silent {
            Some(other) => State::Undecided(vec![Lack::log(other.subject(), None, "not collected")]),
            None => State::excluded(format!("the siblings of {} answered hardly anything", pod.subject()), vec![]),
        });
    }
    // What it passes on may come from behind it.
    if let Some((line, record)) = own.iter().rev().find(|(_, record)| record.upstream.is_some()) {
        let upstream = record.upstream.as_deref().unwrap_or_default();
        let because = format!("{} asked {upstream} and passed on what came of it", pod.subject());
        return Err(State::excluded(because, vec![cite(*line, format!("sent on to {upstream}"))]));
    }
    Ok(Contrast { pod: pod.subject().clone(), workload, own, others })
}

fn lack_of_pods(model: &Model<'_>, pod: &Subject) -> Lack {
    let why = match model.evidence.listed("pod", "pods") {
        crate::evidence::Fact::Missed(why) => why,
        crate::evidence::Fact::Seen(()) => format!("{pod} is not among them"),
    };
    Lack::objects("pods", pod.namespace.as_deref(), why)
}

/// A citation of a record of traffic.
pub(super) fn cite(line: usize, says: String) -> Citation {
    Citation::line("traffic.jsonl", line + 1, says)
}

/// How many of these records satisfy a condition.
pub(super) fn count(records: &[(usize, &RequestRecord)], wanted: impl Fn(&RequestRecord) -> bool) -> usize {
    records.iter().filter(|(_, record)| wanted(record)).count()
}
