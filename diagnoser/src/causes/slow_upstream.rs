//! An application answers well, but later than the hop that asked waits.
//!
//! # What it looks like
//! 504 (or a client's timeout) after always the same time, which is the caller's timeout. The application has the request in
//! its log and answered it well, after more than that time. Where its log lacks the request, it never arrived: that is the
//! network. Where it waited for something behind it in turn, that is slow. Where it always took that long, the timeout is too short.
//!
//! # Confirm by hand
//! Take the id of a failing request and look for it in the log of every hop: `kubectl -n NS logs -l app=NAME | grep ID`.
//! Compare the application's duration with the caller's, and with its own of earlier.
//!
//! # Fix
//! Make it fast again: roll back (`kubectl rollout undo`) where it became slow with a rollout; otherwise profile it.
//!
//! # Who acts
//! The owner of the application.
//!
//! # Source
//! RFC 9110, 15.6.5 (504 Gateway Timeout); nginx, proxy_read_timeout; Google SRE book, "Addressing Cascading Failures" (deadlines).

use std::collections::BTreeSet;

use super::{
    Case, Cause, Finding, State,
    exchange::{self, Line},
    rollout, slow_database_query,
};
use crate::{evidence::Citation, model::Model, propagation::Mode, subject::Subject, symptoms::Symptom};

/// See the module's comment.
pub struct SlowUpstream;

/// Where nothing is known of earlier, an answer that took this many seconds is slow.
const SLOW: f64 = 1.0;
/// An answer is slower than before where it takes so many times as long.
const SLOWER: f64 = 2.0;
/// The caller's clock stops a little after its patience: its time counts less this share.
const TOLERANCE: f64 = 0.9;

impl Cause for SlowUpstream {
    fn id(&self) -> &'static str {
        "slow-upstream"
    }

    fn source(&self) -> &'static str {
        include_str!("slow_upstream.rs")
    }

    fn owner(&self) -> &'static str {
        "application"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        exchange::of_each(case, examine)
    }
}

/// A request that a caller gave up on.
pub(super) struct Late<'e> {
    /// Who gave up.
    pub caller: Line<'e>,
    /// The innermost hop that took as long as the caller waited, or longer; `None` where no hop behind logged it.
    pub slow: Option<Line<'e>>,
    /// What a hop behind that logged of it.
    pub behind: Option<Line<'e>>,
}

/// The requests of a symptom that somebody gave up waiting for.
pub(super) fn late<'e>(model: &Model<'e>, symptom: &Symptom) -> Vec<Late<'e>> {
    let waited = |line: &&Line<'_>| {
        let record = line.record;
        let silent = record.status.is_none() && record.error.as_deref().is_some_and(|e| e.starts_with("timeout"));
        record.failed() && (matches!(record.status, Some(499 | 504)) || silent)
    };
    let each = exchange::failing(model, symptom).into_iter().filter_map(|hops| {
        let at = hops.iter().rposition(|line| waited(&line))?;
        let caller = hops[at];
        let inner = &hops[at + 1..];
        let slow = inner.iter().rposition(|line| line.seconds() >= TOLERANCE * caller.seconds());
        let behind = slow.and_then(|slow| inner.get(slow + 1)).or(inner.first().filter(|_| slow.is_none()));
        Some(Late { caller, slow: slow.map(|slow| inner[slow]), behind: behind.copied() })
    });
    each.collect()
}

fn examine(model: &Model<'_>, symptom: &Symptom) -> Option<Finding> {
    let late = late(model, symptom);
    let caller = late.first()?.caller;
    let slow: Vec<Line<'_>> = late.iter().filter_map(|one| one.slow).collect();
    let served: BTreeSet<Subject> = slow.iter().filter_map(|line| line.record.pod()).collect();
    let (workload, pods) = if served.is_empty() {
        exchange::workload(model, &exchange::pods_behind(model, caller.record))?
    } else {
        exchange::workload(model, &served)?
    };
    let state = state(model, symptom, &late, &slow, (&workload, &pods));
    let effects = pods.into_iter().map(|pod| (pod, Mode::Slow)).collect();
    Some(Finding { subject: workload, effects, state })
}

fn state(
    model: &Model<'_>,
    symptom: &Symptom,
    late: &[Late<'_>],
    slow: &[Line<'_>],
    (workload, pods): (&Subject, &[Subject]),
) -> State {
    let Some(worst) = slow.iter().max_by(|a, b| a.seconds().total_cmp(&b.seconds())) else {
        // Nobody behind the caller has any of the requests in its log, if it has one.
        let lacks: Vec<_> = pods.iter().filter_map(|pod| exchange::lack_log(model, pod)).collect();
        let recorded = |pod: &Subject| model.records_of(pod).next().is_some();
        if lacks.is_empty() || pods.iter().any(recorded) {
            let cited = late.iter().map(|one| one.behind.unwrap_or(one.caller).cite()).take(1).collect();
            return State::excluded("no request that was given up took long there", cited);
        }
        return State::Undecided(lacks);
    };
    if late.iter().any(|one| one.slow.is_none() && one.behind.is_some()) || 3 * slow.len() < late.len() {
        return State::excluded("others that were given up did not take long there", vec![worst.cite()]);
    }
    if let Some(waiting) =
        late.iter().find(|one| one.behind.is_none() && one.slow.is_some_and(|s| s.record.upstream.is_some()))
        && let Some(line) = waiting.slow
    {
        if let Some((statement, _)) = slow_database_query::statement_during(model, &line) {
            return State::excluded("it waits for its database", vec![statement]);
        }
        let upstreams = exchange::pods_behind(model, line.record);
        return State::Undecided(upstreams.iter().map(|pod| slow_database_query::lack(model, pod)).collect());
    }
    let usual = usual(model, symptom, workload, worst);
    let before = usual.as_ref().map(|(seconds, _)| *seconds);
    if before.map_or(worst.seconds() < SLOW, |before| worst.seconds() < SLOWER * before) {
        let cited = usual.map_or_else(|| worst.cite(), |(_, cited)| cited);
        return State::excluded("it takes no longer than it did when requests were answered", vec![cited]);
    }
    if let Some(quick) = quick(model, symptom, workload, worst) {
        return State::excluded("another replica answers the same in time", vec![quick]);
    }
    let (fix, rollout) = rollout::back(model, workload, format!("Find out what keeps {workload} busy"), |_| true);
    let given_up = late.iter().find(|one| one.slow.is_some_and(|line| line.record.id == worst.record.id));
    let evidence = given_up.map(|one| one.caller.cite()).into_iter().chain([worst.cite()]);
    let evidence = evidence.chain(usual.map(|(_, cited)| cited)).chain(rollout).collect();
    State::holds(evidence, fix)
}

/// The records of a workload's good answers to the same kind of request, before the symptom or since.
fn answers<'e>(
    model: &Model<'e>,
    symptom: &Symptom,
    workload: &Subject,
    like: &Line<'_>,
    before: bool,
) -> Vec<(usize, &'e crate::evidence::RequestRecord)> {
    let traffic = model.evidence.traffic.iter().enumerate();
    let alike = traffic.filter(|(_, record)| record.succeeded() && record.what() == like.record.what());
    let own = alike.filter(|(_, record)| record.pod().is_some_and(|pod| model.workload_of(&pod) == *workload));
    own.filter(|(_, record)| record.time.zip(symptom.since).is_some_and(|(time, since)| (time < since) == before))
        .collect()
}

/// What the same kind of request usually took there before the symptom began (the median).
fn usual(model: &Model<'_>, symptom: &Symptom, workload: &Subject, like: &Line<'_>) -> Option<(f64, Citation)> {
    let mut earlier = answers(model, symptom, workload, like, true);
    // The first requests that were late began before anybody knew.
    earlier.retain(|(_, record)| {
        let went_well = |id: &String| model.records_with(id).any(|other| other.hop != record.hop && other.succeeded());
        record.id.as_ref().is_none_or(went_well)
    });
    earlier.sort_by(|(_, a), (_, b)| a.seconds.unwrap_or_default().total_cmp(&b.seconds.unwrap_or_default()));
    let (index, record) = *earlier.get(earlier.len() / 2)?;
    let seconds = record.seconds?;
    let says = format!("{}: {} usually took {}", record.hop, record.what(), crate::evidence::duration(seconds));
    Some((seconds, Citation::line("traffic.jsonl", index + 1, says)))
}

/// An answer of another pod of the workload, given well in time since the symptom began.
fn quick(model: &Model<'_>, symptom: &Symptom, workload: &Subject, slow: &Line<'_>) -> Option<Citation> {
    let since = answers(model, symptom, workload, slow, false);
    let other = since.into_iter().find(|(_, record)| {
        record.pod() != slow.record.pod() && record.seconds.is_some_and(|seconds| SLOWER * seconds < slow.seconds())
    });
    other.map(|(index, record)| {
        let took = crate::evidence::duration(record.seconds.unwrap_or_default());
        Citation::line(
            "traffic.jsonl",
            index + 1,
            format!("{}: {} in {took}", record.pod.as_deref().unwrap_or_default(), record.what()),
        )
    })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/w  selector app=w  80 -> 80
             pod a/w-1  app=w  ready  listens 0.0.0.0:80  owner deployment/a/w
             service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             pod a/s-1  app=s  ready  listens 0.0.0.0:80  owner deployment/a/s
             pod a/s-2  app=s  ready  listens 0.0.0.0:80  owner deployment/a/s
             pod a/c-1  app=c  ready
             file hosts/n1/nft.txt | table ip filter {
             conntrack n1  900 of 262144  drop 0 -> 0
             request hop=client method=GET path=/ status=504 seconds=2.01 upstream=w.a:80 pod=a/c-1 id=r x10
             request hop=w method=GET path=/ status=504 seconds=2 upstream=s.a:80 pod=a/w-1 id=r error=\"timeout: x\" x10";

    #[test]
    fn holds() {
        check(&format!(
            "{WORLD}\nrequest hop=s method=GET path=/x status=200 seconds=3 pod=a/s-1 id=r x10
             => slow-upstream deployment/a/s"
        ));
    }

    #[test]
    fn twin_the_request_never_arrived() {
        check(&format!(
            "{WORLD}\nrequest hop=s method=GET path=/x status=200 seconds=0.01 pod=a/s-1 id=other
             log a/s-1 x\nlog a/s-2 x
             policy a/base  selects app=s  denies ingress
             => network-policy-denies-ingress networkpolicy/a/base"
        ));
    }

    #[test]
    fn twin_it_always_took_that_long_and_the_caller_waits_less_than_before() {
        check(&format!(
            "{WORLD}\nrequest hop=s method=GET path=/x status=200 seconds=3 pod=a/s-1 id=r x10
             request hop=client method=GET path=/ status=200 seconds=3 upstream=w.a:80 pod=a/c-1 id=o at=-60 x3
             request hop=w method=GET path=/ status=200 seconds=3 upstream=s.a:80 pod=a/w-1 id=o at=-60 x3
             request hop=s method=GET path=/x status=200 seconds=2.9 pod=a/s-2 id=o at=-60 x3
             => unknown"
        ));
    }

    #[test]
    fn twin_one_replica_of_two() {
        check(&format!(
            "{WORLD}\nrequest hop=s method=GET path=/x status=200 seconds=3 pod=a/s-1 id=r x10
             request hop=s method=GET path=/x status=200 seconds=0.01 pod=a/s-2 id=q x10
             => unknown"
        ));
    }

    #[test]
    fn twin_the_application_is_slow_because_what_it_asks_is() {
        check(&format!(
            "{WORLD}\nservice a/d  selector app=d  80 -> 80
             deployment a/d  app=d
             pod a/d-1  app=d  ready  listens 0.0.0.0:80  owner deployment/a/d
             request hop=s method=GET path=/x status=200 seconds=3 upstream=d.a:80 pod=a/s-1 id=r x10
             request hop=d method=GET path=/y status=200 seconds=2.9 pod=a/d-1 id=r x10
             => slow-upstream deployment/a/d"
        ));
    }

    #[test]
    fn unknown_without_the_log_of_the_application() {
        check(&format!("{WORLD}\nlog a/s-2 x\n=> unknown lacks logs/a_s-1_c.txt"));
    }
}
