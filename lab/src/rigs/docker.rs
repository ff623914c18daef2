//! The docker rig: machines of a world as containers with a service manager as PID 1, on networks of their own.
//!
//! A machine is privileged, so that its firewall, routes and mounts are its own to change; its image keeps it from the settings
//! that the whole machine outside shares. The engine's own way out is taken away: only a router of the world leads anywhere.

use std::{collections::BTreeMap, time::Duration};

use bollard::models::{HostConfig, HostConfigCgroupnsModeEnum};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::{Action, Engine, Node, Now, until};
use crate::{
    LabError,
    scenario::{PLACES, Placement},
};

/// The label of machines and their networks; its value is the place.
const PLACE: &str = "lab.place";
/// How long a machine may take to have started its service manager.
const BOOTS: Duration = Duration::from_secs(60);

/// The networks and machines of one world in one place: what there is to make, complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The place, by number.
    pub place: String,
    /// Networks by name, with their subnets.
    pub networks: BTreeMap<String, String>,
    /// The machines.
    pub machines: Vec<MachinePlan>,
}

/// One machine to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachinePlan {
    /// Its name.
    pub name: String,
    /// The image, by its whole name.
    pub image: String,
    /// Its address in each network.
    pub addresses: BTreeMap<String, String>,
    /// Memory limit in MiB.
    pub memory: Option<u32>,
    /// How many CPUs it may use, where it has a quota.
    pub cpus: Option<f64>,
    /// File systems in memory: where, and mount options.
    pub tmpfs: BTreeMap<String, String>,
    /// Whom it asks for names.
    pub resolver: Option<String>,
}

/// The machines of one place.
#[derive(Clone)]
pub struct DockerRig {
    /// The container engine they run in.
    pub engine: Engine,
    place: String,
}

impl DockerRig {
    /// The machines of a place, whether or not there are any yet.
    pub fn new(engine: &Engine, place: &str) -> Self {
        Self { engine: engine.clone(), place: place.to_owned() }
    }

    /// A machine by its name.
    pub fn machine(&self, name: &str) -> Node {
        Node::in_container(&self.engine, name, &container(&self.place, name))
    }

    /// Makes one change.
    ///
    /// # Errors
    /// When it is none that a machine can have, or it fails.
    pub async fn act(&self, action: &Action) -> Result<(), LabError> {
        match action {
            Action::Raise(plan) => self.raise(plan).await,
            Action::Raze { place } => raze(&self.engine, place).await,
            Action::Run { node, command } => self.machine(node).insist(command).await.map(drop),
            Action::Apply(_) | Action::Set { .. } | Action::Delete(_) => Err(LabError::Live {
                what: "changing a Kubernetes object".to_owned(),
                why: "this world has machines and no cluster".to_owned(),
                next: "Changes of this world are commands on its machines.".to_owned(),
            }),
        }
    }

    /// Makes changes that take something back, in this order. All are tried; the first failure is returned.
    ///
    /// # Errors
    /// When one fails.
    pub async fn take_back(&self, actions: &[Action]) -> Result<(), LabError> {
        // What was done on machines that are about to go needs no undoing.
        if let Some(raze) = actions.iter().find(|action| matches!(action, Action::Raze { .. })) {
            return self.act(raze).await;
        }
        let mut result = Ok(());
        for action in actions {
            result = result.and(self.act(action).await);
        }
        result
    }

    async fn raise(&self, plan: &Plan) -> Result<(), LabError> {
        // What a killed run left in this place has the same names.
        raze(&self.engine, &plan.place).await?;
        let labels = [(PLACE, plan.place.as_str())];
        for (name, subnet) in &plan.networks {
            self.engine.create_subnet(&network(&plan.place, name), subnet, &labels).await?;
        }
        try_join_all(plan.machines.iter().map(|machine| self.start(plan, machine))).await.map(drop)
    }

    async fn start(&self, plan: &Plan, machine: &MachinePlan) -> Result<(), LabError> {
        let tmpfs = [("/run", ""), ("/tmp", "")].map(|(path, options)| (path.to_owned(), options.to_owned()));
        let options = HostConfig {
            privileged: Some(true),
            // Only so the service manager can limit and count the memory of its services.
            cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
            memory: machine.memory.map(|mebibytes| i64::from(mebibytes) << 20),
            memory_swap: machine.memory.map(|mebibytes| i64::from(mebibytes) << 20),
            #[allow(clippy::cast_possible_truncation)]
            nano_cpus: machine.cpus.map(|cpus| (cpus * 1e9) as i64),
            tmpfs: Some(tmpfs.into_iter().chain(machine.tmpfs.clone()).collect()),
            ..HostConfig::default()
        };
        let addresses =
            machine.addresses.iter().map(|(name, address)| (network(&plan.place, name), address.clone())).collect();
        let container = container(&plan.place, &machine.name);
        let labels = [(PLACE, plan.place.as_str())];
        self.engine.start_machine(&container, &machine.name, &machine.image, options, addresses, &labels).await?;
        let node = self.machine(&machine.name);
        until(&format!("the machine {} to start", machine.name), BOOTS, async || {
            let output = node.run(&["systemctl", "is-system-running"].map(str::to_owned)).await?;
            let state = output.stdout.trim().to_owned();
            Ok(if matches!(state.as_str(), "running" | "degraded") { Now::Holds(()) } else { Now::NotYet(state) })
        })
        .await?;
        let resolver = machine.resolver.as_deref().map_or(String::new(), |address| {
            format!("printf 'nameserver {address}\\noptions timeout:2 attempts:1\\n' >/etc/resolv.conf; ")
        });
        // What the engine puts into every network namespace for its own names.
        let own = "nft delete table ip nat 2>/dev/null; ip route del default 2>/dev/null; true";
        node.shell(&format!("{resolver}{own}")).await.map(drop)
    }
}

/// Removes the machines and networks of one place.
///
/// # Errors
/// When the engine refuses.
async fn raze(engine: &Engine, place: &str) -> Result<(), LabError> {
    sweep(engine, &format!("{PLACE}={place}")).await.map(drop)
}

/// Removes the machines and networks of every place of this lab; says what it removed.
///
/// # Errors
/// When the engine refuses.
pub async fn raze_all(engine: &Engine) -> Result<Vec<String>, LabError> {
    let places = (0..PLACES).map(|index| format!("{PLACE}={}", Placement::number(index).id()));
    let labels: Vec<String> = places.collect();
    Ok(try_join_all(labels.iter().map(|label| sweep(engine, label))).await?.concat())
}

async fn sweep(engine: &Engine, label: &str) -> Result<Vec<String>, LabError> {
    let containers = engine.containers(label).await?;
    try_join_all(containers.iter().map(|name| engine.remove_container(name))).await?;
    let networks = engine.networks(label).await?;
    try_join_all(networks.iter().map(|name| engine.remove_network(name))).await?;
    let machines = containers.iter().map(|name| format!("removed machine {name}"));
    Ok(machines.chain(networks.iter().map(|name| format!("removed network {name}"))).collect())
}

fn container(place: &str, machine: &str) -> String {
    format!("lab-{place}-{machine}")
}

fn network(place: &str, name: &str) -> String {
    format!("lab-{place}-{name}")
}
