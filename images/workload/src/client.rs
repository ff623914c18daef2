//! A steady trickle of requests, each on a connection of its own so that faults of connections are seen.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use reqwest::{Method, Url};

use crate::{log::Record, outcome};

/// See the module's comment.
#[derive(Args)]
pub struct Client {
    /// What to send, one after the other: 'GET http://shop.example.test/'.
    #[arg(long = "request", required = true, value_parser = parse_request)]
    requests: Vec<(Method, Url)>,
    /// From the start of one request to the start of the next.
    #[arg(long, default_value = "500ms", value_parser = outcome::parse_duration)]
    every: Duration,
    /// How long to wait for an answer.
    #[arg(long, default_value = "3s", value_parser = outcome::parse_duration)]
    timeout: Duration,
    /// Size of a POST's body in bytes.
    #[arg(long, default_value_t = 16)]
    bytes: usize,
    /// The name of this hop in the log.
    #[arg(long, default_value = "client")]
    name: String,
}

/// `GET http://host/path`.
pub fn parse_request(text: &str) -> Result<(Method, Url), String> {
    let (method, url) = text.split_once(' ').ok_or("write METHOD URL, like 'GET http://shop.example.test/'")?;
    Ok((method.parse().map_err(|_| format!("`{method}` is no HTTP method"))?, parse_url(url)?))
}

/// An http URL.
pub fn parse_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{error}"))?;
    if url.scheme() == "http" { Ok(url) } else { Err("only http URLs are served here".to_owned()) }
}

impl Client {
    /// Sends until it is told to stop. A slow request does not hold the next one up.
    pub async fn run(self) -> Result<(), String> {
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let this = Arc::new(self);
        for index in (0..this.requests.len()).cycle() {
            ticks.tick().await;
            let this = Arc::clone(&this);
            tokio::spawn(async move { this.one(index).await });
        }
        Ok(())
    }

    /// Sends one request and logs how it ended.
    async fn one(&self, index: usize) {
        let (method, url) = &self.requests[index];
        let id = format!("{:016x}", fastrand::u64(..));
        let body = if method == Method::GET { 0 } else { self.bytes };
        let upstream = outcome::authority(url);
        let start = Instant::now();
        let (status, error) = match send(method, url, &id, body, self.timeout).await {
            Ok(response) => (Some(response.status().as_u16()), None),
            Err(error) => (None, Some(outcome::told(outcome::of_request(&error), &error))),
        };
        Record {
            time: jiff::Timestamp::now(),
            hop: &self.name,
            id: &id,
            method: method.as_str(),
            path: url.path(),
            bytes: body as u64,
            status,
            seconds: start.elapsed().as_secs_f64(),
            upstream: Some(&upstream),
            client: None,
            error: error.as_deref(),
        }
        .write();
    }
}

/// One request on a connection of its own; the name is looked up anew.
pub async fn send(
    method: &Method,
    url: &Url,
    id: &str,
    bytes: usize,
    timeout: Duration,
) -> Result<reqwest::Response, reqwest::Error> {
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(timeout).no_proxy().build()?;
    client.request(method.clone(), url.clone()).header("x-request-id", id).body(vec![b'x'; bytes]).send().await
}
