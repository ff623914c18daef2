//! A machine has used up its CPU: its server takes connections and has no time to answer.
//!
//! # What it looks like
//! Connections are made at once, because the kernel makes them, and then nothing comes until somebody's patience ends; what is
//! answered, is answered late. Nothing is refused, nothing fails, and the server's own log tells of requests that took long.
//!
//! # Confirm by hand
//! `vmstat 2 3` (the last line: nothing left under `id`, more under `r` than there are CPUs), `top -b -n 2`, and on a machine
//! with a quota `cat /sys/fs/cgroup/cpu.stat` twice: nr_throttled grows as fast as nr_periods. `ps -eo pid,pcpu,unit,comm
//! --sort=-pcpu | head` says who takes it. A load average alone also counts whoever waits for a disk.
//!
//! # Fix
//! Stop what takes the CPU beside the server, or move it; where both are needed, give it less weight (CPUWeight=, Nice=) or a
//! quota of its own (CPUQuota=). Where it is the server itself, more CPU, or fewer requests.
//!
//! # Who acts
//! Whoever runs the machine.
//!
//! # Source
//! vmstat(8); systemd.resource-control(5); Documentation/scheduler/sched-bwc.rst; Gregg, "Systems Performance", chapter 6.

use std::collections::BTreeMap;

use super::{Case, Cause, Finding, Lack, Proof, State};
use crate::{
    connections::Connection,
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts, Listener, Outcome},
    model::Model,
    propagation::Mode,
};

/// See the module's comment.
pub struct HostCpuSaturated;

const COMMAND: &str = "grep -H . /sys/fs/cgroup/cpu.stat; vmstat 2 2; grep -H . /sys/fs/cgroup/cpu.stat";
const BY_CPU: &str = "ps -eo pid,etimes,rss,pcpu,unit,comm --sort=-pcpu";

impl Cause for HostCpuSaturated {
    fn id(&self) -> &'static str {
        "host-cpu-saturated"
    }

    fn source(&self) -> &'static str {
        include_str!("host_cpu_saturated.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let late = case.suffering().filter(|connection| connection.comes_to(&[Outcome::Timeout]));
        let asked = late.filter_map(|connection| Some((connection, connection.host(case.model)?, connection.port?)));
        asked
            .map(|(connection, host, port)| Finding {
                subject: case.model.evidence.machine(host),
                effects: vec![(connection.subject(), Mode::Slow), (case.model.evidence.machine(host), Mode::Slow)],
                state: examine(case.model, connection, host, port),
            })
            .collect()
    }
}

fn examine(model: &Model<'_>, connection: &Connection, host: &str, port: u16) -> State {
    let hosts = &model.evidence.hosts;
    let listener = match hosts.listeners(host, "ss") {
        Fact::Missed(why) => return State::Undecided(vec![Lack::host_fact(host, "ss", "ss -tlnp", why)]),
        Fact::Seen(sockets) => sockets.into_iter().find(|socket| socket.port == port),
    };
    let Some(listener) = listener else {
        let nobody = Citation::new(Hosts::file(host, "ss"), "", format!("nothing listens on port {port}"));
        return State::excluded(format!("nothing on {host} listens on port {port}"), vec![nobody]);
    };
    // The kernel takes connections however busy the machine is.
    if !connection.reaches() {
        return State::excluded(format!("not even a connection to port {port} is made"), connection.cites());
    }
    let (found, fact) = match hosts.cpu(host) {
        Fact::Missed(why) => return State::Undecided(vec![Lack::host_fact(host, "cpu", COMMAND, why)]),
        Fact::Seen(found) => found,
    };
    let cited = Hosts::cite(host, fact, found.line, found.to_string());
    if !found.is_all() {
        return State::excluded(format!("{host} has CPU to spare"), vec![cited]);
    }
    let listens = Hosts::cite(host, "ss", listener.line, format!("{}:{port}", listener.address));
    let mut evidence = vec![cited, listens];
    evidence.extend(connection.cites());
    let (fix, wants) = fix(model, host, &listener, &mut evidence);
    State::Holds(Box::new(Proof { evidence, fix, wants, changed: None }))
}

/// Stops the service that takes most of the CPU, unless that is the server.
fn fix(model: &Model<'_>, host: &str, server: &Listener, evidence: &mut Vec<Citation>) -> (Fix, Vec<Lack>) {
    let more = |why: &str| Fix { summary: format!("Give {host} more CPU, or less to do{why}"), patch: vec![] };
    let hosts = &model.evidence.hosts;
    let processes = match hosts.processes(host, "ps-cpu") {
        Fact::Missed(why) => return (more(""), vec![Lack::host_fact(host, "ps-cpu", BY_CPU, why)]),
        Fact::Seen(processes) => processes,
    };
    let mut by_unit: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for process in &processes {
        if let (Some(unit), Some(cpu)) = (&process.unit, process.cpu) {
            let (sum, line) = by_unit.entry(unit).or_insert((0.0, process.line));
            (*sum, *line) = (*sum + cpu, (*line).min(process.line));
        }
    }
    let all: f64 = by_unit.values().map(|(sum, _)| sum).sum();
    let most = by_unit.into_iter().max_by(|(_, (a, _)), (_, (b, _))| a.total_cmp(b));
    let Some((unit, (sum, line))) = most.filter(|(_, (sum, _))| *sum * 2.0 > all) else { return (more(""), vec![]) };
    evidence.push(Hosts::cite(
        host,
        "ps-cpu",
        line,
        format!("{unit} takes {:.0} % of what is used", sum / all * 100.0),
    ));
    let named = server.process.as_deref();
    let serves = processes.iter().any(|process| process.unit.as_deref() == Some(unit) && is(named, &process.command));
    let Some(name) = unit.strip_suffix(".service").filter(|_| !serves) else {
        return (more(&format!(": it is {unit} itself that takes it")), vec![]);
    };
    let command = ["systemctl", "stop", name].map(str::to_owned).to_vec();
    let summary = format!("Stop {name} on {host}, or give it less of the CPU than the server");
    (Fix { summary, patch: vec![Change::Run { host: host.to_owned(), command }] }, vec![])
}

/// Whether this process is the one of a socket; `ss` and `ps` cut names after 15 characters.
fn is(of_socket: Option<&str>, command: &str) -> bool {
    let name = command.split_whitespace().next().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    of_socket.is_some_and(|socket| !name.is_empty() && (socket.starts_with(name) || name.starts_with(socket)))
}

#[cfg(test)]
mod tests {
    use crate::sketch::{check, patch};

    const WORLD: &str = "machine client 10.80.1.10/24
        machine app 10.80.1.20/24 listens 0.0.0.0:80
        probe host/client -> http://app.example.test/  timeout in 3s  at 10.80.1.20:80
        probe host/client -> tcp://app.example.test:80  connected in 1ms  at 10.80.1.20:80";
    const USED_UP: &str = "file hosts/app/cpu.txt | cpu.stat:nr_periods 100 | cpu.stat:nr_throttled 9 | cpu.stat:nr_periods 120 | cpu.stat:nr_throttled 29";
    const BY: &str = "file hosts/app/ps-cpu.txt | PID RSS %CPU UNIT COMMAND | 9 900 24.0 job.service gzip | 8 900 24.0 job.service gzip | 7 900 2.0 web.service web";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{USED_UP}\n{BY}\n=> host-cpu-saturated host/app"));
        let vmstat = "file hosts/app/cpu.txt | r b swpd free us sy id wa | 1 0 0 9 5 5 90 0 | 9 0 0 9 90 10 0 0";
        check(&format!("{WORLD}\n{vmstat}\n{BY}\n=> host-cpu-saturated host/app"));
    }

    #[test]
    fn what_takes_it_is_stopped_unless_it_is_the_server() {
        assert!(patch(&format!("{WORLD}\n{USED_UP}\n{BY}")).contains(r#""systemctl","stop","job""#));
        let socket = "file hosts/app/ss.txt | LISTEN 0 9 0.0.0.0:80 0.0.0.0:* users:((\"gzip\",pid=9,fd=3))";
        let server = format!("{}\n{socket}", WORLD.replace(" listens 0.0.0.0:80", ""));
        assert_eq!(patch(&format!("{server}\n{USED_UP}\n{BY}")), "[]");
    }

    #[test]
    fn twin_it_waits_with_cpu_to_spare() {
        let spare = USED_UP.replace("nr_throttled 29", "nr_throttled 10");
        check(&format!("{WORLD}\n{spare}\n{BY}\n=> unknown"));
    }

    #[test]
    fn twin_not_even_a_connection() {
        let silent = WORLD.replace("connected in 1ms", "timeout in 3s");
        check(&format!("{silent}\n{USED_UP}\n{BY}\n=> unknown"));
    }

    #[test]
    fn unknown_without_the_use_of_the_cpu() {
        check(&format!("{WORLD}\n{BY}\n=> unknown lacks hosts/app/cpu.txt"));
    }
}
