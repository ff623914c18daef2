//! A run of machines that is killed at any moment leaves nothing that `lab gc` does not remove.

use std::{
    collections::BTreeSet,
    fs,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use lab::ledger;

/// A scenario on the docker rig.
const SCENARIO: &str = "firewall-drop";
/// At how many moments of a run it is killed.
const MOMENTS: u32 = 20;

fn lab(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab-under-test"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn started() -> Child {
    lab(&["scenario", SCENARIO, "--live"]).spawn().expect("the program starts")
}

/// What there is of containers, networks, volumes, mounts and processes of containers, as the engine and the kernel tell.
fn what_there_is() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for arguments in [
        &["ps", "-a", "--format", "container {{.Names}}"][..],
        &["network", "ls", "--format", "network {{.Name}}"],
        &["volume", "ls", "--format", "volume {{.Name}}"],
    ] {
        let output = Command::new("docker").args(arguments).output().expect("docker");
        all.extend(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned));
    }
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
    all.extend(mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(|at| format!("mount {at}")));
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    all.extend(processes.filter_map(|entry| {
        let group = fs::read_to_string(entry.path().join("cgroup")).ok()?;
        let container = group.lines().find_map(|line| line.split_once("/docker/"))?.1.get(..12)?.to_owned();
        Some(format!("process of container {container}"))
    }));
    all
}

#[test]
#[ignore = "needs a container engine and the images, and takes ten minutes"]
fn a_killed_run_leaves_nothing_that_gc_does_not_remove() {
    assert!(lab(&["gc"]).status().expect("gc").success());
    let before = what_there_is();
    let begun = Instant::now();
    assert!(started().wait().expect("a run").success(), "{SCENARIO} passes when it is left alone");
    let whole = begun.elapsed();
    println!("{SCENARIO} takes {:.0} s", whole.as_secs_f64());
    assert_eq!(what_there_is(), before, "left after a whole run");
    for moment in 0..MOMENTS {
        let after = whole * (2 * moment + 1) / (2 * MOMENTS);
        let mut run = started();
        let begun = Instant::now();
        // The moment is a time of the run's own; there is nothing else to wait for.
        while begun.elapsed() < after && run.try_wait().expect("a run").is_none() {
            sleep(Duration::from_millis(20));
        }
        run.kill().expect("it can be killed");
        run.wait().expect("it ends");
        let left = what_there_is().difference(&before).count();
        assert!(lab(&["gc"]).status().expect("gc").success(), "gc after {after:?}");
        assert_eq!(what_there_is(), before, "left after gc of a run killed after {after:?}");
        assert!(ledger::left_over().is_empty(), "a ledger is left after {after:?}");
        println!("killed after {:5.1} s: {left} things were left, and removed", after.as_secs_f64());
    }
}
