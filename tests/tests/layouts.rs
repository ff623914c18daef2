//! What other tools collect, made here out of a recording of ours: each layout is recognised, and the answer is the same, or an
//! unknown that names what the layout does not hold. Files that are broken, foreign or packed as well.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use lab::recording::Recording;
use lab_tests::{Answer, Folder, root, run};
use serde_json::{Value, json};

const LAB: &str = env!("CARGO_BIN_EXE_lab-under-test");

/// The recordings that layouts are made of: one that shows in requests, one in the objects alone.
const RECORDINGS: [&str; 2] = ["port-mismatch", "missing-configmap"];

/// Evidence of ours, taken apart.
struct Parts {
    files: BTreeMap<String, String>,
    items: Vec<Value>,
}

impl Parts {
    fn of(recording: &str) -> Self {
        let files = Recording::of(&root(), recording).expect("a recording").evidence;
        let list: Value = serde_json::from_str(&files["objects.json"]).expect("JSON");
        Self { items: list["items"].as_array().expect("a List").clone(), files }
    }

    /// The objects of a kind, of a namespace where one is given.
    fn of_kind(&self, kind: &str, namespace: Option<&str>) -> Vec<Value> {
        let here = |item: &&Value| {
            item["kind"] == kind
                && namespace.is_none_or(|namespace| item["metadata"]["namespace"].as_str() == Some(namespace))
        };
        self.items.iter().filter(here).cloned().collect()
    }

    /// Every kind with its objects, by namespace; those of the cluster have none.
    fn by_kind(&self) -> BTreeMap<(String, Option<String>), Vec<Value>> {
        let mut all: BTreeMap<_, Vec<Value>> = BTreeMap::new();
        for item in &self.items {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let key = (text(&item["kind"]).expect("a kind"), text(&item["metadata"]["namespace"]));
            all.entry(key).or_default().push(item.clone());
        }
        all
    }

    /// Namespace, pod, container, whether of the instance before, and text of each log.
    fn logs(&self) -> Vec<([&str; 3], bool, &str)> {
        let logs = self.files.iter().filter_map(|(name, text)| Some((name.strip_prefix("logs/")?, text)));
        logs.map(|(name, text)| {
            let name = name.trim_end_matches(".txt");
            let parts: Vec<&str> = name.trim_end_matches(".previous").split('_').collect();
            ([parts[0], parts[1], parts[2]], name.ends_with(".previous"), text.as_str())
        })
        .collect()
    }
}

/// As a typed client prints a list: the items do not say their kind.
fn typed(kind: &str, items: Vec<Value>) -> Value {
    let items: Vec<Value> = items
        .into_iter()
        .map(|mut item| {
            let map = item.as_object_mut().expect("an object");
            map.remove("kind");
            map.remove("apiVersion");
            item
        })
        .collect();
    json!({"kind": format!("{kind}List"), "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items})
}

/// As kubectl prints YAML. JSON is YAML, but then its own reader would not be used.
fn yaml(value: &Value) -> String {
    fn write(value: &Value, indent: usize, out: &mut String) {
        let pad = " ".repeat(indent);
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, value) in map {
                    out.push_str(&format!("\n{pad}{}:", json!(key)));
                    write(value, indent + 2, out);
                }
            }
            Value::Array(list) if !list.is_empty() => {
                for value in list {
                    out.push_str(&format!("\n{pad}-"));
                    write(value, indent + 2, out);
                }
            }
            other => out.push_str(&format!(" {other}")),
        }
    }
    let mut out = String::new();
    write(value, 0, &mut out);
    out.trim_start().to_owned() + "\n"
}

fn diagnose(at: &Path, evidence: &str) -> Answer {
    run(LAB, at, ["diagnose", "--evidence", evidence, "--format", "json"])
}

/// Verdict, and cause and subject of every root.
fn said(answer: &Value) -> (String, Vec<(String, String)>) {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let roots = answer["root_causes"].as_array().expect("roots").iter();
    (text(&answer["verdict"]), roots.map(|root| (text(&root["cause"]), text(&root["subject"]))).collect())
}

/// The answer to the recording itself, and that to the same in another layout.
fn both(parts: &Parts, other: &Folder, evidence: &str) -> (Value, Value) {
    let ours = parts.files.iter().fold(Folder::new(), |folder, (name, text)| folder.with(name, text));
    let (ours, theirs) = (diagnose(ours.path(), "."), diagnose(other.path(), evidence));
    assert_eq!((ours.code, theirs.code), (0, 0), "{theirs:?}");
    (ours.json(), theirs.json())
}

/// Asserts the same roots, or an unknown that names one of `lacks` and blames nothing else.
fn assert_same(recording: &str, layout: &str, (ours, theirs): &(Value, Value), lacks: &[&str]) {
    if said(ours) == said(theirs) {
        return;
    }
    let missing: Vec<&str> =
        theirs["missing"].as_array().expect("a list").iter().filter_map(|missing| missing["what"].as_str()).collect();
    assert_eq!(said(theirs), ("unknown".to_owned(), vec![]), "{recording} as {layout}: {theirs:#}");
    assert!(missing.iter().any(|what| lacks.contains(what)), "{recording} as {layout} lacks {missing:?}");
}

/// Every file that the first root cause cites.
fn cited(answer: &Value) -> Vec<String> {
    let evidence = answer["root_causes"][0]["evidence"].as_array().into_iter().flatten();
    evidence.filter_map(|reading| reading["source"].as_str().map(str::to_owned)).collect()
}

fn cluster_info(parts: &Parts) -> Vec<(String, String)> {
    const KINDS: [(&str, &str); 7] = [
        ("Event", "events"),
        ("ReplicationController", "replication-controllers"),
        ("Service", "services"),
        ("DaemonSet", "daemonsets"),
        ("Deployment", "deployments"),
        ("ReplicaSet", "replicasets"),
        ("Pod", "pods"),
    ];
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("JSON") + "\n";
    let mut files = vec![("nodes.json".to_owned(), pretty(&typed("Node", parts.of_kind("Node", None))))];
    let namespaces: BTreeSet<&str> =
        parts.items.iter().filter_map(|item| item["metadata"]["namespace"].as_str()).collect();
    for namespace in namespaces {
        for (kind, file) in KINDS {
            let list = typed(kind, parts.of_kind(kind, Some(namespace)));
            files.push((format!("{namespace}/{file}.json"), pretty(&list)));
        }
    }
    for ([namespace, pod, container], _, text) in parts.logs().into_iter().filter(|(_, previous, _)| !previous) {
        let marked = |word: &str| format!("==== {word} logs for container {container} of pod {namespace}/{pod} ====\n");
        files.push((format!("{namespace}/{pod}/logs.txt"), format!("{}{text}{}", marked("START"), marked("END"))));
    }
    files
}

fn folder_of(files: &[(String, String)]) -> Folder {
    files.iter().fold(Folder::new(), |folder, (name, text)| folder.with(name, text))
}

#[test]
fn a_dump_of_cluster_info() {
    for recording in RECORDINGS {
        let parts = Parts::of(recording);
        let files = cluster_info(&parts);
        let answers = both(&parts, &folder_of(&files), ".");
        assert_same(recording, "cluster-info", &answers, &["ingresses", "configmaps"]);
        // With what it said it lacks, as kubectl prints it, put beside.
        let more = ["ConfigMap", "Ingress"].into_iter().flat_map(|kind| parts.of_kind(kind, None));
        let more = yaml(&json!({"apiVersion": "v1", "kind": "List", "items": more.collect::<Vec<_>>()}));
        let (ours, theirs) = both(&parts, &folder_of(&files).with("more.yaml", &more), ".");
        assert_eq!(said(&ours), said(&theirs), "{recording}: {theirs:#}");
        // The same as it is printed without a folder.
        let printed: String = files.iter().map(|(_, text)| text.as_str()).collect();
        let printed = Folder::new().with("dump.txt", printed).with("more.yaml", more);
        let (ours, theirs) = both(&parts, &printed, ".");
        assert_eq!(said(&ours), said(&theirs), "{recording}: {theirs:#}");
    }
}

#[test]
fn readings_are_cited_where_they_stand_in_the_folder_that_was_given() {
    let parts = Parts::of("port-mismatch");
    let ingresses = json!({"apiVersion": "v1", "kind": "List", "items": parts.of_kind("Ingress", None)});
    let folder = folder_of(&cluster_info(&parts)).with("ingresses.json", ingresses.to_string());
    let (_, theirs) = both(&parts, &folder, ".");
    for reading in theirs["root_causes"][0]["evidence"].as_array().expect("readings") {
        let (source, path) = (reading["source"].as_str().unwrap(), reading["path"].as_str().unwrap());
        if let Ok(text) = std::fs::read_to_string(folder.path().join(source)) {
            let value: Value = serde_json::from_str(&text).expect("JSON");
            assert!(value.pointer(path).is_some(), "{source} has no {path}");
        } else {
            assert_eq!(source, "traffic.jsonl", "{reading}");
        }
    }
    let shown = run(LAB, folder.path(), ["diagnose", "--evidence", "."]).stdout;
    assert!(shown.contains("services.json, service/"), "{shown}");
    assert!(shown.starts_with("Read as a dump of kubectl cluster-info: "), "{shown}");
}

#[test]
fn a_support_bundle() {
    for recording in RECORDINGS {
        let parts = Parts::of(recording);
        let folders: BTreeMap<&str, &str> = [
            ("Ingress", "ingress"),
            ("IngressClass", "ingress-classes"),
            ("NetworkPolicy", "network-policy"),
            ("PersistentVolume", "pvs"),
            ("PersistentVolumeClaim", "pvcs"),
            ("ResourceQuota", "resource-quota"),
            ("StorageClass", "storage-classes"),
        ]
        .into();
        for arrays in [false, true] {
            let mut folder =
                Folder::new().with("version.yaml", "apiVersion: troubleshoot.sh/v1beta2\nkind: SupportBundle\n");
            for ((kind, namespace), items) in parts.by_kind() {
                let plural = lab::rigs::kind_of(&kind).expect("a kind").plural;
                let name = folders.get(kind.as_str()).copied().unwrap_or(plural);
                let list = typed(&kind, items);
                let list = if arrays { &list["items"] } else { &list };
                let file = namespace.map_or(format!("{name}.json"), |namespace| format!("{name}/{namespace}.json"));
                folder = folder.with(&format!("cluster-resources/{file}"), list.to_string());
            }
            for ([namespace, pod, container], previous, text) in parts.logs() {
                let end = if previous { "-previous.log" } else { ".log" };
                let file = format!("cluster-resources/pods/logs/{namespace}/{pod}/{container}{end}");
                folder = folder.with(&file, text);
            }
            let why = r#"{"shop":"networkpolicies is forbidden"}"#;
            folder = folder.with("cluster-resources/network-policy-errors.json", why);
            let (ours, theirs) = both(&parts, &folder, ".");
            assert_eq!(said(&ours), said(&theirs), "{recording}: {theirs:#}");
            assert!(cited(&theirs).iter().any(|file| file.starts_with("cluster-resources/")), "{theirs:#}");
        }
    }
}

/// A must-gather, its files below `top`.
fn must_gather(parts: &Parts, top: &str) -> Vec<(String, String)> {
    let mut files = vec![(format!("{top}/timestamp"), "2030-01-02 03:04:05.6 +0000 UTC m=+0.1\n".to_owned())];
    for ((kind, namespace), items) in parts.by_kind() {
        let version = items[0]["apiVersion"].as_str().expect("a version");
        let group = version.split_once('/').map_or("core", |(group, _)| group);
        let plural = lab::rigs::kind_of(&kind).expect("a kind").plural;
        match namespace {
            Some(namespace) => {
                if kind == "Pod" {
                    for pod in &items {
                        let name = pod["metadata"]["name"].as_str().expect("a name");
                        files.push((format!("{top}/namespaces/{namespace}/pods/{name}/{name}.yaml"), yaml(pod)));
                    }
                }
                let list = json!({"apiVersion": version, "kind": format!("{kind}List"), "items": items});
                files.push((format!("{top}/namespaces/{namespace}/{group}/{plural}.yaml"), yaml(&list)));
            }
            None => {
                for item in &items {
                    let name = item["metadata"]["name"].as_str().expect("a name");
                    files.push((format!("{top}/cluster-scoped-resources/{group}/{plural}/{name}.yaml"), yaml(item)));
                }
            }
        }
    }
    for ([namespace, pod, container], previous, text) in parts.logs() {
        let file = if previous { "previous" } else { "current" };
        let dated: String = text.lines().map(|line| format!("2030-01-02T03:04:05.6Z {line}\n")).collect();
        let at = format!("{top}/namespaces/{namespace}/pods/{pod}/{container}/{container}/logs/{file}.log");
        files.push((at, dated));
    }
    files
}

#[test]
fn a_must_gather_and_the_same_packed() {
    for recording in RECORDINGS {
        let parts = Parts::of(recording);
        let folder = folder_of(&must_gather(&parts, "must-gather.local.1/registry-sha256-2"));
        let (ours, theirs) = both(&parts, &folder, ".");
        assert_eq!(said(&ours), said(&theirs), "{recording}: {theirs:#}");
        let mut pack = Command::new("tar");
        let pack = pack.args(["-czf", "mg.tar.gz", "must-gather.local.1"]).current_dir(folder.path());
        assert!(pack.status().expect("tar").success());
        let (_, again) = both(&parts, &folder, "mg.tar.gz");
        assert_eq!(said(&theirs), said(&again));
        let cut = std::fs::read(folder.path().join("mg.tar.gz")).expect("an archive");
        let cut = Folder::new().with("cut.tar.gz", &cut[..cut.len() / 2]);
        diagnose(cut.path(), "cut.tar.gz")
            .assert_error(2, &["cut.tar.gz: it cannot be unpacked to its end", "cut off"]);
    }
}

#[test]
fn files_of_kubectl_whatever_their_names() {
    for recording in RECORDINGS {
        let parts = Parts::of(recording);
        let rest = || {
            let rest = parts.files.iter().filter(|(name, _)| *name != "objects.json");
            rest.fold(Folder::new(), |folder, (name, text)| folder.with(name, text))
        };
        let (mut as_yaml, mut as_json, mut documents) = (rest(), rest(), String::new());
        for (number, ((kind, _), items)) in parts.by_kind().into_iter().enumerate() {
            documents.extend(items.iter().map(|item| format!("---\n{}", yaml(item))));
            let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
            as_yaml = as_yaml.with(&format!("{kind}/some/{number}.yml"), yaml(&list));
            as_json = as_json.with(&format!("{number}.json"), serde_json::to_string_pretty(&list).expect("JSON"));
        }
        for folder in [as_yaml, as_json, rest().with("all.yaml", documents)] {
            let (ours, theirs) = both(&parts, &folder, ".");
            assert_eq!(said(&ours), said(&theirs), "{recording}: {theirs:#}");
        }
    }
}

#[test]
fn an_export_that_is_broken_has_its_place() {
    let service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  labels: {app: web\n";
    diagnose(Folder::new().with("a/web.yaml", service).path(), ".")
        .assert_error(2, &["./a/web.yaml:5:11: ", "cut off"]);
    let json = "{\"apiVersion\": \"v1\", \"kind\": \"Pod\",\n  \"metadata\"";
    diagnose(Folder::new().with("pod.json", json).path(), ".").assert_error(2, &["./pod.json:2:12: the file ends in"]);
    // Among the thousands of a tool one that was cut off stops nothing, and is said.
    let parts = Parts::of("missing-configmap");
    let mut files = must_gather(&parts, "mg");
    files.push(("mg/namespaces/other/core/services.yaml".to_owned(), service.to_owned()));
    let answer = diagnose(folder_of(&files).path(), ".");
    assert!(answer.stderr.contains("mg/namespaces/other/core/services.yaml:5:11"), "{answer:?}");
    assert_eq!(said(&answer.json()).0, "confirmed");
}

#[test]
fn what_is_of_no_known_form_is_left_out_with_a_note() {
    let parts = Parts::of("missing-configmap");
    let folder = parts.files.iter().fold(Folder::new(), |folder, (name, text)| folder.with(name, text));
    let folder = folder
        .with("notes.md", "we restarted it")
        .with("values.yaml", "image: {{ .Values.image }}")
        .with("hosts/n/odd.bin", b"\xff")
        .with(
            "crs/widget.yaml",
            "apiVersion: x.test/v1\nkind: Widget\nmetadata: {name: w, namespace: s}\nspec: {size: 1}\n",
        );
    let answer = diagnose(folder.path(), ".");
    assert!(answer.stderr.contains("hosts/n/odd.bin, notes.md, values.yaml"), "{answer:?}");
    assert_eq!(said(&answer.json()).0, "confirmed", "{answer:?}");
}

#[test]
fn an_object_without_its_list_and_items_without_kind_are_read() {
    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"s"}}"#;
    for objects in
        [pod.to_owned(), format!("{pod}\n{pod}"), format!("[{pod}, {{}}, 3]"), format!("{{\"items\":[{pod}, {{}}]}}")]
    {
        let answer = diagnose(Folder::new().with("objects.json", &objects).path(), ".");
        assert_eq!(answer.code, 0, "{objects}: {answer:?}");
    }
}

#[test]
fn nothing_is_taken_from_outside_an_archive() {
    let folder = Folder::new().with("secret/objects.json", "not read").with("in/probes.json", "[]");
    let pack = |arguments: &[&str]| {
        let status = Command::new("tar").args(arguments).current_dir(folder.path().join("in")).status();
        assert!(status.expect("tar").success());
    };
    pack(&["-cPf", "../out.tar", "probes.json", "../secret/objects.json"]);
    let answer = diagnose(folder.path(), "out.tar");
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stderr.contains("leads out of the archive"), "{answer:?}");
    let alone = Folder::new().with("x.gz", b"\x1f\x8b\x08\x00garbage");
    diagnose(alone.path(), "x.gz").assert_error(2, &["x.gz: it cannot be unpacked to its end"]);
}
