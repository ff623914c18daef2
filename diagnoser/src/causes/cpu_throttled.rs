//! A workload is held at its CPU limit: the kernel lets it wait for the rest of each period, and its requests with it.
//!
//! # What it looks like
//! Its requests become late, and those of whoever calls it, by a factor and not by a constant; its CPU stands at the limit and
//! the time it was throttled rises at the same moment. Nothing fails and nothing restarts.
//!
//! # Confirm by hand
//! `nr_throttled` and `throttled_usec` in the `cpu.stat` of its control group (`kubectl -n NS exec POD -- cat
//! /sys/fs/cgroup/cpu.stat`), or `container_cpu_cfs_throttled_seconds_total`, rise; `kubectl -n NS get pod POD -o
//! jsonpath={.spec.containers[*].resources.limits.cpu}`.
//!
//! # Fix
//! Raise the CPU limit or leave it out, or find what the workload began to spend its time on.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! Linux, Documentation/scheduler/sched-bwc.rst; kubernetes.io, Resource Management for Pods and Containers; cAdvisor,
//! container_cpu_cfs_throttled_seconds_total.

use super::{Case, Cause, Finding, Lack, State, pod_network_delay};
use crate::{
    delays::{self, Measured},
    diagnosis::Fix,
    evidence::{Citation, Object},
};

/// See the module's comment.
pub struct CpuThrottled;

impl Cause for CpuThrottled {
    fn id(&self) -> &'static str {
        "cpu-throttled"
    }

    fn source(&self) -> &'static str {
        include_str!("cpu_throttled.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let all = delays::measured(case.model);
        let most = |measured: &Measured<'_>| measured.throttled.map_or(0.0, |rise| rise.since - rise.before);
        let mut held: Vec<usize> = (0..all.len()).filter(|at| all[*at].throttled.is_some()).collect();
        held.sort_by(|a, b| most(&all[*b]).total_cmp(&most(&all[*a])));
        let Some(&at) = held.first() else { return vec![] };
        let one = &all[at];
        let Some((rise, cited)) = one.throttled.zip(one.cite_throttled(case.model)) else { return vec![] };
        // Who is held at his limit by the lateness of others would be so after them.
        let earlier =
            all.iter().any(|other| other.is_late() && other.onset().is_some_and(|onset| onset + 2 < rise.row));
        let alone = held.get(1).is_none_or(|second| 2.0 * most(&all[*second]) < most(one));
        let state = if earlier {
            State::excluded("others were late before it was throttled", vec![cited])
        } else if !alone {
            let what = format!("the cpu.stat of {}", one.workload);
            let why = "others are throttled as much".to_owned();
            let how = "cat /sys/fs/cgroup/cpu.stat in its container, twice".to_owned();
            State::Undecided(vec![Lack { what, why, how, request: None }])
        } else if one.is_late() || one.tail.is_some() || one.strained.is_some() {
            let late = one.cite(case.model).or_else(|| one.cite_strained(case.model));
            let limit = case.model.pods_of(&one.workload).find_map(limit);
            let summary = format!("Raise the CPU limit of {}, or find what it spends its time on", one.workload);
            let evidence = std::iter::once(cited).chain(late).chain(limit).collect();
            State::holds(evidence, Fix { summary, patch: vec![] })
        } else {
            State::excluded("its requests are as fast as ever", vec![cited])
        };
        vec![Finding { effects: pod_network_delay::effects(&all, &one.workload), subject: one.workload.clone(), state }]
    }
}

/// The CPU limit of a pod's first container that has one.
fn limit(pod: &Object) -> Option<Citation> {
    pod.list("/spec/containers").iter().enumerate().find_map(|(index, container)| {
        let limit = container["resources"]["limits"]["cpu"].as_str()?;
        Some(pod.cite(&format!("/spec/containers/{index}/resources/limits/cpu"), format!("CPU limit {limit}")))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use crate::sketch::check;

    /// `a` calls `b`; in each row medians of both, the CPU of `b`, how long it was throttled, and the CPU of their node.
    fn world(rows: &[&str]) -> String {
        let workload = |name: &str, calls: &str| {
            format!(
                "service n/{name}  selector app={name}  80 -> 80
                 deployment n/{name}  app={name}
                 pod n/{name}-1  app={name}  ready  on n1  owner deployment/n/{name} {calls}\n"
            )
        };
        let table: Vec<String> =
            rows.iter().enumerate().map(|(at, row)| format!("{at},{}", row.replace(' ', ","))).collect();
        format!(
            "{}{}probe service/n/a:80  connected in 1ms
             file metrics.csv | time,a-p50latency,b-p50latency,b-cpu,b-cpu_cfs,n1-cpu | {}\n",
            workload("a", "calls http://b:80/"),
            workload("b", ""),
            table.join(" | ")
        )
    }

    /// Rows of before and after the onset.
    pub fn since(before: &str, after: &str) -> String {
        world(&[[before; 5].as_slice(), [after; 8].as_slice()].concat())
    }

    /// A row in which all is well.
    pub const WELL: &str = "30 10 0.1 0 20";

    #[test]
    fn holds_in_the_one_that_is_throttled() {
        check(&format!("{}=> cpu-throttled deployment/n/b", since(WELL, "900 800 0.5 0.6 25")));
        // Not as late as for a delay on the way, and late all the same.
        check(&format!("{}=> cpu-throttled deployment/n/b", since(WELL, "70 45 0.5 0.6 25")));
    }

    #[test]
    fn twin_a_delay_on_the_way_and_twin_it_bears_it() {
        check(&format!("{}=> unknown", since(WELL, "900 800 0.1 0 25")));
        check(&format!("{}=> healthy", since(WELL, "30 10 0.5 0.6 25")));
    }

    #[test]
    fn unknown_where_it_was_not_measured() {
        let table = since(WELL, "900 800 0.5 0.6 25").replace("b-cpu_cfs", "z-cpu_cfs");
        check(&format!("{table}=> unknown"));
    }
}
