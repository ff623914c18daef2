//! Whatever one file or one kind of object is taken away, no recording is given another root cause, and no broken system is
//! called healthy: less evidence is never another answer.

use std::collections::BTreeSet;

use diagnoser::Verdict;
use lab::{recording::Recording, replay};
use lab_tests::{
    metamorphosis::{without_files, without_kind},
    recorded, root,
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
    let failing = |name: &String| std::panic::catch_unwind(|| check(name)).is_err();
    let failed: Vec<String> = recorded().into_iter().filter(failing).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

fn check(name: &str) {
    let Recording { evidence, .. } = Recording::load(&root().recordings().join(name)).expect("a recording");
    let diagnose = |files| replay::diagnose(files, replay::NOT_RECORDED).expect("the evidence can be read");
    let whole = diagnose(evidence.clone());
    let files = evidence.keys().map(|gone| (gone.clone(), without_files(&evidence, |file| file == gone)));
    // Of machines there are none.
    let objects = evidence.get("objects.json").map_or("null", String::as_str);
    let objects: serde_json::Value = serde_json::from_str(objects).expect("JSON");
    let kinds: BTreeSet<&str> =
        objects["items"].as_array().into_iter().flatten().filter_map(|object| object["kind"].as_str()).collect();
    let kinds = kinds.into_iter().map(|kind| (kind.to_owned(), without_kind(&evidence, kind)));
    let mut others = String::new();
    for (gone, left) in files.chain(kinds) {
        let less = diagnose(left);
        // Of two faults one may be seen no more.
        let same = less.verdict == whole.verdict && less.roots().iter().all(|root| whole.roots().contains(root));
        if !same && less.verdict != Verdict::Unknown {
            others += &format!("{name} without {gone}: {:?} {:?}\n", less.verdict, less.roots());
        }
    }
    assert!(others.is_empty(), "less evidence is another answer:\n{others}");
}
