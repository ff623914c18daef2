//! Faults: one change (or a few) that break a healthy world, one kind a file.
//!
//! A fault says what it changes and how that is taken back, as data; it never changes anything itself. Whether it bit is
//! asserted by its own effect, which is looked for where the fault is, not where the symptom shows.
//! To add one: a file here, and a line in each of the two lists below.

mod apply;
mod config_text;
mod degrade_pod;
mod drop_packets;
mod fill_conntrack;
mod fill_disk;
mod fill_inodes;
mod memory_limit;
mod misroute;
mod network_policy;
mod on_host;
mod patch;
mod pin_endpoints;
mod service_selector;
mod service_target_port;
mod stop_unit;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use apply::Apply;
pub use config_text::ConfigText;
pub use degrade_pod::DegradePod;
pub use drop_packets::DropPackets;
pub use fill_conntrack::FillConntrack;
pub use fill_disk::FillDisk;
pub use fill_inodes::FillInodes;
pub use memory_limit::MemoryLimit;
pub use misroute::Misroute;
pub use network_policy::{Deny, NetworkPolicy};
pub use on_host::OnHost;
pub use patch::Patch;
pub use pin_endpoints::PinEndpoints;
pub use service_selector::ServiceSelector;
pub use service_target_port::ServiceTargetPort;
pub use stop_unit::StopUnit;

use crate::{
    LabError,
    ledger::Mutation,
    rigs::{Live, Machines, Now, System},
};

/// A fault, as a scenario names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// An object is created that should not be there.
    Apply(Apply),
    /// A part of a configuration file is changed.
    ConfigText(ConfigText),
    /// One instance of several goes bad.
    DegradePod(DegradePod),
    /// A node's firewall drops packets.
    DropPackets(DropPackets),
    /// A node's connection tracking table is filled.
    FillConntrack(FillConntrack),
    /// A file system is filled.
    FillDisk(FillDisk),
    /// A file system's inodes are used up.
    FillInodes(FillInodes),
    /// A Deployment's memory limit is changed.
    MemoryLimit(MemoryLimit),
    /// A node gets routes that lead nowhere.
    Misroute(Misroute),
    /// A NetworkPolicy is put over pods.
    NetworkPolicy(NetworkPolicy),
    /// A command breaks something on a machine.
    OnHost(OnHost),
    /// An object is changed.
    Patch(Patch),
    /// A Service's endpoints are kept by hand.
    PinEndpoints(PinEndpoints),
    /// A Service's selector is changed.
    ServiceSelector(ServiceSelector),
    /// A Service's targetPort is changed.
    ServiceTargetPort(ServiceTargetPort),
    /// A service of a node is stopped.
    StopUnit(StopUnit),
}

/// What every fault of a cluster can do.
pub trait Break: Send + Sync {
    /// The changes that break the world, and how each is taken back.
    fn mutations<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Vec<Mutation>, LabError>>;

    /// Whether the fault's own effect is there, and what shows it.
    fn effect<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Now<String>, LabError>>;

    /// Whether it touches nodes or what the whole cluster shares, so that no other run may go on beside it.
    fn is_exclusive(&self) -> bool {
        false
    }
}

/// A fault and the world it breaks.
enum Place<'a> {
    Cluster(&'a dyn Break, &'a Live),
    Machines(&'a OnHost, &'a Machines),
}

impl Fault {
    /// The changes that break the world, and how each is taken back.
    ///
    /// # Errors
    /// When it is a fault of another kind of world, or what it breaks is not there.
    pub async fn mutations(&self, system: &System) -> Result<Vec<Mutation>, LabError> {
        match self.in_system(system)? {
            Place::Cluster(fault, live) => fault.mutations(live).await,
            Place::Machines(fault, machines) => fault.mutations(machines),
        }
    }

    /// Whether the fault's own effect is there, and what shows it.
    ///
    /// # Errors
    /// When it cannot be looked for.
    pub async fn effect(&self, system: &System) -> Result<Now<String>, LabError> {
        match self.in_system(system)? {
            Place::Cluster(fault, live) => fault.effect(live).await,
            Place::Machines(fault, machines) => fault.effect(machines).await,
        }
    }

    /// Whether no other run may go on beside it.
    pub fn is_exclusive(&self) -> bool {
        self.of_cluster().is_some_and(Break::is_exclusive)
    }

    fn in_system<'a>(&'a self, system: &'a System) -> Result<Place<'a>, LabError> {
        match (self, self.of_cluster(), system) {
            (_, Some(fault), System::Cluster(live)) => Ok(Place::Cluster(fault, live)),
            (Self::OnHost(fault), _, System::Machines(machines)) => Ok(Place::Machines(fault, machines)),
            _ => Err(LabError::BadInput {
                place: format!("the fault {}", self.name()),
                what: format!("the world `{}` is of another kind than it breaks", system.world().name),
                next: "Faults of clusters and of machines do not mix; docs/formats.md has both.".to_owned(),
            }),
        }
    }

    /// The fault itself, where it is one of a cluster.
    fn of_cluster(&self) -> Option<&dyn Break> {
        Some(match self {
            Self::OnHost(_) => return None,
            Self::Apply(fault) => fault,
            Self::ConfigText(fault) => fault,
            Self::DegradePod(fault) => fault,
            Self::DropPackets(fault) => fault,
            Self::FillConntrack(fault) => fault,
            Self::FillDisk(fault) => fault,
            Self::FillInodes(fault) => fault,
            Self::MemoryLimit(fault) => fault,
            Self::Misroute(fault) => fault,
            Self::NetworkPolicy(fault) => fault,
            Self::Patch(fault) => fault,
            Self::PinEndpoints(fault) => fault,
            Self::ServiceSelector(fault) => fault,
            Self::ServiceTargetPort(fault) => fault,
            Self::StopUnit(fault) => fault,
        })
    }

    /// Its name, as a scenario writes it: `service-target-port`.
    pub fn name(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.as_object().and_then(|map| map.keys().next().cloned()).unwrap_or_default()
    }
}
