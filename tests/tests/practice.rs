//! `lab train --live` on a real engine: a system is broken, worked on and taken back, also when the trainee is interrupted. Run by
//! `.ci/run`, or by hand: `cargo test -p lab-tests --test practice -- --ignored --test-threads 1` (needs the images).

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
};

use lab::{
    ledger,
    scenario::{self, Truth},
    train::progress::Progress,
};
use lab_tests::{Folder, folder, root};

/// A scenario of machines, which needs no cluster.
const SCENARIO: &str = "process-down";

fn begin(home: &Folder, scenario: &str) -> (Child, ChildStdin) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab-under-test"));
    command.args(["train", scenario, "--live"]).current_dir(folder()).env_remove("LAB_ROOT").env_remove("RUST_LOG");
    command.env("XDG_DATA_HOME", home.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let stdin = child.stdin.take().expect("stdin");
    (child, stdin)
}

fn kept(home: &Folder) -> Progress {
    Progress::load(&home.path().join("chaos-replay-lab/progress.json")).expect("it can be read")
}

/// The lab's machines and networks, as the engine tells.
fn there_are() -> String {
    let list = |arguments: &[&str]| {
        let output = Command::new("docker").args(arguments).output().expect("docker");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let label = "label=app.kubernetes.io/managed-by=lab";
    let machines = list(&["ps", "-a", "--filter", label, "--format", "{{.Names}}"]);
    machines + list(&["network", "ls", "-q", "--filter", label]).as_str()
}

/// Looks with these commands, then answers right: what is shown before the answer.
fn work(name: &str, looks: &[&str], secrets: &[&str]) -> String {
    let home = Folder::new();
    let (child, mut stdin) = begin(&home, name);
    let (cause, subject) = match &scenario::find(&root(), name).expect("a scenario").truth {
        Truth::Roots(roots) => (roots[0].cause.clone(), roots[0].subject.to_string()),
        Truth::Healthy => panic!("{name}: nothing is wrong"),
    };
    let lines = format!("{}\nanswer {cause}, {subject}\n", looks.join("\n"));
    stdin.write_all(lines.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}\n{told}");
    let (before, after) = said.split_once("train> answer").expect("the answer is shown");
    let title = scenario::find(&root(), name).expect("a scenario").title;
    for secret in [name, &title, &cause].into_iter().chain(secrets.iter().copied()) {
        assert!(!before.contains(secret) && !told.contains(secret), "`{secret}` was told: {said}\n{told}");
    }
    assert!(after.contains("Exact, in") && looks.iter().all(|look| after.contains(look)), "{said}");
    assert_eq!(kept(&home).records.len(), 1);
    assert!(ledger::left_over().is_empty());
    before.to_owned()
}

#[test]
#[ignore = "needs a container engine and the images"]
fn a_system_is_broken_worked_on_and_taken_back() {
    let before = there_are();
    let looks = ["show app systemctl is-active nginx", "show app ss -tln", "show requests"];
    let shown = work(SCENARIO, &looks, &["stop nginx"]);
    assert!(shown.contains("inactive") && shown.contains("Machines: "), "{shown}");
    assert_eq!(there_are(), before, "everything is taken back");
}

#[test]
#[ignore = "needs a container engine and the images"]
fn a_cluster_is_worked_on_with_kubectl() {
    let shown = work("port-mismatch", &["kubectl -n shop get endpointslices"], &[]);
    assert!(shown.contains("8080"), "{shown}");
}

#[test]
#[ignore = "needs a container engine and the images"]
fn who_is_interrupted_leaves_nothing_behind() {
    let before = there_are();
    for signal in ["INT", "TERM"] {
        let home = Folder::new();
        let (mut child, mut stdin) = begin(&home, SCENARIO);
        stdin.write_all(b"show app hostname\n").expect("it reads");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        assert!(lines.any(|line| line.is_ok_and(|line| line == "app")), "it ended before it was worked on");
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status().expect("kill");
        assert!(sent.success());
        let status = child.wait().expect("it ends");
        let mut told = String::new();
        child.stderr.take().expect("stderr").read_to_string(&mut told).expect("words");
        assert_eq!(status.code(), Some(130), "{signal}: {told}");
        assert!(told.contains("Everything is taken back"), "{signal}: {told}");
        assert_eq!(kept(&home), Progress::default(), "{signal}");
        assert_eq!(there_are(), before, "{signal}: everything is taken back");
        assert!(ledger::left_over().is_empty(), "{signal}");
    }
}
