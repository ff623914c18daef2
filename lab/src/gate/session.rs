//! The lab's cluster, up and swept, and its engine, held for one process: no other process can begin a run meanwhile.

use std::{fs::File, sync::Arc};

use super::interrupt;
use crate::{
    LabError, cluster, gc, ledger,
    rigs::{Engine, KindCluster, Live, Machines, System, manifests},
    root::Root,
    scenario::{Placement, Rig, Scenario, World},
};

/// What every run of this process works on.
pub struct Session {
    pub(super) root: Root,
    engine: Engine,
    cluster: Option<KindCluster>,
    lock: Arc<File>,
}

impl Session {
    /// Gets what these scenarios need ready, and takes back what killed runs left.
    ///
    /// # Errors
    /// When another run is going on, the machine lacks something, or the user interrupts.
    pub async fn begin(root: &Root, scenarios: &[Scenario]) -> Result<Self, LabError> {
        let lock = Arc::new(ledger::lock()?);
        let (engine, cluster) = interrupt::or(async {
            let engine = Engine::connect().await?;
            let mut done = gc::sweep_machines(&engine).await?;
            let mut cluster = None;
            if scenarios.iter().any(|scenario| rig_of(root, scenario) == Rig::Kind) {
                let rig = cluster::ready(root).await?;
                done.extend(gc::sweep(&rig).await?);
                cluster = Some(rig);
            }
            done.iter().for_each(|line| tracing::info!("{line}"));
            Ok((engine, cluster))
        })
        .await?;
        Ok(Self { root: root.clone(), engine, cluster, lock })
    }

    /// The same for another thread: connections belong to the thread's own runtime.
    ///
    /// # Errors
    /// When the engine or the cluster does not answer.
    pub async fn beside(&self) -> Result<Self, LabError> {
        let engine = Engine::connect().await?;
        let cluster = match &self.cluster {
            Some(_) => Some(KindCluster::connect(&engine).await?),
            None => None,
        };
        Ok(Self { root: self.root.clone(), engine, cluster, lock: Arc::clone(&self.lock) })
    }

    /// A world with what a scenario sets up in it, on its rig.
    ///
    /// # Errors
    /// When its manifests do not parse, or the session has no cluster.
    pub(super) fn system(&self, world: World, with: &[String]) -> Result<System, LabError> {
        match (world.rig, &self.cluster) {
            (Rig::Docker, _) => Ok(System::Machines(Machines::new(&self.engine, world))),
            (Rig::Kind, Some(cluster)) => {
                let objects = manifests(&world, with)?;
                Ok(System::Cluster(Live { rig: cluster.clone(), world, objects }))
            }
            (Rig::Kind, None) => Err(LabError::Lacks {
                what: "this session began without a cluster".to_owned(),
                command: "lab up".to_owned(),
            }),
        }
    }
}

/// Where a scenario runs; one whose world does not parse says so later, when it is run.
fn rig_of(root: &Root, scenario: &Scenario) -> Rig {
    World::load(root, &scenario.world, &Placement::default()).map_or(Rig::Docker, |world| world.rig)
}
