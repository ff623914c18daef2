//! One request on a connection of its own: the name is looked up, the connection is made, the answer is waited for, and each
//! has a limit of its own, so that it can be said which of them failed.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use reqwest::{Method, Url};
use tokio::{net::lookup_host, time::timeout};

use crate::outcome;

/// How long each part may take.
#[derive(Clone, Copy)]
pub struct Patience {
    /// The look-up of the name, and making the connection.
    pub connect: Duration,
    /// All of it, the answer included.
    pub whole: Duration,
}

impl Patience {
    /// The same limit for everything.
    pub fn of(whole: Duration) -> Self {
        Self { connect: whole, whole }
    }
}

/// What is sent.
pub struct Request<'a> {
    /// The HTTP method.
    pub method: &'a Method,
    /// Where to.
    pub url: &'a Url,
    /// The request id that all hops share.
    pub id: &'a str,
    /// Which user it is for, where one is known.
    pub user: Option<&'a str>,
    /// Size of the body in bytes.
    pub bytes: usize,
}

/// Why no answer came.
#[derive(Debug)]
pub struct Failure {
    /// As `probes.json` says it: `timeout`, `refused`, `name-not-found` ...
    pub outcome: &'static str,
    /// Whether the connection had been made.
    pub connected: bool,
    /// In the system's own words.
    pub words: String,
    /// The first address that was there to connect to.
    pub address: Option<SocketAddr>,
}

impl Failure {
    /// As a log tells it.
    pub fn told(&self) -> String {
        told(self.outcome, &self.words)
    }
}

/// `timeout: operation timed out`: the outcome first, so that a log can be read by machines and people.
pub fn told(outcome: &str, words: &str) -> String {
    format!("{}: {words}", if outcome == "name-not-found" { "dns" } else { outcome })
}

/// Sends a request and waits for the head of the answer.
pub async fn send(request: Request<'_>, patience: Patience) -> Result<reqwest::Response, Failure> {
    let host = request.url.host_str().unwrap_or_default();
    let own = host.parse::<IpAddr>().ok().zip(request.url.port_or_known_default()).map(SocketAddr::from);
    let found = if own.is_some() { Vec::default() } else { resolve(request.url, patience.connect).await? };
    let other = |error: reqwest::Error| Failure {
        outcome: outcome::of_request(&error),
        connected: !error.is_connect(),
        words: outcome::words(&error),
        address: own.or(found.first().copied()),
    };
    // Only http URLs are served; without this the system's certificates would be read for every request.
    let mut builder = reqwest::Client::builder()
        .tls_certs_only([])
        .pool_max_idle_per_host(0)
        .connect_timeout(patience.connect)
        .timeout(patience.whole)
        .no_proxy();
    if own.is_none() {
        builder = builder.resolve_to_addrs(host, &found);
    }
    let mut sent = builder
        .build()
        .map_err(other)?
        .request(request.method.clone(), request.url.clone())
        .header("x-request-id", request.id)
        .body(vec![b'x'; request.bytes]);
    if let Some(user) = request.user {
        sent = sent.header("x-user-tier", user);
    }
    sent.send().await.map_err(other)
}

async fn resolve(url: &Url, limit: Duration) -> Result<Vec<SocketAddr>, Failure> {
    let failure = |words: String| Failure { outcome: "name-not-found", connected: false, words, address: None };
    match timeout(limit, lookup_host(outcome::authority(url))).await {
        Ok(Ok(found)) => Ok(found.collect()),
        Ok(Err(error)) => Err(failure(error.to_string())),
        Err(_) => Err(failure(format!("no answer to the look-up of {} within {limit:?}", outcome::authority(url)))),
    }
}
