//! A liveness probe that cannot succeed, however well the application does: the kubelet kills healthy containers.
//!
//! # What it looks like
//! Pods serve and are restarted again and again, with exit code 137 or 143; in between 502 or 503. Events say `Liveness probe
//! failed` and `Container X failed liveness probe, will be restarted`. Running out of memory gives exit code 137 too. It asks on
//! another port or path than is served, in another protocol, or gives up before the application can be up; of a startup probe the
//! same is said.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` shows what the probe asks and what it got: refused, or 404; `kubectl -n NS exec POD -- ss
//! -tln` shows on which port the process listens. The readiness probe, which asks elsewhere, succeeds.
//!
//! # Fix
//! Let the probe ask the port and path that the application serves, or go back to the probe before.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Configure Liveness, Readiness and Startup Probes; kubernetes/pkg/kubelet/prober/prober.go.

use super::{
    Case, Cause, Finding, State, containers, kubelet_probes,
    kubelet_probes::{Door, Got, KubeletProbe},
};
use crate::{evidence::Object, model::Model, subject::Subject};

/// See the module's comment.
pub struct LivenessProbeMisconfigured;

impl Cause for LivenessProbeMisconfigured {
    fn id(&self) -> &'static str {
        "liveness-probe-misconfigured"
    }

    fn source(&self) -> &'static str {
        include_str!("liveness_probe_misconfigured.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        containers::examine(case.model, |workload, pod| {
            let probes = ["livenessProbe", "startupProbe"].into_iter().flat_map(|field| kubelet_probes::of(pod, field));
            let states = probes.filter_map(|probe| one(case.model, workload, pod, &probe));
            // The first of the strongest.
            let best = states.reduce(|best, state| if state.strength() > best.strength() { state } else { best })?;
            Some((best, true))
        })
    }
}

fn one(model: &Model<'_>, workload: &Subject, pod: &Object, probe: &KubeletProbe<'_>) -> Option<State> {
    let ended = containers::ends(model, pod).into_iter().find(|end| end.name == probe.container_name());
    if let Some(end) = ended.as_ref().filter(|end| end.reason == "OOMKilled") {
        return Some(State::excluded("the kernel ended it at its memory limit", vec![end.cite()]));
    }
    let Some((got, failure)) = probe.failure(model) else {
        return Some(match kubelet_probes::lack_events(model, pod) {
            Some(lack) if probe.restarts() > 0 => State::Undecided(vec![lack]),
            _ => State::excluded("its liveness probe does not fail", vec![probe.cite()]),
        });
    };
    // Who ends well when asked to leaves no trace of it but the kubelet's word.
    let killed = containers::killed_by_kubelet(model, pod).or_else(|| Some(ended.as_ref()?.cite()));
    let Some(killed) = killed else {
        return Some(State::excluded("nothing was killed for it", vec![failure]));
    };
    let mut evidence = vec![killed, failure, probe.cite()];
    let mut instead = None;
    let otherwise = probe.speaks_otherwise(model, got);
    let too_soon = probe.gives_up_too_soon(model);
    match (got, probe.door(model)) {
        // An answer that there is no such page comes from something that lives.
        (Got::Status(404), _) => {}
        (Got::NoConnection, Door::Shut(cited, port)) => {
            evidence.extend(cited);
            instead = port;
        }
        _ if otherwise.is_some() => evidence.extend(otherwise.into_iter().flatten()),
        (Got::NoConnection, _) if too_soon.is_some() => evidence.extend(too_soon),
        (Got::NoConnection, Door::Unknown(lacks)) => return Some(State::Undecided(lacks)),
        (Got::NoConnection, Door::Open(why, cited)) => return Some(State::excluded(why, cited)),
        (Got::Status(_) | Got::AnotherProtocol | Got::Other, _) => {
            return Some(State::excluded("the application itself does not answer the probe well", evidence));
        }
    }
    let otherwise = format!("Let the liveness probe of {workload} ask what the application serves");
    let (fix, before) = kubelet_probes::fix(model, workload, probe, instead, &otherwise);
    evidence.extend(before);
    Some(State::holds(evidence, fix))
}

#[cfg(test)]
mod tests {
    use super::super::containers::tests::{POD, ended};
    use crate::sketch::check;

    const PROBE: &str = "set pod/a/p-1  spec.containers[0].livenessProbe.httpGet.port=8081  spec.containers[0].livenessProbe.httpGet.path=/up
         file hosts/n1/ss-a_p-1.txt | LISTEN 0 9 *:80 *:*
         event pod/a/p-1  Killing  Container c failed liveness probe, will be restarted";
    const REFUSED: &str = "event pod/a/p-1  Unhealthy  Liveness probe failed: Get http://10.0.0.3:8081/up: dial tcp 10.0.0.3:8081: connect: connection refused";

    #[test]
    fn holds_where_nobody_listens_on_the_port() {
        check(&format!(
            "{POD}\n{}\n{PROBE}\n{REFUSED}\n=> liveness-probe-misconfigured deployment/a/p",
            ended(137, "Error")
        ));
    }

    #[test]
    fn holds_where_another_protocol_is_spoken() {
        let says = "event pod/a/p-1  Unhealthy  Liveness probe failed: Get http://10.0.0.3:8081/up: net/http: HTTP/1.x transport connection broken: malformed HTTP response";
        check(&format!(
            "{POD}\n{}\n{PROBE}\n{says}\n=> liveness-probe-misconfigured deployment/a/p",
            ended(137, "Error")
        ));
    }

    #[test]
    fn holds_where_it_gives_up_before_the_application_can_be_up() {
        let open = "set pod/a/p-1  spec.containers[0].ports[0].containerPort=8081";
        let soon = "set pod/a/p-1  spec.containers[0].livenessProbe.failureThreshold=1  spec.containers[0].livenessProbe.periodSeconds=2";
        let ready = "set pod/a/p-1  spec.containers[0].readinessProbe.httpGet.port=8081  spec.containers[0].readinessProbe.initialDelaySeconds=20";
        let world = format!("{POD}\n{}\n{PROBE}\n{open}\n{REFUSED}", ended(137, "Error"));
        check(&format!("{world}\n{soon}\n{ready}\n=> liveness-probe-misconfigured deployment/a/p"));
        // With the patience that is the default it has been up for long.
        check(&format!("{world}\n{ready}\n=> unknown"));
        check(&format!("{world}\n{soon}\n=> unknown"));
        let new = "set deployment/a/p  spec.template.spec.containers[0].livenessProbe.httpGet.port=8081  spec.template.spec.containers[0].livenessProbe.httpGet.path=/up  spec.template.spec.containers[0].livenessProbe.failureThreshold=1
             earlier deployment/a/p 1  spec.containers[0].livenessProbe.failureThreshold=9";
        check(&format!("{world}\n{soon}\n{new}\n=> liveness-probe-misconfigured deployment/a/p"));
    }

    #[test]
    fn holds_where_the_probe_is_all_that_is_new() {
        let probe = PROBE.replace("file hosts/n1/ss-a_p-1.txt | LISTEN 0 9 *:80 *:*", "");
        let new = "set deployment/a/p  spec.template.spec.containers[0].livenessProbe.httpGet.port=8081\nearlier deployment/a/p 1  spec.containers[0].livenessProbe=null";
        check(&format!(
            "{POD}\n{new}\n{}\n{probe}\n{REFUSED}\n=> liveness-probe-misconfigured deployment/a/p",
            ended(0, "Completed")
        ));
        let more = format!("{new}  spec.containers[0].image=other");
        check(&format!(
            "{POD}\n{more}\n{}\n{probe}\n{REFUSED}\n=> unknown lacks hosts/n1/ss-a_p-1.txt",
            ended(0, "Completed")
        ));
    }

    #[test]
    fn holds_where_there_is_no_such_page() {
        check(&format!(
            "{POD}\n{}\n{PROBE}\nevent pod/a/p-1  Unhealthy  Liveness probe failed: HTTP probe failed with statuscode: 404\n=> liveness-probe-misconfigured deployment/a/p",
            ended(137, "Error")
        ));
    }

    #[test]
    fn twin_an_application_that_is_not_well() {
        check(&format!(
            "{POD}\n{}\n{PROBE}\nevent pod/a/p-1  Unhealthy  Liveness probe failed: HTTP probe failed with statuscode: 500\n=> unknown",
            ended(137, "Error")
        ));
    }

    #[test]
    fn twin_a_process_that_does_not_listen_where_it_declares() {
        check(&format!(
            "{POD}\n{}\n{PROBE}\n{REFUSED}\nset pod/a/p-1  spec.containers[0].ports[0].containerPort=8081\n=> unknown",
            ended(137, "Error")
        ));
    }

    #[test]
    fn twin_out_of_memory() {
        check(&format!(
            "{POD}\n{}\n{PROBE}\n{REFUSED}\nset pod/a/p-1  spec.containers[0].resources.limits.memory=64Mi\n=> memory-limit-exceeded deployment/a/p",
            ended(137, "OOMKilled")
        ));
    }

    #[test]
    fn unknown_without_sockets_and_without_events() {
        let less = |gone: &str| format!("{POD}\n{}\n{PROBE}\n{REFUSED}", ended(137, "Error")).replace(gone, "");
        check(&format!(
            "{}\n=> unknown lacks hosts/n1/ss-a_p-1.txt",
            less("file hosts/n1/ss-a_p-1.txt | LISTEN 0 9 *:80 *:*")
        ));
        check(&format!("{}\nmissed events forbidden\n=> unknown lacks events of namespace a", less("nothing")));
    }
}
