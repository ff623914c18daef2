//! Evidence of others scored against their truth: here our own recordings, named in others' words.

use std::fs;

use lab::{
    scenario::{self, Truth},
    suite::Suite,
};
use lab_tests::{Folder, folder, run};

const LAB: &str = env!("CARGO_BIN_EXE_lab-under-test");

/// Scores recordings (`port-mismatch` ...) against this truth, with these words.
fn score(truth: &str, words: &str) -> lab_tests::Answer {
    let tables = Folder::new().with("truth.tsv", truth).with("words.tsv", words);
    let of = |name: &str| tables.path().join(name).to_string_lossy().into_owned();
    let (truth, words) = (of("truth.tsv"), of("words.tsv"));
    let root = folder().join("recordings").to_string_lossy().into_owned();
    run(
        LAB,
        tables.path(),
        ["suite", "--evidence-root", &root, "--truth", &truth, "--vocabulary", &words, "--format", "json"],
    )
}

#[test]
fn our_own_recordings_in_our_own_words_score_as_the_suite_does() {
    let names = ["healthy-policies", "network-policy-ingress-deny", "port-mismatch", "two-faults-504"];
    let scenarios: Vec<_> = names.iter().map(|name| scenario::find(&lab_tests::root(), name).unwrap()).collect();
    assert!(Suite::replay(&lab_tests::root(), &scenarios).is_exact());
    let lines = |name: &str| match recorded_truth(name) {
        Truth::Healthy => format!("{name}/evidence\thealthy\n"),
        Truth::Roots(roots) => {
            roots.iter().map(|root| format!("{name}/evidence\t{}\t{}\n", root.cause, root.subject)).collect()
        }
    };
    let answer = score(&names.map(lines).concat(), "");
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(answer.json()["totals"]["exact"], 4);
}

/// The truth of a recording, in the names its run had.
fn recorded_truth(name: &str) -> Truth {
    lab::recording::Recording::of(&lab_tests::root(), name).expect("a recording").scenario.truth
}

#[test]
fn others_words_mean_what_the_vocabulary_says() {
    let Truth::Roots(roots) = recorded_truth("port-mismatch") else { panic!("a fault") };
    let name = &roots[0].subject.name;
    let words = "bad port\tservice-named-port-missing, service-port-mismatch\napp/NAME\tdeployment\tservice\n";
    let of = |cause: &str, app: &str| {
        let answer = score(&format!("port-mismatch/evidence\t{cause}\tapp/{app}\n"), words).json();
        answer["cases"][0]["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(of("bad port", name), "exact");
    assert_eq!(of("bad port", "another"), "cause-only");
    assert_eq!(of("disk-full", name), "subject-only");
    let answer = score(&format!("port-mismatch/evidence\tdisk-full\tapp/{name}\nno-such\tbad port\tapp/x\n"), words);
    assert_eq!(answer.code, 1);
    assert_eq!(answer.json()["confusion"]["disk-full"]["service-port-mismatch"], 1);
    assert_eq!(answer.json()["cases"][1]["outcome"], "unscoreable");
}

#[test]
fn a_table_that_cannot_be_read_is_named_with_line_and_column() {
    score("port-mismatch/evidence\tdisk-full\n", "").assert_error(2, &["truth.tsv:1:23: 2 fields where three"]);
    score("a\tdisk-full\tapp/x\n", "bad port\tdisk-ful\n").assert_error(2, &["words.tsv:1:10: no cause `disk-ful`"]);
    let root = Folder::new();
    fs::write(root.path().join("t.tsv"), "a\tdisk-full\tapp/x\n").unwrap();
    let answer = run(LAB, root.path(), ["suite", "--evidence-root", "nowhere", "--truth", "t.tsv"]);
    answer.assert_error(2, &["nowhere: this folder does not exist"]);
    run(LAB, root.path(), ["suite", "--evidence-root", "."]).assert_error(2, &["--truth"]);
}
