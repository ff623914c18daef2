//! A client logs in to PostgreSQL with a password that is not the role's.
//!
//! # What it looks like
//! The connection is made, and the server answers at once `password authentication failed for user "..."` (SQLSTATE 28P01). It says the same of a
//! role that does not exist, that has no password, and whose password has expired: only its own log and its roles tell.
//!
//! # Confirm by hand
//! The server's log has the refusal, with the line of pg_hba.conf that asked for the password, and no word of a missing role; `\du` and
//! pg_authid show the role, able to log in, its password not expired. If the same role gets in from another machine since then
//! (`select client_addr, backend_start from pg_stat_activity where usename = '...'`), it is this client's that does not match; if it is refused from
//! everywhere, the server's was changed.
//!
//! # Fix
//! Give the client the role's password, or the role the one that its clients have: whoever keeps the secret decides which.
//!
//! # Who acts
//! The keeper of the secret: the owner of the client, or the administrator of the database.
//!
//! # Source
//! PostgreSQL, Password Authentication; src/backend/libpq/auth.c and crypt.c; errcodes, 28P01 `invalid_password`.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{
    Case, Cause, Finding, Lack, State, postgres,
    postgres::{Refused, Session},
    postgres_hba::{Decision, Visitor, decide},
};
use crate::{
    diagnosis::Fix,
    evidence::{Citation, Fact, Outcome, Since},
    model::Model,
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct PostgresWrongPassword;

const WORDS: [&str; 1] = ["password authentication failed for user"];

impl Cause for PostgresWrongPassword {
    fn id(&self) -> &'static str {
        "postgres-wrong-password"
    }

    fn source(&self) -> &'static str {
        include_str!("postgres_wrong_password.rs")
    }

    fn owner(&self) -> &'static str {
        "application"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let mut found = Vec::new();
        for (host, refused) in postgres::refused(case.model, &["28P01"], &WORDS) {
            let mut roles: BTreeMap<&str, Vec<Refused<'_>>> = BTreeMap::new();
            for refused in refused {
                let role = postgres::quoted(refused.text, "user").unwrap_or_default();
                roles.entry(role).or_default().push(refused);
            }
            for (role, refused) in roles {
                found.extend(of_role(case.model, host, role, &refused));
            }
        }
        found
    }
}

/// One finding for each client where the role is right, one for the server where it is the role that was changed.
fn of_role(model: &Model<'_>, host: &str, role: &str, refused: &[Refused<'_>]) -> Vec<Finding> {
    let server = model.evidence.machine(host);
    let finding = |subject: Subject, refused: &[&Refused<'_>], state: State| {
        let effects = refused.iter().map(|refused| (refused.connection.subject(), Mode::Errors)).collect();
        Finding { subject, effects, state }
    };
    let all: Vec<&Refused<'_>> = refused.iter().collect();
    let clients: BTreeSet<&Subject> = refused.iter().filter_map(|refused| refused.connection.from.as_ref()).collect();
    let mut evidence = match role_is_there(model, host, role) {
        Ok(evidence) => evidence,
        Err(state) => return vec![finding(server, &all, state)],
    };
    let sessions = match postgres::sessions(model, host, &["backend_start"]) {
        Ok(sessions) => sessions,
        // With several clients refused alike and none let in it would be the server's; with one it is open.
        Err(lack) => return vec![finding(server, &all, State::Undecided(vec![lack]))],
    };
    let refused_at: BTreeSet<IpAddr> = refused
        .iter()
        .filter_map(|refused| refused.connection.client())
        .flat_map(|client| model.machines.addresses(client).map(|(address, _)| address))
        .collect();
    let let_in = sessions.iter().find(|session| {
        let elsewhere = session.address.filter(|address| !refused_at.contains(address));
        session.user == role
            && elsewhere.is_some_and(|address| asked(model, host, role, address))
            && since(session, refused)
    });
    if let Some(session) = let_in {
        let begun = session.begun.map(|time| time.to_string()).unwrap_or_default();
        evidence.push(session.cite(model, host, format!("{} got in, {begun}", session.whose())));
        return clients
            .into_iter()
            .map(|client| {
                let own: Vec<&Refused<'_>> =
                    refused.iter().filter(|refused| refused.connection.from.as_ref() == Some(client)).collect();
                let cited = own.iter().map(|refused| refused.attempt.cited.clone());
                let summary = format!("Give {client} the password that {role} has on {host}; others log in with it");
                let state = State::holds(cited.chain(evidence.clone()).collect(), Fix { summary, patch: vec![] });
                finding(client.clone(), &own, state)
            })
            .collect();
    }
    if clients.len() > 1 {
        let cited = refused.iter().map(|refused| refused.attempt.cited.clone());
        let summary =
            format!("Give {role} on {host} the password again that all its clients have, or them the new one");
        let state = State::holds(cited.chain(evidence).collect(), Fix { summary, patch: vec![] });
        return vec![finding(server, &all, state)];
    }
    let lack = Lack {
        what: format!("a log-in as {role} from another machine"),
        why: "one client alone does not tell whose password was changed".to_owned(),
        how: format!("psql -h {host} -U {role}   on another client of {role}"),
        request: None,
    };
    vec![finding(server, &all, State::Undecided(vec![lack]))]
}

/// Whether a session began while these clients were refused.
fn since(session: &Session, refused: &[Refused<'_>]) -> bool {
    let of = |refused: &Refused<'_>| {
        let attempts = &refused.connection.attempts;
        let alike = |text: Option<&str>| text.is_some_and(|text| postgres::says(text, &["28P01"], &WORDS));
        // That a connection is made says nothing of a log-in.
        let answered = attempts.iter().rposition(|attempt| attempt.outcome == Outcome::Answered);
        let first = answered.map_or(0, |index| index + 1);
        attempts[first..].iter().find(|attempt| alike(attempt.text.as_deref())).and_then(|attempt| attempt.time)
    };
    let first = refused.iter().filter_map(of).min();
    session.begun.zip(first).is_some_and(|(begun, first)| begun >= first)
}

/// Whether the rules ask who comes from there for the password: who is trusted shows nothing.
fn asked(model: &Model<'_>, host: &str, role: &str, address: IpAddr) -> bool {
    let visitor = Visitor { address, user: role, database: "" };
    let methods = ["scram-sha-256", "md5", "password"];
    match decide(model, host, &visitor, false) {
        Ok(Decision::Fits(method, _)) => methods.contains(&method.as_str()),
        _ => true,
    }
}

/// The readings that the role is there, may log in and has a password that is still good; or what else it is.
fn role_is_there(model: &Model<'_>, host: &str, role: &str) -> Result<Vec<Citation>, State> {
    let mut evidence = Vec::new();
    let unit = postgres::unit(model, host);
    let failed = |said: &str| said.contains(WORDS[0]) && postgres::quoted(said, "user") == Some(role);
    if let Fact::Seen(Some(said)) = model.evidence.hosts.last_said(host, &unit, Since::Start, failed) {
        evidence.push(said);
    }
    let roles = postgres::table(model, host, "roles", &["rolname", "rolvaliduntil"])
        .map_err(|lack| State::Undecided(vec![lack]))?;
    let Some((until, line)) = roles.find("rolname", role, "rolvaliduntil") else {
        let file = Citation::new(
            model.evidence.services.file(host, "roles"),
            "",
            format!("no {role} among {}", roles.rows.len()),
        );
        return Err(State::excluded(format!("there is no role {role}"), vec![file]));
    };
    let cite = |says: String| model.evidence.services.cite(host, "roles", line, says);
    if roles.find("rolname", role, "has_password").is_some_and(|(has, _)| has == "f") {
        return Err(State::excluded(format!("{role} has no password"), vec![cite("no password".to_owned())]));
    }
    if until.parse::<jiff::Timestamp>().ok().zip(model.now).is_some_and(|(until, now)| until <= now) {
        return Err(State::excluded(
            format!("the password of {role} has expired"),
            vec![cite(format!("valid until {until}"))],
        ));
    }
    evidence.push(cite(format!("{role} is there, with a password that has not expired")));
    Ok(evidence)
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine client 10.80.1.10/24
         machine batch 10.80.1.20/24
         machine db 10.80.1.30/24  listens 0.0.0.0:5432
         probe host/client -> postgres://db.example.test/x  failed in 5ms  at 10.80.1.30:5432  says FATAL: 28P01 password authentication failed for user \"app\"";
    const ROLES: &str = "table services/db/roles.txt | rolname rolcanlogin rolvaliduntil has_password | app t ~ t";

    #[test]
    fn holds_in_the_client_where_others_get_in() {
        check(&format!(
            "{WORLD}\n{ROLES}
             table services/db/activity.txt | pid usename client_addr state backend_start | 7 app 10.80.1.20 idle 2026-01-01~12:00:00+00
             => postgres-wrong-password host/client"
        ));
    }

    #[test]
    fn holds_in_the_server_where_nobody_gets_in() {
        check(&format!(
            "{WORLD}\n{ROLES}
             {}
             table services/db/activity.txt | pid usename client_addr state backend_start | 7 report 10.80.1.20 idle 2026-01-01~12:00:00+00
             => postgres-wrong-password host/db",
            WORLD.lines().last().unwrap().replace("host/client", "host/batch")
        ));
    }

    #[test]
    fn twin_the_role_is_not_there() {
        check(&format!(
            "{WORLD}\n{}
             table services/db/activity.txt | pid usename client_addr state backend_start | 7 report 10.80.1.20 idle 2026-01-01~12:00:00+00
             => unknown",
            ROLES.replace("app", "web")
        ));
    }

    #[test]
    fn twin_its_password_has_expired() {
        check(&format!(
            "{WORLD}\n{}
             table services/db/activity.txt | pid usename client_addr state backend_start | 7 app 10.80.1.20 idle 2026-01-01~12:00:00+00
             => unknown",
            ROLES.replace("t ~ t", "t 2025-12-31~00:00:00+00 t")
        ));
    }

    #[test]
    fn unknown_where_the_others_got_in_before_and_there_is_one_client() {
        check(&format!(
            "{WORLD}\n{ROLES}
             table services/db/activity.txt | pid usename client_addr state backend_start | 7 app 10.80.1.20 idle 2026-01-01~11:00:00+00
             => unknown"
        ));
    }

    #[test]
    fn unknown_without_sessions_or_roles() {
        check(&format!("{WORLD}\n{ROLES}\n=> unknown lacks services/db/activity.txt"));
        check(&format!("{WORLD}\n=> unknown lacks services/db/roles.txt"));
    }
}
