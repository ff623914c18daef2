//! Clients of everything that is no plain HTTP request: one attempt, how it ended, and how far it had got.

mod connect;
mod kafka;
mod mongo;
mod postgres;
mod progress;
mod ssh;
mod talk;
mod target;
mod tcp;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use self::progress::Progress;
pub use self::target::{Scheme, Target};

/// How something ended, in the words of `probes.json`, and what is to be said of it.
#[derive(Debug, PartialEq)]
pub struct Said {
    /// `answered`, `refused`, `timeout` ...
    pub outcome: &'static str,
    /// The HTTP status, where one came.
    pub status: Option<u16>,
    /// The server's or the system's own words, and whose they are.
    pub text: String,
}

impl Said {
    fn new(outcome: &'static str, text: impl Into<String>) -> Self {
        Self { outcome, status: None, text: text.into() }
    }

    /// The server refused in words.
    fn failed(text: impl Into<String>) -> Self {
        Self::new("failed", text)
    }
}

/// An attempt's end; `Err` where nothing more can be tried.
type Attempted = Result<Said, Said>;

/// What an attempt has to keep to.
#[derive(Clone)]
struct Task {
    progress: Arc<Progress>,
    deadline: Instant,
    bytes: usize,
}

impl Task {
    /// What is left of the time.
    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// An attempt's end and the peer of the last connection tried.
pub struct Ended {
    /// How.
    pub said: Said,
    /// `address:port`, where known.
    pub address: Option<String>,
}

impl Ended {
    /// Whether the server did what it was asked for.
    pub fn well(&self) -> bool {
        matches!(self.said.outcome, "answered" | "connected")
    }
}

/// Does once what the target is for, within the limit; what the target is to stay idle for comes on top.
pub async fn attempt(target: &Target, limit: Duration, bytes: usize) -> Ended {
    let limit = limit + target.idle();
    let task = Task { progress: Arc::default(), deadline: Instant::now() + limit, bytes };
    let work = async {
        match target.scheme {
            Scheme::Tcp | Scheme::Http => tcp::attempt(target, &task).await,
            Scheme::Dns => connect::look_up(target, &task).await,
            Scheme::Postgres => postgres::ask(target, &task).await,
            Scheme::Kafka => kafka::produce(target, &task).await,
            Scheme::Mongodb => mongo::insert(target, &task).await,
            Scheme::Ssh => ssh::log_in(target, &task).await,
        }
    };
    let result = timeout(limit, work).await;
    let (mut said, late) = match result {
        Ok(Ok(said) | Err(said)) => (said, false),
        Err(_) => (Said::new("timeout", ""), true),
    };
    if late {
        let (outcome, step) = task.progress.late();
        said = Said::new(outcome, format!("{step}: no answer within {} s", limit.as_secs_f64()));
    }
    said.text = format!("{}{}", task.progress.way(), said.text).chars().take(600).collect();
    Ended { said, address: task.progress.address() }
}
