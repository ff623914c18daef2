//! The healthy system a scenario starts from.

use std::{collections::BTreeMap, fs, path::PathBuf};

use diagnoser::Subject;
use serde::Deserialize;

use super::{Machine, Placement, ProbeSymptom, Rig, yaml};
use crate::{LabError, error::nearest, root::Root};

/// One world, as its file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// From the file name.
    #[serde(skip)]
    pub name: String,
    /// What it is, in one line.
    pub title: String,
    /// Where it runs.
    #[serde(default)]
    pub rig: Rig,
    /// The cluster configuration, `kind-configs/<cluster>.yaml`.
    #[serde(default)]
    pub cluster: String,
    /// The images, by the name that the manifests use as `${image.name}`.
    pub images: BTreeMap<String, String>,
    /// The namespaces, by the name that the manifests use as `${ns.name}`.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Where it is set up.
    #[serde(skip)]
    pub placement: Placement,
    /// Set-up on nodes, undone at tear-down.
    #[serde(default)]
    pub hosts: Vec<HostSetup>,
    /// Names that the cluster's DNS answers with a Service.
    #[serde(default)]
    pub dns: BTreeMap<String, Subject>,
    /// Where probes are made from.
    pub places: BTreeMap<String, Subject>,
    /// What must hold before a fault and after the fix.
    pub healthy: Vec<Check>,
    /// The objects; the path in the file is relative to it, here it is whole.
    #[serde(default)]
    pub manifests: PathBuf,
    /// On the docker rig: the networks, by name, as `10.80.1.0/24`.
    #[serde(default)]
    pub networks: BTreeMap<String, String>,
    /// On the docker rig: whom every machine asks for names.
    #[serde(default)]
    pub resolver: Option<String>,
    /// On the docker rig: the machines, by name.
    #[serde(default)]
    pub machines: BTreeMap<String, Machine>,
}

/// Set-up on one node.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSetup {
    /// The node by its role: `worker`, `control-plane`.
    pub node: String,
    /// A small file system of its own.
    pub tmpfs: Tmpfs,
}

/// A file system in memory.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tmpfs {
    /// Where it is mounted.
    pub path: String,
    /// As mount(8) writes it: `64m`.
    pub size: String,
    /// How many inodes it has.
    pub inodes: u64,
}

/// Something that must hold.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// A request, connection or look-up comes to this.
    #[serde(alias = "http")]
    Probe(ProbeSymptom),
}

impl World {
    /// Reads a world and finds its manifests.
    ///
    /// # Errors
    /// When there is no world of this name, or its file does not parse.
    pub fn load(root: &Root, name: &str, placement: &Placement) -> Result<Self, LabError> {
        let path = root.worlds().join(format!("{name}.yaml"));
        let shown = root.shown(&path);
        let text = fs::read_to_string(&path).map_err(|error| LabError::BadInput {
            place: shown.clone(),
            what: format!("the world `{name}` cannot be read: {error}"),
            next: "Name a world of scenarios/worlds/ in the scenario.".to_owned(),
        })?;
        let plain: Self = yaml::parse(&shown, &text)?;
        let hosts: Vec<String> = plain.dns.keys().cloned().collect();
        if let Some(what) = plain.problem() {
            let next = "docs/formats.md describes worlds; scenarios/worlds/ holds examples.".to_owned();
            return Err(LabError::BadInput { place: shown, what, next });
        }
        let text = plain.rig_moved(&text, placement);
        let world: Self = yaml::parse(&shown, &placement.moved(&text, &plain.namespaces, &hosts))?;
        Ok(Self {
            name: name.to_owned(),
            manifests: root.worlds().join(&plain.manifests),
            namespaces: plain.namespaces,
            placement: placement.clone(),
            ..world
        })
    }

    /// A text that names this world's objects, hosts and images as its own file does, as it is to be read where the world is
    /// set up.
    pub fn moved(&self, text: &str) -> String {
        let here = format!("{}.", self.placement.suffix());
        let hosts: Vec<String> = self.dns.keys().map(|name| name.replacen(&here, ".", 1)).collect();
        let moved = self.placement.moved(&self.rig_moved(text, &self.placement), &self.namespaces, &hosts);
        self.placement.fill(&moved, &[], &self.images)
    }

    /// Machines keep their names wherever they are; their addresses differ.
    fn rig_moved(&self, text: &str, placement: &Placement) -> String {
        match self.rig {
            Rig::Kind => text.to_owned(),
            Rig::Docker => placement.addresses(text),
        }
    }

    /// What does not fit together, where something does not.
    fn problem(&self) -> Option<String> {
        let cluster = !self.cluster.is_empty() || !self.manifests.as_os_str().is_empty() || !self.namespaces.is_empty();
        let machines = !self.machines.is_empty() || !self.networks.is_empty();
        match self.rig {
            Rig::Kind if machines => return Some("machines and networks are for `rig: docker`".to_owned()),
            Rig::Kind if self.cluster.is_empty() || self.manifests.as_os_str().is_empty() => {
                return Some("a world on kind has a cluster and manifests".to_owned());
            }
            Rig::Docker if cluster => {
                return Some("a world of machines has no cluster, manifests or namespaces".to_owned());
            }
            _ => {}
        }
        let of_machine = self.machines.iter().find_map(|(name, machine)| {
            let network = machine.addresses.keys().find(|network| !self.networks.contains_key(*network));
            let image = (!self.images.contains_key(&machine.image)).then_some(&machine.image);
            network
                .map(|network| format!("the machine `{name}` is on the network `{network}`, which there is not"))
                .or(image.map(|image| format!("the machine `{name}` is of the image `{image}`, which there is not")))
        });
        of_machine.or_else(|| {
            let place = self
                .places
                .values()
                .find(|place| place.is("host") && !self.machines.contains_key(place.name.as_str()))?;
            Some(format!("there is no machine of the place {place}"))
        })
    }

    /// The file of something that is set up with the world: `scenarios/worlds/<world>/<name>.yaml`.
    pub fn addition(&self, name: &str) -> PathBuf {
        self.manifests.with_file_name(format!("{name}.yaml"))
    }

    /// The workload that stands at a place.
    ///
    /// # Errors
    /// When the world has no such place.
    pub fn place(&self, name: &str) -> Result<&Subject, LabError> {
        self.places.get(name).ok_or_else(|| LabError::UnknownName {
            kind: "place",
            name: name.to_owned(),
            nearest: nearest(name, self.places.keys().map(String::as_str)),
            all: format!(
                "the world `{}` has: {}",
                self.name,
                self.places.keys().cloned().collect::<Vec<_>>().join(", ")
            ),
        })
    }
}
