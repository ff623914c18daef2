//! The answers for programs: their shape is what others depend on.

use std::{collections::BTreeSet, process::Stdio};

use lab_tests::{Folder, folder, run};
use serde_json::{Value, json};

const LAB: &str = env!("CARGO_BIN_EXE_lab-under-test");

/// The keys of a JSON object.
fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().into_iter().flat_map(|map| map.keys().map(String::as_str)).collect()
}

/// Evidence of a Service that forwards to a port nobody listens on.
fn broken() -> Folder {
    broken_under("")
}

/// The same, in a folder below.
fn broken_under(below: &str) -> Folder {
    let ready = json!({"phase": "Running", "podIP": "10.0.0.5", "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "c", "ready": true, "restartCount": 0, "state": {"running": {}}}]});
    let objects = json!({"kind": "List", "items": [
        {"kind": "Service", "metadata": {"namespace": "a", "name": "s"},
         "spec": {"selector": {"app": "s"}, "ports": [{"port": 80, "targetPort": 8080}]}},
        {"kind": "EndpointSlice", "metadata": {"namespace": "a", "name": "s-x", "labels": {"kubernetes.io/service-name": "s"}},
         "ports": [{"port": 8080}], "endpoints": [{"addresses": ["10.0.0.5"], "conditions": {"ready": true},
         "targetRef": {"kind": "Pod", "namespace": "a", "name": "s-1"}}]},
        {"kind": "Pod", "metadata": {"namespace": "a", "name": "s-1", "labels": {"app": "s"}},
         "spec": {"nodeName": "n", "containers": [{"name": "c", "ports": [{"containerPort": 80}]}]}, "status": ready},
    ]});
    let probes = json!([{"kind": "http", "target": "http://s.a/", "outcome": "refused", "seconds": 0.001}]);
    Folder::new()
        .with(&format!("{below}objects.json"), objects.to_string())
        .with(&format!("{below}probes.json"), probes.to_string())
        .with(&format!("{below}hosts/n/ss-a_s-1.txt"), "LISTEN 0 128 0.0.0.0:80 0.0.0.0:*\n")
}

/// A project with one scenario, this truth in it, and its recording.
fn project(truth: &str) -> Folder {
    let scenario = format!(
        "title: The Service forwards elsewhere\ntags: [x]\nworld: shop\n\
         faults: [{{service-target-port: {{service: s, port: 8080}}}}]\n\
         symptom: {{http: {{from: client, url: \"http://s.a/\", outcome: refused}}}}\ntruth: {truth}\n"
    );
    let meta = json!({"format": 1, "lab": "0.1.0", "recorded": "2026-11-23T09:00:00Z", "rig": "kind",
        "components": {"kubernetes": "1.34.10", "kind": "0.33"}});
    broken_under("recordings/one/evidence/")
        .with("scenarios/one.yaml", &scenario)
        .with("recordings/one/scenario.yaml", &scenario)
        .with("recordings/one/meta.json", meta.to_string())
        .with("recordings/one/history.jsonl", "")
}

#[test]
fn scenario_replays_the_recording_and_scores_it() {
    let project = project("{cause: service-port-mismatch, subject: service/a/s}");
    let answer = run(LAB, project.path(), ["scenario", "one", "--format", "json"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{answer:?}");
    let one = answer.json();
    assert_eq!(keys(&one), BTreeSet::from(["diagnosis", "mode", "scenario", "score", "seconds"]));
    assert_eq!(
        (&one["scenario"], &one["mode"], &one["score"]["outcome"]),
        (&json!("one"), &json!("replay"), &json!("exact"))
    );

    let told = run(LAB, project.path(), ["scenario", "one"]);
    let words = [
        "Replaying recordings/one: Kubernetes 1.34.10 on kind 0.33, 2026-11-23.",
        "--live",
        "exact: cause and subject",
    ];
    assert!(words.iter().all(|word| told.stdout.contains(word)), "{told:?}");
    assert_eq!(run(LAB, project.path(), ["suite"]).code, 0);
}

#[test]
fn an_answer_that_differs_from_the_truth_exits_with_1() {
    let project = project("{cause: service-port-mismatch, subject: service/a/other}");
    let answer = run(LAB, project.path(), ["scenario", "one", "--format", "json"]);
    assert_eq!((answer.code, &answer.json()["score"]["outcome"]), (1, &json!("cause-only")));
    let told = run(LAB, project.path(), ["scenario", "one"]);
    assert!(told.stdout.contains("cause-only: the truth is service-port-mismatch in service/a/other"), "{told:?}");
    assert_eq!(run(LAB, project.path(), ["suite"]).code, 1);
}

#[test]
fn scores_are_tests_for_continuous_integration() {
    let project = project("{cause: service-port-mismatch, subject: service/a/other}");
    let suite = run(LAB, project.path(), ["suite", "--format", "junit"]);
    let scenario = run(LAB, project.path(), ["scenario", "one", "--format", "junit"]);
    for answer in [&suite, &scenario] {
        assert_eq!(answer.code, 1, "{answer:?}");
        for part in [
            "<testsuite name=\"replay\" tests=\"1\"",
            "failures=\"1\"",
            "<testcase name=\"one\" classname=\"replay\"",
            "<failure message=\"service-port-mismatch in service/a/s\" type=\"cause-only\"",
        ] {
            assert!(answer.stdout.contains(part), "`{part}` is not in {answer:?}");
        }
    }
    assert!(scenario.stdout.contains("<system-out>") && scenario.stdout.contains("5 root cause"), "{scenario:?}");
}

#[test]
fn a_run_and_anyones_evidence_are_told_in_one_file() {
    let project = project("{cause: service-port-mismatch, subject: service/a/s}");
    let of_run = run(LAB, project.path(), ["scenario", "one", "--format", "html"]);
    assert_eq!(of_run.code, 0, "{of_run:?}");
    for part in ["<!doctype html>", "The Service forwards elsewhere", "exact: cause and subject"] {
        assert!(of_run.stdout.contains(part), "`{part}` is not in {of_run:?}");
    }
    let evidence = broken().with("metrics.csv", "time,s-rps,s-p90latency\n10:00,5,20\n10:01,5,40\n");
    let foreign = run(LAB, evidence.path(), ["diagnose", "--evidence", ".", "--format", "html"]);
    assert_eq!(foreign.code, 0, "{foreign:?}");
    for part in ["service&#x2f;a&#x2f;s", "aria-label=\"s-p90latency, from 20.0 to 40.0\"", "d=\"M0.0 30.0L640.0 0.0\""]
    {
        assert!(foreign.stdout.contains(part), "`{part}` is not in {}", foreign.stdout);
    }
    assert!(!foreign.stdout.contains("class=\"note"), "there is no truth to judge it by");
}

#[test]
fn diagnose_gives_format_1() {
    let evidence = broken();
    let answer = run(LAB, evidence.path(), ["diagnose", "--evidence", ".", "--format", "json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let diagnosis = answer.json();
    assert_eq!(diagnosis["format"], 1);
    assert_eq!(diagnosis["verdict"], "confirmed");
    let root = &diagnosis["root_causes"][0];
    assert_eq!((&root["cause"], &root["subject"]), (&json!("service-port-mismatch"), &json!("service/a/s")));
    let wanted = ["cause", "subject", "owner", "evidence", "explains", "fix"];
    assert!(wanted.iter().all(|key| keys(root).contains(key)), "{root}");
    assert!(["noise", "missing", "steps"].iter().all(|key| diagnosis[key].is_array()), "{diagnosis}");
}

#[test]
fn diagnose_exits_with_1_only_when_asked_to() {
    let evidence = broken();
    assert_eq!(run(LAB, evidence.path(), ["diagnose", "--evidence", "."]).code, 0);
    assert_eq!(run(LAB, evidence.path(), ["diagnose", "--evidence", ".", "--exit-code"]).code, 1);
}

#[test]
fn the_same_evidence_gives_the_same_bytes() {
    let evidence = broken();
    let once = || run(LAB, evidence.path(), ["diagnose", "--evidence", ".", "--format", "json"]).stdout;
    assert_eq!(once(), once());
}

#[test]
fn a_pipe_gets_words_without_colour_or_control_characters() {
    let evidence = broken();
    let answer = run(LAB, evidence.path(), ["diagnose", "--evidence", "."]);
    assert!(answer.stdout.contains("service-port-mismatch in service/a/s"), "{answer:?}");
    assert!(!answer.stdout.contains('\u{1b}'), "{answer:?}");
    assert_eq!(answer.stderr, "");
    let wide: Vec<&str> = answer.stdout.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{wide:?}");
}

#[test]
fn list_gives_every_scenario_sorted() {
    let answer = run(LAB, &folder(), ["list", "--format", "json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let list = answer.json();
    let entries = list.as_array().expect("an array");
    for entry in entries {
        assert_eq!(
            keys(entry),
            BTreeSet::from(["difficulty", "name", "number", "rig", "recorded", "tags", "title"]),
            "{entry}"
        );
        assert!(entry["difficulty"].is_f64() && entry["recorded"].is_boolean() && entry["tags"].is_array(), "{entry}");
    }
    let names: Vec<&str> = entries.iter().filter_map(|entry| entry["name"].as_str()).collect();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
}

#[test]
fn suite_gives_rows_and_totals() {
    let answer = run(LAB, &folder(), ["suite", "--format", "json"]);
    let suite = answer.json();
    let rows = suite["scenarios"].as_array().expect("an array");
    let total: u64 = ["exact", "cause-only", "subject-only", "symptom-only", "wrong", "abstained", "unscoreable"]
        .iter()
        .map(|outcome| suite["totals"][outcome].as_u64().unwrap_or_else(|| panic!("no total of {outcome}: {suite}")))
        .sum();
    assert_eq!(total, rows.len() as u64, "{suite}");
    assert!(suite["totals"]["false-positives"].is_u64(), "{suite}");
    assert!(
        rows.iter().all(|row| row["name"].is_string() && row["outcome"].is_string() && row["seconds"].is_f64()),
        "{suite}"
    );
    assert_eq!(answer.code == 0, suite["totals"]["exact"] == rows.len(), "{suite}");
}

#[test]
fn explain_gives_the_reference_in_both_forms() {
    let text = run(LAB, &folder(), ["explain", "inode-exhaustion"]);
    assert!(["Confirm by hand", "Who acts", "df -i"].iter().all(|word| text.stdout.contains(word)), "{text:?}");
    let one = run(LAB, &folder(), ["explain", "inode-exhaustion", "--format", "json"]).json();
    assert_eq!(keys(&one), BTreeSet::from(["cause", "sections", "title"]));
    assert_eq!(keys(&one["sections"][0]), BTreeSet::from(["heading", "text"]));
    let all = run(LAB, &folder(), ["explain", "--format", "json"]).json();
    assert!(all.as_array().expect("an array").contains(&one));
}

#[test]
fn help_shows_every_command_and_the_exit_codes() {
    let answer = run(LAB, &folder(), ["--help"]);
    assert_eq!(answer.code, 0);
    for word in [
        "scenario",
        "list",
        "suite",
        "record",
        "diagnose",
        "explain",
        "doctor",
        "images",
        "up",
        "down",
        "gc",
        "Exit codes",
    ] {
        assert!(answer.stdout.contains(word), "{word} is not in:\n{}", answer.stdout);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = std::process::Command::new(LAB)
        .args(["explain", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}
