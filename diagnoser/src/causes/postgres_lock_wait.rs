//! Statements wait for a lock that another session holds and does not give back.
//!
//! # What it looks like
//! Clients connect and log in, and some statements never come back, those that touch one table, while others are answered at once.
//! Where a timeout of the server's is set it says so (`canceling statement due to lock timeout`, 55P03). Waiting sessions pile up; once
//! they have taken every place, whoever comes is refused with 53300 as well.
//!
//! # Confirm by hand
//! `select pid, state, wait_event_type, pg_blocking_pids(pid), query from pg_stat_activity`: those that wait have `Lock`, and following
//! pg_blocking_pids one comes to a session that waits for nobody, often `idle in transaction`.
//!
//! # Fix
//! `select pg_terminate_backend(PID)` of the session at the end of the chain, which takes its transaction back.
//! `idle_in_transaction_session_timeout` keeps it from coming again.
//!
//! # Who acts
//! The administrator of the database, with the owner of the application that left its transaction open.
//!
//! # Source
//! PostgreSQL, Explicit Locking; The Statistics Collector, `pg_stat_activity`; `pg_blocking_pids`.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    Case, Cause, Finding, State,
    postgres::{self, Session},
};
use crate::{
    connections::{Attempt, Connection},
    diagnosis::Fix,
    evidence::Outcome,
    model::Model,
    propagation::Mode,
};

/// See the module's comment.
pub struct PostgresLockWait;

impl Cause for PostgresLockWait {
    fn id(&self) -> &'static str {
        "postgres-lock-wait"
    }

    fn source(&self) -> &'static str {
        include_str!("postgres_lock_wait.rs")
    }

    fn owner(&self) -> &'static str {
        "database"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let mut by_host: BTreeMap<&str, Vec<(&Connection, &Attempt)>> = BTreeMap::new();
        for connection in model.connections() {
            let Some(host) = connection.host(model).filter(|host| is_postgres(model, host, connection)) else {
                continue;
            };
            let waited = connection.failing().into_iter().rfind(|attempt| waits(connection, attempt));
            if let Some(attempt) = waited {
                by_host.entry(host).or_default().push((connection, attempt));
            }
        }
        let finding = |(host, waiting): (&str, Vec<(&Connection, &Attempt)>)| {
            let effects = waiting.iter().flat_map(|(connection, _)| {
                [Mode::Silent, Mode::Slow, Mode::Errors].map(|mode| (connection.subject(), mode))
            });
            let subject = model.evidence.machine(host);
            Finding { subject, effects: effects.collect(), state: one(model, host, &waiting) }
        };
        by_host.into_iter().map(finding).collect()
    }
}

fn is_postgres(model: &Model<'_>, host: &str, connection: &Connection) -> bool {
    let spoken = connection.attempts.iter().any(|attempt| attempt.protocol.starts_with("postgres"));
    spoken || connection.port == Some(5432) || model.evidence.services.names(host).any(|name| name == "activity.txt")
}

/// Whether an attempt could have waited in the server: in silence, or until the server gave it up, or the places were taken.
fn waits(connection: &Connection, attempt: &Attempt) -> bool {
    let given_up = ["55P03", "57014", "53300"];
    let words = ["due to lock timeout", "due to statement timeout", "too many clients already", "slots are reserved"];
    match &attempt.text {
        Some(text) if attempt.in_words => postgres::says(text, &given_up, &words),
        _ => attempt.outcome == Outcome::Timeout && connection.reaches(),
    }
}

fn one(model: &Model<'_>, host: &str, waiting: &[(&Connection, &Attempt)]) -> State {
    let sessions = match postgres::sessions(model, host, &["wait_event_type", "blocked_by"]) {
        Ok(sessions) => sessions,
        Err(lack) => return State::Undecided(vec![lack]),
    };
    let clients: Vec<IpAddr> = waiting
        .iter()
        .filter_map(|(connection, _)| connection.client())
        .flat_map(|client| model.machines.addresses(client).map(|(address, _)| address))
        .collect();
    let of_clients = |session: &&Session| session.address.is_some_and(|address| clients.contains(&address));
    let waits: Vec<&Session> = sessions.iter().filter(of_clients).filter(|session| session.waits).collect();
    let Some(first) = waits.first() else {
        return State::excluded("no session of these clients waits for a lock", vec![]);
    };
    let chains: Vec<(&Session, u32)> =
        waits.iter().filter_map(|session| Some((*session, end(&sessions, session)?))).collect();
    let Some((blocked, root)) = chains.first() else {
        return State::excluded(
            "those that wait hold each other up, and the server ends that by itself",
            vec![first.cite(model, host, "waits for a lock")],
        );
    };
    let mut evidence: Vec<_> = waiting.iter().map(|(_, attempt)| attempt.cited.clone()).collect();
    let says = format!(
        "{} sessions of these clients wait for a lock; {} waits for {root}: {}",
        waits.len(),
        blocked.pid,
        blocked.query
    );
    evidence.push(blocked.cite(model, host, says));
    let Some(holder) = sessions.iter().find(|session| session.pid == *root) else {
        let summary =
            format!("Commit or roll back the prepared transaction on {host} that holds the lock (pg_prepared_xacts)");
        return State::holds(evidence, Fix { summary, patch: vec![] });
    };
    evidence.push(holder.cite(
        model,
        host,
        format!("{} of {}: {} since {}: {}", holder.pid, holder.whose(), holder.state, holder.since, holder.query),
    ));
    let idle = holder.state.starts_with("idle in transaction");
    let all: std::collections::BTreeSet<u32> = chains.iter().map(|(_, root)| *root).filter(|pid| *pid != 0).collect();
    let end = all.iter().map(|pid| format!("select pg_terminate_backend({pid})")).collect::<Vec<_>>();
    State::holds(
        evidence,
        match idle {
            true => Fix {
                summary: format!("End the session {root} on {host}, which does nothing and holds the lock"),
                patch: vec![postgres::sql(host, &end)],
            },
            false => Fix {
                summary: format!(
                    "Wait for the statement of session {root} on {host}, or cancel it (pg_cancel_backend)"
                ),
                patch: vec![],
            },
        },
    )
}

/// Who holds a session up in the end: waits for nobody itself, or is no session (0, a prepared transaction).
fn end(sessions: &[Session], waiting: &Session) -> Option<u32> {
    let mut seen = vec![waiting.pid];
    let mut at = waiting;
    loop {
        let next = *at.blocked_by.first()?;
        if seen.contains(&next) {
            return None;
        }
        seen.push(next);
        match sessions.iter().find(|session| session.pid == next) {
            Some(session) if session.waits => at = session,
            _ => return Some(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine client 10.80.1.10/24
         machine db 10.80.1.30/24  listens 0.0.0.0:5432
         probe host/client -> tcp://db.example.test:5432  connected in 1ms  at 10.80.1.30:5432
         probe host/client -> postgres://db.example.test/x  timeout in 3s  at 10.80.1.30:5432  says logged in, waiting for the answer to INSERT";

    #[test]
    fn holds() {
        check(&format!(
            "{WORLD}
             table services/db/activity.txt | pid usename client_addr state wait_event_type blocked_by | 7 a ~ idle~in~transaction Client {{}} | 8 a 10.80.1.10 active Lock {{7}} | 9 a 10.80.1.10 active Lock {{8,7}}
             => postgres-lock-wait host/db"
        ));
    }

    #[test]
    fn twin_others_wait_and_this_client_does_not() {
        check(&format!(
            "{WORLD}
             table services/db/activity.txt | pid usename client_addr state wait_event_type blocked_by | 7 a ~ idle~in~transaction Client {{}} | 8 a 10.80.1.99 active Lock {{7}}
             => unknown"
        ));
    }

    #[test]
    fn twin_idle_in_a_transaction_that_nobody_waits_for() {
        check(&format!(
            "{WORLD}
             table services/db/activity.txt | pid usename client_addr state wait_event_type blocked_by | 7 a ~ idle~in~transaction Client {{}} | 8 a 10.80.1.10 active IO {{}}
             => unknown"
        ));
    }

    #[test]
    fn unknown_without_its_sessions() {
        check(&format!("{WORLD}\n=> unknown lacks services/db/activity.txt"));
    }
}
