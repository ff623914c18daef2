//! The Jobs of a CronJob take an application's capacity: while one runs others are refused, fail or wait, and after it all
//! is well again.
//!
//! # What it looks like
//! Requests fail in windows of time that come again and again, whatever the path, client or size. The windows are the runs
//! of a Job, once every clock is brought to UTC, and the Job talks to the very application that fails in them.
//!
//! # Confirm by hand
//! `kubectl get jobs -A -o custom-columns=NAME:.metadata.name,START:.status.startTime,END:.status.completionTime` beside the
//! times of failing requests (`date -u` on every host whose log is read); `kubectl get cronjobs -A`; the Job's arguments, or
//! the application's access log by client address, say whom it calls.
//!
//! # Fix
//! Suspend the CronJob (`kubectl patch cronjob NAME -p '{"spec":{"suspend":true}}'`) and delete the Job that runs. Then give it
//! a lower rate, another hour, or capacity of its own.
//!
//! # Who acts
//! The owner of the CronJob, with the owner of the application it calls.
//!
//! # Source
//! kubernetes.io, Concepts / CronJob (schedule, time zone, suspend); batch/v1 JobStatus (startTime, completionTime).

use std::collections::BTreeSet;

use crate::json::json;

use super::{Case, Cause, Finding, Lack, State};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Object, RequestRecord},
    model::{Model, Relation},
    propagation::Mode,
    subject::Subject,
    symptoms::{Observation, Symptom, alike, observation, outermost, steady},
};

/// See the module's comment.
pub struct CronJobInterference;

/// Clocks of hops and of the control plane are not one, and what was asked for in a window may end after it.
const SLACK: jiff::SignedDuration = jiff::SignedDuration::from_secs(3);
/// Fewer requests than this say nothing.
const FEW: usize = 5;

impl Cause for CronJobInterference {
    fn id(&self) -> &'static str {
        "cron-job-interference"
    }

    fn source(&self) -> &'static str {
        include_str!("cron_job_interference.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let ended = |symptom: &&Symptom| symptom.user && symptom.is_of_requests() && symptom.origin.is_some();
        let mut found = Vec::new();
        for symptom in case.symptoms.iter().filter(ended) {
            let jobs = model.evidence.objects.of_kind("cronjob");
            found.extend(jobs.filter_map(|job| examine(model, symptom, job)));
        }
        found
    }
}

/// One run of a CronJob.
struct Run<'e> {
    job: &'e Object,
    from: jiff::Timestamp,
    to: jiff::Timestamp,
}

fn examine(model: &Model<'_>, symptom: &Symptom, cron: &Object) -> Option<Finding> {
    let origin = symptom.origin.as_ref()?;
    let records: Vec<&RequestRecord> = steady(outermost(model).into_iter().map(|(_, record)| record).collect());
    let fails = |record: &&&RequestRecord| record.failed() && alike(observation(record), symptom.seen);
    let mode = match symptom.seen {
        Observation::Status(404, _) => Mode::NotFound,
        Observation::Status(status, _) if status < 499 => Mode::Rejects,
        Observation::Status(504, _) | Observation::Failed(_) | Observation::Slow(_) => Mode::Slow,
        _ => Mode::Errors,
    };
    let mut effects: Vec<(Subject, Mode)> = origin.pods.iter().map(|pod| (pod.clone(), mode)).collect();
    effects.extend(called(model, origin.pods.iter()).into_iter().map(|pod| (pod, mode)));
    let finding = |state| Some(Finding { subject: cron.subject().clone(), effects: effects.clone(), state });
    let runs = runs(model, cron);
    if runs.is_empty() {
        if let Fact::Missed(why) = model.evidence.listed("job", "jobs") {
            return finding(State::Undecided(vec![Lack::objects("jobs", Some(cron.namespace()), why)]));
        }
        return finding(State::excluded(
            format!("{} has not run", cron.subject()),
            vec![cron.cite("/spec/schedule", "")],
        ));
    }
    let Some(calls) = calls(model, cron, &runs, &effects) else {
        let because = format!("{} does not call what fails", cron.subject());
        return finding(State::excluded(because, vec![cron.cite("/spec/jobTemplate/spec/template/spec", "its pods")]));
    };
    // What is seen of the time before the first run that is on record cannot be compared.
    let first = runs.iter().map(|run| run.from).min()?;
    let known: Vec<&RequestRecord> =
        records.into_iter().filter(|record| record.time.is_some_and(|time| time >= first - SLACK)).collect();
    let during = |record: &&&RequestRecord| {
        record.time.is_some_and(|time| runs.iter().any(|run| run.from - SLACK <= time && time <= run.to + SLACK))
    };
    let inside = known.iter().filter(during).count();
    let failed = known.iter().filter(fails).count();
    let failed_inside = known.iter().filter(during).filter(fails).count();
    let outside = known.len() - inside;
    let says =
        format!("{failed_inside} of {failed} that fail do so while it runs, and {outside} were sent while it did not");
    // Almost all that fails does so within the runs, a good part of what is sent within them fails, and enough was sent
    // outside of them to tell.
    if failed < FEW || outside < FEW || failed_inside * 10 < failed * 9 || failed_inside * 5 < inside {
        return finding(State::excluded(says, vec![]));
    }
    let mut evidence = vec![Citation::new("traffic.jsonl", "", says)];
    evidence.extend(runs.iter().rev().take(2).map(|run| {
        let (from, to) = (run.from.strftime("%H:%M:%S"), run.to.strftime("%H:%M:%SZ"));
        run.job.cite("/status", format!("{} ran from {from} to {to}", run.job.subject()))
    }));
    evidence.push(calls);
    let running = runs.iter().filter(|run| run.job.time("/status/completionTime").is_none());
    let suspend = Change::Set {
        object: cron.subject().clone(),
        path: "/spec/suspend".to_owned(),
        from: json!(false),
        to: json!(true),
    };
    let patch = [suspend].into_iter().chain(running.map(|run| Change::Delete { object: run.job.subject().clone() }));
    let summary = format!("Suspend {}, until it leaves room for others", cron.subject());
    let fix = Fix { summary, patch: patch.collect() };
    finding(State::holds(evidence, fix))
}

/// The runs on record, oldest first. A Job is its CronJob's by its owner.
fn runs<'e>(model: &Model<'e>, cron: &Object) -> Vec<Run<'e>> {
    let jobs = model.evidence.objects.of_kind("job").filter(|job| job.controller() == Some(cron.subject()));
    let end = model.now;
    let mut runs: Vec<Run<'e>> = jobs
        .filter_map(|job| {
            let from = job.time("/status/startTime")?;
            let failed = job.list("/status/conditions").iter().find(|c| c["type"] == "Failed" && c["status"] == "True");
            let failed = failed.and_then(|condition| condition["lastTransitionTime"].as_str()?.parse().ok());
            let to = job.time("/status/completionTime").or(failed).or(end)?;
            Some(Run { job, from, to })
        })
        .collect();
    runs.sort_by_key(|run| run.from);
    runs
}

/// That the CronJob calls what fails: by what its pods were seen or told to connect to, or by its own template.
fn calls(model: &Model<'_>, cron: &Object, runs: &[Run<'_>], effects: &[(Subject, Mode)]) -> Option<Citation> {
    let pods: BTreeSet<&Subject> = effects.iter().map(|(pod, _)| pod).collect();
    let meets = |target: &Subject| {
        pods.contains(target)
            || model
                .dependencies(target)
                .iter()
                .any(|edge| edge.relation == Relation::ForwardsTo && pods.contains(&edge.to))
    };
    let of_jobs = model.evidence.objects.in_namespace("pod", cron.namespace()).filter(|pod| {
        pod.controller().is_some_and(|controller| runs.iter().any(|run| run.job.subject() == controller))
    });
    let seen = of_jobs
        .flat_map(|pod| model.dependencies(pod.subject()))
        .find(|edge| edge.relation == Relation::ConnectsTo && meets(&edge.to));
    if let Some(edge) = seen {
        return edge.evidence.as_deref().cloned();
    }
    let spec = "/spec/jobTemplate/spec/template/spec";
    crate::model::settings(cron, spec).find_map(|(setting, text)| {
        let mut targets = crate::model::addresses_in(text).filter_map(|to| model.resolve(to, Some(cron.namespace())));
        targets.any(|target| meets(&target)).then(|| cron.cite(&setting.pointer(spec), text))
    })
}

/// The pods behind what these pods call: an application in front of the busy one may be where failures show.
fn called<'a>(model: &Model<'_>, pods: impl Iterator<Item = &'a Subject>) -> BTreeSet<Subject> {
    let services = pods.flat_map(|pod| model.dependencies(pod)).filter(|edge| edge.relation == Relation::ConnectsTo);
    let behind = services.flat_map(|edge| model.dependencies(&edge.to)).filter(|e| e.relation == Relation::ForwardsTo);
    behind.map(|edge| edge.to.clone()).filter(|subject| subject.is("pod")).collect()
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    /// Requests every 0.2 s for two minutes; they fail in two windows.
    const WORLD: &str = r#"service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  listens 0.0.0.0:80
             pod a/c-1  app=c  ready  calls s:80
             object CronJob a/r  spec.schedule="* * * * *"
             set cronjob/a/r  spec.jobTemplate.spec.template.spec.containers[0].args[0]=http://s.a:80/all
             request hop=client method=GET path=/ status=200 seconds=0.01 upstream=s:80 pod=a/c-1 id=a at=-90 x50
             request hop=s method=GET path=/ status=200 seconds=0.005 pod=a/s-1 id=a at=-90 x50
             request hop=client method=GET path=/ status=429 seconds=0.01 upstream=s:80 pod=a/c-1 id=b at=-80 x50
             request hop=s method=GET path=/ status=429 seconds=0.005 pod=a/s-1 id=b at=-80 x50
             request hop=client method=GET path=/ status=200 seconds=0.01 upstream=s:80 pod=a/c-1 id=c at=-30 x200
             request hop=client method=GET path=/ status=429 seconds=0.01 upstream=s:80 pod=a/c-1 id=d at=-20 x50
             request hop=s method=GET path=/ status=429 seconds=0.005 pod=a/s-1 id=d at=-20 x50
             request hop=client method=GET path=/ status=200 seconds=0.01 upstream=s:80 pod=a/c-1 id=e at=0 x80"#;

    /// Runs of the CronJob from and to these moments.
    fn runs(times: [(&str, &str); 2]) -> String {
        let run = |(n, (from, to)): (usize, &(&str, &str))| {
            format!(
                "object Job a/r-{n}  metadata.ownerReferences[0].kind=CronJob  metadata.ownerReferences[0].name=r  \
                 status.startTime={from}  status.completionTime={to}"
            )
        };
        times.iter().enumerate().map(run).collect::<Vec<_>>().join("\n")
    }

    const THEN: [(&str, &str); 2] =
        [("2026-01-01T11:58:30Z", "2026-01-01T11:58:40Z"), ("2026-01-01T20:59:30+09:00", "2026-01-01T20:59:40+09:00")];

    #[test]
    fn holds_whatever_the_offsets() {
        check(&format!("{WORLD}\n{}\n=> cron-job-interference cronjob/a/r", runs(THEN)));
    }

    #[test]
    fn twin_it_runs_at_other_times() {
        let other =
            [("2026-01-01T11:58:10Z", "2026-01-01T11:58:20Z"), ("2026-01-01T11:59:10Z", "2026-01-01T11:59:20Z")];
        check(&format!("{WORLD}\n{}\n=> unknown", runs(other)));
    }

    #[test]
    fn twin_it_calls_somebody_else() {
        let elsewhere = WORLD.replace("http://s.a:80/all", "http://t.a:80/all");
        check(&format!("service a/t  selector app=t  80 -> 80\n{elsewhere}\n{}\n=> unknown", runs(THEN)));
    }

    #[test]
    fn unknown_without_jobs() {
        check(&format!("{WORLD}\nmissed jobs forbidden\n=> unknown lacks jobs of namespace a"));
    }

    #[test]
    fn a_single_window_that_ended_is_over() {
        let once: Vec<&str> = WORLD.lines().filter(|line| !line.contains("id=d")).collect();
        check(&format!("{}\n{}\n=> healthy", once.join("\n"), runs(THEN)));
    }
}
