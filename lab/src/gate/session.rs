//! The lab's cluster, up and swept, held for one process: no other process can begin a run meanwhile.

use std::{fs::File, sync::Arc};

use super::interrupt;
use crate::{
    LabError, cluster, gc, ledger,
    rigs::{Engine, KindCluster},
    root::Root,
};

/// What every run of this process works on.
pub struct Session {
    pub(super) root: Root,
    pub(super) rig: KindCluster,
    lock: Arc<File>,
}

impl Session {
    /// Gets the cluster ready, and takes back what killed runs left.
    ///
    /// # Errors
    /// When another run is going on, the machine lacks something, or the user interrupts.
    pub async fn begin(root: &Root) -> Result<Self, LabError> {
        let lock = Arc::new(ledger::lock()?);
        let rig = interrupt::or(async {
            let rig = cluster::ready(root).await?;
            for line in gc::sweep(&rig).await? {
                tracing::info!("{line}");
            }
            Ok(rig)
        })
        .await?;
        Ok(Self { root: root.clone(), rig, lock })
    }

    /// The same for another thread: connections belong to the thread's own runtime.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub async fn beside(&self) -> Result<Self, LabError> {
        let rig = KindCluster::connect(&Engine::connect().await?).await?;
        Ok(Self { root: self.root.clone(), rig, lock: Arc::clone(&self.lock) })
    }
}
