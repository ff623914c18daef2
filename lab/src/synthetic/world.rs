//! The cluster while it is made: its objects, who runs where, and the files that go beside them.

use std::collections::{BTreeMap, BTreeSet};

use diagnoser::Subject;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::names::{self, Names};
use crate::{replay::Files, rigs::kinds};

/// When the evidence was taken.
const COLLECTED: &str = "2026-03-02T09:30:00Z";

/// A workload with its Service.
#[derive(Clone)]
pub(super) struct App {
    /// Where it lives.
    pub namespace: String,
    /// Of the workload, the Service and whatever else is its own.
    pub name: String,
    /// `Deployment` or `StatefulSet`.
    pub kind: &'static str,
    /// What its process listens on.
    pub port: u16,
    /// The name users ask for, where it has an Ingress.
    pub host: Option<String>,
    /// The apps that it sends requests to.
    pub calls: Vec<usize>,
    /// Its pods.
    pub pods: Vec<Subject>,
}

impl App {
    /// An object of a kind that carries the app's name.
    pub fn own(&self, kind: &str) -> Subject {
        Subject::namespaced(kind, &self.namespace, &self.name)
    }

    /// Its Deployment or StatefulSet.
    pub fn workload(&self) -> Subject {
        self.own(self.kind)
    }
}

/// The cluster.
pub(super) struct World {
    /// Whatever is drawn.
    pub chance: fastrand::Rng,
    /// Where names come from.
    pub names: Names,
    /// Its nodes.
    pub nodes: Vec<String>,
    /// Its workloads.
    pub apps: Vec<App>,
    /// What was tried by hand (`probes.json`).
    pub probes: Vec<Value>,
    /// Files beside the objects: logs, facts of nodes.
    pub files: Files,
    objects: BTreeMap<Subject, Value>,
    collected: Timestamp,
    addresses: u32,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            chance: fastrand::Rng::with_seed(seed),
            names: Names::default(),
            nodes: vec![],
            apps: vec![],
            probes: vec![],
            files: Files::new(),
            objects: BTreeMap::new(),
            collected: COLLECTED.parse().unwrap_or_default(),
            addresses: 0,
        }
    }

    /// The time so many seconds before the evidence was taken.
    pub fn ago(&self, seconds: i64) -> String {
        (self.collected - SignedDuration::from_secs(seconds)).to_string()
    }

    /// A new address of a pod.
    pub fn pod_address(&mut self) -> String {
        self.addresses += 1;
        let n = self.addresses;
        format!("10.{}.{}.{}", 128 + (n >> 16), n >> 8 & 255, n & 255)
    }

    /// A new address of a Service.
    pub fn service_address(&mut self) -> String {
        self.addresses += 1;
        let n = self.addresses;
        format!("172.{}.{}.{}", 20 + (n >> 16), n >> 8 & 255, n & 255)
    }

    /// Adds an object, with a uid of its own where it has none.
    pub fn put(&mut self, mut object: Value) -> Subject {
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(names::uid(&mut self.chance));
        }
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (kind, name) = (text("/kind"), text("/metadata/name"));
        let subject = match text("/metadata/namespace") {
            "" => Subject::global(kind, name),
            namespace => Subject::namespaced(kind, namespace, name),
        };
        self.objects.insert(subject.clone(), object);
        subject
    }

    /// An object, to be read or changed.
    pub fn object(&mut self, subject: &Subject) -> &mut Value {
        self.objects.entry(subject.clone()).or_default()
    }

    /// Whether a node takes no new pods.
    pub fn is_cordoned(&mut self, node: &str) -> bool {
        self.object(&Subject::global("node", node))["spec"]["unschedulable"] == true
    }

    /// Takes away the policies that select an app's pods.
    pub fn remove_policies_of(&mut self, app: &App) {
        self.objects.retain(|subject, policy| {
            let selects = &policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"];
            !(subject.is("networkpolicy") && subject.namespace() == app.namespace && *selects == app.name)
        });
    }

    /// Takes an object away.
    pub fn remove(&mut self, subject: &Subject) {
        self.objects.remove(subject);
    }

    /// Changes the pods' specification wherever it stands: in the workload, its ReplicaSet and the pods.
    pub fn change_template(&mut self, app: usize, change: impl Fn(&mut Value)) {
        let app = self.apps[app].clone();
        change(&mut self.object(&app.workload())["spec"]["template"]["spec"]);
        if let Some(set) = self.replica_set(&app) {
            change(&mut self.object(&set)["spec"]["template"]["spec"]);
        }
        for pod in &app.pods {
            change(&mut self.object(pod)["spec"]);
        }
    }

    /// The ReplicaSet that makes the pods of a Deployment now.
    pub fn replica_set(&self, app: &App) -> Option<Subject> {
        let sets = self.objects.range(Subject::namespaced("replicaset", &app.namespace, &app.name)..);
        let mut sets = sets.take_while(|(subject, _)| {
            subject.is("replicaset") && subject.namespace() == app.namespace && subject.name.starts_with(&app.name)
        });
        sets.find(|(_, set)| set["spec"]["replicas"] != 0 && set["metadata"]["ownerReferences"][0]["name"] == app.name)
            .map(|(subject, _)| subject.clone())
    }

    /// Something was said about an object: last so many seconds ago, so many times.
    pub fn event(&mut self, about: &Subject, kind: &str, reason: &str, message: &str, ago: i64, count: u64) {
        let object = self.objects.get(about).cloned().unwrap_or_default();
        let component = match about.kind.as_str() {
            "pod" if matches!(reason, "FailedScheduling" | "Scheduled") => "default-scheduler",
            "pod" => "kubelet",
            "replicaset" => "replicaset-controller",
            _ => "deployment-controller",
        };
        let mut source = json!({"component": component});
        if component == "kubelet" {
            source["host"] = object["spec"]["nodeName"].clone();
        }
        let namespace = about.namespace.as_deref().unwrap_or("default");
        let name = format!("{}.{:016x}", about.name, self.chance.u64(..));
        let last = self.ago(ago);
        let first = self.ago(ago + 15 * (count as i64 - 1));
        let mut involved = json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "name": about.name,
            "resourceVersion": self.chance.u32(..).to_string(), "uid": object["metadata"]["uid"]});
        if let Some(namespace) = &about.namespace {
            involved["namespace"] = json!(namespace);
        }
        let version = self.chance.u32(..).to_string();
        self.put(json!({
            "apiVersion": "v1", "kind": "Event", "type": kind, "reason": reason, "message": message, "count": count,
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": first,
                "resourceVersion": version},
            "involvedObject": involved, "firstTimestamp": first, "lastTimestamp": last, "eventTime": null,
            "reportingComponent": component, "reportingInstance": "", "source": source,
        }));
    }

    /// The apps that the fault goes to: first those that users ask for, or that serve one they ask for.
    pub fn pick_victims(&mut self, count: usize) -> Vec<usize> {
        let hosted = || self.apps.iter().enumerate().filter(|(_, app)| app.host.is_some());
        let open: BTreeSet<usize> =
            hosted().flat_map(|(index, app)| app.calls.iter().copied().chain([index])).collect();
        let (mut first, mut then): (Vec<usize>, Vec<usize>) =
            (0..self.apps.len()).partition(|index| open.contains(index));
        self.chance.shuffle(&mut first);
        self.chance.shuffle(&mut then);
        first.into_iter().chain(then).take(count).collect()
    }

    /// The files of the evidence folder.
    pub fn finish(mut self) -> Files {
        self.slices();
        let collected = || kinds().filter(|kind| kind.kind != "Endpoints");
        let count = |kind: &str| self.objects.keys().filter(|subject| subject.kind.eq_ignore_ascii_case(kind)).count();
        let listed: BTreeMap<&str, usize> = collected().map(|kind| (kind.plural, count(kind.kind))).collect();
        let items: Vec<String> = self.objects.values().map(Value::to_string).collect();
        let coverage = json!({"collected": COLLECTED, "listed": listed, "missed": []});
        let probes: Vec<String> = self.probes.iter().map(Value::to_string).collect();
        let files = [
            ("coverage.json", format!("{coverage:#}\n")),
            (
                "objects.json",
                format!("{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n{}\n]}}\n", items.join(",\n")),
            ),
            ("probes.json", format!("[\n{}\n]\n", probes.join(",\n"))),
        ];
        self.files.extend(files.map(|(name, text)| (name.to_owned(), text)));
        self.files
    }

    /// The EndpointSlice that Kubernetes keeps for each Service: the pods it selects, with their readiness.
    fn slices(&mut self) {
        let within = |kind: &str, namespace: &str| Subject::namespaced(kind, namespace, "");
        let services: Vec<(Subject, Value)> = self
            .objects
            .range(within("service", "")..)
            .take_while(|(subject, _)| subject.is("service"))
            .map(|(subject, service)| (subject.clone(), service.clone()))
            .collect();
        for (subject, service) in services {
            let Some(selector) = service["spec"]["selector"].as_object() else { continue };
            let pods: Vec<&Value> = self
                .objects
                .range(within("pod", subject.namespace())..)
                .take_while(|(pod, _)| pod.is("pod") && pod.namespace() == subject.namespace())
                .map(|(_, pod)| pod)
                .filter(|pod| {
                    pod["status"]["podIP"].is_string()
                        && pod["status"]["phase"] != "Succeeded"
                        && pod["status"]["phase"] != "Failed"
                })
                .filter(|pod| selector.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value))
                .collect();
            let port = &service["spec"]["ports"][0];
            let target = match &port["targetPort"] {
                Value::String(name) => {
                    pods.iter().find_map(|pod| named_port(pod, name)).map_or(Value::Null, Value::from)
                }
                number => number.clone(),
            };
            let endpoints: Vec<Value> = pods.iter().filter(|_| !target.is_null()).map(|pod| endpoint(pod)).collect();
            let ports = if endpoints.is_empty() && target.is_null() {
                json!([])
            } else {
                json!([{"name": port["name"], "port": target, "protocol": "TCP"}])
            };
            let name = format!("{}-{}", subject.name, names::suffix(&mut self.chance, 5));
            let born = self.ago(9_000_000);
            self.put(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                "endpoints": endpoints, "ports": ports,
                "metadata": {"name": name, "namespace": subject.namespace(), "creationTimestamp": born,
                    "generateName": format!("{}-", subject.name), "generation": 7,
                    "labels": {"app.kubernetes.io/name": subject.name, "kubernetes.io/service-name": subject.name,
                        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"},
                    "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": subject.name, "controller": true,
                        "blockOwnerDeletion": true, "uid": service["metadata"]["uid"]}]}}));
        }
    }
}

fn named_port(pod: &Value, name: &str) -> Option<u64> {
    let ports = pod["spec"]["containers"][0]["ports"].as_array()?;
    ports.iter().find(|port| port["name"] == name)?["containerPort"].as_u64()
}

fn endpoint(pod: &Value) -> Value {
    let conditions = pod["status"]["conditions"].as_array();
    let ready = conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"));
    json!({"addresses": [pod["status"]["podIP"]], "conditions": {"ready": ready, "serving": ready, "terminating": false},
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"],
            "uid": pod["metadata"]["uid"]}})
}
