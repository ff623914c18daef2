//! What is wrong with machines of which nothing else is told: nobody asked them for anything, no request is on record. A service
//! that has failed, a file system that is full, a process that the kernel killed.

use std::collections::BTreeSet;

use super::{Observation, Symptom};
use crate::{
    evidence::{Citation, Fact, FileSystem, Hosts, Unit},
    model::Model,
    subject::Subject,
};

/// All of it; nothing where there is a cluster, or anything was tried or logged that tells who suffers.
pub(super) fn symptoms(model: &Model<'_>) -> Vec<Symptom> {
    let evidence = model.evidence;
    if !evidence.objects.is_empty() || !evidence.probes.is_empty() || !evidence.traffic.is_empty() {
        return vec![];
    }
    let mut found = Vec::new();
    for host in evidence.hosts.names() {
        let machine = evidence.machine(host);
        let mut add = |kind: &str, subject: Subject, seen, says: String, cited: Citation| {
            let same = found.iter().filter(|symptom: &&Symptom| symptom.id.starts_with(kind)).count();
            found.push(Symptom {
                id: format!("{kind}-{}", same + 1),
                scope: BTreeSet::from([subject.clone(), machine.clone()]).into(),
                subject,
                seen,
                says,
                since: None,
                evidence: vec![cited],
                origin: None,
                user: false,
                connection: None,
            });
        };
        for (unit, cited) in failed_units(model, host) {
            let says = format!("{} of {host} has failed", unit.name);
            add("unit", Subject::namespaced("unit", host, &unit.name), Observation::UnitDown, says, cited);
        }
        for (fact, seen, of) in [("df", Observation::NoSpace, "space"), ("df-inodes", Observation::NoInodes, "inodes")]
        {
            for row in
                evidence.hosts.file_systems(host, fact).seen().unwrap_or_default().iter().filter(|row| is_used_up(row))
            {
                let says = format!("{} of {host} has no {of} left", row.mount_point);
                let cited = Hosts::cite(host, fact, row.line, format!("{}: 0 of {} free", row.mount_point, row.total));
                add("full", machine.clone(), seen, says, cited);
            }
        }
        if let Some(kill) = evidence.hosts.oom_kills(host).seen().and_then(|kills| kills.into_iter().next_back()) {
            let says = format!("the kernel of {host} killed {} for want of memory", kill.process);
            add("killed", machine.clone(), Observation::Killed, says, Hosts::cite(host, "dmesg", kill.line, kill.says));
        }
    }
    found
}

/// Services that ended by themselves, by their own status or in the list.
pub(crate) fn failed_units(model: &Model<'_>, host: &str) -> Vec<(Unit, Citation)> {
    let hosts = &model.evidence.hosts;
    let named = hosts.fact_names(host).filter_map(|fact| fact.strip_prefix("systemctl-"));
    let mut found: Vec<(Unit, Citation)> = named.filter_map(|unit| hosts.unit(host, unit).seen()).collect();
    if let Fact::Seen(listed) = hosts.units(host) {
        for unit in listed {
            if !found.iter().any(|(known, _)| known.is(&unit.name)) {
                let cited = Hosts::cite(host, "systemctl", unit.line, unit.says.clone());
                found.push((unit, cited));
            }
        }
    }
    found.retain(|(unit, _)| unit.exists() && unit.failed());
    found
}

/// A file system of a machine without space or inodes left, in words.
pub(crate) fn used_up_file_system(model: &Model<'_>, host: &str) -> Option<String> {
    [("df", "space"), ("df-inodes", "inodes")].into_iter().find_map(|(fact, of)| {
        let rows = model.evidence.hosts.file_systems(host, fact).seen()?;
        let full = rows.iter().find(|row| is_used_up(row))?;
        Some(format!("{}, which has no {of} left", full.mount_point))
    })
}

/// Whether a file system is full that is meant to be written to. Images that are mounted to be read are full by nature.
fn is_used_up(row: &FileSystem) -> bool {
    let image = ["squashfs", "iso9660", "/dev/loop", "/dev/sr"].iter().any(|kind| row.device.starts_with(kind));
    row.is_full() && !(image && (row.mount_point.starts_with("/snap") || row.mount_point.starts_with("/m")))
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const MACHINE: &str = "machine app 10.80.1.20/24
        file hosts/app/systemctl.txt | web.service loaded failed failed A server | cron.service loaded active running Cron";

    #[test]
    fn a_machine_alone_tells_what_is_wrong_with_it() {
        check(&format!("{MACHINE}\nspace app  / 10 of 1000 free  /srv 0 of 1000 free\n=> disk-full host/app"));
        check(&format!("{MACHINE}\ninodes app  /srv 0 of 1000 free\n=> inode-exhaustion host/app"));
        // A service that has failed is not explained by a file system of which it says nothing.
        check(&format!("{MACHINE}\nspace app  / 10 of 1000 free\n=> unknown"));
    }

    #[test]
    fn nothing_of_it_counts_where_somebody_was_served() {
        check(&format!(
            "{MACHINE}\nspace app  /srv 0 of 1000 free\nrequest hop=client method=GET path=/ status=200 seconds=0.003 upstream=app.example.test:80 at=-1 x10\n=> healthy"
        ));
    }
}
