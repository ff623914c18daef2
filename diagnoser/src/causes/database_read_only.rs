//! A database takes no writes: it, or the server it runs in, was set to read-only.
//!
//! # What it looks like
//! What only reads is well; whatever writes fails at once, in every workload that uses the database: `The MySQL server is running
//! with the --read-only option so it cannot execute this statement`, `cannot execute INSERT in a read-only transaction`.
//!
//! # Confirm by hand
//! `select @@global.read_only, @@global.super_read_only` (MySQL); `show default_transaction_read_only; select pg_is_in_recovery()`
//! (PostgreSQL); `role` and `config get replica-read-only` (Redis). A Service that leads to replicas is none of this.
//!
//! # Fix
//! Find out why it was set (a failover that stopped half-way, a disk that was nearly full, maintenance), then take it back:
//! `set global super_read_only = off; set global read_only = off`.
//!
//! # Who acts
//! The administrator of the database.
//!
//! # Source
//! MySQL, Server System Variables, `read_only`; errors 1290 and 1836. PostgreSQL, 25006 `read_only_sql_transaction`.

use std::collections::BTreeSet;

use super::{
    Case, Cause, Finding, Lack, State,
    database_clients::{self, Client},
};
use crate::{
    diagnosis::Fix,
    drivers::Told,
    evidence::{Citation, Object},
    model::Model,
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct DatabaseReadOnly;

impl Cause for DatabaseReadOnly {
    fn id(&self) -> &'static str {
        "database-read-only"
    }

    fn source(&self) -> &'static str {
        include_str!("database_read_only.rs")
    }

    fn owner(&self) -> &'static str {
        "database"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let told = database_clients::telling(case.model, Told::ReadOnly);
        told.iter().map(|(service, clients)| examine(case.model, service, clients)).collect()
    }
}

fn examine(model: &Model<'_>, service: &Subject, clients: &[Client<'_>]) -> Finding {
    let subject = database_clients::behind(model, service);
    let mut effects = vec![(subject.clone(), Mode::Errors)];
    effects.extend(clients.iter().map(|client| (client.pod.subject().clone(), Mode::RelaysErrors)));
    Finding { state: state(model, service, clients), subject, effects }
}

fn state(model: &Model<'_>, service: &Subject, clients: &[Client<'_>]) -> State {
    let lack = |what: &str, how: &str| {
        State::Undecided(vec![Lack {
            what: what.to_owned(),
            why: "not among what was collected".to_owned(),
            how: how.to_owned(),
            request: None,
        }])
    };
    let Some(object) = model.object(service).filter(|object| object.subject().is("service")) else {
        return lack("the database that they use", "kubectl get deploy NAME -o yaml: which settings name the database");
    };
    if let Some(replica) = of_replicas(object) {
        return State::excluded("they ask replicas, which take no writes", vec![replica]);
    }
    let workloads: BTreeSet<Subject> = clients.iter().map(|client| model.workload_of(client.pod.subject())).collect();
    let server_wide = |client: &Client<'_>| {
        let lower = client.line.says.to_ascii_lowercase();
        lower.contains("server is running") || lower.contains("database is read-only")
    };
    // A transaction may be read-only by the will of the one who began it, and a server a replica.
    if workloads.len() < 2 && !clients.iter().any(server_wide) {
        return lack(
            "whether the database itself is read-only",
            "show default_transaction_read_only; select pg_is_in_recovery()",
        );
    }
    let lines = clients.iter().take(3).map(|client| client.line.clone());
    let hosts = clients.iter().take(1).filter_map(|client| client.host.clone());
    let selected = object.cite("/spec/selector", format!("{service} stands for the database that they write to"));
    let summary = format!("Find out why the database behind {service} is read-only and let it take writes again");
    State::holds(lines.chain(hosts).chain([selected]).collect(), Fix { summary, patch: vec![] })
}

/// Whether a Service stands for replicas, by its name or by what it selects.
fn of_replicas(service: &Object) -> Option<Citation> {
    const WORDS: [&str; 9] =
        ["follower", "read", "readonly", "readreplica", "replica", "replicas", "ro", "secondary", "slave"];
    let is = |text: &str| text.split(['-', '_', '.']).any(|word| WORDS.contains(&word.to_ascii_lowercase().as_str()));
    if is(service.name()) {
        return Some(service.cite("/metadata/name", service.name()));
    }
    let selector = service.map("/spec/selector");
    let (key, value) = selector.iter().find(|(_, value)| is(value))?;
    Some(service.cite("/spec/selector", format!("{key}={value}")))
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    /// `p` writes to a database; `q` does too.
    fn world(service: &str, line: &str) -> String {
        format!(
            "service a/{service}  selector app=db  3306 -> 3306
             deployment a/db  app=db
             pod a/db-1  app=db  ready  declares 3306  owner deployment/a/db
             pod a/p-1  app=p  ready  calls mysql://u:p@{service}:3306/x
             probe service/a/{service}:3306  connected in 1ms
             log a/p-1  {line}\n"
        )
    }
    const MYSQL: &str = "The MySQL server is running with the --read-only option so it cannot execute this statement";
    const POSTGRES: &str = "ERROR: cannot execute INSERT in a read-only transaction";

    #[test]
    fn holds() {
        check(&format!("{}=> database-read-only deployment/a/db", world("db", MYSQL)));
        let second = format!("pod a/q-1  app=q  ready  calls mysql://u:p@db:3306/x\nlog a/q-1  {POSTGRES}\n");
        check(&format!("{}{second}=> database-read-only deployment/a/db", world("db", POSTGRES)));
    }

    #[test]
    fn twins_a_replica_and_one_clients_own_transaction() {
        check(&format!("{}=> unknown", world("db-ro", MYSQL)));
        check(&format!("{}=> unknown lacks whether the database itself is read-only", world("db", POSTGRES)));
    }

    #[test]
    fn unknown_where_nothing_says_which_database() {
        let taken = world("db", MYSQL).replace("calls mysql://u:p@db:3306/x", "");
        check(&format!("{taken}=> unknown lacks the database that they use"));
    }

    #[test]
    fn no_word_of_it_is_no_symptom() {
        check(&format!("{}=> healthy", world("db", "INSERT done")));
    }
}
