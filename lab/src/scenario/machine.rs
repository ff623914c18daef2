//! A machine of a world on the docker rig: a container with a service manager of its own, as a virtual machine has.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Where a world runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rig {
    /// The lab's kind cluster.
    #[default]
    Kind,
    /// Containers on networks of their own.
    Docker,
}

impl Rig {
    /// As files and answers write it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Docker => "docker",
        }
    }
}

/// One machine, as the world's file says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The image, by the name that the world's `images` give it.
    pub image: String,
    /// Its address in each network it is on.
    pub addresses: BTreeMap<String, String>,
    /// Memory limit in MiB, where it has one.
    #[serde(default)]
    pub memory: Option<u32>,
    /// How many CPUs it may use, where it has a quota: 0.5.
    #[serde(default)]
    pub cpus: Option<f64>,
    /// File systems in memory: where, and the options as mount(8) takes them (`size=64m,nr_inodes=400`).
    #[serde(default)]
    pub tmpfs: BTreeMap<String, String>,
    /// Files that are written before anything starts: path to text.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// What is run once, before its services start.
    #[serde(default)]
    pub setup: String,
    /// Its services, in the order in which they are started.
    #[serde(default)]
    pub start: Vec<String>,
}
