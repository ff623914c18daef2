//! The database an application may have behind it: PostgreSQL, asked once a request on a connection of its own.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Config, NoTls};

use crate::outcome;

/// What is asked, and of whom.
pub struct Database {
    config: Config,
    query: String,
    patience: Duration,
}

impl Database {
    /// Asks this of the database at `url` (`postgres://user@host:port/name`).
    pub fn new(url: &str, password: Option<&str>, query: &str, patience: Duration) -> Result<Self, String> {
        let mut config: Config = url.parse().map_err(|error| format!("DATABASE_URL: {error}"))?;
        config.connect_timeout(patience).application_name("workload");
        if let Some(password) = password {
            config.password(password);
        }
        Ok(Self { config, query: query.to_owned(), patience })
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(tokio_postgres::config::Host::Tcp(host)) => host.as_str(),
            _ => "",
        };
        format!("{host}:{}", self.config.get_ports().first().unwrap_or(&5432))
    }

    /// Asks, and says what went wrong, the kind of failure first.
    pub async fn ask(&self) -> Result<(), String> {
        let work = async {
            let (client, connection) = self.config.connect(NoTls).await?;
            let driver = tokio::spawn(connection);
            let answer = client.simple_query(&self.query).await;
            driver.abort();
            answer.map(drop)
        };
        match timeout(self.patience, work).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("{}: {}", kind(&error), outcome::words(&error))),
            Err(_) => Err(format!("timeout: no answer from {} within {:?}", self.address(), self.patience)),
        }
    }
}

fn kind(error: &tokio_postgres::Error) -> &'static str {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return match outcome::of_io(io) {
                "name-not-found" => "dns",
                other => other,
            };
        }
        source = inner.source();
    }
    "failed"
}
