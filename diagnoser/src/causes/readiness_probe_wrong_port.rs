//! The readiness probe asks on a port where nobody listens, while the process listens on another: its pods never count as ready.
//!
//! # What it looks like
//! Pods run, are not restarted and stay unready; their Service has no ready endpoint, so an ingress controller answers 503 at
//! once. The probe is refused (a gRPC probe only says that it could not connect).
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` shows `Readiness probe failed: ... connect: connection refused`, and the port; `kubectl -n
//! NS exec POD -- ss -tln` shows on which port the process listens.
//!
//! # Fix
//! Set the probe's port to the one (better: to the name of the one) on which the process listens.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Configure Liveness, Readiness and Startup Probes; Debug Services, "Are the Pods working?".

use super::{
    Case, Cause, Finding, State, kubelet_probes,
    kubelet_probes::{Door, Got, KubeletProbe},
};
use crate::{evidence::Object, model::Model, subject::Subject};

/// See the module's comment.
pub struct ReadinessProbeWrongPort;

impl Cause for ReadinessProbeWrongPort {
    fn id(&self) -> &'static str {
        "readiness-probe-wrong-port"
    }

    fn source(&self) -> &'static str {
        include_str!("readiness_probe_wrong_port.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        kubelet_probes::of_readiness(case.model, one)
    }
}

fn one(model: &Model<'_>, workload: &Subject, pod: &Object, probe: &KubeletProbe<'_>) -> Option<State> {
    if let Some(state) = kubelet_probes::is_no_unready(pod) {
        return Some(state);
    }
    let mut evidence = vec![probe.cite()];
    if !probe.names_no_port() {
        let Some((got, failure)) = probe.failure(model) else {
            return kubelet_probes::lack_events(model, pod).map(|lack| State::Undecided(vec![lack]));
        };
        if got != Got::NoConnection {
            return Some(State::excluded("the probe is not refused", vec![failure]));
        }
        evidence.push(failure);
    }
    let instead = match probe.door(model) {
        Door::Shut(cited, instead) => {
            evidence.extend(cited);
            instead
        }
        Door::Open(why, cited) => return Some(State::excluded(why, cited)),
        Door::Unknown(lacks) => return Some(State::Undecided(lacks)),
    };
    let otherwise = format!("Let the readiness probe of {workload} ask on the port on which it listens");
    let (fix, before) = kubelet_probes::fix(model, workload, probe, instead, &otherwise);
    evidence.extend(before);
    Some(State::holds(evidence, fix))
}

#[cfg(test)]
mod tests {
    use super::super::containers::tests::POD;
    use crate::sketch::check;

    const PROBE: &str = "set pod/a/p-1  spec.containers[0].readinessProbe.httpGet.port=8081
         service a/p  selector app=p  80 -> 80
         ingress a/p  p.example.test -> p
         probe http://p.example.test/  503 in 2ms
         event pod/a/p-1  Unhealthy  Readiness probe failed: Get http://10.0.0.3:8081/: dial tcp 10.0.0.3:8081: connect: connection refused";
    const SOCKETS: &str = "file hosts/n1/ss-a_p-1.txt | LISTEN 0 9 *:80 *:*";

    #[test]
    fn holds_by_sockets() {
        check(&format!("{POD}\n{PROBE}\n{SOCKETS}\n=> readiness-probe-wrong-port deployment/a/p"));
    }

    #[test]
    fn holds_by_another_probe_that_succeeds_on_another_port() {
        let other = "set pod/a/p-1  spec.containers[0].livenessProbe.httpGet.port=80  spec.containers[0].ports[0].containerPort=80";
        check(&format!("{POD}\n{PROBE}\n{other}\n=> readiness-probe-wrong-port deployment/a/p"));
    }

    #[test]
    fn holds_where_the_probe_names_a_port_that_nobody_has() {
        let named = PROBE.replace("port=8081", "port=admin");
        check(&format!("{POD}\n{named}\n=> readiness-probe-wrong-port deployment/a/p"));
    }

    #[test]
    fn twin_the_process_does_not_listen_where_it_declares() {
        let declares = "set pod/a/p-1  spec.containers[0].ports[0].containerPort=8081";
        check(&format!("{POD}\n{PROBE}\n{SOCKETS}\n{declares}\n=> unknown"));
    }

    #[test]
    fn twin_a_page_that_is_not_there() {
        let answered = "event pod/a/p-1  Unhealthy  Readiness probe failed: HTTP probe failed with statuscode: 404";
        let sockets = "file hosts/n1/ss-a_p-1.txt | LISTEN 0 9 *:8081 *:*";
        let probe: Vec<&str> = PROBE.lines().filter(|line| !line.contains("event")).collect();
        check(&format!(
            "{POD}\n{}\n{answered}\n{sockets}\n=> readiness-probe-wrong-path deployment/a/p",
            probe.join("\n")
        ));
    }

    #[test]
    fn unknown_without_sockets_and_without_events() {
        check(&format!("{POD}\n{PROBE}\n=> unknown lacks hosts/n1/ss-a_p-1.txt"));
        check(&format!("{POD}\n{PROBE}\n{SOCKETS}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
