//! `lab diagnose --context` on a live cluster with three thousand pods: one planted fault is found among them, in little time and
//! memory and with few requests.
//!
//! `cargo test --release -p lab-tests --test crowd -- --ignored --nocapture` needs what live runs need. A build for debugging is
//! given more time.

use std::{
    io::Read,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use lab::rigs::{LABEL, kubeconfig};
use lab_tests::{
    Folder,
    cluster::{Namespace, context, must},
};
use serde_json::{Value, json};
use wait4::Wait4;

const NAMESPACE: &str = "crowd";
const PODS: usize = 3_000;
const SERVICES: usize = 200;

/// At most so much of each.
const SECONDS: f64 = if cfg!(debug_assertions) { 30.0 } else { 3.0 };
const MEGABYTES: f64 = 200.0;
const REQUESTS: u64 = 60;

/// Pods that wait for a gate on purpose, Services that select some of them, and a Deployment whose image is on no node.
fn objects() -> Value {
    let labels = |app: &str| json!({LABEL: "lab", "app": app});
    let app = |number: usize| format!("app-{}", number % SERVICES);
    let pod = |number: usize| {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("waits-{number}"), "namespace": NAMESPACE, "labels": labels(&app(number))},
            "spec": {"schedulingGates": [{"name": "lab/later"}], "containers": [{"name": "c", "image": "lab/workload:1"}]}})
    };
    let service = |number: usize| {
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": app(number), "namespace": NAMESPACE, "labels": labels(&app(number))},
            "spec": {"selector": {"app": app(number)}, "ports": [{"port": 80}]}})
    };
    let template = json!({"metadata": {"labels": labels("web")},
        "spec": {"containers": [{"name": "c", "image": "lab/on-no-node:1", "imagePullPolicy": "Never"}]}});
    let planted = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": NAMESPACE, "labels": labels("web")},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template}});
    let items = (0..SERVICES).map(service).chain((0..PODS).map(pod)).chain([planted]);
    json!({"apiVersion": "v1", "kind": "List", "items": items.collect::<Vec<_>>()})
}

#[test]
#[ignore = "needs a container engine and the images"]
fn a_planted_fault_is_found_among_three_thousand_pods() {
    let lab = env!("CARGO_BIN_EXE_lab-under-test");
    let _namespace = Namespace::new(lab, NAMESPACE);
    let folder = Folder::new().with("crowd.json", objects().to_string());
    must(&["create", "-f", &folder.path().join("crowd.json").to_string_lossy()]);
    let waiting = "jsonpath={.status.containerStatuses[0].state.waiting.reason}=ErrImageNeverPull";
    must(&["wait", "-n", NAMESPACE, "pod", "-l", "app=web", "--for", waiting, "--timeout", "120s"]);

    let begun = Instant::now();
    let mut child = Command::new(lab)
        .args(["-v", "diagnose", "--context", &context(), "--format", "json"])
        .env("KUBECONFIG", kubeconfig())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().expect("stdout").read_to_string(&mut out).expect("text");
    child.stderr.take().expect("stderr").read_to_string(&mut err).expect("text");
    let used = child.wait4().expect("it ends");
    let seconds = begun.elapsed();

    let answer: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}\n{out}\n{err}"));
    let roots: Vec<(&Value, &Value)> =
        answer["root_causes"].as_array().into_iter().flatten().map(|root| (&root["cause"], &root["subject"])).collect();
    #[allow(clippy::cast_precision_loss)]
    let megabytes = used.rusage.maxrss as f64 / 1e6;
    let requests = err.lines().find_map(|line| line.split(' ').rev().nth(1)?.parse::<u64>().ok());
    let requests = requests.unwrap_or_else(|| panic!("no number of requests in:\n{err}"));
    println!("{PODS} pods, {SERVICES} Services: {seconds:.2?}, {megabytes:.0} MB, {requests} requests");
    assert_eq!(roots, [(&json!("image-pull-policy-never"), &json!(format!("deployment/{NAMESPACE}/web")))]);
    assert!(seconds < Duration::from_secs_f64(SECONDS) && megabytes < MEGABYTES && requests < REQUESTS);
}
