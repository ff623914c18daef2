//! Whatever a user gets wrong: the exit code, the place, what is wrong and the next step; never a panic or half an answer.

use std::{fs::File, process::Command};

use lab_tests::{Answer, Folder, folder, run};

const LAB: &str = env!("CARGO_BIN_EXE_lab-under-test");

fn diagnose(evidence: &Folder) -> Answer {
    run(LAB, evidence.path(), ["diagnose", "--evidence", "."])
}

/// A project of one scenario with this text.
fn project(scenario: &str) -> Folder {
    Folder::new().with("scenarios/one.yaml", scenario).with("recordings/README", "")
}

const SCENARIO: &str = "title: t\ntags: [x]\nworld: shop\nsymptom: none\ntruth: healthy\n";

#[test]
fn unknown_scenario_names_the_nearest() {
    let project = project(SCENARIO);
    let answer = run(LAB, project.path(), ["scenario", "oen"]);
    answer.assert_error(2, &["error: no scenario `oen`; did you mean `one`?", "lab list shows all 1"]);
}

#[test]
fn unknown_cause_names_the_nearest() {
    let answer = run(LAB, &folder(), ["explain", "service-port-mismach"]);
    answer.assert_error(
        2,
        &["no cause `service-port-mismach`; did you mean `service-port-mismatch`?", "lab explain shows all"],
    );
}

#[test]
fn unknown_tag_lists_the_tags() {
    let project = project(SCENARIO);
    run(LAB, project.path(), ["list", "--tag", "y"]).assert_error(2, &["no tag `y`", "Tags: x"]);
}

#[test]
fn unknown_command_and_missing_argument_are_usage_errors() {
    run(LAB, &folder(), ["scenarios"]).assert_error(2, &["unrecognized subcommand", "'scenario'"]);
    run(LAB, &folder(), ["diagnose"]).assert_error(2, &["--evidence"]);
    run(LAB, &folder(), ["scenario", "x", "--keep"]).assert_error(2, &["--live"]);
}

#[test]
fn broken_scenario_has_file_line_and_column() {
    let misspelt = project(&SCENARIO.replace("truth:", "thruth:"));
    let answer = run(LAB, misspelt.path(), ["scenario", "one"]);
    answer.assert_error(2, &["scenarios/one.yaml:5:1: unknown key `thruth`; did you mean `truth`?"]);

    let wrong_type = project(&SCENARIO.replace("[x]", "{x: y}"));
    run(LAB, wrong_type.path(), ["list"]).assert_error(2, &["scenarios/one.yaml:2:7: "]);

    let not_yaml = project("title: \"t\ntags");
    run(LAB, not_yaml.path(), ["list"]).assert_error(2, &["scenarios/one.yaml:"]);
}

#[test]
fn scenario_without_a_recording_says_how_to_make_one() {
    let project = project(SCENARIO);
    run(LAB, project.path(), ["scenario", "one"]).assert_error(3, &["no recording of `one`", "lab record one"]);
}

#[test]
fn a_project_that_is_none_is_said() {
    let empty = Folder::new();
    let output = Command::new(LAB).arg("list").env("LAB_ROOT", empty.path()).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not hold scenarios/ and recordings/"));
}

#[test]
fn damaged_recording_has_the_place() {
    let whole = project(SCENARIO)
        .with("recordings/one/scenario.yaml", SCENARIO)
        .with("recordings/one/evidence/probes.json", "[]");
    let meta = r#"{"format":1,"lab":"0.1.0","recorded":"2026-11-23T09:00:00Z","rig":"kind","components":{}}"#;
    let cut = whole.with("recordings/one/meta.json", &meta[..40]);
    run(LAB, cut.path(), ["scenario", "one"]).assert_error(2, &["recordings/one/meta.json:1:40", "damaged"]);
    let newer = cut.with("recordings/one/meta.json", meta.replace("\"format\":1", "\"format\":9"));
    run(LAB, newer.path(), ["scenario", "one"]).assert_error(2, &["recording format 9, this lab reads 1"]);
    let history = newer.with("recordings/one/meta.json", meta).with("recordings/one/history.jsonl", "\n{\"tim");
    run(LAB, history.path(), ["scenario", "one"]).assert_error(2, &["recordings/one/history.jsonl:1:0"]);
}

#[test]
fn an_answer_that_cannot_be_written_is_no_success() {
    for arguments in [
        &["list"][..],
        &["report", "port-mismatch"],
        &["scenario", "port-mismatch", "--format", "json"],
        &["serve", "port-mismatch", "--kubeconfig", "KUBECONFIG"],
    ] {
        let at = Folder::new();
        let kubeconfig = at.path().join("kubeconfig");
        let arguments =
            arguments.iter().map(|word| if *word == "KUBECONFIG" { kubeconfig.as_os_str() } else { word.as_ref() });
        let full = File::options().write(true).open("/dev/full").expect("it is there");
        let output = Command::new(LAB).args(arguments).current_dir(folder()).stdout(full).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("stdout: No space left on device") && said.contains("Make room"), "{said}");
        assert!(!kubeconfig.exists(), "nobody was told of it");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for arguments in [&["list"][..], &["explain"], &["suite", "port-mismatch"]] {
        let mut command = Command::new(LAB);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        command.args(arguments).current_dir(folder()).env("LAB_CACHE", Folder::new().path());
        let output = command.stdout(writer).output().expect("it starts");
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{arguments:?}");
    }
}

#[test]
fn work_ends_in_order_where_nobody_reads_what_went_wrong() {
    let full = || File::options().write(true).open("/dev/full").expect("it is there");
    let mut command = Command::new(LAB);
    let status =
        command.args(["list", "--tag", "nothing"]).current_dir(folder()).stdout(full()).stderr(full()).status();
    assert_eq!(status.expect("it starts").code(), Some(2));
}

/// A limit of the size of files stands for a disk that gets full in the middle.
#[test]
fn a_cluster_that_cannot_be_written_whole_is_not_there() {
    let at = Folder::new();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" generate cluster", LAB]).current_dir(at.path());
    let output = command.output().expect("sh");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("cluster/objects.json: File too large"), "{said}");
    assert!(!at.path().join("cluster").exists(), "half of it is left");
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let at = Folder::new().with("file", "");
    run(LAB, at.path(), ["generate", "file/cluster", "--pods", "10"])
        .assert_error(2, &["file/cluster: Not a directory"]);
}

#[test]
fn missing_folder_is_named() {
    let here = Folder::new();
    let answer = run(LAB, here.path(), ["diagnose", "--evidence", "./incident"]);
    answer.assert_error(2, &["./incident: this folder does not exist", "--evidence DIR"]);
}

#[test]
fn a_file_in_place_of_a_folder() {
    let here = Folder::new().with("objects.json", "{}");
    let answer = run(LAB, here.path(), ["diagnose", "--evidence", "objects.json"]);
    answer.assert_error(2, &["objects.json: this is a file, a folder is wanted"]);
}

#[test]
fn an_empty_folder_is_told_what_it_may_hold() {
    let words = ["there is no evidence in this folder", "objects.json", "hosts/<host>/<command>.txt", "kubectl get"];
    diagnose(&Folder::new()).assert_error(2, &words);
    diagnose(&Folder::new().with("notes.md", "we restarted it")).assert_error(2, &words);
}

#[test]
fn a_recording_in_place_of_its_evidence_is_recognised() {
    diagnose(&Folder::new().with("evidence/probes.json", "[]"))
        .assert_error(2, &["looks like a recording", "./evidence"]);
}

#[test]
fn truncated_json_has_the_place_and_the_next_step() {
    let objects = r#"{"kind":"List","items":[{"kind":"Pod","metadata":{"name":"a","#;
    diagnose(&Folder::new().with("objects.json", objects))
        .assert_error(2, &["./objects.json:1:", "ends in the middle", "kubectl get"]);
    diagnose(&Folder::new().with("probes.json", "[\n{")).assert_error(2, &["./probes.json:2:1: ", "cut off"]);
    diagnose(&Folder::new().with("traffic.jsonl", "{}\n{\"hop\":")).assert_error(2, &["./traffic.jsonl:2:"]);
    diagnose(&Folder::new().with("coverage.json", "")).assert_error(2, &["./coverage.json:1:"]);
}

#[test]
fn wrong_types_have_the_place() {
    diagnose(&Folder::new().with("probes.json", "{}")).assert_error(2, &["./probes.json:1:"]);
    let outcome = r#"[{"kind":"tcp","target":"a","outcome":"dunno"}]"#;
    diagnose(&Folder::new().with("probes.json", outcome)).assert_error(2, &["./probes.json:1:", "dunno"]);
}

#[test]
fn json_that_is_not_utf8_has_the_place_and_logs_are_read_anyway() {
    let answer = diagnose(&Folder::new().with("probes.json", b"[\n  \xff]"));
    answer.assert_error(2, &["./probes.json:2:3: this is not UTF-8 text"]);
    let log = Folder::new().with("logs/a_b_c.txt", b"caf\xe9\n").with("probes.json", "[]");
    assert_eq!(diagnose(&log).code, 0);
}

#[test]
fn strange_evidence_never_panics() {
    let strange = [
        "null",
        "[]",
        "{}",
        "{\"items\":null}",
        "{\"items\":[null,1,\"x\",{},{\"kind\":\"Pod\"},{\"kind\":{}}]}",
        "[[[[",
    ];
    for text in strange {
        let answer = diagnose(&Folder::new().with("objects.json", text).with("hosts/n/ss.txt", "\u{1b}[2J garbage"));
        assert!(matches!(answer.code, 0 | 2), "{text}: {answer:?}");
        assert!(!answer.stderr.contains("panicked"), "{text}: {answer:?}");
    }
}

#[cfg(unix)]
#[test]
fn links_that_lead_out_are_passed_over() {
    let secret = Folder::new().with("objects.json", "not json, and not read");
    let evidence = Folder::new().with("probes.json", "[]");
    for (target, name) in [("objects.json", "objects.json"), ("", "logs"), ("../../..", "services")] {
        let linked = std::os::unix::fs::symlink(secret.path().join(target), evidence.path().join(name));
        linked.expect("a link can be made");
    }
    let answer = diagnose(&evidence);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stderr.contains("leads out of the folder"), "{answer:?}");
}

#[test]
fn a_context_that_the_kubeconfig_has_not_is_named() {
    const CONFIG: &str = "apiVersion: v1\nkind: Config\ncontexts: [{name: production, context: {cluster: a, user: a}}]\n\
                          clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: a, user: {}}]\n";
    let folder = Folder::new().with("config", CONFIG);
    let diagnose = |context: &str| {
        let mut command = Command::new(LAB);
        command.args(["diagnose", "--context", context]).env("KUBECONFIG", folder.path().join("config"));
        let output = command.output().expect("the program starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = diagnose("prodution");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no context `prodution`; did you mean `production`?"), "{said}");
    let (code, said) = diagnose("production");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("asking the cluster of production for its version"), "{said}");
}
