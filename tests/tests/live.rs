//! The whole program on a real engine and cluster. Run by `.ci/run`, or by hand:
//! `cargo test -p lab-tests --test live -- --ignored --nocapture` (needs the images: `lab images build`).

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use lab::{ledger, scenario};
use lab_tests::root;

/// How long one scenario may take on a warm cluster, the gate included.
const LIMIT: Duration = Duration::from_secs(90);
/// The exit code of a run that was not fit to be judged; such a run is tried once more.
const UNSCOREABLE: i32 = 4;

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn lab(arguments: &[&str]) -> Output {
    run(env!("CARGO_BIN_EXE_lab-under-test"), arguments)
}

fn must(arguments: &[&str]) {
    let output = lab(arguments);
    assert!(output.status.success(), "lab {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "needs a container engine and the images"]
fn every_scenario_passes_its_gate_and_the_host_stays_as_it_was() {
    must(&["gc"]);
    must(&["down"]);
    let before = Host::now();
    must(&["up"]);
    let mut failures = Vec::new();
    for name in scenario::names(&root()).expect("scenarios") {
        let once = || {
            let begun = Instant::now();
            let output = lab(&["scenario", &name, "--live", "--format", "json"]);
            (output, begun.elapsed())
        };
        let (mut output, mut took) = once();
        if output.status.code() == Some(UNSCOREABLE) {
            println!("{name}: unscoreable, tried once more: {}", String::from_utf8_lossy(&output.stderr).trim());
            (output, took) = once();
        }
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        println!("{name}: {} in {:.1} s", answer["score"]["outcome"], took.as_secs_f64());
        if !output.status.success() || answer["score"]["outcome"] != "exact" {
            failures.push(format!("{name}: {}\n{}", answer["diagnosis"], String::from_utf8_lossy(&output.stderr)));
        }
        if took > LIMIT {
            failures.push(format!("{name} took {:.0} s, more than {} s", took.as_secs_f64(), LIMIT.as_secs()));
        }
    }
    must(&["down"]);
    must(&["gc"]);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    nothing_is_left();
    before.compare(&Host::now());
}

/// No container, network, ledger or kubeconfig of the lab's own.
fn nothing_is_left() {
    for arguments in [
        &["ps", "-aq", "--filter", "label=io.x-k8s.kind.cluster=lab"][..],
        &["ps", "-aq", "--filter", "label=app.kubernetes.io/managed-by=lab"],
        &["network", "ls", "-q", "--filter", "label=app.kubernetes.io/managed-by=lab"],
        &["volume", "ls", "-q", "--filter", "label=io.x-k8s.kind.cluster=lab"],
    ] {
        let left = run("docker", arguments);
        assert!(left.stdout.is_empty(), "docker {arguments:?}: {}", String::from_utf8_lossy(&left.stdout));
    }
    assert!(ledger::left_over().is_empty(), "a ledger is left");
    assert!(!lab::root::cache().join("clusters/lab").exists(), "the kubeconfig is left");
}

/// What of the machine itself a run must not change.
struct Host {
    /// Kernel settings, without those that count or are random, by their path under /proc/sys.
    settings: BTreeMap<String, String>,
    firewall: String,
    conntrack_entries: u64,
}

impl Host {
    fn now() -> Self {
        let mut settings = BTreeMap::new();
        read_settings(Path::new("/proc/sys"), &mut settings);
        let firewall = ["iptables-save", "ip6tables-save"].map(|program| {
            let rules = String::from_utf8_lossy(&run(program, &[]).stdout).into_owned();
            // Comments carry the time, chains carry counters.
            let lines = rules.lines().filter(|line| !line.starts_with('#'));
            lines.map(|line| line.split(" [").next().unwrap_or(line).to_owned() + "\n").collect::<String>()
        });
        let count = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count").unwrap_or_default();
        Self { settings, firewall: firewall.concat(), conntrack_entries: count.trim().parse().unwrap_or_default() }
    }

    fn compare(&self, after: &Self) {
        let changed: Vec<String> = self
            .settings
            .iter()
            .filter_map(|(key, value)| Some((key, value, after.settings.get(key)?)))
            .filter(|(_, before, after)| before != after)
            .map(|(key, before, after)| format!("{key}: {before} -> {after}"))
            .collect();
        assert!(changed.is_empty(), "kernel settings of the machine changed: {changed:#?}");
        assert_eq!(self.firewall, after.firewall, "the machine's firewall rules changed");
        // Connections to the engine come and go; a table filled by mistake would hold a hundred thousand entries.
        let more = after.conntrack_entries.saturating_sub(self.conntrack_entries);
        assert!(more < 1000, "the machine's own conntrack table grew by {more}");
    }
}

/// Settings that change by themselves.
const MOVING: [&str; 10] = [
    "/fs/aio-nr",
    "/fs/dentry-state",
    "/fs/file-nr",
    "/fs/inode-nr",
    "/fs/inode-state",
    "/fs/quota/",
    "/kernel/ns_last_pid",
    "/kernel/pty/nr",
    "/kernel/random/",
    "/net/netfilter/nf_conntrack_count",
];

fn read_settings(folder: &Path, settings: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let key = path.to_string_lossy().replacen("/proc/sys", "", 1);
        if MOVING.iter().any(|moving| key.starts_with(moving)) {
            continue;
        }
        if path.is_dir() {
            read_settings(&path, settings);
        } else if let Ok(value) = fs::read_to_string(&path) {
            settings.insert(key, value.trim().to_owned());
        }
    }
}
