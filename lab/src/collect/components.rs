//! The versions of the real components of a run, by name.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    LabError,
    rigs::{Live, kind, kind_of, running_container, with_files_of},
};

/// Asks every component for its version; one that does not say is left out.
///
/// # Errors
/// When the cluster does not answer.
pub async fn components(live: &Live) -> Result<BTreeMap<String, String>, LabError> {
    let mut found = BTreeMap::from([
        ("kubernetes".to_owned(), live.rig.api.version().await?),
        ("engine".to_owned(), live.rig.engine.version().await?),
    ]);
    let mut add = |name: &str, version: Option<String>| version.map(|version| found.insert(name.to_owned(), version));
    add("kind", kind::version().await);
    let nodes = live.rig.api.list(kind_of("node")?, None, "").await?;
    let info = |key: &str| Some(nodes.first()?.pointer(&format!("/status/nodeInfo/{key}"))?.as_str()?.to_owned());
    add("kernel", info("kernelVersion"));
    add("container-runtime", info("containerRuntimeVersion"));
    let dns = live.rig.api.list(kind_of("pod")?, Some("kube-system"), "k8s-app=kube-dns").await?;
    let image = dns.first().and_then(|pod| pod.pointer("/spec/containers/0/image")?.as_str());
    add("coredns", image.and_then(|image| Some(image.rsplit_once(':')?.1.to_owned())));
    for (place, name, command) in [
        ("ingress", "traefik", "traefik version"),
        ("edge", "nginx", "nginx -v 2>&1"),
        ("client", "workload", "workload --version"),
    ] {
        add(name, of_place(live, place, command).await);
    }
    Ok(found)
}

/// The first word with a digit and a dot in what a program of a place says of itself.
async fn of_place(live: &Live, place: &str, command: &str) -> Option<String> {
    let pod = live.running_pod(live.world.place(place).ok()?).await.ok()?;
    let node = live.rig.node(pod.pointer("/spec/nodeName").and_then(Value::as_str)?).ok()?;
    let text = node.shell(&with_files_of(running_container(&pod)?, command)).await.ok()?;
    let words = text.split(|c: char| c.is_whitespace() || c == '/' || c == ',');
    let mut versions = words
        .filter(|word| word.contains('.') && word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()));
    versions.next().map(str::to_owned)
}
