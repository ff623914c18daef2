//! The readiness probe asks for a page that the application does not have: 404, so its pods never count as ready.
//!
//! # What it looks like
//! Pods run, are not restarted and stay unready; their Service has no ready endpoint, so an ingress controller answers 503 at
//! once. The probe is answered, so process and port are right.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` shows `Readiness probe failed: HTTP probe failed with statuscode: 404`, and the path;
//! `kubectl -n NS exec POD -- curl -si localhost:PORT/PATH` gives the same.
//!
//! # Fix
//! Set `readinessProbe.httpGet.path` to one that the application serves, or go back to the probe before.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Configure Liveness, Readiness and Startup Probes, "HTTP probes"; kubernetes/pkg/probe/http/http.go.

use super::{
    Case, Cause, Finding, State, kubelet_probes,
    kubelet_probes::{Got, KubeletProbe},
    rollout,
};
use crate::{
    evidence::Object,
    model::{Model, is_running},
    subject::Subject,
};

/// See the module's comment.
pub struct ReadinessProbeWrongPath;

impl Cause for ReadinessProbeWrongPath {
    fn id(&self) -> &'static str {
        "readiness-probe-wrong-path"
    }

    fn source(&self) -> &'static str {
        include_str!("readiness_probe_wrong_path.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        kubelet_probes::of_readiness(case.model, one)
    }
}

fn one(model: &Model<'_>, workload: &Subject, pod: &Object, probe: &KubeletProbe<'_>) -> Option<State> {
    probe.path()?;
    if !is_running(pod) {
        return Some(State::excluded(
            "its containers do not run",
            vec![pod.cite("/status/containerStatuses", "not running")],
        ));
    }
    let Some((got, failure)) = probe.failure(model) else {
        return kubelet_probes::lack_events(model, pod).map(|lack| State::Undecided(vec![lack]));
    };
    if got != Got::Status(404) {
        return Some(State::excluded("the probe is not answered 404", vec![failure]));
    }
    // Another port has pages of its own: where the rollout changed that alone, the path was right.
    let field = format!("/spec/containers/{}/readinessProbe/httpGet", probe.container);
    if let Some(earlier) = rollout::previous(model, workload) {
        let same = |key: &str| earlier.get(&format!("{field}/{key}")) == pod.get(&format!("{field}/{key}"));
        if same("path") && !same("port") {
            return Some(State::excluded(
                "its path is as before, its port is not",
                vec![earlier.cite(&field, "the probe before")],
            ));
        }
    }
    let otherwise = format!("Let the readiness probe of {workload} ask for a page that the application has");
    let (fix, before) = kubelet_probes::fix(model, workload, probe, None, &otherwise);
    let evidence = [failure, probe.cite()].into_iter().chain(before).collect();
    Some(State::holds(evidence, fix))
}

#[cfg(test)]
mod tests {
    use super::super::containers::tests::POD;
    use crate::sketch::check;

    const PROBE: &str = "set pod/a/p-1  spec.containers[0].readinessProbe.httpGet.port=80  spec.containers[0].readinessProbe.httpGet.path=/up
         file hosts/n1/ss-a_p-1.txt | LISTEN 0 9 *:80 *:*
         service a/p  selector app=p  80 -> 80
         ingress a/p  p.example.test -> p
         probe http://p.example.test/  503 in 2ms";

    fn answered(status: u16) -> String {
        format!("event pod/a/p-1  Unhealthy  Readiness probe failed: HTTP probe failed with statuscode: {status}")
    }

    #[test]
    fn holds() {
        check(&format!("{POD}\n{PROBE}\n{}\n=> readiness-probe-wrong-path deployment/a/p", answered(404)));
    }

    #[test]
    fn twin_an_application_that_is_not_well() {
        check(&format!("{POD}\n{PROBE}\n{}\n=> unknown", answered(503)));
    }

    #[test]
    fn twin_the_port_was_changed_and_not_the_path() {
        let text = format!("{POD}\nset deployment/a/p  spec.template.spec.containers[0].readinessProbe.httpGet.path=/up  spec.template.spec.containers[0].readinessProbe.httpGet.port=80
             earlier deployment/a/p 1  spec.containers[0].readinessProbe.httpGet.port=90\n{PROBE}");
        check(&format!("{text}\n{}\n=> unknown", answered(404)));
    }

    #[test]
    fn unknown_without_events() {
        check(&format!(
            "{POD}\n{PROBE}\n{}\nmissed events forbidden\n=> unknown lacks events of namespace a",
            answered(404)
        ));
    }
}
