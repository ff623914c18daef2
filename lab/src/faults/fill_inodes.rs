//! A file system's inodes are used up with empty files, as a spool or a session store that is never cleared does.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::Break;
use crate::{
    LabError,
    ledger::Mutation,
    rigs::{Action, Live, Now},
};

/// `fill-inodes: {node: worker, path: /var/lib/shop/spool}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FillInodes {
    /// The node, by role.
    pub node: String,
    /// A file system that the world set up for itself.
    pub path: String,
}

/// The folder the files are made in; its name says nothing.
const FOLDER: &str = "sessions";

impl FillInodes {
    /// How many inodes are free, of how many.
    async fn free(&self, live: &Live) -> Result<(u64, u64), LabError> {
        let text = live.rig.node(&self.node)?.shell(&format!("stat -f -c '%d %c' {}", self.path)).await?;
        let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
        Ok((numbers.next().unwrap_or(u64::MAX), numbers.next().unwrap_or_default()))
    }
}

/// Insists that the world set this file system up for itself.
pub(super) fn of_the_world(fault: &str, live: &Live, node: &str, path: &str) -> Result<(), LabError> {
    if live.world.hosts.iter().any(|host| host.node == node && host.tmpfs.path == path) {
        return Ok(());
    }
    Err(LabError::BadInput {
        place: format!("{fault} {path}"),
        what: "the world does not set up a file system of its own there".to_owned(),
        next: "Only file systems under `hosts` of the world are filled: no other is the lab's own.".to_owned(),
    })
}

impl Break for FillInodes {
    fn mutations<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Vec<Mutation>, LabError>> {
        Box::pin(async move {
            of_the_world("fill-inodes", live, &self.node, &self.path)?;
            let node = &live.rig.node(&self.node)?.name;
            let folder = format!("{}/{FOLDER}", self.path);
            let fill = format!(
                "mkdir -p {folder} && cd {folder} && mountpoint -q {} && i=0 && while : 2>/dev/null >s-$i; do i=$((i+1)); done; true",
                self.path
            );
            Ok(vec![Mutation::new(
                format!("fill {} on {node} with empty files", self.path),
                Action::shell(node, &fill),
                format!("remove {folder}"),
                Action::shell(node, &format!("rm -rf {folder}")),
            )])
        })
    }

    /// No inode is free.
    fn effect<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Now<String>, LabError>> {
        Box::pin(async move {
            let (free, all) = self.free(live).await?;
            let says = format!("{free} of {all} inodes of {} are free", self.path);
            Ok(if free == 0 && all > 0 { Now::Holds(says) } else { Now::NotYet(says) })
        })
    }
}
