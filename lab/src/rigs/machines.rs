//! A world of machines that runs, or is about to: what faults, checks and collectors work on.

use diagnoser::Subject;
use futures::future::try_join_all;
use serde_json::Value;

use super::{
    DockerRig, Engine, Node,
    docker::{MachinePlan, Plan},
    lines_of,
};
use crate::{
    LabError,
    scenario::{ProbeSymptom, World},
};

/// The unit that sends the client's trickle of requests.
pub const TRICKLE: &str = "app";
/// Where worlds say from whose point of view they are looked at.
const CLIENT: &str = "client";
/// How long a probe waits for an answer, as the workload program takes it.
const PATIENCE: &str = "3s";

/// A world of machines.
pub struct Machines {
    /// Where it runs.
    pub rig: DockerRig,
    /// What it is.
    pub world: World,
}

impl Machines {
    /// A world in its place.
    pub fn new(engine: &Engine, world: World) -> Self {
        Self { rig: DockerRig::new(engine, &world.placement.id()), world }
    }

    /// What there is to make.
    pub fn plan(&self) -> Plan {
        let world = &self.world;
        let machines = world.machines.iter().map(|(name, machine)| MachinePlan {
            name: name.clone(),
            image: world.images.get(&machine.image).cloned().unwrap_or_default(),
            addresses: machine.addresses.clone(),
            memory: machine.memory,
            cpus: machine.cpus,
            tmpfs: machine.tmpfs.clone(),
            resolver: world.resolver.clone(),
        });
        Plan { place: world.placement.id(), networks: world.networks.clone(), machines: machines.collect() }
    }

    /// A machine by its name.
    ///
    /// # Errors
    /// When the world has none of that name.
    pub fn machine(&self, name: &str) -> Result<Node, LabError> {
        if self.world.machines.contains_key(name) {
            return Ok(self.rig.machine(name));
        }
        let known = self.world.machines.keys().map(String::as_str);
        let all = format!("The world `{}` says which machines there are.", self.world.name);
        Err(LabError::unknown_name("machine", name, known, all))
    }

    /// All machines.
    pub fn nodes(&self) -> Vec<Node> {
        self.world.machines.keys().map(|name| self.rig.machine(name)).collect()
    }

    /// The machine that stands at a place.
    ///
    /// # Errors
    /// When the world has no such place.
    pub fn at(&self, place: &str) -> Result<Node, LabError> {
        self.machine(&self.world.place(place)?.name)
    }

    /// Writes the machines' files and runs their set-up, then starts their services.
    ///
    /// # Errors
    /// When one fails.
    pub async fn set_up(&self) -> Result<(), LabError> {
        let each = self.world.machines.iter().map(async |(name, machine)| {
            let node = self.machine(name)?;
            for (path, text) in &machine.files {
                let script = r#"mkdir -p "$(dirname "$1")" && printf %s "$2" >"$1""#;
                let command = ["bash", "-c", script, "write", path, text].map(str::to_owned);
                node.insist(&command).await?;
            }
            node.shell(&format!("set -e; {}", machine.setup)).await
        });
        try_join_all(each).await?;
        // Clients begin when there is somebody to serve them.
        for clients in [false, true] {
            let each = self.world.machines.iter().map(async |(name, machine)| {
                let units = machine.start.iter().filter(|unit| (unit.as_str() == TRICKLE) == clients);
                match units.cloned().collect::<Vec<_>>().join(" ") {
                    none if none.is_empty() => Ok(String::new()),
                    units => {
                        let start = format!("systemctl daemon-reload; systemctl start {units}");
                        self.machine(name)?.shell(&start).await
                    }
                }
            });
            try_join_all(each).await?;
        }
        Ok(())
    }

    /// Tries these from their places, one after the other, and says how each ended: lines of `probes.json`.
    ///
    /// # Errors
    /// When a place has no machine, or it cannot be reached. A try that fails is a result.
    pub async fn fetch(&self, tries: &[&ProbeSymptom]) -> Result<Vec<Value>, LabError> {
        let mut probes = vec![];
        for probe in tries {
            let bytes = probe.bytes.unwrap_or_default();
            let command = format!(
                "workload fetch --timeout {PATIENCE} --bytes {bytes} --method {} '{}'",
                probe.method, probe.url
            );
            let text = self.at(&probe.from)?.shell(&command).await?;
            probes.extend(lines_of(&text, self.world.place(&probe.from)?));
        }
        Ok(probes)
    }

    /// The machine from which the client's trickle of requests comes.
    ///
    /// # Errors
    /// When the world has no client.
    pub fn client(&self) -> Result<&Subject, LabError> {
        self.world.place(CLIENT)
    }

    /// What the trickle of requests logged since then, in seconds since 1970.
    ///
    /// # Errors
    /// When the machine cannot be reached.
    pub async fn trickle(&self, since: i64) -> Result<String, LabError> {
        let command = format!("journalctl -u {TRICKLE} -o cat --no-pager --since @{since}");
        self.machine(&self.client()?.name)?.shell(&command).await
    }
}
