//! `lab diagnose --context NAME --probe` against an API server made here, which has the objects of a recording and says what was
//! asked of it: that probes decide, that nothing is left behind, and that without the flag nothing but reading is done. And once
//! against a live cluster: `cargo test -p lab-tests --test probe -- --ignored` needs what live runs need.

use std::{
    collections::BTreeMap,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use lab::{
    recording::Recording,
    rigs::{kinds, kubeconfig},
};
use lab_tests::{
    Folder,
    cluster::{Namespace, context, must},
    kubectl, root,
};
use serde_json::{Value, json};

const LAB: &str = env!("CARGO_BIN_EXE_lab-under-test");

/// What becomes of the pod that probes.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    /// It does its work.
    Ends,
    /// Its image is not to be had.
    NoImage,
    /// It runs on and on.
    Runs,
}

/// The API server.
struct Fake {
    /// Objects by the plural of their kind.
    objects: BTreeMap<&'static str, Vec<Value>>,
    fate: Fate,
    /// Whether one may do what one asks about.
    allows: bool,
    /// The pods that were made and not removed.
    made: Mutex<BTreeMap<String, Value>>,
    /// Every request that was not for reading.
    writes: Mutex<Vec<String>>,
}

impl Fake {
    fn new(fate: Fate, allows: bool) -> Arc<Self> {
        let files = Recording::of(&root(), "port-mismatch").expect("a recording").evidence;
        let list: Value = serde_json::from_str(&files["objects.json"]).expect("JSON");
        let items = list["items"].as_array().expect("a List");
        let of = |kind: &str| items.iter().filter(|item| item["kind"] == kind).cloned().collect();
        let objects = kinds().filter(|kind| kind.kind != "Secret").map(|kind| (kind.plural, of(kind.kind))).collect();
        Arc::new(Self { objects, fate, allows, made: Mutex::default(), writes: Mutex::default() })
    }

    /// Serves it, and gives a kubeconfig whose context `fake` leads there.
    async fn serve(self: &Arc<Self>) -> Folder {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let app = Router::new().fallback(answer).with_state(Arc::clone(self));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Folder::new().with(
            "config",
            format!(
                "apiVersion: v1\nkind: Config\ncontexts: [{{name: fake, context: {{cluster: a, user: a}}}}]\n\
                 clusters: [{{name: a, cluster: {{server: 'http://{address}'}}}}]\nusers: [{{name: a, user: {{}}}}]\n"
            ),
        )
    }

    fn writes(&self) -> Vec<String> {
        self.writes.lock().expect("not poisoned").clone()
    }

    fn status(&self) -> Value {
        match self.fate {
            Fate::Ends => json!({"phase": "Succeeded"}),
            Fate::Runs => json!({"phase": "Running"}),
            Fate::NoImage => {
                let waiting = json!({"reason": "ErrImagePull", "message": "no such host"});
                json!({"phase": "Pending", "containerStatuses": [{"name": "probe", "ready": false, "restartCount": 0,
                    "image": "i", "imageID": "", "state": {"waiting": waiting}}]})
            }
        }
    }
}

async fn answer(State(fake): State<Arc<Fake>>, method: Method, uri: Uri, body: Bytes) -> Response {
    let json = |value: Value| ([("content-type", "application/json")], value.to_string()).into_response();
    let parts: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    let mut made = fake.made.lock().expect("not poisoned");
    if method != Method::GET {
        fake.writes.lock().expect("not poisoned").push(format!("{method} {}", parts[parts.len() - 1]));
    }
    let missing = || {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound", "message": "gone"});
        (StatusCode::NOT_FOUND, [("content-type", "application/json")], status.to_string()).into_response()
    };
    match (method.as_str(), &parts[..]) {
        ("GET", ["version"]) => {
            let keys =
                ["major", "minor", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"];
            let mut version: Value = keys.iter().map(|key| ((*key).to_owned(), json!("1"))).collect();
            version["gitVersion"] = "v1.34.0".into();
            json(version)
        }
        ("POST", [.., "selfsubjectaccessreviews"]) => {
            let mut review: Value = serde_json::from_slice(&body).expect("JSON");
            review["status"] = json!({"allowed": fake.allows});
            json(review)
        }
        ("POST", [.., "pods"]) => {
            let mut pod: Value = serde_json::from_slice(&body).expect("JSON");
            pod["status"] = fake.status();
            made.insert(pod["metadata"]["name"].as_str().expect("a name").to_owned(), pod.clone());
            json(pod)
        }
        ("GET", [.., "pods", name, "log"]) => made.get(*name).map_or_else(missing, |pod| tried(pod).into_response()),
        ("GET", [.., "pods", name]) => made.get(*name).cloned().map_or_else(missing, json),
        ("DELETE", [.., "pods", name]) => made.remove(*name).map_or_else(missing, json),
        ("GET", [.., plural]) => {
            let items = fake.objects.get(plural).cloned().unwrap_or_default();
            json(json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}))
        }
        _ => missing(),
    }
}

/// What the pod's own script would write where the Service `web` refuses everything.
fn tried(pod: &Value) -> String {
    let script = pod["spec"]["containers"][0]["command"][2].as_str().expect("a script");
    let attempts = script.lines().filter_map(|line| line.strip_suffix(" &"));
    let lines = attempts.map(|attempt| {
        let (what, came_to) = match attempt.split(' ').collect::<Vec<_>>()[..] {
            ["tcp", target, address, port] => {
                let refuses = target.starts_with("service/") && target.contains("/web:");
                (format!("tcp {target} {address}:{port}"), if refuses { "1 REFUSED" } else { "0" })
            }
            ["dns", name] => (format!("dns {name} -"), "0 status: NOERROR x. 5 IN A 10.96.0.1"),
            ["http", address, port] => (format!("http http://{address}:{port}/ {address}:{port}"), "0 200"),
            _ => panic!("{attempt}"),
        };
        format!("2030-01-01T00:00:00Z attempt {what} 1.00 1.01 {came_to}\n")
    });
    lines.collect()
}

fn command(config: &Folder, more: &[&str]) -> Command {
    let mut command = Command::new(LAB);
    command.args(["diagnose", "--context", "fake", "--format", "json"]).args(more);
    command.env("KUBECONFIG", config.path().join("config")).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn run(config: &Folder, more: &[&str]) -> Output {
    let mut command = command(config, more);
    tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("it starts")
}

fn roots(output: &Output) -> Vec<String> {
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let roots = answer["root_causes"].as_array().expect("roots").iter();
    roots.map(|root| root["cause"].as_str().expect("a cause").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_decide_what_reading_leaves_open_and_the_pod_is_removed() {
    let fake = Fake::new(Fate::Ends, true);
    let config = fake.serve().await;
    let read = run(&config, &[]).await;
    assert_eq!((roots(&read).len(), fake.writes()), (0, vec![]), "{read:?}");
    let probed = run(&config, &["--probe"]).await;
    assert_eq!(roots(&probed), ["service-port-mismatch"], "{probed:?}");
    let writes = fake.writes();
    let pods: Vec<&String> = writes.iter().filter(|write| !write.ends_with("reviews")).collect();
    assert!(
        matches!(&pods[..], [made, removed] if *made == "POST pods" && removed.starts_with("DELETE probe-")),
        "{pods:?}"
    );
    assert!(fake.made.lock().expect("not poisoned").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_forbidden_nothing_is_done() {
    let fake = Fake::new(Fate::Ends, false);
    let config = fake.serve().await;
    let refused = run(&config, &["--probe"]).await;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(
        said.contains("you may not create pods, delete pods, get pods, get pods/log there; nothing was done"),
        "{said}"
    );
    assert!(said.contains("docs/probe-role.yaml"), "{said}");
    assert!(fake.writes().iter().all(|write| write.ends_with("reviews")));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_image_there_is_an_answer_all_the_same() {
    let fake = Fake::new(Fate::NoImage, true);
    let config = fake.serve().await;
    let answer = run(&config, &["--probe", "-n", "shop-c", "--probe-image", "no.such.test/image"]).await;
    let said = String::from_utf8_lossy(&answer.stderr);
    assert!(said.contains("no probes: the pod for the probes: ErrImagePull: no such host"), "{said}");
    assert_eq!(roots(&answer), [""; 0]);
    assert!(fake.made.lock().expect("not poisoned").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_removes_the_pod() {
    let fake = Fake::new(Fate::Runs, true);
    let config = fake.serve().await;
    let child = command(&config, &["--probe"]).spawn().expect("it starts");
    let made = async {
        while fake.made.lock().expect("not poisoned").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), made).await.expect("a pod is made");
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.expect("kill").success());
    let ended =
        tokio::task::spawn_blocking(move || child.wait_with_output()).await.expect("no panic").expect("it ends");
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    assert!(fake.made.lock().expect("not poisoned").is_empty(), "{:?}", fake.writes());
}

/// Whoever asks this Service says nothing of it: only an attempt shows that it leads where nobody listens.
#[test]
#[ignore = "needs a container engine and the images"]
fn on_a_live_cluster_attempts_show_what_nobody_else_would() {
    const NAMESPACE: &str = "probed";
    const IMAGE: &str = "lab/agnhost:1";
    let _namespace = Namespace::new(LAB, NAMESPACE);
    let kind = kubectl().with_file_name("kind");
    let load = ["load", "docker-image", "--name", lab::rigs::CLUSTER, IMAGE];
    assert!(Command::new(kind).args(load).status().expect("kind").success());
    let deployment = |name: &str, container: Value| {
        let template = json!({"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}});
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": template}})
    };
    let web = json!({"name": "web", "image": IMAGE, "args": ["netexec", "--http-port=8080"],
        "ports": [{"containerPort": 8080}], "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}});
    let client = json!({"name": "client", "image": IMAGE, "env": [{"name": "WEB", "value": "http://web:80/"}]});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8081}]}});
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [deployment("web", web), deployment("client", client), service]});
    let folder = Folder::new().with("web.json", objects.to_string());
    must(&["create", "-n", NAMESPACE, "-f", &folder.path().join("web.json").to_string_lossy()]);
    for deployment in ["deployment/web", "deployment/client"] {
        must(&["rollout", "status", "-n", NAMESPACE, deployment, "--timeout", "120s"]);
    }

    let diagnose = |more: &[&str]| {
        let mut command = Command::new(LAB);
        command.args(["diagnose", "--context", &context(), "-n", NAMESPACE, "--format", "json"]).args(more);
        command.env("KUBECONFIG", kubeconfig()).output().expect("the program starts")
    };
    assert_eq!(roots(&diagnose(&[])), [""; 0]);
    let probed = diagnose(&["--probe", "--probe-image", IMAGE]);
    assert_eq!(roots(&probed), ["service-port-mismatch"], "{probed:?}");
    let pods = must(&["get", "pods", "-n", NAMESPACE, "-l", "!app", "-o", "name"]);
    assert_eq!(pods, "", "the pod of the attempts is left");
}
