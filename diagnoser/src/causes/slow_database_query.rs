//! An application is late because it waits for one statement of its database.
//!
//! # What it looks like
//! 504 (or a client's timeout) for requests that need the database, others are answered. The application has the request, and
//! took as long as a statement in the log of the database. The database does what it is asked; the question is too large.
//!
//! # Confirm by hand
//! PostgreSQL with `log_min_duration_statement` logs `duration: 5003.5 ms  statement: ...`; `select pid, now() - query_start,
//! wait_event_type, query from pg_stat_activity where state = 'active'` shows it while it runs, `explain` why it takes so long.
//!
//! # Fix
//! Ask something smaller, or give it an index; where the statement came with a rollout of the application, roll back.
//!
//! # Who acts
//! The owner of the application that asks.
//!
//! # Source
//! postgresql.org, Error Reporting and Logging, "log_min_duration_statement"; Monitoring Database Activity, "pg_stat_activity".

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{
    Case, Cause, Finding, Lack, State,
    exchange::{self, Line},
    rollout, slow_upstream,
};
use crate::{
    evidence::{Citation, LogFile},
    model::Model,
    propagation::Mode,
    subject::Subject,
    symptoms::Symptom,
};

/// See the module's comment.
pub struct SlowDatabaseQuery;

/// The share of a request's time that a statement has to fill.
const SHARE: f64 = 0.8;
/// How far two clocks may be apart.
const SKEW: SignedDuration = SignedDuration::from_secs(1);

impl Cause for SlowDatabaseQuery {
    fn id(&self) -> &'static str {
        "slow-database-query"
    }

    fn source(&self) -> &'static str {
        include_str!("slow_database_query.rs")
    }

    fn owner(&self) -> &'static str {
        "application"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        exchange::of_each(case, examine)
    }
}

fn examine(model: &Model<'_>, symptom: &Symptom) -> Option<Finding> {
    // Who gave up may itself be the one that asked the database.
    let late = slow_upstream::late(model, symptom);
    let askers: Vec<Line<'_>> =
        late.iter().filter(|one| one.behind.is_none()).map(|one| one.slow.unwrap_or(one.caller)).collect();
    let asker = *askers.iter().find(|line| asks_a_database(model, line))?;
    let (workload, pods) = exchange::workload(model, &asker.record.pod().map(|pod| BTreeSet::from([pod]))?)?;
    let during = askers.iter().find_map(|line| Some((line, statement_during(model, line)?)));
    let databases = exchange::pods_behind(model, asker.record);
    let state = match during {
        _ if waits_for_a_lock(model, &databases) => {
            State::excluded("its statements wait for a lock that another holds", vec![asker.cite()])
        }
        Some((line, (statement, text))) => {
            let (fix, rollout) =
                rollout::back(model, &workload, format!("Let {workload} ask less than: {text}"), |_| true);
            let evidence = [line.cite(), statement].into_iter().chain(rollout).collect();
            State::holds(evidence, fix)
        }
        None => State::Undecided(databases.iter().map(|pod| lack(model, pod)).collect()),
    };
    let served = askers.iter().filter_map(|line| line.record.pod()).collect::<BTreeSet<_>>();
    let effects = pods.into_iter().chain(served).map(|pod| (pod, Mode::Slow)).collect();
    Some(Finding { subject: workload, effects, state })
}

/// Whether a record was sent on to the registered port of PostgreSQL, or to pods that log statements.
fn asks_a_database(model: &Model<'_>, line: &Line<'_>) -> bool {
    let port = line.record.upstream.as_deref().is_some_and(|upstream| upstream.ends_with(":5432"));
    let logs =
        |pod: &Subject| model.evidence.logs.of(pod).iter().any(|log| log.text.lines().any(|l| duration(l).is_some()));
    port || exchange::pods_behind(model, line.record).iter().any(logs)
}

/// The statement that filled the time of a request, as the database behind it logged it, and its text.
pub(super) fn statement_during(model: &Model<'_>, line: &Line<'_>) -> Option<(Citation, String)> {
    let took = line.seconds();
    let covers = |text: &str| {
        let Some((seconds, _)) = duration(text) else { return false };
        let over = || {
            let (end, ended) = (logged_at(text)?, line.record.time?);
            let start = end.checked_sub(SignedDuration::from_secs_f64(seconds)).ok()?;
            let began = ended.checked_sub(SignedDuration::from_secs_f64(took)).ok()?;
            Some(end.duration_since(ended) >= -SKEW && start.duration_since(began) <= SKEW)
        };
        seconds >= SHARE * took && over().unwrap_or(true)
    };
    for pod in exchange::pods_behind(model, line.record) {
        for log in model.evidence.logs.of(&pod) {
            if let Some((index, text)) = log.text.lines().enumerate().find(|(_, text)| covers(text)) {
                let (seconds, statement) = duration(text)?;
                let says = format!("{} took {}: {statement}", pod.name, crate::evidence::duration(seconds));
                return Some((Citation::line(&log.file, index + 1, says), statement.to_owned()));
            }
        }
    }
    None
}

/// `... LOG:  duration: 5003.512 ms  statement: select ...`: the seconds and the statement.
fn duration(line: &str) -> Option<(f64, &str)> {
    let (_, rest) = line.split_once("duration: ")?;
    let (milliseconds, rest) = rest.split_once(" ms")?;
    let (_, statement) = rest.split_once(": ")?;
    Some((milliseconds.parse::<f64>().ok()? / 1000.0, statement.trim()))
}

/// The time a line of PostgreSQL's log begins with, where it is in UTC: `2026-01-01 12:00:00.123 UTC`.
fn logged_at(line: &str) -> Option<Timestamp> {
    let mut words = line.split_whitespace();
    let (day, time, zone) = (words.next()?, words.next()?, words.next()?);
    matches!(zone, "UTC" | "GMT").then(|| format!("{day}T{time}Z").parse().ok())?
}

/// Whether a database says that statements wait for locks (`log_lock_waits`).
fn waits_for_a_lock(model: &Model<'_>, databases: &BTreeSet<Subject>) -> bool {
    let waits =
        |log: &LogFile| log.text.lines().any(|line| line.contains(" still waiting for ") && line.contains("Lock on "));
    databases.iter().any(|pod| model.evidence.logs.of(pod).iter().any(waits))
}

/// The statements of a database that were not logged.
pub(super) fn lack(model: &Model<'_>, database: &Subject) -> Lack {
    exchange::lack_log(model, database).unwrap_or_else(|| Lack {
        what: format!("the durations of what {database} was asked"),
        why: "its log notes none of the requests in question".to_owned(),
        how: "PostgreSQL: set log_min_duration_statement, or select query, now() - query_start from pg_stat_activity"
            .to_owned(),
        request: None,
    })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             pod a/s-1  app=s  ready  listens 0.0.0.0:80  owner deployment/a/s
             service a/d  selector app=d  5432 -> 5432
             pod a/d-1  app=d  ready  listens 0.0.0.0:5432
             pod a/c-1  app=c  ready
             file hosts/n1/nft.txt | table ip filter {
             request hop=client method=POST path=/ seconds=2 upstream=s.a:80 pod=a/c-1 id=r error=\"timeout: x\" at=-5 x10
             request hop=s method=POST path=/ status=201 seconds=4 upstream=d.a:5432 pod=a/s-1 id=r at=-3 x10";

    #[test]
    fn holds() {
        check(&format!(
            "{WORLD}\nlog a/d-1 2026-01-01 11:59:57.001 UTC [9] LOG:  duration: 3990.000 ms  statement: select 1
             => slow-database-query deployment/a/s"
        ));
    }

    #[test]
    fn twin_a_statement_of_another_time() {
        check(&format!(
            "{WORLD}\nlog a/d-1 2026-01-01 11:52:00.001 UTC [9] LOG:  duration: 3990.000 ms  statement: select 1
             => unknown lacks the durations of what pod/a/d-1 was asked"
        ));
    }

    #[test]
    fn twin_statements_that_wait_for_a_lock() {
        check(&format!(
            "{WORLD}\nlog a/d-1 2026-01-01 11:59:54.001 UTC [9] LOG:  process 9 still waiting for ShareLock on transaction 7 after 1000.0 ms
             log a/d-1 2026-01-01 11:59:57.001 UTC [9] LOG:  duration: 3990.000 ms  statement: update x set y = 1
             => unknown"
        ));
    }

    #[test]
    fn unknown_without_the_log_of_the_database() {
        check(&format!("{WORLD}\n=> unknown lacks logs/a_d-1_c.txt"));
    }
}
