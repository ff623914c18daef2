//! Nothing listens where a server should: the pods of a workload run and no server in them, or the service of a machine does not
//! run.
//!
//! # What it looks like
//! Where no readiness probe finds out, the pods count as ready: connections are refused at once, an ingress controller answers
//! 502 within milliseconds. A wrong targetPort looks the same from outside; there the process listens on another port. On a
//! machine so do a rule that refuses, a process on another port or address, and a machine that is not the right one.
//!
//! # Confirm by hand
//! `kubectl -n NS exec POD -- ss -tln` shows no listening socket; `kubectl -n NS exec POD -- ps aux` shows what runs instead.
//! On a machine `ss -tlnp` shows no socket on the port, and `systemctl status UNIT` says that the service is inactive or failed;
//! `journalctl -u UNIT` says since when and why.
//!
//! # Fix
//! Let the container run the server, or go back to the template that did; give it a readiness probe that asks the server.
//! On a machine start the service (`systemctl start UNIT`), and enable it; where it has failed see to what its journal says first.
//!
//! # Who acts
//! The owner of the application, or whoever runs the machine.
//!
//! # Source
//! kubernetes.io, Debug Services, "Are the Pods working?"; Pod Lifecycle, "Container probes" (without a readiness probe a
//! running container counts as ready); systemctl(1); tcp(7): the kernel of a machine refuses for want of a listening socket.

use std::collections::BTreeMap;

use super::{
    Case, Cause, Finding, Lack, Proof, State,
    listening::{self, Refused, Sockets, Why},
    rollout, service_port_mismatch,
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts, Object, Unit},
    model::{Model, is_ready, is_restarting, is_running},
    propagation::Mode,
    subject::Subject,
    symptoms::used_up_file_system,
};

/// See the module's comment.
pub struct ProcessNotListening;

impl Cause for ProcessNotListening {
    fn id(&self) -> &'static str {
        "process-not-listening"
    }

    fn source(&self) -> &'static str {
        include_str!("process_not_listening.rs")
    }

    fn owner(&self) -> &'static str {
        "application"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let mut asked: BTreeMap<Subject, Vec<(&Object, &Object)>> = BTreeMap::new();
        for service in model.evidence.objects.of_kind("service") {
            for &pod in model.selected_pods(service).iter().filter(|pod| is_running(pod)) {
                asked.entry(model.workload_of(pod.subject())).or_default().push((service, pod));
            }
        }
        // Where nobody suffers only what holds is worth a word.
        let concerns = |workload: &Subject, asked: &[(&Object, &Object)]| {
            let suffers = |pod: &Object| case.in_scope(pod.subject());
            case.in_scope(workload)
                || asked.iter().any(|(_, pod)| suffers(pod))
                || asked.iter().all(|(_, pod)| service_port_mismatch::has_sockets(model, pod))
        };
        asked.retain(|workload, asked| {
            let concerned = concerns(workload, asked);
            asked.retain(|(_, pod)| concerned && !is_restarting(pod, model.now));
            !asked.is_empty()
        });
        let of_pods = asked.into_iter().map(|(workload, asked)| {
            let mode = |pod: &Object| if is_ready(pod) { Mode::Refused } else { Mode::Down };
            let effects = asked.iter().map(|(_, pod)| (pod.subject().clone(), mode(pod)));
            let effects = effects.chain(asked.iter().map(|(_, pod)| (workload.clone(), mode(pod)))).collect();
            let state = one(model, &workload, &asked);
            Finding { subject: workload, effects, state }
        });
        let of_machines = listening::refused(case);
        of_pods.chain(of_machines.iter().map(|refused| refused.finding(model, of_machine(model, refused)))).collect()
    }
}

fn of_machine(model: &Model<'_>, refused: &Refused<'_>) -> State {
    let host = &refused.host;
    let listening = match refused.sockets(model) {
        Sockets::Unseen(lack) => return State::Undecided(vec![lack]),
        Sockets::Take(cited) => return State::excluded("a process listens there", vec![cited]),
        Sockets::Loopback(cited) | Sockets::Elsewhere(cited) => {
            return State::excluded("a process listens on the port, on another address", cited);
        }
        Sockets::Nobody(listening) => listening,
    };
    let mut evidence = vec![refused.nobody()];
    let run = |verb: &str, unit: &Unit| {
        let name = unit.name.trim_end_matches(".service");
        vec![Change::Run { host: host.clone(), command: ["systemctl", verb, name].map(str::to_owned).to_vec() }]
    };
    let (summary, patch, wants) = match refused.why(model, &listening) {
        Why::Unclear(lacks) => return State::Undecided(lacks),
        Why::OtherPort(other, _) => {
            return State::excluded(format!("a process listens, on port {}", other.port), evidence);
        }
        Why::Down(unit, cited) => {
            if let Some((because, cited)) = listening::deeper(model, host, &unit) {
                return State::excluded(because, vec![cited]);
            }
            let unread = listening::unread(model, host, &unit);
            if !unread.is_empty() {
                return State::Undecided(unread);
            }
            // A process that ended by itself where a file system is full has more to say than was read.
            let full = used_up_file_system(model, host).filter(|_| unit.failed());
            if let Some(full) = full {
                let name = unit.name.trim_end_matches(".service");
                let (fact, command) = (format!("journal-{name}"), format!("journalctl -u {name}"));
                return State::Undecided(vec![Lack::host_fact(
                    host,
                    &fact,
                    &command,
                    format!("as read it says nothing of {full}"),
                )]);
            }
            evidence.push(cited);
            let first = if unit.failed() { ", once what its journal says is mended" } else { "" };
            (format!("Start {} on {host}{first}", unit.name), run("start", &unit), vec![])
        }
        Why::Plain(Some((unit, cited))) => {
            evidence.push(cited);
            (format!("Let {} on {host} listen on port {}", unit.name, refused.port), run("restart", &unit), vec![])
        }
        Why::Plain(None) => {
            let command = "systemctl list-units --type=service --all";
            let lack = Lack::host_fact(host, "systemctl", command, "it says which service should listen".to_owned());
            let wants = if model.evidence.hosts.units(host).seen().is_some() { vec![] } else { vec![lack] };
            (format!("Start the server of port {} on {host}", refused.port), vec![], wants)
        }
    };
    evidence.extend(refused.asked.first().into_iter().flat_map(|connection| connection.cites()));
    State::Holds(Box::new(Proof { evidence, fix: Fix { summary, patch }, wants, changed: None }))
}

fn one(model: &Model<'_>, workload: &Subject, asked: &[(&Object, &Object)]) -> State {
    let mut evidence = Vec::new();
    let mut lacks: Vec<Lack> = Vec::new();
    for (service, pod) in asked {
        let node = pod.node().unwrap_or_default();
        let fact = service_port_mismatch::socket_fact(pod);
        let file = Hosts::file(node, &fact);
        match model.evidence.hosts.listeners(node, &fact) {
            Fact::Missed(why) => lacks.extend(service_port_mismatch::lack_sockets(model, pod, &why)),
            Fact::Seen(sockets) => {
                if let Some(socket) = sockets.first() {
                    let says = format!("{}:{}", socket.address, socket.port);
                    return State::excluded(
                        format!("{} listens", pod.subject()),
                        vec![Citation::line(&file, socket.line, says)],
                    );
                }
                evidence.push(Citation::new(&file, "", format!("nothing listens in {}", pod.subject())));
                evidence.push(service.cite("/spec/ports", format!("{} forwards to it", service.subject())));
            }
        }
    }
    if !lacks.is_empty() {
        return State::Undecided(lacks);
    }
    let otherwise = format!("Let {workload} run its server, with a readiness probe that asks it");
    let (fix, before) = rollout::back(model, workload, otherwise, |_| true);
    evidence.extend(before);
    State::holds(evidence, fix)
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/p  selector app=p  80 -> 80
         deployment a/p  app=p
         pod a/p-1  app=p  ready  owner deployment/a/p
         ingress a/p  p.example.test -> p
         probe http://p.example.test/  502 in 2ms";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\nfile hosts/n1/ss-a_p-1.txt |\n=> process-not-listening deployment/a/p"));
    }

    #[test]
    fn holds_where_the_probe_found_out() {
        let unready = WORLD.replace(" ready", " unready").replace("502", "503");
        check(&format!("{unready}\nfile hosts/n1/ss-a_p-1.txt |\n=> process-not-listening deployment/a/p"));
    }

    #[test]
    fn twin_it_listens_on_another_port() {
        check(&format!(
            "{WORLD}\nfile hosts/n1/ss-a_p-1.txt | LISTEN 0 9 *:8080 *:*\n=> service-port-mismatch service/a/p"
        ));
    }

    #[test]
    fn twin_it_listens_for_itself_alone() {
        check(&format!(
            "{WORLD}\nfile hosts/n1/ss-a_p-1.txt | LISTEN 0 9 127.0.0.1:80 *:*\n=> listen-loopback-only pod/a/p-1"
        ));
    }

    #[test]
    fn unknown_without_sockets() {
        check(&format!("{WORLD}\n=> unknown lacks hosts/n1/ss-a_p-1.txt"));
    }

    const MACHINES: &str = "machine client 10.80.1.10/24 via 10.80.1.1
         machine router 10.80.1.1/24 10.80.2.1/24
         machine app 10.80.2.10/24 via 10.80.2.1 listens 0.0.0.0:22
         probe host/client -> http://app.example.test/  refused in 1ms  at 10.80.2.10:80";

    #[test]
    fn holds_on_a_machine_whose_service_does_not_run() {
        check(&format!("{MACHINES}\nunit app web inactive (dead)\n=> process-not-listening host/app"));
        check(&format!("{MACHINES}\nunit app web failed (Result: exit-code)\n=> process-not-listening host/app"));
        check(&format!("{MACHINES}\n=> process-not-listening host/app"));
    }

    #[test]
    fn twins_on_a_machine() {
        let on = |address: &str| MACHINES.replace("listens 0.0.0.0:22", &format!("listens {address}"));
        check(&format!("{}\n=> listen-loopback-only host/app", on("127.0.0.1:80")));
        check(&format!("{}\nunit app web active (running)\n=> listen-wrong-port host/app", on("0.0.0.0:8080")));
        check(&format!("{}\nfilter app input tcp dport 80 reject\n=> firewall-reject host/app", on("0.0.0.0:80")));
    }

    #[test]
    fn unknown_where_a_full_file_system_may_be_why_it_ended() {
        let full = "unit app web failed (Result: signal)\ninodes app  /srv 0 of 60 free";
        check(&format!("{MACHINES}\n{full}\n=> unknown lacks hosts/app/journal-web.txt"));
    }

    #[test]
    fn unknown_on_a_machine_without_its_sockets_or_addresses() {
        let down = "unit app web inactive (dead)";
        check(&format!("{MACHINES}\n{down}\nwithout hosts/app/ss.txt\n=> unknown lacks hosts/app/ss.txt"));
        check(&format!("{MACHINES}\n{down}\nwithout hosts/app/ip-addr.txt\n=> unknown lacks hosts/app/ip-addr.txt"));
    }
}
