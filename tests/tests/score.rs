//! Other diagnosers scored on recordings: the program itself is one, and shell lines that answer badly are others.

use std::process::Command;

use lab_tests::{Answer, folder, run};

const LAB: &str = env!("CARGO_BIN_EXE_lab-under-test");

fn score(command: &str, more: &[&str]) -> Answer {
    run(LAB, &folder(), ["score", "--diagnoser", command].iter().chain(more))
}

#[test]
fn the_program_itself_does_as_in_the_suite() {
    let command = format!("'{LAB}' diagnose --format json --evidence");
    let answer = score(&command, &["--format", "json", "port-mismatch", "healthy"]);
    assert_eq!((answer.code, &answer.json()["totals"]["exact"]), (0, &2.into()), "{answer:?}");
}

#[test]
fn false_positives_and_answers_that_are_none_are_counted_apart() {
    let always =
        r#"echo '{"format":1,"verdict":"confirmed","root_causes":[{"cause":"c","subject":"service/a/b"}]}'; :"#;
    let answer = score(always, &["port-mismatch", "healthy"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    for line in ["exact              0 of 2", "wrong              2", "false positives    1 of 1 controls"] {
        assert!(answer.stdout.contains(line), "`{line}` is not in:\n{}", answer.stdout);
    }
    let answer = score("echo one >&2; echo 'out of luck' >&2; exit 7; :", &["--format", "json", "healthy"]);
    assert_eq!(answer.json()["scenarios"][0]["says"], "exit code 7: out of luck");
    assert_eq!(answer.json()["totals"]["no-answer"], 1);
    let answer = score("echo hello; :", &["healthy"]);
    assert!(answer.stdout.contains("no-answer: no diagnosis on stdout"), "{answer:?}");
    let answer = score("sleep 600; :", &["--timeout", "1", "healthy"]);
    assert!(answer.stdout.contains("no-answer: no answer within 1s"), "{answer:?}");
}

#[test]
fn the_truth_is_not_to_be_had() {
    // Complains with all it can see of its folder and of where it is.
    let answer = score("f() { echo $(pwd; ls; env; echo \"$1\"; ls \"$1\") >&2; exit 5; }; f", &["port-mismatch"]);
    assert!(answer.stdout.contains("objects.json"), "{answer:?}");
    let said: String = answer.stdout.lines().filter(|line| !line.trim_start().starts_with("port-mismatch")).collect();
    assert!(!said.contains("mismatch"), "{said}");
}

#[test]
fn a_command_that_is_not_there_is_said_once() {
    score("no-such-diagnoser", &[]).assert_error(2, &["--diagnoser no-such-diagnoser: ", "not found", "full path"]);
    score("true", &["--timeout", "0"]).assert_error(2, &["--timeout"]);
    score("true", &["port-mismach"]).assert_error(2, &["did you mean `port-mismatch`?"]);
}

#[cfg(unix)]
#[test]
fn an_interruption_ends_it_and_leaves_nothing() {
    let mut command = Command::new(LAB);
    let command = command.args(["score", "--diagnoser", "kill -INT $PPID; sleep 600; :", "healthy"]);
    let output = command.current_dir(folder()).env_remove("LAB_ROOT").output().expect("it starts");
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(output.stdout, b"");
}
