//! Evidence as others collect it: whole parts of it absent, statuses as `kubectl describe` has them, logs thinned. Whatever is left,
//! no recording is given a root that is not its own; an answer may become unknown, and it may stop at a link of its own chain.
//!
//! The tests are by reduction; each fails with what was wrongly said and, for whoever wants to make more of less, the counts.

use std::collections::{BTreeMap, BTreeSet};

use diagnoser::{Diagnosis, Subject, Verdict};
use lab::{
    recording::Recording,
    replay,
    score::{Outcome, score},
};
use lab_tests::{
    metamorphosis::{Files, without_fields, without_files, without_kind},
    recorded, root,
};

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Became {
    Exact,
    /// Some of its roots and no other, or a link of the chain of one: true, as the whole evidence says itself.
    Partial,
    Unknown,
    Wrong,
}

/// Diagnoses every recording as `reduce` leaves it. At least `exact` of the hundred stay what they were.
fn check(exact: usize, reduce: impl Fn(&Files) -> Files) {
    let mut counts: BTreeMap<Became, usize> = BTreeMap::new();
    let mut wrong = String::new();
    let names = recorded();
    for name in &names {
        let Recording { evidence, scenario, .. } =
            Recording::load(&root().recordings().join(name)).expect("a recording");
        let diagnose = |files| replay::diagnose(files, replay::NOT_RECORDED).expect("the evidence can be read");
        let reduced = reduce(&evidence);
        if reduced == evidence {
            continue;
        }
        let less = diagnose(reduced);
        let became = match (score(&scenario.truth, &less), less.verdict) {
            (Outcome::Exact, _) => Became::Exact,
            (_, Verdict::Unknown) => Became::Unknown,
            (_, Verdict::Confirmed) if is_known(&diagnose(evidence), &less) => Became::Partial,
            _ => Became::Wrong,
        };
        if became == Became::Wrong {
            wrong += &format!("{name}: {:?} {:?}\n", less.verdict, less.roots());
        }
        *counts.entry(became).or_default() += 1;
    }
    assert!(wrong.is_empty(), "{counts:?}\n{wrong}");
    let all: usize = counts.values().sum();
    let stayed = counts.get(&Became::Exact).copied().unwrap_or_default();
    assert!(100 * stayed >= exact * all, "{counts:?}: fewer than {exact} % stay exact");
}

/// Whether all that is said with less is true by the whole: as a root, or as something that holds and has its cause in one.
fn is_known(whole: &Diagnosis, less: &Diagnosis) -> bool {
    let noise = whole.noise.iter().filter(|noise| noise.why.contains("is explained without it"));
    let known: BTreeSet<(&str, &Subject)> =
        noise.map(|noise| (noise.cause.as_str(), &noise.subject)).chain(whole.roots()).collect();
    less.roots().iter().all(|root| known.contains(root))
}

fn kinds(files: &Files, gone: &[&str]) -> Files {
    gone.iter().fold(files.clone(), |files, kind| without_kind(&files, kind))
}

/// The files of which the name begins so.
fn only(files: &Files, kept: &[&str]) -> Files {
    without_files(files, |file| !kept.iter().any(|kept| file.starts_with(kept)))
}

/// Every tenth line of what programs logged.
fn thinned(files: &Files) -> Files {
    let thin = |text: &str| text.lines().step_by(10).map(|line| format!("{line}\n")).collect();
    let each = files.iter().map(|(name, text)| {
        let text = if name.starts_with("logs/") { thin(text) } else { text.clone() };
        (name.clone(), text)
    });
    each.collect()
}

#[test]
fn without_replica_sets() {
    check(97, |files| kinds(files, &["ReplicaSet", "ControllerRevision"]));
}

#[test]
fn without_endpoints() {
    check(90, |files| kinds(files, &["EndpointSlice", "Endpoints"]));
}

#[test]
fn without_nodes() {
    check(70, |files| kinds(files, &["Node"]));
}

#[test]
fn without_events() {
    check(70, |files| kinds(files, &["Event"]));
}

#[test]
fn objects_only() {
    check(12, |files| only(files, &["objects.json", "coverage.json"]));
}

#[test]
fn objects_events_and_logs() {
    check(15, |files| only(files, &["objects.json", "coverage.json", "logs/"]));
}

#[test]
fn objects_and_thinned_logs() {
    check(14, |files| thinned(&only(files, &["objects.json", "coverage.json", "logs/"])));
}

#[test]
fn without_logs() {
    check(70, |files| without_files(files, |file| file.starts_with("logs/")));
}

#[test]
fn logs_of_the_run_before_only() {
    check(70, |files| without_files(files, |file| file.starts_with("logs/") && !file.ends_with(".previous.txt")));
}

#[test]
fn conditions_without_words() {
    check(80, |files| without_fields(files, &["message", "reason", "lastTransitionTime"], "conditions"));
}

/// What `kubectl describe` does not print of a pod, and nothing but objects and logs besides.
#[test]
fn statuses_as_described() {
    check(10, |files| {
        let files = only(files, &["objects.json", "coverage.json", "logs/"]);
        let files = without_fields(&files, &["message", "reason", "lastTransitionTime", "lastProbeTime"], "conditions");
        let files = without_fields(&files, &["creationTimestamp", "uid", "resourceVersion", "generation"], "metadata");
        let files = without_fields(&files, &["message"], "waiting");
        kinds(&files, &["ReplicaSet", "EndpointSlice", "ControllerRevision"])
    });
}
