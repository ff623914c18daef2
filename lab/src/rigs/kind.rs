//! The lab's own kind cluster: one, on a network of its own, with a kubeconfig of its own in the cache folder.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use diagnoser::Subject;
use futures::future::try_join_all;
use serde_json::Value;
use tokio::process::Command;

use super::{Engine, KubeApi, Node, api::missing};
use crate::{LabError, root};

/// The cluster's name; its nodes' names begin with it.
pub const NAME: &str = "lab";
/// The network its nodes are on.
pub const NETWORK: &str = "lab";
/// The label that kind gives the containers of this cluster.
pub const CONTAINERS: &str = "io.x-k8s.kind.cluster=lab";
/// The node image; LAB_NODE_IMAGE names another.
const NODE_IMAGE: &str = "kindest/node:v1.34.10";
/// The label of nodes that carry the control plane.
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
/// Where a node keeps which images were loaded into it.
const LOADED: &str = "/kind/loaded-images";
/// Where a node has the workload image's files, for probes from places that have no tools of their own.
const TOOLS: &str = "/run/tools";

/// The lab's own cluster, up and answering.
#[derive(Clone)]
pub struct KindCluster {
    /// The container engine it runs in.
    pub engine: Engine,
    /// Its API server.
    pub api: KubeApi,
    nodes: Vec<Node>,
}

/// The cluster's kubeconfig.
pub fn kubeconfig() -> PathBuf {
    folder().join("kubeconfig")
}

/// What the cluster was made from; written when it was whole.
fn made_from() -> PathBuf {
    folder().join("made-from")
}

fn folder() -> PathBuf {
    root::cache().join("clusters").join(NAME)
}

/// The name of the node image.
pub fn node_image() -> String {
    std::env::var("LAB_NODE_IMAGE").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| NODE_IMAGE.to_owned())
}

/// The `kind` program: the one built with the node image, else the one on the PATH.
pub fn program() -> Option<PathBuf> {
    let built = fs::read_dir(root::cache().join("kind-node")).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = built.map(|version| version.path().join("bin/kind")).collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    found
        .into_iter()
        .rev()
        .chain(std::env::split_paths(&path).map(|folder| folder.join("kind")))
        .find(|file| file.is_file())
}

/// What a cluster of this configuration is made from: where it differs from what one was made from, that one is outdated.
async fn inputs(engine: &Engine, config: &Path) -> Result<String, LabError> {
    let text = fs::read_to_string(config).map_err(|error| LabError::file(config, error))?;
    Ok(format!("{}\n{text}", engine.image(&node_image()).await.unwrap_or_default()))
}

impl KindCluster {
    /// The cluster of this configuration, where it is up, whole and not outdated.
    ///
    /// # Errors
    /// When it is not, with how to make it.
    pub async fn connect(engine: &Engine, config: &Path) -> Result<Self, LabError> {
        let lacks = |what: &str| LabError::Lacks { what: what.to_owned(), command: "lab up".to_owned() };
        let names = engine.containers(CONTAINERS).await?;
        if names.is_empty() {
            return Err(lacks("there is no cluster of the lab"));
        }
        if fs::read_to_string(made_from()).ok() != Some(inputs(engine, config).await?) {
            return Err(lacks("the lab's cluster is half-made or outdated"));
        }
        let api = KubeApi::connect(&kubeconfig(), &format!("kind-{NAME}")).await?;
        api.version().await.map_err(|_| lacks("the lab's cluster does not answer"))?;
        let nodes = names.iter().map(|name| Node::new(engine, name)).collect();
        Ok(Self { engine: engine.clone(), api, nodes })
    }

    /// Makes the cluster.
    ///
    /// # Errors
    /// When kind or the node image is missing, or kind fails.
    pub async fn create(engine: &Engine, config: &Path) -> Result<Self, LabError> {
        let image = node_image();
        if engine.image(&image).await.is_none() {
            return Err(LabError::Lacks {
                what: format!("the engine has no image {image}"),
                command: "lab images build".to_owned(),
            });
        }
        // kind would make the network with IPv6, which turns on forwarding for the whole machine.
        if !engine.has_network(NETWORK).await {
            engine.create_network(NETWORK).await?;
        }
        let (file, kubeconfig) = (config.display().to_string(), kubeconfig().display().to_string());
        let arguments =
            ["create", "cluster", "--name", NAME, "--image", &image, "--config", &file, "--kubeconfig", &kubeconfig];
        kind(&arguments).await?;
        fs::write(made_from(), inputs(engine, config).await?).map_err(|error| LabError::file(&made_from(), error))?;
        Self::connect(engine, config).await
    }

    /// Removes the cluster whether whole or half-made, its network, and everything kept about it.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn remove(engine: &Engine) -> Result<Vec<String>, LabError> {
        let mut removed = vec![];
        for name in engine.containers(CONTAINERS).await? {
            engine.remove_container(&name).await?;
            removed.push(format!("removed node {name}"));
        }
        if engine.has_network(NETWORK).await {
            engine.remove_network(NETWORK).await?;
            removed.push(format!("removed network {NETWORK}"));
        }
        if folder().exists() {
            fs::remove_dir_all(folder()).map_err(|error| LabError::file(&folder(), error))?;
        }
        Ok(removed)
    }

    /// A node by its name or its role: `lab-worker`, `worker`.
    ///
    /// # Errors
    /// When the lab's cluster has none.
    pub fn node(&self, name: &str) -> Result<&Node, LabError> {
        let full = format!("{NAME}-{name}");
        self.nodes.iter().find(|node| node.name == name || node.name == full).ok_or_else(|| {
            let known = self.nodes.iter().map(|node| node.name.as_str());
            LabError::unknown_name(
                "node of the lab's cluster",
                name,
                known,
                "kind-configs/ says which nodes there are.",
            )
        })
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Sees to it that every node has these images, as they are in the engine now.
    ///
    /// # Errors
    /// When the engine does not have one, or loading fails.
    pub async fn load(&self, images: &BTreeMap<String, String>) -> Result<(), LabError> {
        let loaded =
            try_join_all(self.nodes.iter().map(|node| node.shell("cat /kind/loaded-images 2>/dev/null || true")))
                .await?;
        let mut wanted = String::new();
        for name in images.values() {
            let id = self.engine.image(name).await.ok_or_else(|| LabError::Lacks {
                what: format!("the engine has no image {name}"),
                command: "lab images build".to_owned(),
            })?;
            let line = format!("{name} {id}\n");
            if !loaded.iter().all(|text| text.contains(&line)) {
                tracing::info!("loading {name} into the cluster");
                kind(&["load", "docker-image", "--name", NAME, name]).await?;
            }
            wanted.push_str(&line);
        }
        let tools = images.get("workload").map(|name| reference(name)).unwrap_or_default();
        let script = format!(
            "printf %s '{wanted}' >{LOADED}; umount {TOOLS} 2>/dev/null; mkdir -p {TOOLS}; \
             ctr -n k8s.io snapshots rm {TOOLS} 2>/dev/null; ctr -n k8s.io images mount {tools} {TOOLS} >/dev/null"
        );
        let fresh = loaded.iter().all(|text| *text == wanted);
        let mounted = format!("mountpoint -q {TOOLS} && {fresh} || {{ {script}; }}");
        try_join_all(self.nodes.iter().map(|node| node.shell(&mounted))).await.map(drop)
    }

    /// Sees to it that the cluster's DNS answers these names with Services, from the control plane's node: on a worker, a
    /// fault of that worker would look like one of names. A rollout makes a change of its file take effect at once.
    ///
    /// # Errors
    /// When CoreDNS has no file in the expected form, or does not come up again.
    pub async fn answer_names(&self, names: &BTreeMap<String, Subject>) -> Result<(), LabError> {
        let config = Subject::namespaced("configmap", "kube-system", "coredns");
        let deployment = Subject::namespaced("deployment", "kube-system", "coredns");
        let object = self.api.get(&config).await?.ok_or_else(|| missing(&config))?;
        let text = object.pointer("/data/Corefile").and_then(Value::as_str).unwrap_or_default();
        let wanted = with_names(text, names);
        let now = self.api.get(&deployment).await?.ok_or_else(|| missing(&deployment))?;
        let pinned =
            now.pointer("/spec/template/spec/nodeSelector").is_some_and(|selector| !selector[CONTROL_PLANE].is_null());
        if wanted == text && pinned {
            return Ok(());
        }
        let set = |pointer: &'static str, key: &'static str, value: String| {
            move |object: &mut Value| {
                if let Some(map) = object.pointer_mut(pointer).and_then(Value::as_object_mut) {
                    map.insert(key.to_owned(), value.clone().into());
                }
                Ok(())
            }
        };
        self.api.edit(&config, set("/data", "Corefile", wanted.clone())).await?;
        self.api.edit(&deployment, set("/spec/template/spec/nodeSelector", CONTROL_PLANE, String::new())).await?;
        // Only a template that differs is rolled out.
        self.api
            .edit(&deployment, set("/spec/template/metadata/labels", "names", format!("v{}", wanted.len())))
            .await?;
        self.api.watch(&deployment, "to be ready", Duration::from_secs(60), super::live::rolled_out).await
    }
}

/// A Corefile that answers these names with Services, and no longer those of before. Neither an address nor that there is
/// none is remembered: the next run's Service has another.
fn with_names(text: &str, names: &BTreeMap<String, Subject>) -> String {
    const FIRST: &str = ".:53 {\n";
    const FORGET: [&str; 2] = ["disable denial cluster.local", "disable success cluster.local"];
    let rules = names.iter().map(|(name, service)| {
        format!(
            "    rewrite name exact {name} {}.{}.svc.cluster.local answer auto\n",
            service.name,
            service.namespace()
        )
    });
    let all: String = names.keys().map(|name| format!(" {name}")).collect();
    let lines = text.lines().filter(|line| !line.trim().starts_with("rewrite name exact"));
    let lines = lines.map(|line| match FORGET.iter().find_map(|forget| Some((line.split_once(forget)?.0, forget))) {
        Some((indent, forget)) => format!("{indent}{forget}{all}\n"),
        None => format!("{line}\n"),
    });
    lines.collect::<String>().replacen(FIRST, &format!("{FIRST}{}", rules.collect::<String>()), 1)
}

/// Runs kind with the lab's network.
async fn kind(arguments: &[&str]) -> Result<(), LabError> {
    let program = program().ok_or_else(|| LabError::Lacks {
        what: "the program `kind` is missing".to_owned(),
        command: "lab images build   (builds it with the node image), or install kind".to_owned(),
    })?;
    let mut command = Command::new(&program);
    command.args(arguments).env("KIND_EXPERIMENTAL_DOCKER_NETWORK", NETWORK).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(|error| LabError::file(&program, error))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    Err(LabError::Live {
        what: format!("kind {}", arguments[..2].join(" ")),
        why: lines[lines.len().saturating_sub(3)..].join("; "),
        next: "lab gc removes what was half made; then try again.".to_owned(),
    })
}

/// kind's version: `0.33.0`; `None` where it does not say.
pub async fn version() -> Option<String> {
    let output = Command::new(program()?).args(["version", "-q"]).output().await.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().trim_start_matches('v').to_owned()).filter(|version| !version.is_empty())
}

/// The whole reference of an image, as containerd names it.
fn reference(name: &str) -> String {
    match name.split_once('/') {
        None => format!("docker.io/library/{name}"),
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_replace_those_of_before() {
        let names = BTreeMap::from([("a.test".to_owned(), Subject::namespaced("service", "e", "s"))]);
        let once = with_names(".:53 {\n    cache 30 {\n      disable denial cluster.local\n    }\n}\n", &names);
        let rule = "    rewrite name exact a.test s.e.svc.cluster.local answer auto\n";
        assert_eq!(
            once,
            format!(".:53 {{\n{rule}    cache 30 {{\n      disable denial cluster.local a.test\n    }}\n}}\n")
        );
        assert_eq!(with_names(&once, &names), once);
    }

    #[test]
    fn image_names_are_made_whole() {
        assert_eq!(reference("nginx:1.29"), "docker.io/library/nginx:1.29");
        assert_eq!(reference("lab/workload:1"), "docker.io/lab/workload:1");
        assert_eq!(reference("registry.k8s.io/pause:3"), "registry.k8s.io/pause:3");
    }
}
