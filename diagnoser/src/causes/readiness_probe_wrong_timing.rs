//! A readiness probe is asked so late, or has to succeed so often, that pods that serve are not ready for a long time.
//!
//! # What it looks like
//! The pods run and are not ready, and nothing fails: no event Unhealthy. A Service with no others has no endpoint: refused at once,
//! or 503 by a proxy. After a while it heals by itself, and comes back with each restart.
//!
//! # Confirm by hand
//! `kubectl -n NS get pod POD -o jsonpath={.spec.containers[*].readinessProbe}`: initialDelaySeconds, or periodSeconds times
//! successThreshold, is more than the container's age (`kubectl -n NS get pod POD`). From another pod, the port answers.
//!
//! # Fix
//! Lower initialDelaySeconds and successThreshold; what starts slowly has a startup probe for that.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Configure Liveness, Readiness and Startup Probes, "Configure Probes".

use crate::json::Value;

use super::{Case, Cause, Finding, State, kubelet_probes, kubelet_probes::KubeletProbe, rollout};
use crate::{
    diagnosis::{Change, Fix},
    evidence::Object,
    model::{Model, is_ready, is_running},
    subject::Subject,
};

/// See the module's comment.
pub struct ReadinessProbeWrongTiming;

impl Cause for ReadinessProbeWrongTiming {
    fn id(&self) -> &'static str {
        "readiness-probe-wrong-timing"
    }

    fn source(&self) -> &'static str {
        include_str!("readiness_probe_wrong_timing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        kubelet_probes::of_readiness(case.model, one)
    }
}

/// Seconds that an application may be given to start; where it is known to be up already, and where nothing is known.
const LONG: (i64, i64) = (60, 600);

fn one(model: &Model<'_>, workload: &Subject, pod: &Object, probe: &KubeletProbe<'_>) -> Option<State> {
    let up = probe.up(model).filter(|_| is_running(pod) && !is_ready(pod))?;
    if let Some((_, failure)) = probe.failure(model) {
        return Some(State::excluded("it is asked, and does not answer well", vec![failure]));
    }
    let due = probe.first_answer();
    if due <= up {
        return Some(State::excluded("it could have been ready by now", vec![probe.cite()]));
    }
    // That it has not failed is known only where that would have been told.
    if let Some(lack) = kubelet_probes::lack_events(model, pod) {
        return Some(State::Undecided(vec![lack]));
    }
    let alive = probe.another_succeeds(model);
    if due < LONG.0 || alive.is_none() && due < LONG.1 {
        return Some(State::excluded("it is starting", vec![probe.cite()]));
    }
    let says = format!("it runs for {up} s, and can be ready after {due} s at the earliest");
    let mut evidence = vec![probe.cite(), pod.cite("/status/containerStatuses", says)];
    evidence.extend(alive);
    let otherwise = format!("Let the readiness probe of {workload} be asked as soon as it can be answered");
    let (fix, before) = fix(model, workload, probe, otherwise);
    evidence.extend(before);
    Some(State::holds(evidence, fix))
}

/// Back to the probe before, or without what delays it.
fn fix(
    model: &Model<'_>,
    workload: &Subject,
    probe: &KubeletProbe<'_>,
    summary: String,
) -> (Fix, Option<crate::evidence::Citation>) {
    let field = format!("/spec/containers/{}/readinessProbe", probe.container);
    let (back, cited) = rollout::back(model, workload, "", |changed| changed.starts_with(&field));
    if !back.patch.is_empty() {
        return (Fix { summary, ..back }, cited);
    }
    let set = |key: &str| {
        let path = format!("/spec/template{field}/{key}");
        let from: Value = model.object(workload)?.get(&path)?.clone();
        Some(Change::Unset { object: workload.clone(), path, from })
    };
    (Fix { summary, patch: ["initialDelaySeconds", "successThreshold"].into_iter().filter_map(set).collect() }, None)
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    fn world(delay: u32, started: &str) -> String {
        format!(
            "service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             pod a/s-1  app=s  unready  declares 80  owner deployment/a/s
             set pod/a/s-1  spec.containers[0].readinessProbe.httpGet.port=80  spec.containers[0].readinessProbe.initialDelaySeconds={delay}
             set pod/a/s-1  status.containerStatuses[0].state.running.startedAt={started}
             probe service/a/s:80  refused in 1ms"
        )
    }

    const ALIVE: &str = "set pod/a/s-1  spec.containers[0].livenessProbe.httpGet.port=80";

    #[test]
    fn holds_where_it_is_not_asked_for_long() {
        check(&format!("{}\n=> readiness-probe-wrong-timing deployment/a/s", world(3600, "2026-01-01T11:57:00Z")));
        let often = "set pod/a/s-1  spec.containers[0].readinessProbe.successThreshold=100";
        check(&format!(
            "{}\n{often}\n=> readiness-probe-wrong-timing deployment/a/s",
            world(5, "2026-01-01T11:57:00Z")
        ));
    }

    #[test]
    fn holds_sooner_where_it_is_known_to_be_up() {
        let world = world(300, "2026-01-01T11:57:00Z");
        check(&format!("{world}\n{ALIVE}\n=> readiness-probe-wrong-timing deployment/a/s"));
        check(&format!("{world}\n=> unknown"));
    }

    #[test]
    fn twin_it_is_asked_and_fails() {
        let fails = "event pod/a/s-1  Unhealthy  Readiness probe failed: HTTP probe failed with statuscode: 503";
        check(&format!("{}\n{ALIVE}\n{fails}\n=> unknown", world(900, "2026-01-01T11:30:00Z")));
        check(&format!("{}\n{ALIVE}\n=> unknown", world(900, "2026-01-01T11:30:00Z")));
    }

    #[test]
    fn unknown_without_events() {
        let world = world(3600, "2026-01-01T11:57:00Z");
        check(&format!("{world}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
