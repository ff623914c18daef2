//! A file system has no space left.
//!
//! # What it looks like
//! Whoever writes there fails with `No space left on device`, and `df` shows 100 %. Used-up inodes give the same message
//! with space to spare.
//!
//! # Confirm by hand
//! On the host: `df -h PATH` shows 100 %, `df -i PATH` does not; `du -x -h PATH | sort -h | tail` shows what takes it; `lsof +L1` shows files that
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
    Case, Cause, Finding, Lack, Proof, State,
    space::{self, Full, Resource},
    space_on_machines,
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts},
    model::Model,
};

/// The fact that lists large files: size first, path last.
const LARGE: &str = "large-files";

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
        let mut found = space::examine(case, &blocks, |Full { host, row, evidence }| {
            let summary = format!("Free space on {} of {host}, or enlarge it", row.mount_point);
            State::holds(evidence, Fix { summary, patch: vec![] })
        });
        found.extend(space_on_machines::examine(case, &blocks, |full| on_machine(case.model, full)));
        found
    }
}

/// The proof on a machine: with what takes the space, where that is known.
fn on_machine(model: &Model<'_>, full: Full<'_>) -> State {
    let Full { host, row, mut evidence } = full;
    let path = &row.mount_point;
    let (mut largest, mut wants) = (String::new(), vec![]);
    match model.evidence.hosts.text(host, LARGE) {
        Fact::Missed(why) => wants.push(Lack::host_fact(host, LARGE, &format!("du -ax {path} | sort -n | tail"), why)),
        Fact::Seen(text) => {
            let on_it =
                text.lines().enumerate().filter(|(_, line)| line.split_whitespace().any(|word| row.holds(word)));
            if let Some((line, said)) = on_it.clone().next() {
                evidence.push(Citation::line(&Hosts::file(host, LARGE), line + 1, said.trim()));
                largest = said
                    .split_whitespace()
                    .last()
                    .map(|file| format!("; the largest file is {file}"))
                    .unwrap_or_default();
            }
        }
    }
    // What may go is for a person to say; but a file system in memory can be enlarged while it is in use.
    let (summary, patch) = if row.device == "tmpfs" {
        // df counts in kibibytes.
        let more = row.total.saturating_mul(2);
        let command = ["mount", "-o", &format!("remount,size={more}k"), path].map(str::to_owned).to_vec();
        let summary = format!("Enlarge {path} of {host} ({} -> {more} KiB), then free space on it{largest}", row.total);
        (summary, vec![Change::Run { host: host.to_owned(), command }])
    } else {
        (format!("Free space on {path} of {host}, or enlarge it{largest}"), vec![])
    };
    State::Holds(Box::new(Proof { evidence, fix: Fix { summary, patch }, wants, changed: None }))
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

    const MACHINES: &str = "machine client 10.80.1.10/24
             machine db 10.80.1.30/24  listens 0.0.0.0:5432
             probe host/client -> postgres://db.example.test/x  failed in 5ms  at 10.80.1.30:5432  says ERROR: 53100 could not extend file base/1/2: No space left on device";

    #[test]
    fn holds_on_a_machine() {
        check(&format!(
            "{MACHINES}\nspace db  / 500 of 1000 free  /var/lib 0 of 1000 free\ninodes db  /var/lib 10 of 50 free\n=> disk-full host/db"
        ));
    }

    #[test]
    fn twin_inodes_on_a_machine() {
        check(&format!(
            "{MACHINES}\nspace db  /var/lib 100 of 1000 free\ninodes db  /var/lib 0 of 50 free\n=> inode-exhaustion host/db"
        ));
    }

    #[test]
    fn twin_another_file_system_is_full() {
        check(&format!(
            "{MACHINES}\nspace db  /var/lib 100 of 1000 free  /srv 0 of 1000 free\ninodes db  /var/lib 9 of 50 free
             table services/db/settings.txt | name setting | data_directory /var/lib/data
             => unknown"
        ));
    }

    #[test]
    fn holds_where_the_server_ended_over_it() {
        check(
            "machine client 10.80.1.10/24
             machine db 10.80.1.30/24
             unit db postgresql failed
             file hosts/db/journal-postgresql.txt | 2026-01-01T11:59:59+0000 db postgres[9]: PANIC:  could not write to file \"pg_wal/xlogtemp.89\": No space left on device
             probe host/client -> postgres://db.example.test/x  refused in 5ms  at 10.80.1.30:5432
             space db  /var/lib 1 of 1000 free
             inodes db  /var/lib 9 of 50 free
             => disk-full host/db",
        );
    }

    #[test]
    fn unknown_without_df_on_a_machine() {
        check(&format!("{MACHINES}\ninodes db  /var/lib 9 of 50 free\n=> unknown lacks hosts/db/df.txt"));
    }
}
