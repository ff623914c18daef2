//! A file system is filled with one large file, as a log that is never rotated does.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{Break, fill_inodes::of_the_world};
use crate::{
    LabError,
    ledger::Mutation,
    rigs::{Action, Live, Now},
};

/// `fill-disk: {node: worker, path: "/var/lib/${ns.shop}/spool"}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FillDisk {
    /// The node, by role.
    pub node: String,
    /// A file system that the world set up for itself.
    pub path: String,
}

/// The file; its name says nothing.
const FILE: &str = "archive.log";

impl Break for FillDisk {
    fn mutations<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Vec<Mutation>, LabError>> {
        Box::pin(async move {
            of_the_world("fill-disk", live, &self.node, &self.path)?;
            let node = &live.rig.node(&self.node)?.name;
            let file = format!("{}/{FILE}", self.path);
            let fill = format!(
                "mountpoint -q {} && {{ dd if=/dev/zero of={file} bs=64k 2>/dev/null; dd if=/dev/zero bs=1 count=65536 2>/dev/null >>{file}; true; }}",
                self.path
            );
            Ok(vec![Mutation::new(
                format!("fill {} on {node} with a large file", self.path),
                Action::shell(node, &fill),
                format!("remove {file}"),
                Action::shell(node, &format!("rm -f {file}")),
            )])
        })
    }

    /// No block is free.
    fn effect<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Now<String>, LabError>> {
        Box::pin(async move {
            let text = live.rig.node(&self.node)?.shell(&format!("stat -f -c '%a %b' {}", self.path)).await?;
            let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            let says = format!("{:?} of {:?} blocks of {} are free", numbers.first(), numbers.get(1), self.path);
            Ok(if numbers.first() == Some(&0) { Now::Holds(says) } else { Now::NotYet(says) })
        })
    }
}
