//! A machine has used up its memory, and the kernel has killed the server to get some back.
//!
//! # What it looks like
//! Connections are refused at once from one moment on: the process is gone, and the service manager says `failed`, ended by
//! signal KILL (`oom-kill` where it watches that itself). The one that is killed is the largest, not the one whose growing used
//! the memory up; that one may go on as if nothing had happened.
//!
//! # Confirm by hand
//! `systemctl status UNIT` (code=killed, signal=KILL); `dmesg -T | grep -i -e oom-kill -e 'Killed process'` names the process and
//! its unit at that time; `ps -eo pid,etimes,rss,unit,comm --sort=-rss | head` shows who has the memory now.
//!
//! # Fix
//! Stop what takes the memory beside it, or move it to another machine, and start the server; give the machine more memory where
//! both are needed, and each a limit of its own (MemoryMax=).
//!
//! # Who acts
//! Whoever runs the machine.
//!
//! # Source
//! mm/oom_kill.c; systemd.exec(5) on `$SERVICE_RESULT`; proc_pid_oom_score(5).

use super::{Case, Cause, Finding, Lack, Proof, State};
use crate::{
    connections::Connection,
    diagnosis::{Change, Fix},
    evidence::{Citation, Ended, Fact, Hosts, OomKill, Outcome, Process, Unit},
    model::Model,
    propagation::Mode,
};

/// See the module's comment.
pub struct HostOutOfMemory;

impl Cause for HostOutOfMemory {
    fn id(&self) -> &'static str {
        "host-out-of-memory"
    }

    fn source(&self) -> &'static str {
        include_str!("host_out_of_memory.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let refused = case.model.connections().iter().filter(|connection| connection.comes_to(&[Outcome::Refused]));
        let asked = refused.filter_map(|connection| Some((connection, connection.host(case.model)?, connection.port?)));
        asked
            .map(|(connection, host, port)| Finding {
                subject: case.model.evidence.machine(host),
                effects: vec![
                    (connection.subject(), Mode::Refused),
                    (case.model.evidence.machine(host), Mode::Refused),
                ],
                state: examine(case.model, connection, host, port),
            })
            .collect()
    }
}

fn examine(model: &Model<'_>, connection: &Connection, host: &str, port: u16) -> State {
    let hosts = &model.evidence.hosts;
    let lack =
        |fact: &str, command: &str, why: String| State::Undecided(vec![Lack::host_fact(host, fact, command, why)]);
    match hosts.listeners(host, "ss") {
        Fact::Missed(why) => return lack("ss", "ss -tlnp", why),
        Fact::Seen(sockets) => {
            if let Some(socket) = sockets.iter().find(|socket| socket.port == port) {
                let cited = Hosts::cite(host, "ss", socket.line, format!("{}:{port}", socket.address));
                return State::excluded(format!("something on {host} listens on port {port}"), vec![cited]);
            }
        }
    }
    let units = match hosts.units(host) {
        Fact::Missed(why) => return lack("systemctl", "systemctl list-units --type=service --all", why),
        Fact::Seen(units) => units,
    };
    let failed: Vec<(Unit, Citation)> =
        units.iter().filter(|unit| unit.failed()).filter_map(|unit| status(model, host, unit)).collect();
    // An exit status is a program's own word, and no signal.
    let killed: Vec<&(Unit, Citation)> =
        failed.iter().filter(|(unit, _)| !matches!(unit.ended, Some(Ended::Exited(_)))).collect();
    if killed.is_empty() {
        let cited = Citation::new(Hosts::file(host, "systemctl"), "", "no service was killed");
        return State::excluded(format!("no service of {host} was killed"), vec![cited]);
    }
    let kills = match hosts.oom_kills(host) {
        Fact::Missed(why) => return lack("dmesg", "dmesg -T | grep -i -e oom-kill -e 'Killed process'", why),
        Fact::Seen(kills) => kills,
    };
    let of = |unit: &Unit| kills.iter().rev().find(|kill| is_of(kill, unit, killed.len()));
    let Some(((unit, state), kill)) = killed.iter().find_map(|known| Some((*known, of(&known.0)?))) else {
        let cited = Citation::new(Hosts::file(host, "dmesg"), "", "the kernel killed none of the services that failed");
        return State::excluded(format!("the kernel of {host} killed no service for want of memory"), vec![cited]);
    };
    let said = Hosts::cite(host, "dmesg", kill.line, kill.says.clone());
    // A limit of its own is a setting of the service; the machine may have memory to spare.
    if kill.in_group == Some(true) && kill.limited.is_some() && kill.limited == kill.group {
        return State::excluded(format!("{} reached a limit of its own, not the machine's", unit.name), vec![said]);
    }
    let nobody = Citation::new(Hosts::file(host, "ss"), "", format!("nothing listens on port {port}"));
    let mut evidence = vec![said, state.clone(), nobody];
    evidence.extend(connection.cites());
    let (fix, wants) = fix(model, host, unit, &mut evidence);
    State::Holds(Box::new(Proof { evidence, fix, wants, changed: None }))
}

/// A failed unit with what its own status says of how it ended, where that was collected.
fn status(model: &Model<'_>, host: &str, unit: &Unit) -> Option<(Unit, Citation)> {
    let bare = unit.name.trim_end_matches(".service");
    let (found, cited) = model.evidence.hosts.unit(host, bare).seen()?;
    found.failed().then_some((Unit { name: unit.name.clone(), ..found }, cited))
}

/// Whether the kernel killed a process of this unit; where it does not say whose it was, the unit is the only one that was killed.
fn is_of(kill: &OomKill, unit: &Unit, killed: usize) -> bool {
    match kill.unit() {
        Some(name) => unit.is(name),
        None => killed == 1 && unit.ended == Some(Ended::Killed("KILL".to_owned())),
    }
}

/// Stops the largest other service and starts the server again; where there is none, the machine is too small for the server.
fn fix(model: &Model<'_>, host: &str, unit: &Unit, evidence: &mut Vec<Citation>) -> (Fix, Vec<Lack>) {
    let server = unit.name.trim_end_matches(".service");
    let run = |script: String| vec![Change::shell(host, script)];
    let alone = || Fix {
        summary: format!("Start {server} on {host}, and give the machine the memory that it needs"),
        patch: run(format!("systemctl start {server}")),
    };
    let processes = match model.evidence.hosts.processes(host, "ps") {
        Fact::Missed(why) => {
            let command = "ps -eo pid,etimes,rss,pcpu,unit,comm --sort=-rss";
            return (alone(), vec![Lack::host_fact(host, "ps", command, why)]);
        }
        Fact::Seen(processes) => processes,
    };
    let other = |process: &&Process| {
        process.unit.as_deref().is_some_and(|name| name.ends_with(".service") && !unit.is(name))
            && !process.command.starts_with("systemd")
    };
    let largest = processes.iter().filter(other).max_by_key(|process| process.resident);
    let Some((process, name, resident)) = largest.and_then(|p| Some((p, p.unit.as_deref()?, p.resident?))) else {
        return (alone(), vec![]);
    };
    // What has less than a tenth of all that is in use is not what takes the memory.
    let all: u64 = processes.iter().filter_map(|process| process.resident).sum();
    if resident * 10 < all {
        return (alone(), vec![]);
    }
    let name = name.trim_end_matches(".service");
    evidence.push(Hosts::cite(host, "ps", process.line, format!("{name} has {} MiB", resident >> 20)));
    let summary = format!("Stop {name} on {host}, which has no memory for it beside {server}, and start {server}");
    (Fix { summary, patch: run(format!("systemctl stop {name} && systemctl start {server}")) }, vec![])
}

#[cfg(test)]
mod tests {
    use crate::sketch::{check, patch};

    const WORLD: &str = "machine client 10.80.1.10/24
        machine app 10.80.1.20/24 listens 127.0.0.1:9000
        probe host/client -> http://app.example.test/  refused in 1ms  at 10.80.1.20:80
        file hosts/app/systemctl.txt | web.service loaded failed failed The server | job.service loaded active running A job
        file hosts/app/systemctl-web.txt | * web.service - x | Active: failed (Result: signal) since Thu 2026-01-01 11:59:00 UTC; 1min ago | Main PID: 812 (code=killed, signal=KILL)
        file hosts/app/ps.txt | PID RSS UNIT COMMAND | 9 90000 job.service job | 1 9000 init.scope systemd";
    const KILL: &str = "file hosts/app/dmesg.txt | [9.1] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),global_oom,task_memcg=/system.slice/web.service,task=web,pid=812,uid=0 | [9.2] Out of memory: Killed process 812 (web) total-vm:2kB, anon-rss:9kB";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{KILL}\n=> host-out-of-memory host/app"));
    }

    #[test]
    fn what_takes_the_memory_makes_room() {
        let patch = patch(&format!("{WORLD}\n{KILL}"));
        assert!(patch.contains("systemctl stop job && systemctl start web"), "{patch}");
    }

    #[test]
    fn twin_it_ended_by_itself() {
        let exited = format!(
            "{WORLD}\nfile hosts/app/systemctl-web.txt | * web.service - x | Active: failed (Result: exit-code) since Thu 2026-01-01 11:59:00 UTC; 1min ago | Main PID: 9 (code=exited, status=1/FAILURE)"
        );
        let other = KILL.replace("web.service", "other.service");
        check(&format!(
            "{exited}\n{other}\nfile hosts/app/journal-web.txt | 2026-01-01T11:59:00+00:00 app systemd[1]: x\n=> process-not-listening host/app"
        ));
    }

    #[test]
    fn twins_another_was_killed_and_a_limit_of_its_own() {
        let other = KILL.replace("web.service", "other.service");
        check(&format!("{WORLD}\n{other}\n=> process-not-listening host/app"));
        let own = KILL
            .replace("CONSTRAINT_NONE", "CONSTRAINT_MEMCG")
            .replace("global_oom", "oom_memcg=/system.slice/web.service");
        check(&format!("{WORLD}\n{own}\n=> unknown"));
    }

    #[test]
    fn twin_it_listens_again() {
        let again = WORLD.replace("127.0.0.1:9000", "0.0.0.0:80");
        check(&format!("{again}\n{KILL}\n=> unknown"));
    }

    #[test]
    fn unknown_without_the_kernels_word() {
        check(&format!("{WORLD}\n=> unknown lacks hosts/app/dmesg.txt"));
        check(&format!("{WORLD}\n{KILL}\nwithout hosts/app/ss.txt\n=> unknown lacks hosts/app/ss.txt"));
        check(&format!("{WORLD}\n{KILL}\nwithout hosts/app/systemctl.txt\n=> unknown lacks hosts/app/systemctl.txt"));
    }
}
