//! A container uses more memory than its limit, and the kernel kills it.
//!
//! # What it looks like
//! Pods serve for a while, are gone and come again, or stay in CrashLoopBackOff: 502 or 503 in between. The last state says
//! OOMKilled. Exit code 137 alone says only that something sent SIGKILL: a failed liveness probe does so too.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD`: Last State, Reason OOMKilled, beside Limits, memory; on the node `dmesg | grep -i oom`
//! shows `Memory cgroup out of memory` with the pod's uid. `kubectl top pod` shows how it grows.
//!
//! # Fix
//! Raise the limit, or let the application use less; if a rollout brought it, go back.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Assign Memory Resources to Containers, "Exceed a Container's memory limit"; Linux cgroup v2, memory.max.

use super::{Case, Cause, Finding, Lack, State, containers, containers::Ended, kubelet_probes, rollout};
use crate::{
    evidence::{Citation, Fact, Hosts, Object, Quantity},
    model::Model,
};

/// See the module's comment.
pub struct MemoryLimitExceeded;

impl Cause for MemoryLimitExceeded {
    fn id(&self) -> &'static str {
        "memory-limit-exceeded"
    }

    fn source(&self) -> &'static str {
        include_str!("memory_limit_exceeded.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        containers::examine(model, |workload, pod| {
            let ended = containers::ends(model, pod);
            let end = ended.iter().max_by_key(|end| end.reason == "OOMKilled");
            let (says, name, served) = match (end, killed_at_start(model, pod)) {
                (Some(end), _) if end.reason == "OOMKilled" => (end.cite(), Some(end.name), end.served),
                (_, Some(says)) => (says, None, false),
                (Some(end), None) if end.code == 137 => match killed_by_kernel(model, pod) {
                    Ok(Some(says)) => (says, Some(end.name), end.served),
                    Ok(None) => return Some((not_killed(model, pod, end), end.served)),
                    Err(lack) => return Some((State::Undecided(vec![lack]), end.served)),
                },
                (Some(end), None) => return Some((State::excluded("it was not killed", vec![end.cite()]), end.served)),
                (None, None) => return None,
            };
            let Some(limit) = limit(pod, name) else {
                return Some((
                    State::excluded("it has no memory limit: the node had no memory left", vec![says]),
                    served,
                ));
            };
            let otherwise = format!("Raise the memory limit of {workload}, or let it use less");
            let (fix, before) = rollout::back(model, workload, otherwise, |_| true);
            Some((State::holds([says, limit].into_iter().chain(before).collect(), fix), served))
        })
    }
}

fn not_killed(model: &Model<'_>, pod: &Object, end: &Ended<'_>) -> State {
    match containers::killed_by_kubelet(model, pod) {
        Some(killed) => State::excluded("the kubelet killed it, for its probe", vec![killed]),
        None => State::excluded("the kernel did not kill it at its limit", vec![end.cite()]),
    }
}

/// The kernel's own record that it killed a process of this pod at its limit, where the runtime did not say so (it says so
/// of a container's first process only). The record names the control group, which carries the pod's uid.
fn killed_by_kernel(model: &Model<'_>, pod: &Object) -> Result<Option<Citation>, Lack> {
    let (Some(uid), Some(node)) = (pod.text("/metadata/uid"), pod.node()) else { return Ok(None) };
    if containers::killed_by_kubelet(model, pod).is_some() {
        return Ok(None);
    }
    match model.evidence.hosts.text(node, "dmesg") {
        Fact::Seen(text) => {
            let slice = uid.replace('-', "_");
            let of_pod = |line: &str| line.contains("oom_memcg=") && (line.contains(uid) || line.contains(&slice));
            let line = text.lines().position(of_pod);
            Ok(line.map(|line| {
                Citation::line(
                    &Hosts::file(node, "dmesg"),
                    line + 1,
                    "the kernel killed a process of it at the limit of its control group",
                )
            }))
        }
        Fact::Missed(why) => Err(Lack::host_fact(node, "dmesg", "dmesg", why)),
    }
}

/// The runtime's word that the limit is too low even to start (runc: "container init was OOM-killed").
fn killed_at_start(model: &Model<'_>, pod: &Object) -> Option<Citation> {
    let events =
        ["FailedCreatePodSandBox", "Failed"].into_iter().flat_map(|reason| kubelet_probes::events(model, pod, reason));
    events
        .filter(|(_, message)| message.contains("OOM-killed"))
        .last()
        .map(|(event, message)| event.cite("/message", message))
}

/// The memory limit of a container (of any, where none is named), unless it is written in thousandths of a byte, which is
/// a fault of its own.
fn limit(pod: &Object, name: Option<&str>) -> Option<Citation> {
    ["/spec/containers", "/spec/initContainers"].into_iter().find_map(|list| {
        pod.list(list).iter().enumerate().find_map(|(index, container)| {
            let limit = container["resources"]["limits"]["memory"].as_str()?;
            let named = name.is_none_or(|name| container["name"] == name);
            let whole = Quantity::parse(limit).is_none_or(|quantity| !quantity.milli);
            let pointer = format!("{list}/{index}/resources/limits/memory");
            (named && whole).then(|| pod.cite(&pointer, format!("memory limit {limit}")))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::containers::tests::{POD, ended};
    use crate::sketch::check;

    const LIMIT: &str = "set pod/a/p-1  spec.containers[0].resources.limits.memory=64Mi  metadata.uid=9f2c-1";

    #[test]
    fn holds() {
        check(&format!("{POD}\n{LIMIT}\n{}\n=> memory-limit-exceeded deployment/a/p", ended(137, "OOMKilled")));
    }

    #[test]
    fn holds_by_the_kernel_s_record_where_the_runtime_says_nothing() {
        let kernel = "file hosts/n1/dmesg.txt | oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/kubepods.slice/pod9f2c_1.slice,task=x";
        check(&format!("{POD}\n{LIMIT}\n{}\n{kernel}\n=> memory-limit-exceeded deployment/a/p", ended(137, "Error")));
    }

    #[test]
    fn twin_137_alone_is_a_signal_and_no_reason() {
        let kernel = "file hosts/n1/dmesg.txt | oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/kubepods.slice/pod77_1.slice,task=x";
        check(&format!("{POD}\n{LIMIT}\n{}\n{kernel}\n=> unknown", ended(137, "Error")));
    }

    #[test]
    fn twin_without_a_limit_it_was_the_node() {
        check(&format!("{POD}\n{}\n=> unknown", ended(137, "OOMKilled")));
    }

    #[test]
    fn unknown_without_the_kernel_s_log() {
        check(&format!("{POD}\n{LIMIT}\n{}\n=> unknown lacks hosts/n1/dmesg.txt", ended(137, "Error")));
    }

    #[test]
    fn what_a_pod_that_comes_and_goes_does_to_others() {
        check(&format!(
            "{POD}\n{LIMIT}\n{}
             service a/p  selector app=p  80 -> 80
             ingress a/p  p.example.test -> p
             set pod/a/p-1  status.conditions[0].status=True  status.containerStatuses[0].state.running.startedAt=2026-01-01T11:59:58Z  status.containerStatuses[0].state.waiting=null
             probe http://p.example.test/  503 in 2ms
             => memory-limit-exceeded deployment/a/p",
            ended(137, "OOMKilled")
        ));
    }
}
