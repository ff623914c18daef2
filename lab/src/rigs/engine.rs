//! The container engine: which of its containers are the lab's nodes, and running commands in them.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use bollard::{
    Docker,
    container::LogOutput,
    errors::Error,
    exec::{CreateExecOptions, StartExecResults},
    models::{
        ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, Ipam, IpamConfig, NetworkConnectRequest,
        NetworkCreateRequest, NetworkingConfig,
    },
    query_parameters::{CreateContainerOptions, ListContainersOptions, ListNetworksOptions, RemoveContainerOptions},
};
use futures::StreamExt;
use ipnet::Ipv4Net;
use tokio::time::timeout;

use super::until::too_late;
use crate::LabError;

/// How long the engine may take to say that it is there.
const HELLO: Duration = Duration::from_secs(5);

/// How long a command in a container may take: filling a table is the longest there is.
const LONGEST: Duration = Duration::from_secs(90);

/// A connection to the container engine.
#[derive(Clone)]
pub struct Engine(Docker);

/// What a command printed, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; 0 is success.
    pub code: i64,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Output {
    /// Its stdout where it succeeded.
    ///
    /// # Errors
    /// In words, when it failed.
    pub fn ok(self) -> Result<String, String> {
        if self.code == 0 { Ok(self.stdout) } else { Err(self.why()) }
    }

    /// Why it failed: its last line on stderr, or its exit code.
    pub fn why(&self) -> String {
        match self.stderr.trim().lines().last() {
            Some(line) => line.to_owned(),
            None if self.code == 124 => "timed out".to_owned(),
            None => format!("exit code {}", self.code),
        }
    }
}

impl Engine {
    /// Connects, as `docker` would (DOCKER_HOST is honoured). Old engines refuse newer API versions, so the version is agreed
    /// upon first.
    ///
    /// # Errors
    /// When none answers.
    pub async fn connect() -> Result<Self, LabError> {
        let lacks = |why: String| LabError::Lacks {
            what: format!("no container engine answers: {why}"),
            command: "images/engine/start.sh   (as root, on Debian), or start yours".to_owned(),
        };
        let docker = Docker::connect_with_defaults().map_err(|error| lacks(error.to_string()))?;
        match timeout(HELLO, docker.negotiate_version()).await {
            Ok(Ok(docker)) => Ok(Self(docker)),
            Ok(Err(error)) => Err(lacks(error.to_string())),
            Err(_) => Err(lacks(format!("it is silent for {} s", HELLO.as_secs()))),
        }
    }

    /// The engine's version: `20.10.24`.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn version(&self) -> Result<String, LabError> {
        let version = self.0.version().await.map_err(|error| failed("asking the engine's version", &error))?;
        Ok(version.version.unwrap_or_default())
    }

    /// The id of an image; `None` where the engine does not have it.
    pub async fn image(&self, name: &str) -> Option<String> {
        self.0.inspect_image(name).await.ok()?.id
    }

    /// The names of all containers, running or not, that carry this label.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn containers(&self, label: &str) -> Result<Vec<String>, LabError> {
        let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
        let options = ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let found =
            self.0.list_containers(Some(options)).await.map_err(|error| failed("listing containers", &error))?;
        let names = found.into_iter().filter_map(|container| container.names?.into_iter().next());
        let mut names: Vec<String> = names.map(|name| name.trim_start_matches('/').to_owned()).collect();
        names.sort();
        Ok(names)
    }

    /// Removes a container with its anonymous volumes.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn remove_container(&self, name: &str) -> Result<(), LabError> {
        let options = RemoveContainerOptions { force: true, v: true, ..Default::default() };
        let removed = self.0.remove_container(name, Some(options)).await;
        removed.map_err(|error| failed(&format!("removing the container {name}"), &error))
    }

    /// Whether there is a network of this name.
    pub async fn has_network(&self, name: &str) -> bool {
        self.0.inspect_network(name, None).await.is_ok()
    }

    /// Makes a network for the lab's own containers, labelled as the lab's.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn create_network(&self, name: &str) -> Result<(), LabError> {
        let request =
            NetworkCreateRequest { name: name.to_owned(), labels: Some(all_labels(&[])), ..Default::default() };
        let made = self.0.create_network(request).await;
        made.map(drop).map_err(|error| failed(&format!("making the network {name}"), &error))
    }

    /// Makes a network of this subnet, with no way out, labelled as the lab's and with more labels.
    ///
    /// # Errors
    /// When the subnet is none, or the engine refuses.
    pub async fn create_subnet(&self, name: &str, subnet: &str, labels: &[(&str, &str)]) -> Result<(), LabError> {
        let what = format!("making the network {name}");
        // The engine's own address in it is the last one: the first are the world's.
        let net: Ipv4Net = subnet.parse().map_err(|error| LabError::BadInput {
            place: what.clone(),
            what: format!("`{subnet}` is no subnet: {error}"),
            next: "Write it as 10.80.1.0/24.".to_owned(),
        })?;
        let gateway = net.hosts().last().map(|address| address.to_string());
        let config = IpamConfig { subnet: Some(subnet.to_owned()), gateway, ..Default::default() };
        let masquerade = ("com.docker.network.bridge.enable_ip_masquerade".to_owned(), "false".to_owned());
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            labels: Some(all_labels(labels)),
            ipam: Some(Ipam { config: Some(vec![config]), ..Default::default() }),
            options: Some(HashMap::from([masquerade])),
            ..Default::default()
        };
        self.0.create_network(request).await.map(drop).map_err(|error| failed(&what, &error))
    }

    /// The names of all networks that carry this label.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn networks(&self, label: &str) -> Result<Vec<String>, LabError> {
        let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
        let options = ListNetworksOptions { filters: Some(filters) };
        let found = self.0.list_networks(Some(options)).await.map_err(|error| failed("listing networks", &error))?;
        let mut names: Vec<String> = found.into_iter().filter_map(|network| network.name).collect();
        names.sort();
        Ok(names)
    }

    /// Starts a container that is a machine, with its addresses in networks that there are, labelled as the lab's and with more
    /// labels.
    ///
    /// # Errors
    /// When the image is missing, or the engine refuses.
    pub async fn start_machine(
        &self,
        container: &str,
        hostname: &str,
        image: &str,
        options: HostConfig,
        addresses: BTreeMap<String, String>,
        labels: &[(&str, &str)],
    ) -> Result<(), LabError> {
        if self.image(image).await.is_none() {
            return Err(LabError::Lacks {
                what: format!("the engine has no image {image}"),
                command: "lab images build".to_owned(),
            });
        }
        let what = format!("starting the machine {hostname}");
        let endpoint = |address: &String| EndpointSettings {
            ipam_config: Some(EndpointIpamConfig { ipv4_address: Some(address.clone()), ..Default::default() }),
            ..Default::default()
        };
        let mut addresses = addresses.iter();
        let first = addresses.next().map(|(network, address)| (network.clone(), endpoint(address)));
        let body = ContainerCreateBody {
            hostname: Some(hostname.to_owned()),
            image: Some(image.to_owned()),
            env: Some(vec!["container=docker".to_owned()]),
            labels: Some(all_labels(labels)),
            networking_config: Some(NetworkingConfig { endpoints_config: Some(first.into_iter().collect()) }),
            host_config: Some(options),
            ..Default::default()
        };
        let create = CreateContainerOptions { name: Some(container.to_owned()), ..Default::default() };
        self.0.create_container(Some(create), body).await.map_err(|error| failed(&what, &error))?;
        for (network, address) in addresses {
            let request =
                NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(endpoint(address)) };
            self.0.connect_network(network, request).await.map_err(|error| failed(&what, &error))?;
        }
        self.0.start_container(container, None).await.map_err(|error| failed(&what, &error))
    }

    /// Removes a network.
    ///
    /// # Errors
    /// When the engine refuses, for example while a container is attached.
    pub async fn remove_network(&self, name: &str) -> Result<(), LabError> {
        let removed = self.0.remove_network(name).await;
        removed.map_err(|error| failed(&format!("removing the network {name}"), &error))
    }

    /// Runs a command in a container and waits for its end.
    ///
    /// # Errors
    /// When the engine cannot start it. A command that fails is an [`Output`] like any other.
    pub async fn exec(&self, container: &str, command: Vec<String>) -> Result<Output, LabError> {
        let shown = command.first().cloned().unwrap_or_default();
        let what = format!("running {shown} in {container}");
        match timeout(LONGEST, self.attached(container, command)).await {
            Ok(result) => result.map_err(|error| failed(&what, &error)),
            Err(_) => Err(too_late(&what, LONGEST, "no end")),
        }
    }

    async fn attached(&self, container: &str, command: Vec<String>) -> Result<Output, Error> {
        let options = CreateExecOptions {
            cmd: Some(command),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..Default::default()
        };
        let exec = self.0.create_exec(container, options).await?;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        if let StartExecResults::Attached { mut output, .. } = self.0.start_exec(&exec.id, None).await? {
            while let Some(chunk) = output.next().await {
                match chunk? {
                    LogOutput::StdErr { message } => err.extend_from_slice(&message),
                    LogOutput::StdOut { message } | LogOutput::Console { message } => out.extend_from_slice(&message),
                    LogOutput::StdIn { .. } => {}
                }
            }
        }
        let code = self.0.inspect_exec(&exec.id).await?.exit_code.unwrap_or(-1);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Output { code, stdout: text(out), stderr: text(err) })
    }
}

/// The lab's own label, and these.
fn all_labels(more: &[(&str, &str)]) -> HashMap<String, String> {
    let labels = [(super::LABEL, "lab")].into_iter().chain(more.iter().copied());
    labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn failed(what: &str, error: &Error) -> LabError {
    LabError::Live {
        what: what.to_owned(),
        why: error.to_string(),
        next: "lab doctor says what is missing; lab down and lab up make the cluster anew.".to_owned(),
    }
}
