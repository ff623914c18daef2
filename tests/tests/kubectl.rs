//! Unmodified kubectl on served recordings. Ordinary read commands give what they gave on the live cluster, which is kept in
//! tests/kubectl/NAME.txt; writes are refused.
//!
//! `cargo test -p lab-tests --test kubectl -- --ignored recordings` needs kubectl 1.34: LAB_KUBECTL, the one that `lab images
//! build` makes, or the one of the path. `... -- --ignored live` also needs what live runs need: it runs each scenario, asks the
//! cluster and a server over the evidence of that moment the same, and compares. With UPDATE_KUBECTL=1 it keeps the runs as the
//! recordings and what the cluster said as what is expected of them; with UPDATE_KUBECTL=served `recordings` keeps what the
//! served recordings say, for review by hand.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use lab::{
    events::Journal,
    evidence_folder,
    gate::{self, LiveOptions, Session},
    replay::Files,
    rigs::kubeconfig,
    scenario,
    serve::{self, Served},
};
use lab_tests::{Folder, folder};
use regex::Regex;

/// Scenarios whose state stays as it is while one looks at it.
const SCENARIOS: [&str; 5] = [
    "mesh-subset-missing",
    "missing-configmap",
    "network-policy-ingress-deny",
    "pending-node-selector",
    "port-mismatch",
];

/// What people ask first. `NS` is the namespace of the shop, `POD` a pod of its workload `web`.
const COMMANDS: &str = "\
api-resources --namespaced=false
auth can-i list pods -A
get nodes -o wide
get namespaces --show-labels
get pods -A
get pods -n NS -o wide
get pods -n NS -l app=web --show-labels
get pods -A --field-selector status.phase!=Running
get pods -n NS --sort-by .metadata.name -o custom-columns=NAME:.metadata.name,NODE:.spec.nodeName
get all -n NS
get deployments,replicasets,statefulsets -n NS -o wide
get services -A -o wide
get endpointslices,ingresses,networkpolicies -n NS
get configmaps,secrets,serviceaccounts -n NS
get persistentvolumes,storageclasses,ingressclasses
get virtualservices,destinationrules -A
get events -n NS
events -n NS --for deployment/web
get deployment web -n NS -o yaml
get service web -n NS -o json
get pod POD -n NS -o jsonpath={.status.conditions[*].type}
describe pod POD -n NS
describe deployment web -n NS
describe service web -n NS
describe ingress web -n NS
describe node lab-worker --show-events=false
describe networkpolicies -n NS
logs deployment/help -n NS
logs -n kube-system -l k8s-app=kube-dns --prefix --tail 3
rollout history deployment/web -n NS
top pods -n NS";

/// What changes something, or would reach into a container.
const WRITES: [&str; 12] = [
    "apply -f deployment.yaml",
    "apply -f new.yaml",
    "apply --server-side -f new.yaml",
    "create -f new.yaml",
    "delete pod POD -n NS",
    "delete -f deployment.yaml",
    "exec POD -n NS -- ls",
    "label node lab-worker a=b",
    "patch deployment web -n NS -p {\"spec\":{\"replicas\":0}}",
    "port-forward POD -n NS 0:80",
    "rollout restart deployment/web -n NS",
    "scale deployment web -n NS --replicas=3",
];

/// kubectl, and the cluster it asks.
struct Kubectl<'a> {
    config: &'a Path,
    /// Where it keeps what it learnt of the cluster.
    cache: &'a Folder,
}

impl Kubectl<'_> {
    fn run(&self, command: &str) -> Output {
        let mut kubectl = Command::new(lab_tests::kubectl());
        kubectl.arg("--kubeconfig").arg(self.config).arg("--cache-dir").arg(self.cache.path());
        kubectl.args(command.split(' ')).current_dir(self.cache.path()).env_remove("KUBECONFIG");
        kubectl
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}; see this file's first lines", lab_tests::kubectl().display()))
    }

    fn says(&self, command: &str) -> String {
        String::from_utf8_lossy(&self.run(command).stdout).trim().to_owned()
    }

    /// A command with the names of this cluster in it.
    fn named(&self, command: &str) -> String {
        let all = self.says("get namespaces -o jsonpath={.items[*].metadata.name}");
        let shop = all.split(' ').find(|name| *name == "shop" || name.starts_with("shop-")).expect("a shop");
        let pods = self.says(&format!("get pods -n {shop} -l app=web -o jsonpath={{.items[*].metadata.name}}"));
        command.replace("NS", shop).replace("POD", pods.split(' ').next().unwrap_or_default())
    }

    /// Every command and what comes of it, in a form that does not change with the time.
    fn session(&self) -> String {
        let commands = self.named(COMMANDS);
        let answers = commands.lines().map(|command| {
            let output = self.run(command);
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            // What is known to be left out is told as a warning; it is no part of the answer.
            let errors: String =
                errors.lines().filter(|line| !line.starts_with("Warning: ")).map(|line| format!("{line}\n")).collect();
            format!(
                "$ kubectl {command}\n{}{}\n",
                timeless(&String::from_utf8_lossy(&output.stdout)),
                timeless(&errors)
            )
        });
        answers.collect()
    }
}

/// An output without what only the time changes: ages, how often an event was seen, beats of hearts, and the width of columns.
fn timeless(text: &str) -> String {
    const RULES: [(&str, &str); 8] = [
        // Thousandths of a processor look like minutes.
        (r"\b(\d+)m( \(\d+%\))", "$1 thousandths$2"),
        (r"(cpu: +)(\d+)m\b", "$1$2 thousandths"),
        (r"(?m)(^|[ (])(\d+[smhdy])+($|[ )])", "${1}AGE$3"),
        (r"AGE \(x\d+ over AGE\)", "AGE"),
        (r"(resourceVersion\W+)\d+", "${1}N"),
        (r"(True|False|Unknown)( +)\w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000", "$1${2}TIME"),
        (r"(RenewTime: +).*", "${1}TIME"),
        (r"(\S)  +", "$1  "),
    ];
    RULES.iter().fold(text.to_owned(), |text, (pattern, with)| {
        Regex::new(pattern).expect("a pattern").replace_all(&text, *with).into_owned()
    })
}

/// A server, and a place for kubectl to ask it from.
fn served(evidence: &Files) -> (Served, Folder) {
    let served = serve::start(evidence, None).expect("the evidence can be served");
    let place = Folder::new();
    served.write_kubeconfig(&place.path().join("config")).expect("the kubeconfig can be written");
    (served, place)
}

fn expected(name: &str) -> PathBuf {
    folder().join("tests/kubectl").join(format!("{name}.txt"))
}

/// What was said, the logs of several pods one after the other by name: kubectl takes the pods in any order.
fn in_order(command: &str, said: &str) -> String {
    let mut lines: Vec<&str> = said.split_inclusive('\n').collect();
    if command.contains("--prefix") {
        lines.sort_by_key(|line| line.split(' ').next().map(str::to_owned).filter(|pod| pod.starts_with('[')));
    }
    lines.concat()
}

/// Compares two sessions by their lines and says where they first differ in each command.
fn compare(name: &str, said: &str, wanted: &str) -> Vec<String> {
    let of = |text: &str| -> Vec<(String, String)> {
        let parts = text.split("$ kubectl ").skip(1);
        parts
            .map(|part| part.split_once('\n').unwrap_or((part, "")))
            .map(|(command, said)| (command.to_owned(), in_order(command, said)))
            .collect()
    };
    let (said, wanted) = (of(said), of(wanted));
    assert_eq!(said.len(), wanted.len(), "{name}: as many commands");
    let differing = said.into_iter().zip(wanted).filter(|(said, wanted)| said != wanted);
    differing
        .map(|(said, wanted)| format!("{name}: kubectl {}\n{}--- but live\n{}", said.0, said.1, wanted.1))
        .collect()
}

fn needs_1_34() {
    let version = Command::new(lab_tests::kubectl()).args(["version", "--client", "-o", "json"]).output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    assert!(
        version.as_ref().is_ok_and(|text| text.contains("\"minor\": \"34\"")),
        "{} is not kubectl 1.34: {version:?}; `lab images build` makes one, LAB_KUBECTL names another",
        lab_tests::kubectl().display()
    );
}

#[test]
#[ignore = "needs kubectl 1.34; .ci/run runs it"]
fn recordings_read_as_the_live_cluster_did() {
    needs_1_34();
    let mut differing = Vec::new();
    for name in SCENARIOS {
        let evidence =
            evidence_folder::read(&folder().join("recordings").join(name).join("evidence")).expect("evidence").files;
        let (_served, place) = served(&evidence);
        let said = Kubectl { config: &place.path().join("config"), cache: &place }.session();
        if env::var_os("UPDATE_KUBECTL").is_some_and(|what| what == "served") {
            fs::write(expected(name), &said).expect("tests/kubectl/ can be written");
        }
        differing.extend(compare(name, &said, &fs::read_to_string(expected(name)).expect("tests/kubectl/NAME.txt")));
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
#[ignore = "needs kubectl 1.34; .ci/run runs it"]
fn recordings_refuse_what_would_change_them() {
    needs_1_34();
    let evidence = evidence_folder::read(&folder().join("recordings").join(SCENARIOS[4]).join("evidence"))
        .expect("evidence")
        .files;
    let (_served, place) = served(&evidence);
    let config = place.path().join("config");
    let kubectl = Kubectl { config: &config, cache: &place };
    let before = kubectl.says(&kubectl.named("get deployment web -n NS -o yaml"));
    fs::write(place.path().join("deployment.yaml"), before.replace("replicas: 2", "replicas: 3")).expect("a file");
    let new = kubectl.named("{apiVersion: v1, kind: ConfigMap, metadata: {name: new, namespace: NS}}");
    fs::write(place.path().join("new.yaml"), new).expect("a file");
    for command in WRITES {
        let output = kubectl.run(&kubectl.named(command));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        assert!(
            said.contains("is forbidden: User \"reader\" cannot ") && said.contains("this is a recording"),
            "{command}: {said}"
        );
    }
    assert_eq!(kubectl.says("auth can-i delete pods -A"), "no - this is a recording, which can only be read");
    assert_eq!(kubectl.says(&kubectl.named("get deployment web -n NS -o yaml")), before);
}

#[test]
#[ignore = "needs a container engine, the images and kubectl 1.34"]
fn live_clusters_and_their_evidence_read_the_same() {
    needs_1_34();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut differing = Vec::new();
    for name in SCENARIOS {
        let said: Arc<Mutex<(String, String)>> = Arc::default();
        let both = Arc::clone(&said);
        let beside = move |evidence: &Files| {
            let place = Folder::new();
            let live = Kubectl { config: &kubeconfig(), cache: &place }.session();
            let (_served, place) = served(evidence);
            let served = Kubectl { config: &place.path().join("config"), cache: &place }.session();
            *both.lock().expect("no panic") = (live, served);
        };
        let root = lab_tests::root();
        let scenario = scenario::find(&root, name).expect("a scenario");
        let options = LiveOptions { beside: Some(Arc::new(beside)), ..LiveOptions::default() };
        let run = runtime.block_on(async {
            let session = Session::begin(&root, std::slice::from_ref(&scenario)).await?;
            gate::run(&session, &scenario, &options, &Journal::new(vec![])).await
        });
        let run = run.unwrap_or_else(|error| panic!("{name}: {}", error.render()));
        let (live, served) = said.lock().expect("no panic").clone();
        differing.extend(compare(name, &served, &live));
        if env::var_os("UPDATE_KUBECTL").is_some() {
            fs::write(expected(name), live).expect("tests/kubectl/ can be written");
            run.recording.save(&root.recordings().join(name)).expect("the recording can be written");
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
