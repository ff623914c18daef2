//! Four times the cluster takes about four times as long, and not sixteen times: whatever is wrong, in however many places.
//!
//! What is counted is the processor's time of this thread, so that a busy machine does not matter; that of n log n is five times, that
//! of n squared sixteen.

use std::{collections::BTreeMap, fs, time::Duration};

use diagnoser::{Investigation, Next};
use lab::{
    replay::Files,
    synthetic::{FAULTS, Order},
};
use serde_json::{Value, json};

const FEW: usize = 120;
const TIMES: usize = 4;
/// The best of so many runs.
const RUNS: usize = 3;
/// Between five and sixteen: caches and the allocator take their part.
const MOST: f64 = 9.0;

#[test]
fn of_a_healthy_cluster() {
    grows_as_it_should(|pods| world(pods, None));
}

#[test]
fn of_pods_that_crash() {
    grows_as_it_should(|pods| world(pods, Some("application-crash")));
}

#[test]
fn of_pods_that_no_node_takes() {
    grows_as_it_should(|pods| world(pods, Some("insufficient-resources")));
}

#[test]
fn of_nodes_that_are_down() {
    grows_as_it_should(|pods| world(pods, Some("kubelet-stopped")));
}

#[test]
fn of_nodes_that_have_no_space() {
    grows_as_it_should(|pods| world(pods, Some("disk-full")));
}

#[test]
fn of_policies_that_let_nobody_in() {
    grows_as_it_should(|pods| world(pods, Some("network-policy-denies-ingress")));
}

#[test]
fn of_services_that_lead_nowhere() {
    grows_as_it_should(|pods| world(pods, Some("service-port-mismatch")));
}

#[test]
fn of_rules_that_lead_elsewhere() {
    grows_as_it_should(|pods| world(pods, Some("ingress-wrong-backend")));
}

#[test]
fn of_logs_and_requests() {
    grows_as_it_should(|pods| told(world(pods, Some("application-crash"))));
}

fn grows_as_it_should(make: impl Fn(usize) -> Files) {
    let least = |pods: usize| {
        let files = make(pods);
        (0..RUNS).map(|_| diagnosis(files.clone())).min().unwrap_or_default().as_secs_f64()
    };
    let (small, large) = (least(FEW), least(TIMES * FEW));
    assert!(
        large < MOST * small,
        "{TIMES} times the pods take {:.1} times as long: {small} s, {large} s",
        large / small
    );
}

/// A cluster in which this is wrong in every third workload.
fn world(pods: usize, fault: Option<&str>) -> Files {
    let fault = fault.map(|cause| *FAULTS.iter().find(|fault| fault.cause == cause).expect("a fault"));
    Order { pods, fault, victims: pods / 12, seed: 1 }.make().evidence
}

/// The same, with a log of every pod, and requests of which some fail.
fn told(mut files: Files) -> Files {
    let objects: Value = serde_json::from_str(&files["objects.json"]).expect("JSON");
    let pods = objects["items"].as_array().expect("a list").iter().filter(|object| object["kind"] == "Pod");
    let mut records: Vec<String> = Vec::new();
    let mut logs: BTreeMap<String, String> = BTreeMap::new();
    for (index, pod) in pods.enumerate() {
        let (namespace, name) = (&pod["metadata"]["namespace"], &pod["metadata"]["name"]);
        let place = format!("{}/{}", namespace.as_str().expect("text"), name.as_str().expect("text"));
        let lines = (0..30).map(|line| format!("level=info msg=\"batch {index}-{line} took 12 ms, 3 retries\"\n"));
        logs.insert(format!("logs/{}_web.txt", place.replace('/', "_")), lines.collect());
        for (hop, status) in [("client", 200 + 302 * (index % 3 / 2)), ("ingress", 200)] {
            let record = json!({"hop": hop, "id": format!("r{index}"), "method": "GET", "path": format!("/{}", index % 7),
                "status": status, "seconds": 0.01, "pod": place, "upstream": "web.example.test:80",
                "time": format!("2026-03-02T09:{:02}:{:02}Z", index / 60 % 29, index % 60)});
            records.push(record.to_string());
        }
    }
    files.insert("traffic.jsonl".to_owned(), records.join("\n"));
    files.extend(logs);
    files
}

/// How long the processor takes from the files to the answer.
fn diagnosis(files: Files) -> Duration {
    let begun = computed();
    let mut investigation = Investigation::new(files).expect("it parses");
    while let Next::Ask(requests) = investigation.proceed() {
        requests.iter().for_each(|request| investigation.missed(request, "not in the evidence folder"));
    }
    computed() - begun
}

/// How long this thread has been on a processor, as Linux counts it.
fn computed() -> Duration {
    let counted = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(counted.split(' ').next().and_then(|text| text.parse().ok()).expect("a number"))
}
