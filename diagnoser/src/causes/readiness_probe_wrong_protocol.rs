//! A readiness probe asks on the right port in the wrong protocol, so that pods that serve are never ready.
//!
//! # What it looks like
//! The pods run and do not become ready; a Service with no others has no endpoint: refused at once, or 503 by a proxy. The event
//! Unhealthy says `malformed HTTP response` (HTTP asked of gRPC or of another protocol), `server gave HTTP response to HTTPS
//! client`, or, of a gRPC probe, `failed to connect service` though another probe of the same port succeeds.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` shows what the probe asks and what it got; from a shell in the pod, `curl -v
//! http://127.0.0.1:PORT/`, `curl -kv https://127.0.0.1:PORT/` and `grpcurl -plaintext 127.0.0.1:PORT list` show what is spoken
//! there.
//!
//! # Fix
//! Let the probe ask in the protocol of the application (httpGet with its scheme, grpc, tcpSocket), or go back to the probe before.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Configure Liveness, Readiness and Startup Probes; Go's net/http and crypto/tls, whose errors are passed on.

use super::{
    Case, Cause, Finding, State, kubelet_probes,
    kubelet_probes::{Got, KubeletProbe},
};
use crate::{evidence::Object, model::Model, subject::Subject};

/// See the module's comment.
pub struct ReadinessProbeWrongProtocol;

impl Cause for ReadinessProbeWrongProtocol {
    fn id(&self) -> &'static str {
        "readiness-probe-wrong-protocol"
    }

    fn source(&self) -> &'static str {
        include_str!("readiness_probe_wrong_protocol.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        kubelet_probes::of_readiness(case.model, one)
    }
}

fn one(model: &Model<'_>, workload: &Subject, pod: &Object, probe: &KubeletProbe<'_>) -> Option<State> {
    if let Some(state) = kubelet_probes::is_no_unready(pod) {
        return Some(state);
    }
    let Some((got, failure)) = probe.failure(model) else {
        return kubelet_probes::lack_events(model, pod).map(|lack| State::Undecided(vec![lack]));
    };
    let Some(shown) = probe.speaks_otherwise(model, got) else {
        let because = match got {
            Got::AnotherProtocol => "it is answered in its protocol on another port",
            _ => "the probe is not answered in another protocol",
        };
        return Some(State::excluded(because, vec![failure]));
    };
    let mut evidence = vec![probe.cite(), failure];
    evidence.extend(shown);
    let otherwise = format!("Let the readiness probe of {workload} ask in the protocol that is spoken on its port");
    let (fix, before) = kubelet_probes::fix(model, workload, probe, None, &otherwise);
    evidence.extend(before);
    Some(State::holds(evidence, fix))
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             pod a/s-1  app=s  unready  declares 80  owner deployment/a/s
             probe service/a/s:80  refused in 1ms";

    const HTTP: &str = "set pod/a/s-1  spec.containers[0].readinessProbe.httpGet.port=80  spec.containers[0].readinessProbe.httpGet.path=/up";
    const MALFORMED: &str = r#"event pod/a/s-1  Unhealthy  Readiness probe failed: Get "http://10.0.0.3:80/up": net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x00\x00\x06""#;
    const GRPC: &str = "set pod/a/s-1  spec.containers[0].readinessProbe.grpc.port=80  status.containerStatuses[0].state.running.startedAt=2026-01-01T11:00:00Z";
    const SILENT: &str = "event pod/a/s-1  Unhealthy  Readiness probe failed: timeout: failed to connect service \"10.0.0.3:80\" within 1s: context deadline exceeded";
    const ALIVE: &str = "set pod/a/s-1  spec.containers[0].livenessProbe.httpGet.port=80";

    #[test]
    fn holds_where_http_is_asked_of_what_speaks_something_else() {
        check(&format!("{WORLD}\n{HTTP}\n{MALFORMED}\n=> readiness-probe-wrong-protocol deployment/a/s"));
        let https = r#"event pod/a/s-1  Unhealthy  Readiness probe failed: Get "https://10.0.0.3:80/up": http: server gave HTTP response to HTTPS client"#;
        check(&format!("{WORLD}\n{HTTP}\n{https}\n=> readiness-probe-wrong-protocol deployment/a/s"));
    }

    #[test]
    fn holds_where_grpc_is_asked_of_what_answers_http() {
        check(&format!("{WORLD}\n{GRPC}\n{ALIVE}\n{SILENT}\n=> readiness-probe-wrong-protocol deployment/a/s"));
        let earlier = "set deployment/a/s  spec.template.spec.containers[0].readinessProbe.grpc.port=80
             earlier deployment/a/s 1  spec.containers[0].readinessProbe.grpc=null  spec.containers[0].readinessProbe.httpGet.port=80";
        check(&format!("{WORLD}\n{GRPC}\n{earlier}\n{SILENT}\n=> readiness-probe-wrong-protocol deployment/a/s"));
    }

    #[test]
    fn twin_grpc_is_not_answered_and_nothing_else_is_known_of_the_port() {
        check(&format!("{WORLD}\n{GRPC}\n{SILENT}\n=> unknown"));
    }

    #[test]
    fn twin_it_answers_in_that_protocol_on_another_port() {
        let up = "set pod/a/s-1  spec.containers[0].livenessProbe.httpGet.port=81  status.containerStatuses[0].state.running.startedAt=2026-01-01T11:00:00Z";
        check(&format!("{WORLD}\n{HTTP}\n{up}\n{MALFORMED}\n=> unknown"));
    }

    #[test]
    fn twin_an_answer_that_says_no() {
        let no = "event pod/a/s-1  Unhealthy  Readiness probe failed: HTTP probe failed with statuscode: 404";
        check(&format!("{WORLD}\n{HTTP}\n{no}\n=> readiness-probe-wrong-path deployment/a/s"));
    }

    #[test]
    fn unknown_without_events() {
        check(&format!("{WORLD}\n{HTTP}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
