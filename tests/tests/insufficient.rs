//! With its deciding evidence taken away, each recording's right answer is "unknown", naming what is missing.

use std::collections::BTreeSet;

use diagnoser::Verdict;
use lab::{recording::Recording, replay, scenario::Truth};
use lab_tests::{
    metamorphosis::{Files, without_fields, without_files, without_kind},
    root,
};

/// Diagnoses the recording `name` after `remove`, and expects an unknown that names `missing`.
fn check(name: &str, missing: &str, remove: impl FnOnce(&Files) -> Files) {
    let recording = Recording::load(&root().recordings().join(name)).expect("a recording");
    let left = remove(&recording.evidence);
    assert_ne!(left, recording.evidence, "something is taken away");
    let diagnosis = replay::diagnose(left, replay::NOT_RECORDED).expect("the evidence can be read");
    assert_eq!(diagnosis.verdict, Verdict::Unknown, "{:#?}", diagnosis.root_causes);
    let named: Vec<&str> = diagnosis.missing.iter().map(|missing| missing.what.as_str()).collect();
    assert!(named.iter().any(|what| what.contains(missing)), "`{missing}` is not among {named:?}");
    assert!(diagnosis.missing.iter().all(|missing| !missing.how.is_empty()), "each says how to get it");
}

#[test]
fn port_mismatch_without_sockets_and_declared_ports() {
    check("port-mismatch", "_web-", |files| {
        let files = without_files(files, |name| name.contains("/ss-"));
        without_fields(&files, &["ports", "readinessProbe", "livenessProbe"], "containers")
    });
}

#[test]
fn selector_mismatch_without_pods() {
    check("selector-mismatch", "pods of namespace shop", |files| without_kind(files, "Pod"));
}

#[test]
fn memory_limit_without_events() {
    check("memory-limit-512m", "events of namespace shop", |files| without_kind(files, "Event"));
}

#[test]
fn network_policy_without_policies() {
    check("network-policy-ingress-deny", "networkpolicies of namespace shop", |files| {
        without_kind(files, "NetworkPolicy")
    });
}

#[test]
fn inode_exhaustion_without_df() {
    check("inode-exhaustion", "hosts/lab-worker/df-inodes.txt", |files| {
        without_files(files, |name| name.contains("df-inodes"))
    });
}

#[test]
fn conntrack_saturation_without_counters() {
    check("conntrack-saturation", "hosts/lab-worker/conntrack", |files| {
        without_files(files, |name| name.contains("/conntrack"))
    });
}

/// The answers about machines rest on readings of them, and without one of these are unknown, naming it.
#[test]
fn what_is_said_of_machines_rests_on_readings_that_are_named_when_they_are_gone() {
    for name in lab_tests::recorded() {
        let recording = Recording::load(&root().recordings().join(&name)).expect("a recording");
        if recording.meta.rig != "docker" || recording.scenario.truth == Truth::Healthy {
            continue;
        }
        let diagnose = |files| replay::diagnose(files, replay::NOT_RECORDED).expect("the evidence can be read");
        let whole = diagnose(recording.evidence.clone());
        let cited: BTreeSet<&str> =
            whole.root_causes.iter().flat_map(|root| &root.evidence).map(|cited| cited.source.as_str()).collect();
        let decides = |file: &&&str| {
            let left = diagnose(without_files(&recording.evidence, |other| other == **file));
            // What was tried has no file of its own: what is missing is the trying.
            let named = |what: &str| what.contains(**file) || !file.contains('/');
            left.verdict == Verdict::Unknown && left.missing.iter().any(|missing| named(&missing.what))
        };
        assert!(
            cited.iter().any(|file| decides(&file)),
            "{name}: none of {cited:?} decides, or none is named as missing"
        );
    }
}
