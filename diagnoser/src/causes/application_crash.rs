//! The application ends by itself as soon as it runs, with an error of its own.
//!
//! # What it looks like
//! Pods in CrashLoopBackOff; the Service has no endpoint, so an ingress controller answers 503 at once. The container ran and
//! ended with an exit code of its own: neither a signal from outside (137, 143), nor a start that failed, nor the kernel.
//!
//! # Confirm by hand
//! `kubectl -n NS get pod POD -o jsonpath={.status.containerStatuses[*].lastState.terminated}` shows reason Error and the exit
//! code; `kubectl -n NS logs POD --previous` shows its last words; `kubectl -n NS rollout history deploy/NAME` what changed.
//!
//! # Fix
//! Correct what it complains about, or go back to the last template that served (`kubectl -n NS rollout undo deploy/NAME`).
//!
//! # Who acts
//! The owner of the application.
//!
//! # Source
//! kubernetes.io, Debug Running Pods; core/v1 ContainerStateTerminated.

use super::{
    Case, Cause, Finding, State, container_command_invalid, containers, containers::Ended, heap_limit_exceeded,
    image_architecture_mismatch, rollout, space,
};
use crate::{
    attempts,
    evidence::{Citation, LogFile, Object},
    model::Model,
    subject::Subject,
};

/// See the module's comment.
pub struct ApplicationCrash;

/// Signals by which others end a process: SIGKILL and SIGTERM, as exit codes.
const FROM_OUTSIDE: [i64; 2] = [137, 143];

impl Cause for ApplicationCrash {
    fn id(&self) -> &'static str {
        "application-crash"
    }

    fn source(&self) -> &'static str {
        include_str!("application_crash.rs")
    }

    fn owner(&self) -> &'static str {
        "application"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        containers::examine(case.model, |workload, pod| {
            let end = containers::ends(case.model, pod).into_iter().next()?;
            Some((one(case.model, workload, pod, &end), end.served))
        })
    }
}

fn one(model: &Model<'_>, workload: &Subject, pod: &Object, end: &Ended<'_>) -> State {
    let cited = vec![end.cite()];
    if end.reason == "OOMKilled" {
        return State::excluded("the kernel ended it at its memory limit", cited);
    }
    if let Some(because) = container_command_invalid::never_ran(model, end) {
        return State::excluded("it never ran", vec![because]);
    }
    if let Some(said) = image_architecture_mismatch::format_error(model, end) {
        return State::excluded("it never ran", vec![said]);
    }
    if end.reason != "Error" && !end.reason.is_empty() {
        return State::excluded(format!("it did not end by itself: {}", end.reason), cited);
    }
    if let Some(killed) = containers::killed_by_kubelet(model, pod) {
        return State::excluded("the kubelet ended it", vec![killed]);
    }
    if FROM_OUTSIDE.contains(&end.code) {
        return State::excluded("a signal from outside ended it", cited);
    }
    let logs = model.evidence.logs.of(pod.subject());
    if logs.is_empty() {
        return State::Undecided(vec![containers::lack_log(pod)]);
    }
    // What ends for want of something else is not at fault itself.
    if let Some(complaint) = space::complaint_of(model, pod) {
        return State::excluded("it ends for want of space", vec![complaint]);
    }
    let ended = logs.iter().max_by_key(|log| log.file.ends_with(".previous.txt"));
    if let Some(words) = ended.and_then(|log| log.last_line_within(LAST, blames_another)) {
        return State::excluded("it ends because of something it needs, and not by its own fault", vec![words]);
    }
    if let Some(words) = ended.and_then(|log| log.last_line_within(LAST, heap_limit_exceeded::tells)) {
        return State::excluded("the memory of its runtime was used up", vec![words]);
    }
    let last = ended.and_then(last_words);
    let otherwise = format!("Correct what {workload} complains about as it ends");
    let (fix, before) = rollout::back(model, workload, otherwise, |_| true);
    State::holds(cited.into_iter().chain(last).chain(before).collect(), fix)
}

/// What the run that ended said last: its last line that speaks of an error, else its last line.
fn last_words(log: &LogFile) -> Option<Citation> {
    const WORDS: [&str; 7] = ["error", "fatal", "panic", "invalid", "cannot", "failed", "exception"];
    let speaks = |line: &str| WORDS.iter().any(|word| line.to_ascii_lowercase().contains(word));
    log.last_line_within(LAST, speaks).or_else(|| log.last_line(|line| !line.trim().is_empty()))
}

/// How many lines before its end a run's words count as its last: a stack trace is long.
const LAST: usize = 100;

/// Words of errno(3), Go, Java and of database servers for what is not the application's own: a peer that cannot be reached
/// or turns it away, a file it may not touch, a port that another holds.
const OF_OTHERS: [&str; 16] = [
    "access denied for user",
    "accessdeniedexception",
    "already in use",
    "authentication failed",
    "communications link failure",
    "connection refused",
    "connection reset",
    "connection timed out",
    "econnrefused",
    "i/o timeout",
    "is forbidden: user",
    "no route to host",
    "not connected",
    "operation not permitted",
    "permission denied",
    "read-only file system",
];

fn blames_another(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    attempts::tells(text) || OF_OTHERS.iter().any(|words| lower.contains(words))
}

#[cfg(test)]
mod tests {
    use super::super::containers::tests::{POD, ended};
    use crate::sketch::check;

    #[test]
    fn holds() {
        check(&format!("{POD}\n{}\nlog a/p-1  no such option\n=> application-crash deployment/a/p", ended(2, "Error")));
    }

    #[test]
    fn twins_that_did_not_end_by_themselves() {
        check(&format!(
            "{POD}\nset pod/a/p-1  spec.containers[0].resources.limits.memory=64Mi\n{}\nlog a/p-1  hello\n=> memory-limit-exceeded deployment/a/p",
            ended(137, "OOMKilled")
        ));
        check(&format!("{POD}\n{}\nlog a/p-1  hello\n=> unknown", ended(137, "Error")));
        check(&format!(
            "{POD}\n{}\nlog a/p-1  dial tcp 10.0.0.9:5432: connect: connection refused\n=> unknown",
            ended(1, "Error")
        ));
        let trace = "log a/p-1  Caused by: Access denied for user x\nlog a/p-1  at p.q(R.java:1)\nlog a/p-1  Exception: giving up";
        check(&format!("{POD}\n{}\n{trace}\n=> unknown", ended(1, "Error")));
        check(&format!("{POD}\n{}\nlog a/p-1  write: No space left on device\n=> unknown", ended(1, "Error")));
    }

    #[test]
    fn unknown_without_its_log() {
        check(&format!("{POD}\n{}\n=> unknown lacks logs/a_p-1_*.txt", ended(2, "Error")));
    }

    #[test]
    fn a_restart_that_ended_is_nobodys_fault() {
        check(
            "service a/p  selector app=p  80 -> 80
             pod a/p-1  app=p  ready  listens 0.0.0.0:80
             set pod/a/p-1  status.containerStatuses[0].restartCount=3  status.containerStatuses[0].lastState.terminated.exitCode=1
             set pod/a/p-1  status.containerStatuses[0].lastState.terminated.reason=Error  status.containerStatuses[0].lastState.terminated.startedAt=2026-01-01T11:49:00Z  status.containerStatuses[0].lastState.terminated.finishedAt=2026-01-01T11:49:20Z
             log a/p-1  not yet
             probe service/a/p:80  connected in 1ms
             => healthy",
        );
    }
}
