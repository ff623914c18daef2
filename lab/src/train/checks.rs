//! The common mistakes: what one should have looked at, and did not. A check counts only where the exercise has what it
//! would have shown; that one was made is told by what was looked at.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Exercise, Look, Topic};
use crate::scenario::{Symptom, Truth};

/// A habit of those who find causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// See the whole before the detail.
    Health,
    /// At once, or after a wait?
    Timing,
    /// What changed just before it began?
    Change,
    /// Which requests fail, and which do not?
    Contrast,
    /// Whose log has the request last?
    HopByHop,
    /// Who stands behind the Service?
    Endpoints,
    /// What does the cluster say of its objects?
    Events,
    /// What did the container say before it ended?
    PreviousLogs,
    /// The same question at both ends of a connection.
    OtherEnd,
    /// The reading that proves it.
    Proof,
}

impl Check {
    const ALL: [Self; 10] = [
        Self::Health,
        Self::Timing,
        Self::Change,
        Self::Contrast,
        Self::HopByHop,
        Self::Endpoints,
        Self::Events,
        Self::PreviousLogs,
        Self::OtherEnd,
        Self::Proof,
    ];

    /// Why one should.
    pub fn why(self) -> &'static str {
        match self {
            Self::Health => "system health: what is up and ready, before any detail, tells where not to look",
            Self::Timing => {
                "timing: at once means that something alive refused; silence until a timeout means the network, or somebody slow"
            }
            Self::Change => "the change: what was changed just before the first failure is the first suspect",
            Self::Contrast => {
                "the contrast: what the failing requests share and the others do not is the smallest place to look in"
            }
            Self::HopByHop => "hop by hop: the fault sits after the last hop whose log has the request",
            Self::Endpoints => "endpoints: empty, unready or of the wrong port are three different causes",
            Self::Events => "events: the cluster says itself why a pod is not made, not placed or not ready",
            Self::PreviousLogs => {
                "previous logs: why a container ended stands in the log of the run before the restart"
            }
            Self::OtherEnd => "the other end: a connection has two ends, and each machine tells of its own only",
            Self::Proof => "the proof: the reading that shows the cause itself, not only its effect",
        }
    }

    /// Whether the exercise has something to find that way.
    fn applies(self, exercise: &Exercise) -> bool {
        let files = &exercise.files;
        let cited = || proofs(exercise);
        let wrong = exercise.scenario.truth != Truth::Healthy;
        let probe = match &exercise.scenario.symptom {
            Symptom::Probe(probe) => Some(probe),
            _ => None,
        };
        let on_path = |kind: &str| exercise.diagnosis.path.iter().any(|hop| hop.subjects.iter().any(|s| s.is(kind)));
        match self {
            Self::Health => true,
            Self::Timing => probe.is_some(),
            Self::Change => wrong && files.contains_key("changes.json"),
            Self::Contrast => probe.is_some_and(|probe| probe.share.is_some() || probe.bytes.is_some()),
            Self::HopByHop => probe.is_some() && exercise.diagnosis.path.iter().any(|hop| hop.broken_after),
            Self::Endpoints => wrong && on_path("service"),
            Self::Events => cited().contains(&Topic::Events),
            Self::PreviousLogs => cited().contains(&Topic::PreviousLogs),
            Self::OtherEnd => wrong && ends(exercise).len() > 1,
            Self::Proof => wrong,
        }
    }

    /// Whether these looks are the check.
    fn made(self, looks: &[Look], exercise: &Exercise) -> bool {
        let seen: BTreeSet<Topic> = looks.iter().map(|look| look.topic).collect();
        let any = |topics: &[Topic]| topics.iter().any(|topic| seen.contains(topic));
        match self {
            Self::Health => any(&[Topic::Health]),
            Self::Timing => any(&[Topic::Requests, Topic::Probes, Topic::Monitoring]),
            Self::Change => any(&[Topic::Changes, Topic::Events]),
            Self::Contrast => any(&[Topic::Requests, Topic::Monitoring]),
            Self::HopByHop => any(&[Topic::Requests, Topic::Logs]),
            Self::Endpoints => any(&[Topic::Endpoints]),
            Self::Events => any(&[Topic::Events]),
            Self::PreviousLogs => any(&[Topic::PreviousLogs]),
            Self::OtherEnd => {
                let hosts: BTreeSet<&str> = looks.iter().filter_map(|look| look.host.as_deref()).collect();
                hosts.len() > 1
            }
            Self::Proof => proofs(exercise).iter().any(|topic| seen.contains(topic)),
        }
    }
}

/// The checks that apply and were not made.
pub(super) fn skipped(looks: &[Look], exercise: &Exercise) -> Vec<Check> {
    Check::ALL.into_iter().filter(|check| check.applies(exercise) && !check.made(looks, exercise)).collect()
}

/// What the readings that prove the roots are about.
fn proofs(exercise: &Exercise) -> BTreeSet<Topic> {
    let cited = exercise.diagnosis.root_causes.iter().flat_map(|root| &root.evidence);
    let topic = |source: &str, path: &str| match source {
        "objects.json" => exercise.kind_at(path).map(|kind| Topic::of_kind(&kind)),
        "coverage.json" => None,
        file => Some(Topic::of_file(file)),
    };
    cited.filter_map(|citation| topic(&citation.source, &citation.path)).collect()
}

/// The machines on the way of the failing request.
fn ends(exercise: &Exercise) -> BTreeSet<&str> {
    let subjects = exercise.diagnosis.path.iter().flat_map(|hop| &hop.subjects);
    subjects.filter(|subject| subject.is("host")).map(|subject| subject.name.as_str()).collect()
}
