//! PostgreSQL: a log-in and one statement, on a connection of its own.

use std::{error::Error, io};

use tokio_postgres::{Config, NoTls};

use super::{
    Attempted, Said, Target, Task,
    connect::{connect, io_error},
};
use crate::outcome;

/// `SELECT 1`, or one row with as many letters as the body has bytes: the table needs a column `note` that takes text.
pub async fn ask(target: &Target, task: &Task) -> Attempted {
    let (database, table) = target.place("orders");
    let mut config = Config::new();
    config.user(target.user.as_deref().unwrap_or("postgres")).application_name("workload");
    if !database.is_empty() {
        config.dbname(database);
    }
    if let Some(password) = target.password().map_err(Said::failed)? {
        config.password(password);
    }
    let insert = target.setting("statement") == Some("insert");
    let statement = match insert {
        true => format!("INSERT INTO {table} (note) VALUES ('{}')", "x".repeat(task.bytes)),
        false => "SELECT 1".to_owned(),
    };

    let (stream, address) = connect(&target.hosts, task).await?;
    let step = format!("connected to {address}, logging in");
    task.progress.at(&step);
    let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(|error| failure(&error, &step))?;
    let step = format!("logged in to {address}, waiting for the answer to {}", target.verb());
    task.progress.at(&step);
    let driver = tokio::spawn(connection);
    let answer = client.simple_query(&statement).await;
    let error = match answer {
        Ok(_) => {
            driver.abort();
            return Ok(Said::new("answered", if insert { format!("one row more in {table}") } else { "1".to_owned() }));
        }
        Err(error) => error,
    };
    // Where the connection broke, it is the connection that knows why.
    match driver.is_finished().then_some(driver) {
        Some(driver) if error.is_closed() => match driver.await {
            Ok(Err(cause)) => Err(failure(&cause, &step)),
            _ => Err(Said::new("reset", format!("{step}: closed by the server before it answered"))),
        },
        _ => Err(failure(&error, &step)),
    }
}

/// `FATAL: 53300 sorry, too many clients already`, or what the system says of the connection.
fn failure(error: &tokio_postgres::Error, step: &str) -> Said {
    if let Some(refusal) = error.as_db_error() {
        let more = [refusal.detail(), refusal.hint()];
        let more: String = more.into_iter().flatten().map(|text| format!(" ({text})")).collect();
        return Said::failed(format!("{}: {} {}{more}", refusal.severity(), refusal.code().code(), refusal.message()));
    }
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return io_error(io, step);
        }
        source = inner.source();
    }
    if error.is_closed() {
        return Said::new("reset", format!("{step}: closed by the server before it answered"));
    }
    Said::failed(format!("{step}: {}", outcome::words(error)))
}
