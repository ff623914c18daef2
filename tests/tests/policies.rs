//! What the diagnoser says of NetworkPolicies against what a real cluster does with them: sets of policies over five pods,
//! every pod connecting to every port of every pod, and looking a name up. Run by hand:
//! `cargo test -p lab-tests --test policies -- --ignored --nocapture` (needs the images: `lab images build`).

// Tables of plain words, read once from top to bottom.
#![allow(clippy::type_complexity)]

use std::{collections::BTreeMap, time::Duration};

use diagnoser::{
    Subject,
    evidence::{Fact, Object, Objects},
    policy::{Peer, Port, Protocol, passes},
};
use futures::future::{join_all, try_join_all};
use lab::{
    LabError, cluster, ledger,
    rigs::{
        Action, KindCluster, LABEL, Now, WORKLOAD, inside, kind_of, lines_of, pod_subject, running_container,
        subject_of, until,
    },
};
use lab_tests::root;
use serde_json::{Value, json};

/// How long the pods may take to be ready, and to be gone.
const READY: Duration = Duration::from_secs(120);
/// How long a set of policies may take to be in force.
const IN_FORCE: Duration = Duration::from_secs(60);
/// A name that every cluster answers.
const NAME: &str = "kubernetes.default.svc.cluster.local";
/// The ports each pod listens on; the first is named `http`, the second `alt`.
const PORTS: [u16; 2] = [80, 8080];

/// The pods: namespace, name, labels, zone.
const PODS: [(&str, &str, &[(&str, &str)], &str); 5] = [
    ("policy-a", "web", &[("app", "web"), ("tier", "front")], "zone-b"),
    ("policy-a", "api", &[("app", "api"), ("tier", "back")], "zone-b"),
    ("policy-a", "db", &[("app", "db")], "zone-c"),
    ("policy-b", "web", &[("app", "web")], "zone-c"),
    ("policy-b", "client", &[("app", "client"), ("tier", "front")], "zone-b"),
];

/// The sets: what each is about, and its policies (name, namespace, spec). `IP(namespace/pod)` is that pod's address.
fn sets() -> Vec<(&'static str, Vec<(&'static str, &'static str, Value)>)> {
    let names = || json!({"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]});
    let app = |app: &str| json!({"podSelector": {"matchLabels": {"app": app}}});
    let of = |name: &str| json!({"matchLabels": {"app": name}});
    vec![
        ("no policy", vec![]),
        ("nobody gets in", vec![("deny", "policy-a", json!({"podSelector": {}, "policyTypes": ["Ingress"]}))]),
        ("nobody gets out", vec![("deny", "policy-a", json!({"podSelector": {}, "policyTypes": ["Egress"]}))]),
        (
            "pods of the same namespace",
            vec![("web", "policy-a", json!({"podSelector": of("web"), "ingress": [{"from": [app("api")]}]}))],
        ),
        (
            "all pods of namespaces",
            vec![(
                "web",
                "policy-a",
                json!({"podSelector": of("web"),
                "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"team": "b"}}}]}]}),
            )],
        ),
        (
            "pods of namespaces, both together",
            vec![(
                "all",
                "policy-a",
                json!({"podSelector": {}, "ingress": [{"from": [
                {"namespaceSelector": {"matchLabels": {"team": "b"}}, "podSelector": {"matchLabels": {"tier": "front"}}}]}]}),
            )],
        ),
        (
            "one or the other",
            vec![(
                "all",
                "policy-a",
                json!({"podSelector": {}, "ingress": [{"from": [
                {"namespaceSelector": {"matchLabels": {"team": "b"}}}, {"podSelector": {"matchLabels": {"tier": "back"}}}]}]}),
            )],
        ),
        (
            "a port by its name, and one of another protocol",
            vec![(
                "all",
                "policy-a",
                json!({"podSelector": {}, "ingress": [
                {"ports": [{"port": "alt"}]}, {"ports": [{"port": 80, "protocol": "UDP"}]}]}),
            )],
        ),
        (
            "a range of ports",
            vec![(
                "all",
                "policy-b",
                json!({"podSelector": {}, "ingress": [{"ports": [{"port": 8000, "endPort": 8080}]}]}),
            )],
        ),
        (
            "addresses, less some",
            vec![(
                "all",
                "policy-a",
                json!({"podSelector": {}, "ingress": [{"from": [
                {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["IP(policy-b/client)/32", "IP(policy-a/api)/32"]}}]}]}),
            )],
        ),
        (
            "what one block excepts another rule allows",
            vec![(
                "all",
                "policy-a",
                json!({"podSelector": {}, "ingress": [
                {"from": [{"podSelector": {"matchLabels": {"app": "api"}}}], "ports": [{"port": 80}]},
                {"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["IP(policy-a/api)/32"]}}]}]}),
            )],
        ),
        (
            "several policies allow what any of them does",
            vec![
                ("deny", "policy-a", json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})),
                (
                    "api",
                    "policy-a",
                    json!({"podSelector": of("api"), "policyTypes": ["Egress"], "egress": [{"to": [app("web")]}, names()]}),
                ),
                (
                    "web",
                    "policy-a",
                    json!({"podSelector": of("web"), "ingress": [{"from": [app("api")], "ports": [{"port": 80}]}]}),
                ),
                (
                    "web-too",
                    "policy-a",
                    json!({"podSelector": {"matchLabels": {"tier": "front"}}, "ingress": [
                    {"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "client"}}}], "ports": [{"port": "alt"}]}]}),
                ),
            ],
        ),
        (
            "out to some pods and to the DNS",
            vec![(
                "web",
                "policy-a",
                json!({"podSelector": of("web"), "egress": [
                {"to": [app("api")], "ports": [{"port": 8080}]},
                {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                         "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}], "ports": [{"port": 53, "protocol": "UDP"}]}]}),
            )],
        ),
        (
            "out by the name of a port, to whoever has it",
            vec![(
                "all",
                "policy-b",
                json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": [{"port": "http"}]}]}),
            )],
        ),
        (
            "expressions",
            vec![(
                "some",
                "policy-a",
                json!({
                "podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]},
                "ingress": [
                    {"from": [{"podSelector": {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["front"]}]}}], "ports": [{"port": 80}]},
                    {"from": [{"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]},
                               "podSelector": {"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}}], "ports": [{"port": 8080}]}]}),
            )],
        ),
        (
            "without policyTypes a policy governs what comes in, and what goes out where it has rules for that",
            vec![("web", "policy-a", json!({"podSelector": of("web"), "egress": [{"to": [{"podSelector": {}}]}]}))],
        ),
        (
            "an empty rule allows everything, an empty list nothing",
            vec![
                ("web", "policy-a", json!({"podSelector": of("web"), "ingress": [{}]})),
                ("api", "policy-a", json!({"podSelector": of("api"), "ingress": []})),
            ],
        ),
        (
            "both ends must agree",
            vec![
                (
                    "out",
                    "policy-a",
                    json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [
                    {"to": [{"namespaceSelector": {"matchLabels": {"team": "b"}}}], "ports": [{"port": 80, "endPort": 81}]}]}),
                ),
                (
                    "in",
                    "policy-b",
                    json!({"podSelector": of("web"), "ingress": [
                    {"from": [{"namespaceSelector": {"matchLabels": {"team": "a"}}, "podSelector": {"matchLabels": {"tier": "back"}}}]}]}),
                ),
            ],
        ),
    ]
}

/// What gets through: from, to with its port or the name looked up.
type Reached = BTreeMap<(String, String), bool>;

#[tokio::test]
#[ignore = "needs a container engine and the images"]
async fn what_is_predicted_is_what_gets_through() {
    let _lock = ledger::lock().expect("the lock");
    let rig = cluster::ready(&root()).await.expect("the cluster");
    let result = every_set(&rig).await;
    let cleaned = clean(&rig).await;
    match result {
        Ok(failures) => assert!(failures.is_empty(), "{}", failures.join("\n")),
        Err(error) => panic!("{error}"),
    }
    cleaned.expect("the namespaces are gone");
}

async fn every_set(rig: &KindCluster) -> Result<Vec<String>, LabError> {
    let pods = set_up(rig).await?;
    let mut failures = vec![];
    for (about, policies) in sets() {
        let policies: Vec<Value> =
            policies.iter().map(|(name, namespace, spec)| policy(name, namespace, spec, &pods)).collect();
        for policy in &policies {
            rig.act(&Action::Apply(policy.clone())).await?;
        }
        let predicted = predicted(rig).await?;
        let in_force = until("the policies to be in force", IN_FORCE, async || {
            let observed = observed(rig, &pods).await?;
            let differing: Vec<String> = predicted
                .iter()
                .filter(|(way, passes)| observed.get(*way) != Some(*passes))
                .map(|((from, to), passes)| {
                    format!(
                        "{from} -> {to}: predicted {passes}, observed {:?}",
                        observed.get(&(from.clone(), to.clone()))
                    )
                })
                .collect();
            Ok(if differing.is_empty() { Now::Holds(()) } else { Now::NotYet(differing.join("; ")) })
        });
        match in_force.await {
            Ok(()) => {
                let through = predicted.values().filter(|passes| **passes).count();
                println!("{about}: {} ways, {through} get through, as predicted", predicted.len());
            }
            Err(error) => failures.push(format!("{about}: {error}")),
        }
        for policy in &policies {
            rig.act(&Action::Delete(subject_of(policy)?)).await?;
        }
    }
    Ok(failures)
}

/// Makes namespaces and pods, and waits until the pods are ready; they are as they were read back then.
async fn set_up(rig: &KindCluster) -> Result<Vec<Value>, LabError> {
    let worlds = cluster::worlds(&root())?;
    let image = worlds.iter().find_map(|world| world.images.get("workload")).cloned().unwrap_or_default();
    for (namespace, team) in [("policy-a", "a"), ("policy-b", "b")] {
        let labels = json!({LABEL: "lab", "team": team});
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}});
        rig.act(&Action::Apply(namespace)).await?;
    }
    try_join_all(PODS.iter().map(async |(namespace, name, labels, zone)| {
        let mut all: BTreeMap<&str, &str> = labels.iter().copied().collect();
        all.insert(LABEL, "lab");
        let containers: Vec<Value> = PORTS.iter().zip(["http", "alt"]).map(|(port, named)| json!({
            "name": named, "image": image, "imagePullPolicy": "IfNotPresent",
            "args": ["serve", format!("--name={name}"), format!("--listen=0.0.0.0:{port}")],
            "ports": [{"name": named, "containerPort": port}],
            "readinessProbe": {"httpGet": {"path": "/healthz", "port": named}, "periodSeconds": 1},
        })).collect();
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": all},
            "spec": {"nodeSelector": {"topology.kubernetes.io/zone": zone}, "terminationGracePeriodSeconds": 1, "containers": containers}});
        rig.act(&Action::Apply(pod)).await
    }))
    .await?;
    let mut pods = vec![];
    for (namespace, name, ..) in PODS {
        let subject = Subject::namespaced("pod", namespace, name);
        rig.api
            .watch(&subject, "to be ready", READY, |pod| {
                let conditions = pod.and_then(|pod| pod.pointer("/status/conditions")).and_then(Value::as_array);
                let ready = conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True");
                if ready {
                    Ok(())
                } else {
                    Err(pod.map_or("not there".to_owned(), |pod| pod["status"]["phase"].to_string()))
                }
            })
            .await?;
        pods.extend(rig.api.get(&subject).await?);
    }
    Ok(pods)
}

/// A policy with the addresses filled in.
fn policy(name: &str, namespace: &str, spec: &Value, pods: &[Value]) -> Value {
    let mut text = spec.to_string();
    for pod in pods {
        let place = format!(
            "IP({}/{})",
            pod["metadata"]["namespace"].as_str().expect("as the API server gives it"),
            pod["metadata"]["name"].as_str().expect("as the API server gives it")
        );
        text = text.replace(&place, pod["status"]["podIP"].as_str().expect("as the API server gives it"));
    }
    let spec: Value = serde_json::from_str(&text).expect("as the API server gives it");
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace, "labels": {LABEL: "lab"}}, "spec": spec})
}

/// What the diagnoser says of the objects as they are read back.
async fn predicted(rig: &KindCluster) -> Result<Reached, LabError> {
    let mut items = vec![];
    for (resource, namespaces) in [
        ("namespaces", &[None][..]),
        ("pods", &[Some("policy-a"), Some("policy-b"), Some("kube-system")]),
        ("networkpolicies", &[Some("policy-a"), Some("policy-b"), Some("kube-system")]),
    ] {
        for namespace in namespaces {
            items.extend(rig.api.list(kind_of(resource)?, *namespace, "").await?);
        }
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let objects = Objects::parse(&list).expect("a list");
    let ours: Vec<&Object> = objects.of_kind("pod").filter(|pod| pod.namespace().starts_with("policy-")).collect();
    let dns: Vec<&Object> =
        objects.of_kind("pod").filter(|pod| pod.labels().get("k8s-app") == Some(&"kube-dns")).collect();
    let passes = |from: &Object, to: &Object, port: Port| {
        passes(&objects, &Peer::of(from), &Peer::of(to), port) == Fact::Seen(true)
    };
    let mut reached = Reached::new();
    for from in &ours {
        for to in &ours {
            for port in PORTS {
                let to_port = format!("{}:{port}", to.subject());
                reached.insert((from.subject().to_string(), to_port), passes(from, to, Port::tcp(port)));
            }
        }
        let look_up = Port { protocol: Protocol::Udp, number: 53 };
        reached.insert((from.subject().to_string(), NAME.to_owned()), dns.iter().all(|dns| passes(from, dns, look_up)));
    }
    Ok(reached)
}

/// What gets through in fact.
async fn observed(rig: &KindCluster, pods: &[Value]) -> Result<Reached, LabError> {
    let mut targets = BTreeMap::new();
    for pod in pods {
        for port in PORTS {
            let address = pod["status"]["podIP"].as_str().unwrap_or_default();
            targets.insert(format!("{address}:{port}"), format!("{}:{port}", pod_subject(pod)));
        }
    }
    let addresses = targets.keys().cloned().collect::<Vec<_>>().join(" ");
    let dial = format!("{WORKLOAD} dial --timeout 1s {addresses}");
    let resolve = format!("{WORKLOAD} resolve --timeout 2s {NAME}");
    let lines = join_all(rig.nodes().iter().map(async |node| {
        let here: Vec<&Value> = pods.iter().filter(|pod| pod["spec"]["nodeName"] == node.name.as_str()).collect();
        let scripts: Vec<(Subject, String)> = here
            .iter()
            .filter_map(|pod| Some((pod_subject(pod), running_container(pod)?)))
            .flat_map(|(pod, container)| [(pod.clone(), inside(container, &dial)), (pod, inside(container, &resolve))])
            .collect();
        let commands: Vec<String> = scripts.iter().map(|(_, script)| script.clone()).collect();
        let outputs = node.side_by_side(&commands).await?;
        let texts = scripts.iter().zip(outputs).map(|((pod, _), output)| output.ok().map(|text| lines_of(&text, pod)));
        Ok::<_, LabError>(texts.filter_map(Result::ok).flatten().collect::<Vec<Value>>())
    }))
    .await;
    let mut reached = Reached::new();
    for line in lines.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let target = targets.get(&text("target")).cloned().unwrap_or_else(|| text("target"));
        // Silence is what a policy makes; a refusal would be something else and is no success either.
        reached.insert((text("from"), target), matches!(text("outcome").as_str(), "connected" | "answered"));
    }
    Ok(reached)
}

async fn clean(rig: &KindCluster) -> Result<(), LabError> {
    let namespaces = ["policy-a", "policy-b"].map(|name| Action::Delete(Subject::global("namespace", name)));
    rig.take_back(&namespaces).await
}
