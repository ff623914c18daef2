//! What in a recording was named by whoever built the system.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::replay::Files;

/// Words that are names here and vocabulary elsewhere; renaming them would change what the evidence says.
const VOCABULARY: [&str; 14] = [
    "client",
    "clients",
    "default",
    "dns",
    "edge",
    "help",
    "ingress",
    "kubernetes",
    "node",
    "nginx",
    "traefik",
    "service",
    "http",
    "standard",
];

/// The names of objects and machines, sorted; not those that Kubernetes gives.
pub fn named(files: &Files) -> BTreeSet<String> {
    const KINDS: [&str; 7] = ["ConfigMap", "Deployment", "Ingress", "Namespace", "NetworkPolicy", "Node", "Service"];
    let objects: Value = files.get("objects.json").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let items = || objects["items"].as_array().into_iter().flatten();
    let name = |object: &'_ Value| object["metadata"]["name"].as_str().map(str::to_owned);
    let named = items().filter(|object| {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        KINDS.iter().any(|kind| object["kind"] == *kind) && !namespace.starts_with("kube-")
    });
    // Machines that no cluster knows are named by their folders.
    let machines = files.keys().filter_map(|file| file.strip_prefix("hosts/")?.split('/').next()).map(str::to_owned);
    let all = named.filter_map(name).chain(machines);
    all.filter(|name| !name.starts_with("kube-") && !VOCABULARY.contains(&name.as_str())).collect()
}
