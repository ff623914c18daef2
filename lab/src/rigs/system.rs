//! A world that runs, on whichever rig: what the gate works with.

use std::collections::BTreeMap;

use diagnoser::Request;
use jiff::Timestamp;
use serde_json::Value;

use super::{Action, Live, Machines, pod_subject};
use crate::{
    LabError, collect,
    replay::Files,
    scenario::{ProbeSymptom, World},
};

/// A world on a rig.
pub enum System {
    /// In the lab's kind cluster.
    Cluster(Live),
    /// On machines of its own.
    Machines(Machines),
}

impl System {
    /// What it is.
    pub fn world(&self) -> &World {
        match self {
            Self::Cluster(live) => &live.world,
            Self::Machines(machines) => &machines.world,
        }
    }

    /// Makes one change.
    ///
    /// # Errors
    /// When what it changes is not the lab's own, or it fails.
    pub async fn act(&self, action: &Action) -> Result<(), LabError> {
        match self {
            Self::Cluster(live) => live.rig.act(action).await,
            Self::Machines(machines) => machines.rig.act(action).await,
        }
    }

    /// Makes changes that take something back, in this order; what is gone already is no error.
    ///
    /// # Errors
    /// When one fails.
    pub async fn take_back(&self, actions: &[Action]) -> Result<(), LabError> {
        match self {
            Self::Cluster(live) => live.rig.take_back(actions).await,
            Self::Machines(machines) => machines.rig.take_back(actions).await,
        }
    }

    /// Tries these from their places, one after the other, and says how each ended: lines of `probes.json`.
    ///
    /// # Errors
    /// When nothing can be tried there. A try that fails is a result.
    pub async fn fetch(&self, tries: &[&ProbeSymptom]) -> Result<Vec<Value>, LabError> {
        match self {
            Self::Cluster(live) => live.fetch(tries).await,
            Self::Machines(machines) => machines.fetch(tries).await,
        }
    }

    /// What the world's client logged since then.
    ///
    /// # Errors
    /// When the world has no client, or its log cannot be read.
    pub async fn trickle(&self, since: Timestamp) -> Result<String, LabError> {
        match self {
            Self::Cluster(live) => {
                let pod = live.running_pod(live.world.place("client")?).await?;
                live.rig.api.log(&pod_subject(&pod), since).await
            }
            Self::Machines(machines) => machines.trickle(since.as_second()).await,
        }
    }

    /// Collects everything about the world, which has run since `begun`; of its traffic the last `requests` before now.
    ///
    /// # Errors
    /// When the rig does not answer at all; a single reading that fails is said in `coverage.json`.
    pub async fn evidence(&self, begun: Timestamp, requests: usize) -> Result<Files, LabError> {
        match self {
            Self::Cluster(live) => collect::evidence(live, begun, requests).await,
            Self::Machines(machines) => collect::of_machines(machines, begun, requests).await,
        }
    }

    /// The versions of the real components, by name.
    ///
    /// # Errors
    /// When the rig does not answer.
    pub async fn components(&self) -> Result<BTreeMap<String, String>, LabError> {
        match self {
            Self::Cluster(live) => collect::components(live).await,
            Self::Machines(machines) => collect::components_of_machines(machines).await,
        }
    }

    /// Takes one reading.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn answer(&self, request: &Request, begun: Timestamp) -> Result<Files, String> {
        match self {
            Self::Cluster(live) => collect::answer(live, request).await,
            Self::Machines(machines) => collect::answer_of_machines(machines, request, begun).await,
        }
    }
}
