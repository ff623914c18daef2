//! A readiness, liveness or startup probe runs a command that the container's image does not have.
//!
//! # What it looks like
//! Pods that run and serve are never ready; or, of a liveness or startup probe, are killed again and again. The kubelet says
//! `executable file not found` of the probe.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` has the probe's failure; `kubectl -n NS exec POD -- COMMAND` says the same.
//!
//! # Fix
//! Let the probe run what the image has, or ask over HTTP, TCP or gRPC.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Configure Liveness, Readiness and Startup Probes, "Define a liveness command"; runc, exec failed.

use super::{Case, Cause, Finding, State, container_command_invalid, containers, kubelet_probes};

/// See the module's comment.
pub struct ProbeCommandInvalid;

impl Cause for ProbeCommandInvalid {
    fn id(&self) -> &'static str {
        "probe-command-invalid"
    }

    fn source(&self) -> &'static str {
        include_str!("probe_command_invalid.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        containers::examine(case.model, |workload, pod| {
            let fields = ["readinessProbe", "livenessProbe", "startupProbe"];
            let probes = fields.into_iter().flat_map(|field| kubelet_probes::of(pod, field));
            let states = probes.filter(|probe| probe.probe["exec"].is_object()).filter_map(|probe| {
                let Some((_, failure)) = probe.failure(case.model) else {
                    return kubelet_probes::lack_events(case.model, pod).map(|lack| State::Undecided(vec![lack]));
                };
                if !container_command_invalid::says_no_program(&failure.says) {
                    return Some(State::excluded("its command is run, and says no", vec![failure]));
                }
                let otherwise = format!("Let the probe of {workload} run what its image has");
                let (fix, before) = kubelet_probes::fix(case.model, workload, &probe, None, &otherwise);
                Some(State::holds([failure, probe.cite()].into_iter().chain(before).collect(), fix))
            });
            states
                .reduce(|best, state| if state.strength() > best.strength() { state } else { best })
                .map(|s| (s, true))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    use super::super::containers::tests::POD;

    const PROBE: &str = "set pod/a/p-1  spec.containers[0].readinessProbe.exec.command[0]=curl";
    const SAYS: &str = "event pod/a/p-1  Unhealthy  Readiness probe failed: OCI runtime exec failed: exec failed: unable to start container process: exec: \"curl\": executable file not found in $PATH";

    #[test]
    fn holds() {
        check(&format!("{POD}\n{PROBE}\n{SAYS}\n=> probe-command-invalid deployment/a/p"));
    }

    #[test]
    fn twin_the_command_is_run_and_says_no() {
        check(&format!("{POD}\n{PROBE}\nevent pod/a/p-1  Unhealthy  Readiness probe failed: not yet\n=> unknown"));
    }

    #[test]
    fn unknown_without_events() {
        check(&format!("{POD}\n{PROBE}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
