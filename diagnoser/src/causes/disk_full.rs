//! A file system has no space left.
//!
//! # What it looks like
//! Whoever writes there fails with `No space left on device`, and `df` shows 100 %. Used-up inodes give the same message
//! with space to spare.
//!
//! # Confirm by hand
//! On the host: `df -h PATH` shows 100 %; `du -x -h PATH | sort -h | tail` shows what takes it; `lsof +L1` shows files that
//! were deleted and are still open.
//!
//! # Fix
//! Remove or move what is not needed, or enlarge the file system. Then find who fills it.
//!
//! # Who acts
//! Whoever runs the host, together with the owner of the application that writes there.
//!
//! # Source
//! errno(3) ENOSPC; df(1).

use super::{
    Case, Cause, Finding, Proof, State,
    space::{self, Full, Resource},
};
use crate::diagnosis::Fix;

/// See the module's comment.
pub struct DiskFull;

impl Cause for DiskFull {
    fn id(&self) -> &'static str {
        "disk-full"
    }

    fn source(&self) -> &'static str {
        include_str!("disk_full.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let blocks = Resource { fact: "df", command: "df -P", unit: "blocks" };
        space::examine(case, &blocks, |Full { host, row, evidence }| {
            let summary = format!("Free space on {} of {host}, or enlarge it", row.mount_point);
            State::Holds(Box::new(Proof {
                evidence,
                fix: Fix { summary, patch: vec![] },
                wants: vec![],
                changed: None,
            }))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  listens 0.0.0.0:80  mounts /srv/spool
             log a/s-1  cannot write: No space left on device (os error 28)
             ingress a/s  s.example.test -> s
             probe http://s.example.test/  500 in 4ms";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\nspace n1  /srv 0 of 1000 free\ninodes n1  /srv 10 of 50 free\n=> disk-full node/n1"));
    }

    #[test]
    fn twin_inodes() {
        check(&format!(
            "{WORLD}\nspace n1  /srv 10 of 1000 free\ninodes n1  /srv 0 of 50 free\n=> inode-exhaustion node/n1"
        ));
    }

    #[test]
    fn unknown_without_df() {
        check(&format!("{WORLD}\ninodes n1  /srv 10 of 50 free\n=> unknown lacks hosts/n1/df.txt"));
    }
}
