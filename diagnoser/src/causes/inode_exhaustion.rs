//! A file system has used up its inodes: no file can be made on it although there is space left.
//!
//! # What it looks like
//! Whoever makes files there fails with `No space left on device`, while `df` shows free space. Applications answer 500,
//! containers and volumes cannot be made. Many small files (spools, caches, sessions) are the usual reason.
//!
//! # Confirm by hand
//! On the host: `df -h PATH` shows space, `df -i PATH` shows 100 % of the inodes used. Which folder has them:
//! `du --inodes -x PATH | sort -n | tail`.
//!
//! # Fix
//! Remove or move the files that are not needed; on tmpfs a remount with more inodes (`nr_inodes`) helps at once. Then find
//! who makes them.
//!
//! # Who acts
//! Whoever runs the host, together with the owner of the application that makes the files.
//!
//! # Source
//! errno(3) ENOSPC; df(1) -i; kernel Documentation/filesystems/tmpfs.rst (nr_inodes).

use super::{
    Case, Cause, Finding, Proof, State,
    space::{self, Full, Resource},
    space_on_machines,
};
use crate::diagnosis::{Change, Fix};

/// See the module's comment.
pub struct InodeExhaustion;

impl Cause for InodeExhaustion {
    fn id(&self) -> &'static str {
        "inode-exhaustion"
    }

    fn source(&self) -> &'static str {
        include_str!("inode_exhaustion.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let inodes = Resource { fact: "df-inodes", command: "df -iP", unit: "inodes" };
        let proof = |Full { host, row, evidence }: Full<'_>| {
            let path = row.mount_point.clone();
            // Only tmpfs can be given more inodes while it is in use.
            let (summary, patch) = if row.device == "tmpfs" {
                let more = row.total.saturating_mul(10);
                let remount = ["mount", "-o", &format!("remount,nr_inodes={more}"), &path].map(str::to_owned).to_vec();
                let summary = format!(
                    "Give {path} on {host} more inodes ({} -> {more}), then clear out its small files",
                    row.total
                );
                (summary, vec![Change::Run { host: host.to_owned(), command: remount }])
            } else {
                (
                    format!(
                        "Free inodes of {path} on {host}: find the folder with most files (du --inodes -x {path}) and clear it"
                    ),
                    vec![],
                )
            };
            State::Holds(Box::new(Proof { evidence, fix: Fix { summary, patch }, wants: vec![], changed: None }))
        };
        let mut found = space::examine(case, &inodes, proof);
        found.extend(space_on_machines::examine(case, &inodes, proof));
        found
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
        check(&format!(
            "{WORLD}\ninodes n1  /srv/spool 0 of 2000 free\nspace n1  /srv/spool 900 of 1000 free\n=> inode-exhaustion node/n1"
        ));
    }

    #[test]
    fn twin_disk_full() {
        check(&format!(
            "{WORLD}\ninodes n1  /srv/spool 1500 of 2000 free\nspace n1  /srv/spool 0 of 1000 free\n=> disk-full node/n1"
        ));
    }

    #[test]
    fn twin_another_file_system_is_full() {
        check(&format!(
            "{WORLD}\ninodes n1  /srv/spool 9 of 2000 free  /other 0 of 50 free\nspace n1  /srv/spool 900 of 1000 free\n=> unknown"
        ));
    }

    #[test]
    fn unknown_without_df() {
        check(&format!("{WORLD}\nspace n1  /srv/spool 900 of 1000 free\n=> unknown lacks hosts/n1/df-inodes.txt"));
    }
}
