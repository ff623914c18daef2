//! Every folder of recordings/ is a test (build.rs makes them): the diagnosis of the real run is exact, and stays so when
//! everything has another name or stands in another order.

use diagnoser::Diagnosis;
use lab::{
    recording::Recording,
    replay,
    scenario::{self, PLACES, Placement, Truth, World},
    score::{Outcome, score},
    variant::{self, Renaming},
};
use lab_tests::{
    metamorphosis::{renaming, reordered},
    root,
};

include!(concat!(env!("OUT_DIR"), "/recordings.rs"));

fn check(name: &str) {
    let Recording { scenario, evidence, history, meta } =
        Recording::load(&root().recordings().join(name)).expect("a recording");
    let today = scenario::find(&root(), name).expect("a recording is of a scenario");
    let places = (0..PLACES).map(|place| {
        let world = World::load(&root(), &today.world, &Placement::number(place)).expect("a world");
        today.placed(&world).expect("a scenario").truth
    });
    assert!(places.into_iter().any(|truth| truth == scenario.truth), "the scenario has changed since; record it again");
    assert!(!history.is_empty() && !meta.components.is_empty(), "it says what happened, and with which components");

    let diagnose = |files| replay::diagnose(files, replay::NOT_RECORDED).expect("the evidence can be read");
    let plain = diagnose(evidence.clone());
    assert_eq!(score(&scenario.truth, &plain), Outcome::Exact, "{plain:#?}");
    assert_eq!(plain, diagnose(evidence.clone()), "the same evidence, the same answer");
    assert_eq!(plain.roots(), diagnose(reordered(&evidence)).roots(), "in another order");

    let names = renaming(&evidence);
    let other = diagnose(names.files(&evidence));
    assert_eq!((other.verdict, said(&other)), (plain.verdict, wanted(&scenario.truth, &names)), "under other names");

    let recording = Recording { scenario, evidence, history, meta };
    for seed in [1, 2] {
        let Recording { scenario, evidence, .. } = variant::of(recording.clone(), seed);
        let other = diagnose(evidence);
        assert_eq!(score(&scenario.truth, &other), Outcome::Exact, "variant {seed}: {other:#?}");
    }
}

/// The roots of a diagnosis, in words.
fn said(diagnosis: &Diagnosis) -> Vec<String> {
    diagnosis.roots().iter().map(|(cause, subject)| format!("{cause} in {subject}")).collect()
}

/// The roots of the truth in other names, in words.
fn wanted(truth: &Truth, names: &Renaming) -> Vec<String> {
    match truth {
        Truth::Healthy => vec![],
        Truth::Roots(roots) => {
            roots.iter().map(|root| format!("{} in {}", root.cause, names.subject(&root.subject))).collect()
        }
    }
}

#[test]
fn all_together_stay_small() {
    fn bytes(folder: &std::path::Path) -> u64 {
        let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.map(|path| if path.is_dir() { bytes(&path) } else { path.metadata().expect("a file").len() }).sum()
    }
    let total = bytes(&root().recordings());
    assert!(total < 40 << 20, "all recordings together are {} MiB, 40 are allowed", total >> 20);
}
