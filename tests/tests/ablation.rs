//! Whatever one file or one kind of object is taken away, no recording is given another root cause, and no broken system is
//! called healthy: less evidence is never another answer.

use std::collections::BTreeSet;

use diagnoser::Verdict;
use lab::{recording::Recording, replay, scenario};
use lab_tests::{
    metamorphosis::{without_files, without_kind},
    root,
};

/// Every one of the first recordings, in every `cargo test`.
#[test]
fn of_the_first_recordings() {
    for name in [
        "conntrack-saturation",
        "full-table-no-drops",
        "healthy",
        "inode-exhaustion",
        "memory-limit-512m",
        "network-policy-ingress-deny",
        "port-mismatch",
        "selector-mismatch",
    ] {
        check(name);
    }
}

#[test]
#[ignore = "takes minutes; says of every recording what less evidence does to its answer"]
fn of_every_recording() {
    let names = scenario::names(&root()).expect("scenarios");
    let recorded = names.iter().filter(|name| root().recordings().join(name).is_dir());
    let failed: Vec<&String> = recorded.filter(|name| std::panic::catch_unwind(|| check(name)).is_err()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

fn check(name: &str) {
    let Recording { evidence, .. } = Recording::load(&root().recordings().join(name)).expect("a recording");
    let diagnose = |files| replay::diagnose(files, replay::NOT_RECORDED).expect("the evidence can be read");
    let whole = diagnose(evidence.clone());
    let files = evidence.keys().map(|gone| (gone.clone(), without_files(&evidence, |file| file == gone)));
    let objects: serde_json::Value = serde_json::from_str(&evidence["objects.json"]).expect("JSON");
    let kinds: BTreeSet<&str> =
        objects["items"].as_array().into_iter().flatten().filter_map(|object| object["kind"].as_str()).collect();
    let kinds = kinds.into_iter().map(|kind| (kind.to_owned(), without_kind(&evidence, kind)));
    for (gone, left) in files.chain(kinds) {
        let less = diagnose(left);
        let same = less.roots() == whole.roots() && less.verdict == whole.verdict;
        assert!(
            same || less.verdict == Verdict::Unknown,
            "{name} without {gone}: {:?} {:?}",
            less.verdict,
            less.roots()
        );
    }
}
