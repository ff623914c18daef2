//! MongoDB refuses a log-in: the user is not there, or the password that the client has is not that of the user's record.
//!
//! # What it looks like
//! Clients are told error 18, `AuthenticationFailed`, whatever the reason. A missing role is another thing: error 13,
//! `Unauthorized`, after a log-in that went well.
//!
//! # Confirm by hand
//! The server's log tells the reason: `journalctl -u mongod | grep 'Authentication failed'` shows `UserNotFound` (no such user in that
//! database) or `storedKey mismatch` (another password). `db.getSiblingDB("admin").system.users.find({}, {user: 1, db: 1})` shows
//! the users. Does it fail for one client that uses this user, or for all of them?
//!
//! # Fix
//! Where one client fails, give it the password that the others have. Where all fail, set the user's password back, or give all
//! clients the new one. Where the user is in another database, name that one as the client's `authSource`.
//!
//! # Who acts
//! Whoever runs the database, with the owners of the clients; the password itself belongs into no ticket.
//!
//! # Source
//! mongodb.com, Manual, "Error Codes" (18 AuthenticationFailed, 13 Unauthorized); src/mongo/db/auth/sasl_scram_server_conversation.cpp.

use std::{collections::BTreeSet, net::IpAddr};

use crate::json::Value;

use super::{Case, Cause, Finding, Lack, State};
use crate::{
    connections::{Attempt, Connection},
    diagnosis::Fix,
    evidence::{Citation, Fact, Hosts, JournalLine, host_and_port},
    model::Model,
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct MongodbAuthentication;

impl Cause for MongodbAuthentication {
    fn id(&self) -> &'static str {
        "mongodb-authentication"
    }

    fn source(&self) -> &'static str {
        include_str!("mongodb_authentication.rs")
    }

    fn owner(&self) -> &'static str {
        "database"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let mut found = Vec::new();
        for connection in model.connections() {
            let Some(attempt) = connection.failing().into_iter().rfind(|attempt| is_refused(attempt)) else { continue };
            let Some(server) = connection.host(model) else { continue };
            let (subject, state) = one(model, connection, attempt, server);
            found.push(Finding { subject, effects: vec![(connection.subject(), Mode::Errors)], state });
        }
        found
    }
}

fn is_refused(attempt: &Attempt) -> bool {
    attempt.in_words && attempt.text.as_deref().is_some_and(|text| text.contains("AuthenticationFailed"))
}

/// A log-in that the server refused, in its own log.
struct Refusal {
    user: String,
    database: String,
    from: Option<IpAddr>,
    error: String,
    cited: Citation,
}

fn one(model: &Model<'_>, connection: &Connection, attempt: &Attempt, server: &str) -> (Subject, State) {
    let at_server = model.evidence.machine(server);
    let at_client = connection.from.clone().unwrap_or_else(|| at_server.clone());
    let unit = unit(model, server);
    let lines = match model.evidence.hosts.journal(server, &unit) {
        Fact::Seen(lines) => lines,
        Fact::Missed(why) => {
            let (fact, command) = (format!("journal-{unit}"), format!("journalctl -u {unit}"));
            return (at_server, State::Undecided(vec![Lack::host_fact(server, &fact, &command, why)]));
        }
    };
    let file = Hosts::file(server, &format!("journal-{unit}"));
    let refusals: Vec<Refusal> = lines.iter().filter_map(|line| refusal(&file, line)).collect();
    let own: Vec<IpAddr> = addresses(model, connection);
    let Some(refusal) = refusals.iter().rfind(|refusal| refusal.from.is_some_and(|from| own.contains(&from))) else {
        let lack = Lack {
            what: file,
            why: format!("it does not go back to a log-in of {}", at_client.name),
            how: format!("journalctl -u {unit} | grep 'Authentication failed'   on {server}"),
            request: None,
        };
        return (at_server, State::Undecided(vec![lack]));
    };
    let mut evidence = vec![attempt.cited.clone(), refusal.cited.clone()];
    let Refusal { user, database, .. } = refusal;
    let served = connection.attempts.iter().find(|attempt| !attempt.failed);
    if refusal.error.contains("UserNotFound") {
        let elsewhere = elsewhere(model, server, user, database);
        evidence.extend(elsewhere.iter().map(|(_, cited)| cited.clone()));
        // What served once was right then, so it is not the client that has changed what it says.
        let (subject, summary) = match (served, elsewhere.first()) {
            (None, Some((other, _))) => {
                (at_client, format!("Let {connection} log in with authSource={other}, where {user} is"))
            }
            _ => (at_server, format!("Create the user {user} in the database {database} on {server} again")),
        };
        evidence.extend(served.map(|attempt| attempt.cited.clone()));
        return (subject, State::holds(evidence, Fix { summary, patch: vec![] }));
    }
    // Of the same user: who else is refused, and who was let in after it.
    let same = |other: &&Refusal| other.user == *user && other.database == *database;
    let others: BTreeSet<IpAddr> = refusals.iter().filter(same).filter_map(|other| other.from).collect();
    let others: Vec<&Refusal> = refusals
        .iter()
        .filter(same)
        .filter(|other| {
            other.from.is_some_and(|from| others.contains(&from) && !own.contains(&from) && !from.is_loopback())
        })
        .collect();
    let let_in = lines.iter().rev().find_map(|line| let_in(&file, line, user, &own));
    if let Some(cited) = let_in {
        evidence.push(cited);
        let summary = format!("Give {} the password of {user} that other clients have", at_client.name);
        return (at_client, State::holds(evidence, Fix { summary, patch: vec![] }));
    }
    match (others.last(), served) {
        (Some(other), Some(served)) => {
            evidence.extend([other.cited.clone(), served.cited.clone()]);
            let summary = format!(
                "Set the password of {user} on {server} back to the one that its clients have, or give them the new one"
            );
            (at_server, State::holds(evidence, Fix { summary, patch: vec![] }))
        }
        _ => {
            let lack = Lack {
                what: format!("log-ins as {user} from other machines than {}", at_client.name),
                why: "one client alone does not tell whether its password or the user's record was changed".to_owned(),
                how: format!("log in to {server} as {user} from another machine that uses it"),
                request: None,
            };
            (at_server, State::Undecided(vec![lack]))
        }
    }
}

/// The addresses that a client may come from.
fn addresses(model: &Model<'_>, connection: &Connection) -> Vec<IpAddr> {
    let client = connection.client().unwrap_or_default();
    model.machines.addresses(client).map(|(address, _)| address).collect()
}

/// The unit that the server runs as.
fn unit(model: &Model<'_>, host: &str) -> String {
    let journals = model.evidence.hosts.fact_names(host).filter_map(|fact| fact.strip_prefix("journal-"));
    journals.into_iter().find(|unit| unit.starts_with("mongo")).unwrap_or("mongod").to_owned()
}

/// What a line of mongod's log, which is JSON, says beside its message.
fn attributes(line: &JournalLine, messages: &[&str]) -> Option<(String, Value)> {
    let entry: Value = serde_json::from_str(line.message.get(line.message.find('{')?..)?).ok()?;
    let message = entry["msg"].as_str().filter(|message| messages.contains(message))?;
    Some((message.to_owned(), entry["attr"].clone()))
}

fn user_of(attr: &Value) -> Option<(&str, Option<IpAddr>)> {
    // `principalName` until 6.0, `user` since.
    let user = attr["principalName"].as_str().or_else(|| attr["user"].as_str())?;
    let remote = attr["remote"].as_str().or_else(|| attr["client"].as_str()).unwrap_or_default();
    Some((user, host_and_port(remote).0.parse().ok()))
}

fn refusal(file: &str, line: &JournalLine) -> Option<Refusal> {
    let (message, attr) = attributes(line, &["Authentication failed", "Failed to authenticate"])?;
    let (user, from) = user_of(&attr)?;
    let database = attr["authenticationDatabase"].as_str().or_else(|| attr["db"].as_str()).unwrap_or("admin");
    let error = attr["error"].as_str().unwrap_or_default().to_owned();
    let whom = from.map_or_else(String::new, |from| format!(" from {from}"));
    let cited = Citation::line(file, line.line, format!("{message}: {user}@{database}{whom}: {error}"));
    Some(Refusal { user: user.to_owned(), database: database.to_owned(), from, error, cited })
}

/// That the same user was let in from elsewhere.
fn let_in(file: &str, line: &JournalLine, user: &str, own: &[IpAddr]) -> Option<Citation> {
    let (message, attr) = attributes(line, &["Authentication succeeded", "Successfully authenticated"])?;
    let (who, from) = user_of(&attr)?;
    let from = from.filter(|from| who == user && !own.contains(from))?;
    Some(Citation::line(file, line.line, format!("{message}: {who} from {from}")))
}

/// The other databases in which a user of this name is, as the server lists them.
fn elsewhere(model: &Model<'_>, server: &str, user: &str, database: &str) -> Vec<(String, Citation)> {
    let services = &model.evidence.services;
    let Fact::Seen(users) = services.json(server, "users") else { return vec![] };
    let users = users["users"].as_array().unwrap_or_default();
    let others = users.iter().enumerate().filter_map(|(index, other)| {
        let of = other["db"].as_str().filter(|of| other["user"] == user && *of != database)?;
        let cited = services.cite_json(server, "users", &format!("/users/{index}"), format!("{user} is in {of}"));
        Some((of.to_owned(), cited))
    });
    others.collect()
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine client 10.80.1.10/24
        machine batch 10.80.1.11/24
        machine store 10.80.1.21/24 listens 0.0.0.0:27017
        request from=host/client hop=client method=INSERT path=/shop upstream=10.80.1.21:27017 outcome=answered at=-40
        probe host/client -> mongodb://10.80.1.21:27017/shop  failed in 9ms  at 10.80.1.21:27017  says 18 AuthenticationFailed: Authentication failed.";

    fn log(entries: &[(&str, &str, &str)]) -> String {
        let line = |(message, from, error): &(&str, &str, &str)| {
            format!(
                r#" | 2026-01-01T00:00:00+00:00 store mongod[7]: {{"s":"I","msg":"{message}","attr":{{"principalName":"app","authenticationDatabase":"admin","remote":"{from}:4000","error":"{error}"}}}}"#
            )
        };
        format!("file hosts/store/journal-mongod.txt{}", entries.iter().map(line).collect::<String>())
    }

    const FAILED: &str = "Authentication failed";
    const MISMATCH: &str = "AuthenticationFailed: SCRAM authentication failed, storedKey mismatch";

    #[test]
    fn holds_on_the_server_where_everybody_is_refused() {
        let log = log(&[(FAILED, "10.80.1.11", MISMATCH), (FAILED, "10.80.1.10", MISMATCH)]);
        check(&format!("{WORLD}\n{log}\n=> mongodb-authentication host/store"));
    }

    #[test]
    fn holds_on_the_client_where_others_are_let_in() {
        let log = log(&[(FAILED, "10.80.1.10", MISMATCH), ("Authentication succeeded", "10.80.1.11", "")]);
        check(&format!("{WORLD}\n{log}\n=> mongodb-authentication host/client"));
    }

    #[test]
    fn holds_where_the_user_is_gone() {
        let log = log(&[(FAILED, "10.80.1.10", "UserNotFound: Could not find user app for db admin")]);
        check(&format!("{WORLD}\n{log}\n=> mongodb-authentication host/store"));
    }

    #[test]
    fn twin_a_role_is_missing() {
        let log = log(&[(FAILED, "10.80.1.11", MISMATCH)]);
        let world = WORLD.replace("18 AuthenticationFailed: Authentication failed.", "13 Unauthorized: not authorized");
        check(&format!("{world}\n{log}\n=> unknown"));
    }

    #[test]
    fn unknown_where_one_client_alone_is_known() {
        let log = log(&[(FAILED, "10.80.1.10", MISMATCH)]);
        check(&format!("{WORLD}\n{log}\n=> unknown lacks log-ins as app from other machines than client"));
        check(&format!("{WORLD}\n=> unknown lacks hosts/store/journal-mongod.txt"));
    }
}
