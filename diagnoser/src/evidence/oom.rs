//! Whom the kernel's OOM killer killed, out of its log (mm/oom_kill.c).

use std::collections::BTreeMap;

use super::{
    Fact, Hosts, Stamp,
    kernel::{self, KernelLine},
    text,
};

/// One kill: what the lines about one process say together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OomKill {
    /// The process.
    pub pid: u32,
    /// Its name, cut to 15 characters by the kernel.
    pub process: String,
    /// Whether a limit of a control group was reached; else the machine's memory was used up. `None` where that is not said.
    pub in_group: Option<bool>,
    /// The control group whose limit was reached (`/system.slice/app.service`), where said.
    pub limited: Option<String>,
    /// The control group of the process, where said.
    pub group: Option<String>,
    /// When, where said.
    pub stamp: Option<Stamp>,
    /// The line that says it best, from 1.
    pub line: usize,
    /// What that line says.
    pub says: String,
}

impl OomKill {
    /// The unit of systemd that the process belonged to (`app.service`), where its control group is said.
    pub fn unit(&self) -> Option<&str> {
        let group = self.group.as_deref().or(self.limited.as_deref())?;
        group.split('/').rfind(|part| part.ends_with(".service") || part.ends_with(".scope"))
    }
}

impl Hosts {
    /// The kills of the OOM killer in the kernel's log (fact `dmesg`), in order.
    pub fn oom_kills(&self, host: &str) -> Fact<Vec<OomKill>> {
        self.parsed(host, "dmesg", |text| kernel::parse(text).map(|lines| kills(&lines)))
    }
}

fn kills(lines: &[KernelLine]) -> Vec<OomKill> {
    let mut found: Vec<OomKill> = Vec::new();
    // Which kill a process id means at present: ids come again.
    let mut open: BTreeMap<u32, usize> = BTreeMap::new();
    for line in lines {
        let Some((said, last)) = about(line) else { continue };
        match open.get(&said.pid) {
            Some(&at) => merge(&mut found[at], said),
            None => {
                open.insert(said.pid, found.len());
                found.push(said);
            }
        }
        if last {
            let pid = found.last().map(|kill| kill.pid);
            pid.map(|pid| open.remove(&pid));
        }
    }
    found
}

fn merge(kill: &mut OomKill, said: OomKill) {
    kill.in_group = kill.in_group.or(said.in_group);
    kill.limited = kill.limited.take().or(said.limited);
    kill.group = kill.group.take().or(said.group);
    // The line that names group and limit is the better one.
    if said.in_group.is_some() && !kill.says.starts_with("oom-kill:") {
        (kill.line, kill.says) = (said.line, said.says);
    }
}

/// What a line says of a kill, and whether it is the last about it.
fn about(line: &KernelLine) -> Option<(OomKill, bool)> {
    let said = line.message.as_str();
    let kill = OomKill { stamp: line.stamp.clone(), line: line.line, says: said.to_owned(), ..OomKill::default() };
    if let Some(fields) = said.strip_prefix("oom-kill:") {
        let fields: BTreeMap<&str, &str> = fields.split(',').filter_map(|field| field.split_once('=')).collect();
        let text = |key: &str| fields.get(key).map(|value| (*value).to_owned());
        let in_group = fields.get("constraint").map(|constraint| *constraint == "CONSTRAINT_MEMCG");
        // A line that was cut in the number has no uid after it.
        let pid = fields.get("uid").and(fields.get("pid"))?.parse().ok()?;
        let (limited, group) = (text("oom_memcg"), text("task_memcg"));
        return Some((OomKill { pid, process: text("task")?, in_group, limited, group, ..kill }, false));
    }
    // `Out of memory: Killed process 812 (java) total-vm:..`, `Memory cgroup out of memory: Kill process 812 (java) score 900
    // or sacrifice child` (before Linux 5.1, with a second line `Killed process 812 (java)`).
    let (before, rest) = said.split_once("Killed process ").or_else(|| said.split_once("Kill process "))?;
    let pid = text::leading(rest)?.try_into().ok()?;
    let (process, after) = rest.split_once('(')?.1.split_once(')')?;
    let in_group = match before.trim() {
        "Memory cgroup out of memory:" => Some(true),
        "Out of memory:" => Some(false),
        "" | "Out of memory (oom_kill_allocating_task):" => None,
        _ => return None,
    };
    let last = !after.contains("or sacrifice child");
    Some((OomKill { pid, process: process.to_owned(), in_group, ..kill }, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::trials;

    const NEW: &str = "[100.1] java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
[100.2] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/system.slice/app.service,task_memcg=/system.slice/app.service,task=java,pid=812,uid=0
[100.3] Memory cgroup out of memory: Killed process 812 (java) total-vm:2000kB, anon-rss:900kB, file-rss:0kB, UID:0 pgtables:10kB oom_score_adj:0
[100.4] oom_reaper: reaped process 812 (java), now anon-rss:0kB
[200.2] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/user.slice/s.scope,task=hog,pid=99,uid=1000
[200.3] Out of memory: Killed process 99 (hog) total-vm:2000kB, anon-rss:900kB
[300.3] Out of memory: Killed process 99 (hog 2) total-vm:2000kB, anon-rss:900kB
";
    /// Linux 3.10 (RHEL 7).
    const OLD: &str =
        "[Tue Nov 24 08:20:27 2026] Memory cgroup out of memory: Kill process 812 (java) score 900 or sacrifice child
[Tue Nov 24 08:20:27 2026] Killed process 812 (java) total-vm:2000kB, anon-rss:900kB
";

    fn of(text: &str) -> Vec<OomKill> {
        kernel::parse(text).map(|lines| kills(&lines)).unwrap_or_default()
    }

    #[test]
    fn who_and_why() {
        let found = of(NEW);
        let seen: Vec<_> = found.iter().map(|k| (k.pid, k.process.as_str(), k.in_group, k.unit(), k.line)).collect();
        assert_eq!(
            seen,
            [
                (812, "java", Some(true), Some("app.service"), 2),
                (99, "hog", Some(false), Some("s.scope"), 5),
                (99, "hog 2", Some(false), None, 7)
            ]
        );
        let found = of(OLD);
        assert_eq!((found.len(), found[0].pid, found[0].in_group), (1, 812, Some(true)));
        assert_eq!(of("oom_reaper: reaped process 812 (java)\noom-kill:constraint=CONSTRAINT_NONE,task=x,pid=8"), []);
    }

    #[test]
    fn stands() {
        // What a kill is known by; lines after the first can add to it.
        trials::stands(&[NEW, OLD], |text| of(text).into_iter().map(|kill| (kill.pid, kill.process)).collect());
    }
}
