//! Every place for a session is taken: PostgreSQL refuses whoever comes.
//!
//! # What it looks like
//! The connection is made, and the server answers at once `FATAL: sorry, too many clients already` (SQLSTATE 53300), or that the
//! remaining connection slots are reserved. Sessions that are there already go on. A refused connection would be another matter: here
//! the server is up and says no. Where the sessions wait for one lock, the lock is the cause and the limit its consequence.
//!
//! # Confirm by hand
//! On the server, as the superuser, for whom a few places are kept: `select usename, client_addr, state, count(*) from
//! pg_stat_activity where backend_type = 'client backend' group by 1, 2, 3`, against `show max_connections` less
//! `superuser_reserved_connections` and `reserved_connections`.
//!
//! # Fix
//! End the idle sessions of whoever holds most of them, and give that role a limit (`alter role ... connection limit N`), so that it
//! leaves room for others. Where all of them work, raise `max_connections` (a restart) or put a pooler in front.
//!
//! # Who acts
//! The administrator of the database, with the owner of the application that keeps the sessions.
//!
//! # Source
//! PostgreSQL, Connections and Authentication, `max_connections`; errcodes, 53300 `too_many_connections`.

use std::collections::BTreeMap;

use super::{
    Case, Cause, Finding, State,
    postgres::{self, Refused, Session, literal},
};
use crate::{
    diagnosis::{Change, Fix},
    model::Model,
    propagation::Mode,
};

/// See the module's comment.
pub struct PostgresConnectionLimit;

const WORDS: [&str; 2] = ["too many clients already", "remaining connection slots are reserved"];

impl Cause for PostgresConnectionLimit {
    fn id(&self) -> &'static str {
        "postgres-connection-limit"
    }

    fn source(&self) -> &'static str {
        include_str!("postgres_connection_limit.rs")
    }

    fn owner(&self) -> &'static str {
        "database"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let mut found = Vec::new();
        for (host, mut refused) in postgres::refused(case.model, &["53300"], &WORDS) {
            // A role or a database can have a limit of its own, with the same code.
            refused.retain(|refused| !refused.text.contains("too many connections for "));
            if refused.is_empty() {
                continue;
            }
            let effects = refused.iter().map(|refused| (refused.connection.subject(), Mode::Errors)).collect();
            let state = one(case.model, host, &refused);
            found.push(Finding { subject: case.model.evidence.machine(host), effects, state });
        }
        found
    }
}

fn one(model: &Model<'_>, host: &str, refused: &[Refused<'_>]) -> State {
    let settings = postgres::table(model, host, "settings", &["name", "setting"]);
    let sessions = postgres::sessions(model, host, &[]);
    let (settings, sessions) = match (settings, sessions) {
        (Ok(settings), Ok(sessions)) => (settings, sessions),
        (settings, sessions) => return State::Undecided(settings.err().into_iter().chain(sessions.err()).collect()),
    };
    let Some((most, line)) = postgres::setting(&settings, "max_connections") else {
        return State::Undecided(vec![postgres::lack(model, host, "settings", "no max_connections in it".to_owned())]);
    };
    let reserved = |name, usual| postgres::setting(&settings, name).map_or(usual, |(number, _)| number);
    let kept = reserved("superuser_reserved_connections", 3) + reserved("reserved_connections", 0);
    let places = most.saturating_sub(kept);
    let limit =
        model.evidence.services.cite(host, "settings", line, format!("max_connections {most}, {kept} kept back"));
    let taken = sessions.len();
    if taken * 10 < places * 9 {
        return State::excluded(format!("{taken} of {places} places are taken"), vec![limit]);
    }
    if let Some(waiting) = sessions.iter().find(|_| 2 * sessions.iter().filter(|session| session.waits).count() > taken)
    {
        let cited = waiting.cite(model, host, "waits for a lock, as most do");
        return State::excluded("the sessions pile up behind a lock", vec![cited]);
    }
    let mut holders: BTreeMap<String, Vec<&Session>> = BTreeMap::new();
    sessions.iter().for_each(|session| holders.entry(session.whose()).or_default().push(session));
    let Some((whose, held)) = holders.iter().max_by_key(|(_, held)| held.len()) else {
        return State::excluded("no session is there", vec![limit]);
    };
    let idle = held.iter().filter(|session| session.state.starts_with("idle")).count();
    let mut evidence: Vec<_> = refused.iter().map(|refused| refused.attempt.cited.clone()).collect();
    evidence.push(limit);
    let says = format!("{taken} of {places} places are taken; {} of them by {whose}, {idle} idle", held.len());
    evidence.push(held[0].cite(model, host, says));
    State::holds(evidence, fix(model, host, held, idle, places))
}

fn fix(model: &Model<'_>, host: &str, held: &[&Session], idle: usize, places: usize) -> Fix {
    let (whose, holder) = (held[0].whose(), held[0]);
    if 2 * idle < held.len() {
        let most = 2 * places;
        let unit = postgres::unit(model, host);
        let script =
            format!("psql -U postgres -c 'alter system set max_connections = {most}' && systemctl restart {unit}");
        let summary = format!("Raise max_connections of {host} to {most}: the sessions that are there work");
        return Fix { summary, patch: vec![Change::shell(host, script)] };
    }
    let from = match holder.address {
        Some(address) => format!("client_addr = {}", literal(&address.to_string())),
        None => "client_addr is null".to_owned(),
    };
    let end = format!(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = {} and {from} and state like 'idle%'",
        literal(&holder.user)
    );
    let summary = format!("End the idle sessions of {whose} on {host}, and let it keep fewer");
    Fix { summary, patch: vec![postgres::sql(host, &[end])] }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine client 10.80.1.10/24
         machine batch 10.80.1.20/24
         machine db 10.80.1.30/24  listens 0.0.0.0:5432
         probe host/client -> postgres://db.example.test/x  failed in 5ms  at 10.80.1.30:5432  says FATAL: 53300 sorry, too many clients already
         table services/db/settings.txt | name setting | max_connections 6 | superuser_reserved_connections 3";

    #[test]
    fn holds_where_idle_sessions_of_one_client_take_all() {
        check(&format!(
            "{WORLD}
             table services/db/activity.txt | pid usename client_addr state | 7 report 10.80.1.20 idle | 8 report 10.80.1.20 idle | 9 app 10.80.1.10 active
             => postgres-connection-limit host/db"
        ));
    }

    #[test]
    fn twin_there_is_room() {
        check(&format!(
            "{WORLD}
             table services/db/activity.txt | pid usename client_addr state | 7 report 10.80.1.20 idle
             => unknown"
        ));
    }

    #[test]
    fn twin_they_wait_for_a_lock() {
        check(&format!(
            "{WORLD}
             table services/db/activity.txt | pid usename client_addr state wait_event_type blocked_by | 7 a 10.80.1.20 idle~in~transaction Client {{}} | 8 a 10.80.1.10 active Lock {{7}} | 9 a 10.80.1.10 active Lock {{7}}
             => postgres-lock-wait host/db"
        ));
    }

    #[test]
    fn twin_the_limit_is_the_roles_own() {
        check(&format!(
            "{}
             table services/db/activity.txt | pid usename client_addr state | 7 a 10.80.1.20 idle | 8 a 10.80.1.10 idle | 9 a 10.80.1.10 idle
             => unknown",
            WORLD.replace("sorry, too many clients already", "too many connections for role")
        ));
    }

    #[test]
    fn unknown_without_its_sessions() {
        check(&format!("{WORLD}\n=> unknown lacks services/db/activity.txt"));
    }

    #[test]
    fn unknown_without_its_settings() {
        check(&format!(
            "{}
             table services/db/activity.txt | pid usename client_addr state | 7 a 10.80.1.20 idle | 8 a 10.80.1.10 idle | 9 a 10.80.1.10 idle
             without services/db/settings.txt
             => unknown lacks services/db/settings.txt",
            WORLD
        ));
    }
}
