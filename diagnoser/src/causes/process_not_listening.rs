//! The pods of a workload run, and nothing in them listens at all: the server is not there.
//!
//! # What it looks like
//! Where no readiness probe finds out, the pods count as ready: connections are refused at once, an ingress controller answers
//! 502 within milliseconds. A wrong targetPort looks the same from outside; there the process listens on another port.
//!
//! # Confirm by hand
//! `kubectl -n NS exec POD -- ss -tln` shows no listening socket; `kubectl -n NS exec POD -- ps aux` shows what runs instead.
//!
//! # Fix
//! Let the container run the server, or go back to the template that did; give it a readiness probe that asks the server.
//!
//! # Who acts
//! The owner of the application.
//!
//! # Source
//! kubernetes.io, Debug Services, "Are the Pods working?"; Pod Lifecycle, "Container probes" (without a readiness probe a
//! running container counts as ready).

use std::collections::BTreeMap;

use super::{Case, Cause, Finding, Lack, State, rollout, service_port_mismatch};
use crate::{
    evidence::{Citation, Fact, Hosts, Object},
    model::{Model, is_ready, is_restarting, is_running},
    propagation::Mode,
    subject::Subject,
    symptoms::now,
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
            let pods = model.selected_pods(service).into_iter();
            for pod in pods.filter(|pod| is_running(pod) && !is_restarting(pod, now(model.evidence))) {
                asked.entry(model.workload_of(pod.subject())).or_default().push((service, pod));
            }
        }
        asked
            .into_iter()
            .map(|(workload, asked)| {
                let mode = |pod: &Object| if is_ready(pod) { Mode::Refused } else { Mode::Down };
                let effects = asked.iter().map(|(_, pod)| (pod.subject().clone(), mode(pod)));
                let effects = effects.chain(asked.iter().map(|(_, pod)| (workload.clone(), mode(pod)))).collect();
                let state = one(model, &workload, &asked);
                Finding { subject: workload, effects, state }
            })
            .collect()
    }
}

fn one(model: &Model<'_>, workload: &Subject, asked: &[(&Object, &Object)]) -> State {
    let mut evidence = Vec::new();
    let mut lacks: Vec<Lack> = Vec::new();
    for (service, pod) in asked {
        let node = pod.text("/spec/nodeName").unwrap_or_default();
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
}
