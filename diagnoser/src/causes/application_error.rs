//! An application answers 500 of itself: it says so first, on all of its pods, and nothing behind it failed.
//!
//! # What it looks like
//! Every request of a kind is answered 500 within the time of an ordinary answer. Each hop before it has the request with the
//! same code and only passes it on; the innermost hop that logged it sent it nowhere.
//!
//! # Confirm by hand
//! Follow one request id through the logs of the hops: `kubectl -n NS logs -l app=NAME --prefix | grep ID`. The innermost one
//! names no upstream; compare its pods; read what it logs beside the 500; `kubectl -n NS rollout history` says what changed.
//!
//! # Fix
//! Correct the application, or go back to the last template that served.
//!
//! # Who acts
//! The owner of the application.
//!
//! # Source
//! RFC 9110, 15.6.1 (500 Internal Server Error: an unexpected condition of the server itself; gateways have 502 and 504).

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, Cause, Finding, State, containers, rollout, space};
use crate::{
    evidence::{Citation, RequestRecord},
    model::{Model, Relation, is_ready},
    propagation::Mode,
    subject::Subject,
    symptoms::{Observation, Origin, Symptom},
};

/// See the module's comment.
pub struct ApplicationError;

/// How many of the last requests of a kind are looked at, on each pod.
const WINDOW: usize = 10;

impl Cause for ApplicationError {
    fn id(&self) -> &'static str {
        "application-error"
    }

    fn source(&self) -> &'static str {
        include_str!("application_error.rs")
    }

    fn owner(&self) -> &'static str {
        "application"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let failing = case.symptoms.iter().filter(|symptom| matches!(symptom.seen, Observation::Status(500, _)));
        let mut found: Vec<Finding> = Vec::new();
        for (symptom, origin) in failing.filter_map(|symptom| Some((symptom, symptom.origin.as_ref()?))) {
            let finding = if origin.upstreams.is_empty() {
                of_the_origin(case.model, symptom, origin)
            } else {
                of_what_is_not_seen(case.model, origin)
            };
            // Several kinds of request may fail by the same application; what one of them proves is proven.
            found.extend(finding);
        }
        found
    }
}

/// Whether the hop that saw the failing requests last, and sent them nowhere, made the error.
fn of_the_origin(model: &Model<'_>, symptom: &Symptom, origin: &Origin) -> Option<Finding> {
    let workloads: BTreeSet<Subject> = origin.pods.iter().map(|pod| model.workload_of(pod)).collect();
    let workload = <[Subject; 1]>::try_from(workloads.into_iter().collect::<Vec<_>>()).ok()?.into_iter().next()?;
    if matches!(origin.hop.as_str(), "client" | "edge" | "ingress") {
        return None;
    }
    let effects = origin.pods.iter().map(|pod| (pod.clone(), Mode::Errors)).collect();
    let state = one(model, symptom, origin, &workload);
    Some(Finding { subject: workload, effects, state })
}

fn one(model: &Model<'_>, symptom: &Symptom, origin: &Origin, workload: &Subject) -> State {
    // What this hop answered, by pod and kind of request, oldest first.
    let mut kinds: BTreeMap<(Subject, String), Vec<(usize, &RequestRecord)>> = BTreeMap::new();
    for (index, record) in model.evidence.traffic.iter().enumerate().filter(|(_, record)| record.hop == origin.hop) {
        let Some(pod) = record.pod().filter(|pod| model.workload_of(pod) == *workload) else { continue };
        kinds.entry((pod, record.what())).or_default().push((index, record));
    }
    let own =
        |record: &RequestRecord| record.status == Some(500) && record.upstream.as_deref().is_none_or(str::is_empty);
    let failing: BTreeSet<String> = kinds
        .iter()
        .filter(|((pod, _), records)| origin.pods.contains(pod) && records.iter().any(|(_, record)| own(record)))
        .map(|((_, what), _)| what.clone())
        .collect();
    let mut evidence = Vec::new();
    for ((pod, what), records) in &mut kinds {
        if !failing.contains(what) {
            continue;
        }
        records.sort_by_key(|(index, record)| (record.time, *index));
        let since = records.iter().filter(|(_, record)| record.time >= symptom.since);
        let last: Vec<_> = since.rev().take(WINDOW).collect();
        if let Some((index, good)) = last.iter().find(|(_, record)| !record.failed()) {
            let cited = vec![Citation::line(
                "traffic.jsonl",
                index + 1,
                format!("{pod} answered {what} {}", good.status.unwrap_or_default()),
            )];
            return State::excluded("it answers requests of the same kind well", cited);
        }
        if let Some((index, record)) = last.iter().find(|(_, record)| !own(record) || speaks_of_another(record)) {
            let says = record.error.clone().unwrap_or_else(|| format!("status {:?}", record.status));
            return State::excluded(
                "it speaks of something behind it",
                vec![Citation::line("traffic.jsonl", index + 1, says)],
            );
        }
        if let Some((index, _)) = last.first() {
            let says = format!(
                "{pod} answered {what} 500 and had sent it nowhere ({} of the last {})",
                last.len(),
                last.len()
            );
            evidence.push(Citation::line("traffic.jsonl", index + 1, says));
        }
    }
    if let Some(complaint) = origin.pods.iter().filter_map(|pod| space::complaint_of(model, model.object(pod)?)).next()
    {
        return State::excluded("it has no space to write to", vec![complaint]);
    }
    // What its log complains of is not in the records of its requests.
    if origin.pods.iter().all(|pod| model.evidence.logs.of(pod).is_empty()) {
        let pods = origin.pods.iter().filter_map(|pod| model.object(pod));
        return State::Undecided(pods.map(containers::lack_log).collect());
    }
    if let Some(lacks) = hidden_upstream(model, origin).or_else(|| unseen_siblings(model, origin, workload)) {
        return State::Undecided(lacks);
    }
    let (fix, before) = rollout::back(model, workload, format!("Correct the error of {workload}"), |_| true);
    evidence.extend(before);
    State::holds(evidence, fix)
}

/// Whether the error is of a class that only a peer can cause.
fn speaks_of_another(record: &RequestRecord) -> bool {
    let class = record.error.as_deref().and_then(|error| error.split([':', ' ']).next());
    class.is_some_and(|class| matches!(class, "timeout" | "refused" | "reset" | "dns" | "unreachable"))
}

/// An application that is set up to ask others, and whose log never says whom it asked, may pass on another's error.
fn hidden_upstream(model: &Model<'_>, origin: &Origin) -> Option<Vec<super::Lack>> {
    let named = model.evidence.traffic.iter().any(|record| {
        record.hop == origin.hop && record.upstream.as_deref().is_some_and(|upstream| !upstream.is_empty())
    });
    let asks = |pod: &&Subject| model.dependencies(pod).iter().any(|edge| edge.relation == Relation::ConnectsTo);
    let pods: Vec<&Subject> = origin.pods.iter().filter(asks).collect();
    (!named && !pods.is_empty())
        .then(|| pods.iter().filter_map(|pod| Some(containers::lack_log(model.object(pod)?))).collect())
}

/// Where one pod alone is seen to fail, others of the workload may do well: their logs would tell.
fn unseen_siblings(model: &Model<'_>, origin: &Origin, workload: &Subject) -> Option<Vec<super::Lack>> {
    let siblings = model.pods_of(workload).filter(|pod| !origin.pods.contains(pod.subject()) && is_ready(pod));
    let lacks: Vec<super::Lack> =
        siblings.filter(|pod| model.evidence.logs.of(pod.subject()).is_empty()).map(containers::lack_log).collect();
    (origin.pods.len() == 1 && !lacks.is_empty()).then_some(lacks)
}

/// Where the last hop seen passed an error on whose maker left no log, that log is what is missing.
fn of_what_is_not_seen(model: &Model<'_>, origin: &Origin) -> Option<Finding> {
    let near = origin.pods.first().map(Subject::namespace);
    let asked: BTreeSet<Subject> =
        origin.upstreams.iter().filter_map(|upstream| model.resolve(upstream, near)).collect();
    let forwarded = |subject: &Subject| -> Vec<Subject> {
        let edges = model
            .dependencies(subject)
            .iter()
            .filter(|edge| edge.relation == Relation::ForwardsTo && edge.to.is("pod"));
        edges.map(|edge| edge.to.clone()).collect()
    };
    let pods: BTreeSet<Subject> = asked
        .iter()
        .flat_map(|subject| if subject.is("pod") { vec![subject.clone()] } else { forwarded(subject) })
        .collect();
    let silent = |pod: &&Subject| model.evidence.logs.of(pod).is_empty() && model.records_of(pod).next().is_none();
    let lacks: Vec<super::Lack> =
        pods.iter().filter(silent).filter_map(|pod| Some(containers::lack_log(model.object(pod)?))).collect();
    let workload = model.workload_of(pods.first()?);
    let effects = pods.iter().map(|pod| (pod.clone(), Mode::Errors)).collect();
    (!lacks.is_empty()).then_some(Finding { subject: workload, effects, state: State::Undecided(lacks) })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/p  selector app=p  80 -> 80
         deployment a/p  app=p
         pod a/p-1  app=p  ready  owner deployment/a/p  listens 0.0.0.0:80
         pod a/p-2  app=p  ready  owner deployment/a/p  listens 0.0.0.0:80
         log a/p-1  hello
         log a/p-2  hello
         pod b/c-1  app=c  ready
         log b/c-1  hello
         request hop=client pod=b/c-1 method=GET path=/ status=200 upstream=p.a:80 id=g at=-30 x10
         request hop=client pod=b/c-1 method=GET path=/ status=500 upstream=p.a:80 id=r at=-4 seconds=0.01 x5
         request hop=client pod=b/c-1 method=GET path=/ status=500 upstream=p.a:80 id=s at=-2 seconds=0.01 x5";
    const FIRST: &str = "request hop=p pod=a/p-1 method=GET path=/ status=500 id=r at=-4 seconds=0.001 x5";
    const SECOND: &str = "request hop=p pod=a/p-2 method=GET path=/ status=500 id=s at=-2 seconds=0.001 x5";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{FIRST}\n{SECOND}\n=> application-error deployment/a/p"));
    }

    #[test]
    fn twin_one_pod_that_does_well() {
        let well = SECOND.replace("500", "200");
        check(&format!("{WORLD}\n{FIRST}\n{well}\n=> replica-failing pod/a/p-1"));
    }

    #[test]
    fn twin_what_it_asks_is_refused() {
        let refused = "error=\"refused: no\"";
        check(&format!("{WORLD}\n{FIRST} {refused}\n{SECOND} {refused}\n=> unknown"));
    }

    #[test]
    fn twin_no_space_left() {
        check(&format!("{WORLD}\n{FIRST}\n{SECOND}\nlog a/p-1  write: No space left on device\n=> unknown"));
    }

    #[test]
    fn unknown_where_the_innermost_hop_left_no_log() {
        let world = WORLD.replace("log a/p-2  hello", "").replace("log a/p-1  hello", "");
        check(&format!("{world}\n=> unknown lacks logs/a_p-1_*.txt"));
    }

    #[test]
    fn unknown_where_it_may_have_asked_another() {
        let asks =
            "set pod/a/p-1  spec.containers[0].env[0].value=http://db.a:80\nservice a/db  selector app=db  80 -> 80";
        check(&format!("{WORLD}\n{asks}\n{FIRST}\n{SECOND}\n=> unknown"));
    }
}
