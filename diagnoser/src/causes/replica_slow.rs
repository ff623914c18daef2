//! One instance of several takes much longer than its siblings, made from the same template, for the same requests.
//!
//! # What it looks like
//! Nothing fails. The 99th percentile is up and the median is where it was: the share of requests that this instance is sent
//! is late, all others are as fast as ever. The time is spent in the instance itself, not in what it asks.
//!
//! # Confirm by hand
//! Compare durations by pod in the access logs of the hop that adds the time; asked one by one
//! (`curl -o /dev/null -w '%{time_total}\n' http://POD-IP:PORT/`) only that one is slow. `kubectl top pod`, and the CPU
//! throttling of its control group (`cat /sys/fs/cgroup/cpu.stat`), may say why.
//!
//! # Fix
//! Delete the pod: its controller makes another. Keep a profile or a thread dump for whoever owns the application.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! Dean and Barroso, "The Tail at Scale", Communications of the ACM 56 (2013).

use super::{
    Case, Cause, Finding, Proof, State,
    replica_failing::replace,
    replicas::{self, Contrast, FEW, cite},
};
use crate::{
    evidence::{RequestRecord, duration},
    propagation::Mode,
    symptoms::{Observation, median},
};

/// See the module's comment.
pub struct ReplicaSlow;

/// Slow is so many times what its siblings take.
const TIMES: f64 = 3.0;

impl Cause for ReplicaSlow {
    fn id(&self) -> &'static str {
        "replica-slow"
    }

    fn source(&self) -> &'static str {
        include_str!("replica_slow.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let contrasts = replicas::contrasts(case, |symptom| matches!(symptom.seen, Observation::Slow(_)));
        contrasts
            .into_iter()
            .map(|(pod, contrast)| Finding {
                effects: vec![(pod.clone(), Mode::Slow)],
                state: contrast.map_or_else(|state| state, |contrast| judge(&contrast)),
                subject: pod,
            })
            .collect()
    }
}

fn judge(contrast: &Contrast<'_>) -> State {
    let Contrast { pod, own, others, .. } = contrast;
    let typical = |records: &[(usize, &RequestRecord)]| median(records.iter().filter_map(|(_, record)| record.seconds));
    let (Some(mine), Some(theirs)) = (typical(own), typical(others)) else {
        return State::excluded(format!("the log of {pod} does not say how long it took"), vec![]);
    };
    let late = own.iter().rev().find(|(_, record)| record.seconds.is_some_and(|seconds| seconds >= mine));
    let quick = others.iter().rev().find(|(_, record)| record.seconds.is_some_and(|seconds| seconds <= theirs));
    let (all, of_theirs) = (own.len(), others.len());
    let mut evidence: Vec<_> = late
        .map(|(line, _)| cite(*line, format!("{pod} takes {} for half of its {all}", duration(mine))))
        .into_iter()
        .collect();
    evidence.extend(
        quick.map(|(line, _)| {
            cite(*line, format!("its siblings take {} for half of their {of_theirs}", duration(theirs)))
        }),
    );
    if all < FEW || mine < TIMES * theirs {
        return State::excluded(format!("{pod} takes as long as its siblings do"), evidence);
    }
    State::Holds(Box::new(Proof { evidence, fix: replace(pod, &contrast.workload), wants: vec![], changed: None }))
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    fn world(first: f64, second: f64, upstream: &str) -> String {
        let mut lines = vec![
            "service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             pod a/s-1  app=s  ready  listens 0.0.0.0:80  owner deployment/a/s
             pod a/s-2  app=s  ready  listens 0.0.0.0:80  owner deployment/a/s
             pod a/c-1  app=c  ready  calls s:80"
                .to_owned(),
        ];
        for (pod, seconds, times, at) in [("s-1", first, 30, -0.1), ("s-2", second, 12, 0.0)] {
            lines.push(format!(
                "request hop=client method=GET path=/ status=200 seconds={} upstream=s:80 pod=a/c-1 id={pod} at={at} x{times}",
                seconds + 0.001
            ));
            lines.push(format!(
                "request hop=s method=GET path=/ status=200 seconds={seconds} pod=a/{pod} id={pod} at={at} x{times} {upstream}"
            ));
        }
        lines.join("\n")
    }

    #[test]
    fn holds() {
        check(&format!("{}\n=> replica-slow pod/a/s-2", world(0.004, 0.9, "")));
    }

    #[test]
    fn twin_slow_and_well_for_everyone() {
        check(&format!("{}\n=> healthy", world(0.35, 0.36, "")));
    }

    #[test]
    fn twin_what_it_asks_is_slow() {
        check(&format!("{}\n=> unknown", world(0.004, 0.9, "upstream=10.0.0.9:5432")));
    }

    #[test]
    fn unknown_without_pods() {
        check(&format!("{}\nmissed pods forbidden\n=> unknown", world(0.004, 0.9, "")));
    }
}
