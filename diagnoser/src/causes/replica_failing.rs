//! One instance of several answers errors of its own while its siblings, made from the same template, answer well.
//!
//! # What it looks like
//! A share of the requests fails at any time, for any client, of any size: the share that this one instance is sent. It is
//! running and ready, so its Service goes on sending it requests. Restarted it behaves like the others.
//!
//! # Confirm by hand
//! `for p in $(kubectl -n NS get pods -l app=APP -o name); do echo $p $(kubectl -n NS logs $p --since=5m | grep -c '" 500 '); done`
//! shows errors in one pod only; asked one by one (`curl http://POD-IP:PORT/`) only that one fails.
//!
//! # Fix
//! Delete the pod: its controller makes another. Keep its log, and what it held in memory or in files, for whoever owns the
//! application; a readiness probe that notices the state would have taken it out by itself.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Configure Liveness, Readiness and Startup Probes (an instance that is not well has to say so); Huang and
//! others, "Gray Failure: The Achilles' Heel of Cloud-Scale Systems", HotOS 2017.

use super::{
    Case, Cause, Finding, Proof, State,
    replicas::{self, Contrast, FEW, cite, count},
    space,
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::RequestRecord,
    model::Model,
    propagation::Mode,
    subject::Subject,
    symptoms::Observation,
};

/// See the module's comment.
pub struct ReplicaFailing;

impl Cause for ReplicaFailing {
    fn id(&self) -> &'static str {
        "replica-failing"
    }

    fn source(&self) -> &'static str {
        include_str!("replica_failing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let contrasts = replicas::contrasts(case, |symptom| !matches!(symptom.seen, Observation::Slow(_)));
        contrasts
            .into_iter()
            .map(|(pod, contrast)| {
                let mode = contrast.as_ref().map_or(Mode::Errors, |contrast| mode(&contrast.own));
                let state = contrast.map_or_else(|state| state, |contrast| judge(case.model, &contrast));
                Finding { effects: vec![(pod.clone(), mode)], state, subject: pod }
            })
            .collect()
    }
}

/// How it fails, by what it last answered.
fn mode(own: &[(usize, &RequestRecord)]) -> Mode {
    let last = own.iter().rev().find(|(_, record)| record.failed());
    match last.and_then(|(_, record)| record.status) {
        Some(404 | 410) => Mode::NotFound,
        Some(status) if status < 499 => Mode::Rejects,
        Some(_) => Mode::Errors,
        None => Mode::Broken,
    }
}

fn judge(model: &Model<'_>, contrast: &Contrast<'_>) -> State {
    let Contrast { pod, own, others, .. } = contrast;
    let failed = count(own, RequestRecord::failed);
    let theirs = count(others, RequestRecord::failed);
    let Some((line, last)) = own.iter().rev().find(|(_, record)| record.failed()) else {
        return State::excluded(format!("{pod} answered well"), vec![]);
    };
    let (all, of_theirs) = (own.len(), others.len());
    // Four times as often as its siblings, which hardly ever fail: both as shares.
    if failed < FEW || failed * of_theirs < 4 * theirs * all || theirs * 20 > of_theirs {
        let because = format!("{failed} of {all} fail in {pod}, and {theirs} of {of_theirs} in its siblings");
        return State::excluded(because, vec![cite(*line, format!("{} failed", last.what()))]);
    }
    if let Some(complaint) = model.object(pod).and_then(|object| space::complaint_of(model, object)) {
        return State::excluded(format!("{pod} lacks space where it runs"), vec![complaint]);
    }
    let status = last.status.map_or_else(|| "nothing".to_owned(), |status| status.to_string());
    let mut evidence = vec![cite(*line, format!("{pod} answered {status}: {failed} of {all} of its requests fail"))];
    evidence.extend(
        others
            .iter()
            .rev()
            .find(|(_, record)| !record.failed())
            .map(|(line, _)| cite(*line, format!("{} of {of_theirs} of its siblings' do well", of_theirs - theirs))),
    );
    State::Holds(Box::new(Proof { evidence, fix: replace(pod, &contrast.workload), wants: vec![], changed: None }))
}

/// Its controller makes another one.
pub(super) fn replace(pod: &Subject, workload: &Subject) -> Fix {
    Fix {
        summary: format!("Delete {pod}; {workload} makes another"),
        patch: vec![Change::Delete { object: pod.clone() }],
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             pod a/s-1  app=s  ready  listens 0.0.0.0:80  owner deployment/a/s  on n1
             pod a/s-2  app=s  ready  listens 0.0.0.0:80  owner deployment/a/s  on n1
             pod a/c-1  app=c  ready  calls s:80
             log a/s-1  it
             log a/s-2  serves
             request hop=client method=GET path=/ status=200 seconds=0.01 upstream=s:80 pod=a/c-1 id=good at=-0.1 x40
             request hop=s method=GET path=/ status=200 seconds=0.005 pod=a/s-1 id=good at=-0.1 x40";

    /// Requests that `pod` answers with 500, among the good ones.
    fn failing(pod: &str) -> String {
        format!(
            "request hop=client method=GET path=/ status=500 seconds=0.01 upstream=s:80 pod=a/c-1 id={pod} at=0 x12
             request hop=s method=GET path=/ status=500 seconds=0.005 pod=a/{pod} id={pod} at=0 x12"
        )
    }

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{}\n=> replica-failing pod/a/s-2", failing("s-2")));
    }

    #[test]
    fn twin_every_replica_fails() {
        check(&format!("{WORLD}\n{}\n{}\n=> unknown", failing("s-1"), failing("s-2")));
    }

    #[test]
    fn twin_another_template() {
        check(&format!(
            "{WORLD}\n{}
             set pod/a/s-1  metadata.labels.pod-template-hash=x
             set pod/a/s-2  metadata.labels.pod-template-hash=y
             => unknown",
            failing("s-2")
        ));
    }

    #[test]
    fn twin_what_it_asks_fails() {
        let failing = failing("s-2").replace("pod=a/s-2", "pod=a/s-2 upstream=10.0.0.9:5432");
        check(&format!("{WORLD}\n{failing}\n=> unknown"));
    }

    #[test]
    fn unknown_without_the_siblings_logs() {
        let world: Vec<&str> =
            WORLD.lines().filter(|line| !line.contains("hop=s ") && !line.contains("log a/s-1")).collect();
        check(&format!("{}\n{}\n=> unknown lacks logs/a_s-1_*.txt", world.join("\n"), failing("s-2")));
    }
}
