//! What the causes of bad and of late answers share: what every hop logged of one failing request, in the order in which the
//! hops passed it on, and who stands behind a hop.

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, Finding, Lack, rollout};
use crate::{
    evidence::{Citation, Object, RequestRecord},
    model::{Model, Relation, is_ready},
    subject::Subject,
    symptoms::{Symptom, words},
};

/// A record of traffic and its line.
#[derive(Clone, Copy)]
pub(super) struct Line<'e> {
    index: usize,
    pub record: &'e RequestRecord,
}

impl Line<'_> {
    pub fn cite(&self) -> Citation {
        let record = self.record;
        let seconds = record.seconds.unwrap_or_default();
        let answer = match (record.status, &record.error) {
            (Some(status), _) => words(crate::symptoms::Observation::Status(status, Some(seconds))),
            (None, error) => error.clone().unwrap_or_else(|| "no answer".to_owned()),
        };
        Citation::line("traffic.jsonl", self.index + 1, format!("{}: {} {answer}", record.hop, record.what()))
    }

    /// How long it took.
    pub fn seconds(&self) -> f64 {
        self.record.seconds.unwrap_or_default()
    }
}

/// Every failing request that a symptom stands for, as the hops logged it from the outermost inward.
pub(super) fn failing<'e>(model: &Model<'e>, symptom: &Symptom) -> Vec<Vec<Line<'e>>> {
    let Some(origin) = &symptom.origin else { return Vec::new() };
    let traffic = model.evidence.traffic.iter().enumerate();
    let lines: Vec<Line<'e>> = traffic
        .filter(|(_, record)| record.id.as_ref().is_some_and(|id| origin.ids.contains(id)))
        .map(|(index, record)| Line { index, record })
        .collect();
    origin.ids.iter().map(|id| in_order(model, lines.iter().filter(|l| l.record.id.as_ref() == Some(id)))).collect()
}

/// Sorted by who passes on to whom; who is behind nobody stands first.
fn in_order<'a, 'e: 'a>(model: &Model<'e>, lines: impl Iterator<Item = &'a Line<'e>>) -> Vec<Line<'e>> {
    let mut left: Vec<(Line<'e>, BTreeSet<Subject>)> =
        lines.map(|line| (*line, pods_behind(model, line.record))).collect();
    let mut sorted = Vec::new();
    while !left.is_empty() {
        let first = left.iter().position(|(line, _)| {
            let pod = line.record.pod();
            !left.iter().any(|(other, behind)| {
                other.index != line.index && pod.as_ref().is_some_and(|pod| behind.contains(pod))
            })
        });
        sorted.push(left.remove(first.unwrap_or(0)).0);
    }
    sorted
}

/// The pods to which a hop sent a request on, as far as its upstream leads to any.
pub(super) fn pods_behind(model: &Model<'_>, record: &RequestRecord) -> BTreeSet<Subject> {
    let near = record.pod();
    let upstreams = record.upstream.as_deref().unwrap_or_default().split([',', ' ']).filter(|word| !word.is_empty());
    let named = upstreams.filter_map(|upstream| {
        let known = model.resolve(upstream, near.as_ref().map(Subject::namespace));
        known.or_else(|| Some(Subject::global("name", upstream.rsplit_once(':')?.0)))
    });
    let reached = model.closure(named, |_, edge| matches!(edge.relation, Relation::RoutesTo | Relation::ForwardsTo));
    reached.into_iter().filter(|subject| subject.is("pod")).collect()
}

/// The one workload that pods belong to, and those of its pods that serve.
pub(super) fn workload<'a>(
    model: &Model<'_>,
    pods: impl IntoIterator<Item = &'a Subject>,
) -> Option<(Subject, Vec<Subject>)> {
    let pods: Vec<&Subject> = pods.into_iter().collect();
    let workloads: BTreeSet<Subject> = pods.iter().map(|pod| model.workload_of(pod)).collect();
    let [workload] = Vec::from_iter(workloads).try_into().ok()?;
    let serving = pods.into_iter().filter(|pod| model.object(pod).is_some_and(is_ready)).cloned().collect();
    Some((workload, serving))
}

/// A hop that says what is wrong with the answer it got.
pub(super) struct Complaint<'e> {
    /// Its record.
    pub line: Line<'e>,
    /// What all hops logged of the same request.
    pub hops: Vec<Line<'e>>,
    /// Where it says so.
    pub evidence: Citation,
}

/// The innermost hop of a failing request that complains in one of these phrases (lower case) of programs known for them,
/// in its record or elsewhere in its log.
pub(super) fn complaint<'e>(model: &Model<'e>, symptom: &Symptom, phrases: &[&str]) -> Option<Complaint<'e>> {
    let said = |text: &str| {
        let text = text.to_ascii_lowercase();
        phrases.iter().any(|phrase| text.contains(phrase))
    };
    // Each log is long, and the same for every request.
    let mut logs: BTreeMap<Subject, Option<Citation>> = BTreeMap::new();
    for hops in failing(model, symptom) {
        for line in hops.iter().rev().filter(|line| line.record.failed()) {
            let in_record =
                line.record.error.as_deref().filter(|error| said(error)).map(|error| {
                    Citation::line("traffic.jsonl", line.index + 1, format!("{}: {error}", line.record.hop))
                });
            let mut in_log = || {
                let pod = line.record.pod()?;
                let search = || model.evidence.logs.of(&pod).iter().find_map(|log| log.last_line(said));
                logs.entry(pod.clone()).or_insert_with(search).clone()
            };
            if let Some(evidence) = in_record.or_else(&mut in_log) {
                return Some(Complaint { line: *line, hops, evidence });
            }
        }
    }
    None
}

/// The hop that made the error of a failing request: the innermost that logged it as failed and passed it on.
pub(super) fn maker<'e>(model: &Model<'e>, symptom: &Symptom) -> Option<Line<'e>> {
    failing(model, symptom).into_iter().find_map(|hops| {
        let failed = hops.into_iter().rev().filter(|line| line.record.failed());
        failed.into_iter().find(|line| !pods_behind(model, line.record).is_empty())
    })
}

/// The log of a pod, where nobody collected it.
pub(super) fn lack_log(model: &Model<'_>, pod: &Subject) -> Option<Lack> {
    if !model.evidence.logs.of(pod).is_empty() {
        return None;
    }
    let container = model.object(pod).and_then(|pod| pod.text("/spec/containers/0/name")).unwrap_or("CONTAINER");
    Some(Lack::log(pod, Some(container), "not collected"))
}

/// When the pods of a workload began, if it was rolled out with something else before.
pub(super) fn rolled_out(model: &Model<'_>, workload: &Subject) -> Option<jiff::Timestamp> {
    rollout::previous(model, workload)?;
    model.pods_of(workload).filter_map(|pod: &Object| pod.time("/metadata/creationTimestamp")).min()
}

/// Looks at every symptom of requests for which hops logged ids.
pub(super) fn of_each(case: &Case<'_, '_>, look: impl Fn(&Model<'_>, &Symptom) -> Option<Finding>) -> Vec<Finding> {
    let logged = |symptom: &&Symptom| symptom.origin.as_ref().is_some_and(|origin| !origin.ids.is_empty());
    case.symptoms.iter().filter(logged).filter_map(|symptom| look(case.model, symptom)).collect()
}
