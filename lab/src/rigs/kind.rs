//! The lab's own kind cluster: one, on a network of its own, with a kubeconfig of its own in the cache folder.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use futures::future::try_join_all;
use tokio::{process::Command, time::timeout};

use super::{Engine, KubeApi, Node};
use crate::{LabError, root};

/// The cluster's name; its nodes' names begin with it.
pub const NAME: &str = "lab";
/// The network its nodes are on.
pub const NETWORK: &str = "lab";
/// The label that kind gives the containers of this cluster.
pub const CONTAINERS: &str = "io.x-k8s.kind.cluster=lab";
/// The node image; LAB_NODE_IMAGE names another.
const NODE_IMAGE: &str = "lab/kind-node:v1.34.10";
/// How long the API server may take to say that it is there.
const ANSWERS: Duration = Duration::from_secs(10);
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
    /// The cluster, where it is whole and answers.
    ///
    /// # Errors
    /// When it is not, with how to make it.
    pub async fn connect(engine: &Engine) -> Result<Self, LabError> {
        let lacks = |what: &str| LabError::Lacks { what: what.to_owned(), command: "lab up".to_owned() };
        let names = engine.containers(CONTAINERS).await?;
        if names.is_empty() {
            return Err(lacks("there is no cluster of the lab"));
        }
        if !made_from().is_file() {
            return Err(lacks("the lab's cluster is half-made"));
        }
        let api = KubeApi::connect(&kubeconfig(), &format!("kind-{NAME}")).await?;
        let answers = timeout(ANSWERS, api.version()).await;
        if !matches!(answers, Ok(Ok(_))) {
            return Err(lacks("the lab's cluster does not answer"));
        }
        let nodes = names.iter().map(|name| Node::new(engine, name)).collect();
        Ok(Self { engine: engine.clone(), api, nodes })
    }

    /// Whether it was made from another configuration or node image than there is now.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub async fn is_outdated(&self, config: &Path) -> Result<bool, LabError> {
        Ok(fs::read_to_string(made_from()).ok() != Some(inputs(&self.engine, config).await?))
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
        Self::connect(engine).await
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
    fn image_names_are_made_whole() {
        assert_eq!(reference("nginx:1.29"), "docker.io/library/nginx:1.29");
        assert_eq!(reference("lab/workload:1"), "docker.io/lab/workload:1");
        assert_eq!(reference("registry.k8s.io/pause:3"), "registry.k8s.io/pause:3");
    }
}
