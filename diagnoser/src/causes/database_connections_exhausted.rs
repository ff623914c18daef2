//! A database has no connection left for one more client: it is full, and says so to whoever comes.
//!
//! # What it looks like
//! Clients of one database answer errors, or end, while some that hold connections go on; the database runs and is well
//! otherwise. It began with more clients or replicas, larger pools, or connections that are not given back.
//!
//! # Confirm by hand
//! The clients' logs have the server's words (`Too many connections`, `sorry, too many clients already`, `max number of clients
//! reached`); of the server `show status like 'Threads_connected'` against `max_connections`, `pg_stat_activity`, `INFO
//! clients`.
//!
//! # Fix
//! Find who holds the connections and have them given back (smaller pools, a pooler between); raise the limit where the machine
//! can bear it.
//!
//! # Who acts
//! The owner of the database, with those of its clients.
//!
//! # Source
//! MySQL, error 1040 (ER_CON_COUNT_ERROR); PostgreSQL, 53300 too_many_connections; Redis, maxclients.

use super::{
    Case, Cause, Finding, Lack, State,
    database_clients::{self, Client},
};
use crate::{diagnosis::Fix, drivers::Told, model::Model, model::is_down, propagation::Mode, subject::Subject};

/// See the module's comment.
pub struct DatabaseConnectionsExhausted;

impl Cause for DatabaseConnectionsExhausted {
    fn id(&self) -> &'static str {
        "database-connections-exhausted"
    }

    fn source(&self) -> &'static str {
        include_str!("database_connections_exhausted.rs")
    }

    fn owner(&self) -> &'static str {
        "database"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let told = database_clients::telling(case.model, Told::Full);
        told.iter().map(|(service, clients)| examine(case.model, service, clients)).collect()
    }
}

fn examine(model: &Model<'_>, service: &Subject, clients: &[Client<'_>]) -> Finding {
    let subject = database_clients::behind(model, service);
    let mut effects = vec![(subject.clone(), Mode::Errors)];
    for client in clients {
        effects.push((client.pod.subject().clone(), Mode::RelaysErrors));
        effects.extend(is_down(client.pod).then(|| (client.pod.subject().clone(), Mode::Down)));
    }
    let Some(object) = model.object(service).filter(|object| object.subject().is("service")) else {
        let lack = Lack {
            what: "the database that they use".to_owned(),
            why: "not among what was collected".to_owned(),
            how: "kubectl get deploy NAME -o yaml: which settings name the database".to_owned(),
            request: None,
        };
        return Finding { subject, effects, state: State::Undecided(vec![lack]) };
    };
    let lines = clients.iter().take(3).map(|client| client.line.clone());
    let hosts = clients.iter().take(1).filter_map(|client| client.host.clone());
    let stands = object.cite("/spec/selector", format!("{service} stands for the database that they use"));
    let summary = format!("Find who holds the connections of the database behind {service}, and have them given back");
    let state = State::holds(lines.chain(hosts).chain([stands]).collect(), Fix { summary, patch: vec![] });
    Finding { subject, effects, state }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/db  selector app=db  5432 -> 5432
         deployment a/db  app=db
         pod a/db-1  app=db  ready  listens 0.0.0.0:5432  owner deployment/a/db
         deployment a/web  app=web
         pod a/web-1  app=web  ready  owner deployment/a/web
         probe service/a/db:5432  connected in 1ms";
    const TOLD_OF: &str = "set pod/a/web-1 spec.containers[0].env=[{\"name\":\"DB_HOST\",\"value\":\"db\"},{\"name\":\"DB_PORT\",\"value\":\"5432\"}]";
    const SAYS: &str = "log a/web-1  FATAL: sorry, too many clients already";

    #[test]
    fn holds_in_the_database() {
        check(&format!("{WORLD}\n{TOLD_OF}\n{SAYS}\n=> database-connections-exhausted deployment/a/db"));
        let mysql = "log a/web-1  java.sql.SQLNonTransientConnectionException: Too many connections";
        check(&format!("{WORLD}\n{TOLD_OF}\n{mysql}\n=> database-connections-exhausted deployment/a/db"));
    }

    #[test]
    fn twin_it_takes_no_writes() {
        let says =
            SAYS.replace("sorry, too many clients already", "The MySQL server is running with the --read-only option");
        check(&format!("{WORLD}\n{TOLD_OF}\n{says}\n=> database-read-only deployment/a/db"));
    }

    #[test]
    fn unknown_where_it_is_not_known_which_database() {
        check(&format!("{WORLD}\n{SAYS}\n=> unknown lacks the database that they use"));
    }
}
