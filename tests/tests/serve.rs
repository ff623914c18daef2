//! `lab serve` as its users and their programs meet it, without kubectl (tests/kubectl.rs has it).

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use lab::{
    evidence_folder,
    replay::Files,
    serve::{self, Served},
};
use lab_tests::{Folder, folder, recorded, run};
use serde_json::{Value, json};

const LAB: &str = env!("CARGO_BIN_EXE_lab-under-test");
const METADATA: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// An answer of the server.
struct Said {
    status: u16,
    head: String,
    body: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Opens a connection, asks, and leaves the answer to be read.
fn ask(address: SocketAddr, method: &str, path: &str, accept: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nAccept: {accept}\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it reads");
    stream
}

fn request(served: &Served, method: &str, path: &str, accept: &str) -> Said {
    let mut text = String::new();
    ask(served.address(), method, path, accept).read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Said { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

fn get(served: &Served, path: &str) -> Said {
    request(served, "GET", path, "application/json")
}

fn evidence(name: &str) -> Files {
    evidence_folder::read(&folder().join("recordings").join(name).join("evidence")).expect("evidence").files
}

/// A small cluster: a pod of two containers, one that crashed, in one of two namespaces, and what was not collected.
fn small() -> Served {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web"}, {"name": "side"}]},
        "status": {"phase": "Running", "containerStatuses": [
            {"name": "web", "restartCount": 2, "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 1}}},
            {"name": "side", "restartCount": 0, "state": {"waiting": {"reason": "ErrImagePull"}}}]}});
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let objects = json!({"kind": "List", "items": [pod, namespace("shop"), namespace("other")]});
    let coverage = json!({"collected": "2026-01-01T00:00:00Z", "namespaces": ["shop"], "listed": {"jobs": 0},
        "missed": [{"what": "secrets", "why": "not allowed"}]});
    let files = [
        ("objects.json", objects.to_string()),
        ("coverage.json", coverage.to_string()),
        ("logs/shop_web-1_web.txt", "one\ntwo\n".to_owned()),
        ("logs/shop_web-1_web.previous.txt", "before\n".to_owned()),
    ];
    serve::start(&files.map(|(name, text)| (name.to_owned(), text)).into(), None).expect("it can be served")
}

#[test]
fn what_was_not_collected_is_never_shown_as_absent() {
    let served = small();
    let jobs = get(&served, "/apis/batch/v1/namespaces/shop/jobs");
    assert_eq!((jobs.status, &jobs.json()["items"]), (200, &json!([])), "listed, and there were none");
    let secrets = get(&served, "/api/v1/namespaces/shop/secrets");
    assert_eq!(secrets.status, 403);
    assert_eq!(secrets.json()["message"], "secrets is forbidden: this kind is not in the recording (not allowed)");
    let elsewhere = get(&served, "/api/v1/namespaces/other/pods");
    assert_eq!(elsewhere.status, 403);
    assert!(elsewhere.body.contains("namespace other is not in the recording, which holds shop"), "{}", elsewhere.body);
    let all = get(&served, "/api/v1/pods");
    assert_eq!((all.status, all.json()["items"].as_array().map(Vec::len)), (200, Some(1)));
    assert!(all.head.contains("warning: 299 - \"not in the recording: namespaces other\""), "{}", all.head);
    assert_eq!(get(&served, "/api/v1/namespaces/shop/pods/web-2").status, 404);
}

#[test]
fn logs_are_those_of_the_container_and_the_instance_that_are_asked_for() {
    let served = small();
    let log = |query: &str| get(&served, &format!("/api/v1/namespaces/shop/pods/web-1/log?{query}"));
    assert_eq!(log("container=web&tailLines=1").body, "two\n");
    assert_eq!(log("container=web&previous=true").body, "before\n");
    assert!(log("").body.contains("choose one of: [web side]"));
    assert_eq!(
        log("container=side").json()["message"],
        "container \"side\" in pod \"web-1\" is waiting to start: image can't be pulled"
    );
    assert!(log("container=side&previous=true").body.contains("previous terminated container"));
}

#[test]
fn lists_are_narrowed_and_wrong_questions_refused() {
    let served = small();
    let count = |query: &str| get(&served, &format!("/api/v1/pods?{query}")).json()["items"].as_array().map(Vec::len);
    assert_eq!(count("labelSelector=app%3Dweb"), Some(1));
    assert_eq!(count("labelSelector=app%20notin%20(web)"), Some(0));
    assert_eq!(count("fieldSelector=status.phase%3DPending"), Some(0));
    assert_eq!(get(&served, "/api/v1/pods?fieldSelector=spec.x%3D1").status, 400);
    assert_eq!(get(&served, "/api/v1/pods?labelSelector=a%20b").status, 400);
    assert_eq!(request(&served, "GET", "/api/v1/pods", "application/vnd.kubernetes.protobuf").status, 406);
}

#[test]
fn a_watch_gives_what_there_is_and_stays_open() {
    let served = small();
    let watch = |query: &str| {
        let stream = ask(served.address(), "GET", &format!("/api/v1/pods?watch=true&{query}"), "application/json");
        let lines = BufReader::new(stream).lines().map_while(Result::ok).skip_while(|line| !line.is_empty());
        lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok())
    };
    let begun = Instant::now();
    let all: Vec<Value> = watch("timeoutSeconds=1").collect();
    assert_eq!(
        (all.len(), &all[0]["type"], &all[0]["object"]["metadata"]["name"]),
        (1, &json!("ADDED"), &json!("web-1"))
    );
    assert!(begun.elapsed() >= Duration::from_secs(1), "until the time is over");
    assert_eq!(watch("resourceVersion=1&timeoutSeconds=1").count(), 0, "nothing has changed since");
    let listed: Vec<Value> =
        watch("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1").collect();
    assert_eq!(listed[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
}

#[test]
fn nothing_is_served_but_the_evidence_and_nothing_is_written() {
    let served = small();
    for path in [
        "/scenario.yaml",
        "/meta.json",
        "/history.jsonl",
        "/evidence/objects.json",
        "/..%2Fmeta.json",
        "/apis/x",
        "/api/v1/x",
    ] {
        assert_eq!(get(&served, path).status, 404, "{path}");
    }
    // What clients read before they write leads them to the server's refusal.
    assert_eq!((get(&served, "/openapi/v2").status, get(&served, "/openapi/v3/apis/apps/v1").status), (200, 200));
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let refused = request(&served, method, "/api/v1/namespaces/shop/pods/web-1", "application/json");
        assert_eq!((refused.status, &refused.json()["reason"]), (403, &json!("Forbidden")), "{method}");
    }
    let asked: Vec<String> = served.asked().into_iter().rev().take(2).map(|asked| asked.method).collect();
    assert_eq!(asked, ["DELETE", "PATCH"]);
    let foreign = "GET /api/v1/pods HTTP/1.0\r\nHost: shop.example.test\r\n\r\n";
    let mut stream = TcpStream::connect(served.address()).expect("it listens");
    stream.write_all(foreign.as_bytes()).expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    assert!(text.starts_with("HTTP/1.0 403"), "a page of the web may not ask: {text}");
}

/// Every kind of every recording can be listed, as objects and as a table, or it is said why not.
#[test]
fn every_recording_of_a_cluster_can_be_looked_through() {
    let mut served_ones = 0;
    for name in recorded() {
        let evidence = evidence(&name);
        if !evidence.contains_key("objects.json") {
            assert!(serve::start(&evidence, None).is_err(), "{name} has no objects");
            continue;
        }
        let served = serve::start(&evidence, None).expect(&name);
        served_ones += 1;
        let kinds =
            request(&served, "GET", "/apis", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
                .json();
        let core =
            request(&served, "GET", "/api", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
                .json();
        let mut listed = 0;
        for group in [&kinds, &core].into_iter().flat_map(|list| list["items"].as_array().expect("groups")) {
            for version in group["versions"].as_array().expect("versions") {
                for kind in version["resources"].as_array().expect("kinds") {
                    if kind["verbs"] != json!(["get", "list", "watch"]) {
                        continue;
                    }
                    let (group, version) =
                        (&group["metadata"]["name"], version["version"].as_str().expect("a version"));
                    let base = if group == "" {
                        "/api".to_owned()
                    } else {
                        format!("/apis/{}", group.as_str().expect("a name"))
                    };
                    let path = format!("{base}/{version}/{}", kind["resource"].as_str().expect("a name"));
                    let objects = request(&served, "GET", &path, METADATA);
                    assert!(matches!(objects.status, 200 | 403), "{name} {path}: {}", objects.body);
                    let items = objects.json()["items"].as_array().map_or(0, Vec::len);
                    if items > 0 {
                        let table = request(&served, "GET", &path, TABLE).json();
                        assert_eq!(table["rows"].as_array().map(Vec::len), Some(items), "{name} {path}");
                    }
                    listed += items;
                }
            }
        }
        let items: Value = serde_json::from_str(&evidence["objects.json"]).expect("JSON");
        let items = items["items"].as_array().expect("items");
        let events = items.iter().filter(|item| item["kind"] == "Event").count();
        assert_eq!(listed, items.len() + events, "{name}: every object is listed, events under both of their names");
    }
    assert!(served_ones >= 50, "{served_ones}");
}

/// The program, serving, with its first line read.
fn started(arguments: &[&str]) -> (Child, String) {
    let mut command = Command::new(LAB);
    command.arg("serve").args(arguments).current_dir(folder()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("stdout")).read_line(&mut line).expect("a line");
    (child, line)
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
}

#[test]
fn it_is_ready_at_once_and_takes_its_kubeconfig_back() {
    let place = Folder::new();
    let config = place.path().join("config");
    let shown = config.display().to_string();
    let mut fastest = Duration::MAX;
    for name in ["INT", "HUP", "TERM"] {
        let begun = Instant::now();
        let (child, line) = started(&["port-mismatch", "--kubeconfig", &shown]);
        fastest = fastest.min(begun.elapsed());
        assert_eq!(line, format!("ready: kubectl --kubeconfig {shown} get pods -A\n"));
        assert!(fs::read_to_string(&config).expect("it is there").contains("server: \"http://127.0.0.1:"));
        signal(&child, name);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(130), "{name}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), format!("ended; {shown} is removed\n"));
        assert_eq!(fs::read_dir(place.path()).expect("a folder").count(), 0, "{name}: nothing is left");
    }
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
}

#[test]
fn what_cannot_be_is_said_and_leaves_nothing() {
    let place = Folder::new().with("config", "mine");
    let config = place.path().join("config").display().to_string();
    let serve = |arguments: &[&str]| run(LAB, &folder(), [&["serve"], arguments].concat());
    serve(&["port-mismatch", "--kubeconfig", &config])
        .assert_error(2, &["did not write", "your own kubeconfig is never changed"]);
    assert_eq!(fs::read_to_string(&config).expect("it is there"), "mine");
    let free = place.path().join("free").display().to_string();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    serve(&["port-mismatch", "--kubeconfig", &free, "--port", &port])
        .assert_error(2, &[&format!("port {port} of 127.0.0.1: "), "another program listens there", "--port"]);
    serve(&["port-mismach", "--kubeconfig", &free]).assert_error(2, &["did you mean `port-mismatch`?"]);
    serve(&["healthy-hosts", "--kubeconfig", &free]).assert_error(2, &["no Kubernetes objects"]);
    serve(&["port-mismatch"]).assert_error(2, &["--kubeconfig"]);
    let nowhere = place.path().join("none/config").display().to_string();
    serve(&["port-mismatch", "--kubeconfig", &nowhere]).assert_error(2, &["none/config: "]);
    let broken = Folder::new().with("objects.json", "{\"items\": [");
    serve(&["--evidence", &broken.path().display().to_string(), "--kubeconfig", &free])
        .assert_error(2, &["objects.json:1:"]);
    assert!(!Path::new(&free).exists());
    assert_eq!(fs::read_dir(place.path()).expect("a folder").count(), 1);
}
