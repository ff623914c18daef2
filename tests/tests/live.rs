//! The whole program on a real engine and cluster. Run by `.ci/run`, or by hand:
//! `cargo test -p lab-tests --test live -- --ignored --nocapture` (needs the images: `lab images build`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use lab::ledger;
use lab_tests::recorded;

/// How long one scenario may take on a warm cluster beside others, the gate included.
const LIMIT: Duration = Duration::from_secs(240);

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

/// Those that every check runs live: the first six that were documented, and two controls.
const ALWAYS: [&str; 8] = [
    "conntrack-saturation",
    "full-table-no-drops",
    "healthy",
    "inode-exhaustion",
    "memory-limit-512m",
    "network-policy-ingress-deny",
    "port-mismatch",
    "selector-mismatch",
];

/// How many of the others a check runs live, another handful each day, so that each has its turn.
const HANDFUL: usize = 6;

/// The names of a day, counted from 1970.
fn names_of(day: usize) -> Vec<String> {
    let all = recorded();
    let others: Vec<&String> = all.iter().filter(|name| !ALWAYS.contains(&name.as_str())).collect();
    let turn = (0..HANDFUL.min(others.len())).map(|index| others[(day * HANDFUL + index) % others.len()].clone());
    ALWAYS.iter().map(|name| (*name).to_owned()).chain(turn).collect()
}

#[test]
fn each_scenario_has_its_turn() {
    let all: BTreeSet<String> = recorded().into_iter().collect();
    let days = all.len().div_ceil(HANDFUL);
    assert_eq!((0..days).flat_map(names_of).collect::<BTreeSet<_>>(), all);
}

#[test]
#[ignore = "needs a container engine and the images"]
fn scenarios_pass_their_gates_and_the_host_stays_as_it_was() {
    must(&["gc"]);
    must(&["down"]);
    let before = Host::now();
    let connections = conntrack_entries();
    must(&["up"]);
    let today = SystemTime::now().duration_since(UNIX_EPOCH).expect("a day after 1970").as_secs() / 86_400;
    let names = names_of(usize::try_from(today).expect("a number of days"));
    let mut suite = Command::new(env!("CARGO_BIN_EXE_lab-under-test"));
    suite.args(["suite", "--live", "--format", "json"]).args(&names).stderr(Stdio::inherit());
    let output = suite.output().expect("the program starts");
    must(&["down"]);
    must(&["gc"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let rows = answer["scenarios"].as_array().expect("an answer");
    assert_eq!(rows.len(), names.len());
    for row in rows {
        println!("{}: {} in {} s", row["name"], row["outcome"], row["seconds"]);
    }
    let failures: Vec<_> = rows
        .iter()
        .filter(|row| {
            row["outcome"] != "exact" || row["seconds"].as_f64().is_none_or(|took| took > LIMIT.as_secs_f64())
        })
        .collect();
    for row in &failures {
        let run = lab::root::cache().join("runs").join(row["name"].as_str().unwrap_or_default()).join("evidence");
        let report = lab(&["diagnose", "--evidence", &run.to_string_lossy()]);
        println!("{}:\n{}", row["name"], String::from_utf8_lossy(&report.stdout));
    }
    assert!(failures.is_empty() && output.status.success(), "{failures:#?}");
    nothing_is_left();
    before.compare(&Host::now());
    connections_end(connections);
}

/// Entries of the machine's own conntrack table; what nodes say to each other passes it as well.
fn conntrack_entries() -> u64 {
    let count = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count").unwrap_or_default();
    count.trim().parse().unwrap_or_default()
}

/// Waits until the machine's conntrack table is as it was, but for connections of the machine's own, which come and go.
/// What has ended leaves it by itself: an ended connection after `nf_conntrack_tcp_timeout_time_wait` (120 s), one
/// whose container went away with an answer owing after `..._timeout_max_retrans` (300 s).
fn connections_end(before: u64) {
    let end = Instant::now() + Duration::from_secs(310);
    loop {
        let more = conntrack_entries().saturating_sub(before);
        if more < 300 {
            return;
        }
        assert!(Instant::now() < end, "the machine's own conntrack table stays {more} entries larger");
        thread::sleep(Duration::from_secs(1));
    }
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
    /// Routes, rules of routing, and the names of interfaces.
    network: String,
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
        let network = [&["route"][..], &["rule"], &["-o", "link", "show"]].map(|arguments| {
            let text = String::from_utf8_lossy(&run("ip", arguments).stdout).into_owned();
            // Interfaces are numbered in the order in which they came.
            let lines = text.lines().map(|line| line.split_once(": ").map_or(line, |(_, rest)| rest).to_owned() + "\n");
            lines.collect::<String>()
        });
        Self { settings, firewall: firewall.concat(), network: network.concat() }
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
        assert_eq!(self.network, after.network, "the machine's routes or interfaces changed");
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
