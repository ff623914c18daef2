//! A steady trickle of requests, each on a connection of its own so that faults of connections are seen.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use reqwest::{Method, Url};

use crate::{
    log::{self, Record},
    outcome,
    request::{Patience, Request, send},
};

/// See the module's comment.
#[derive(Args)]
pub struct Client {
    /// What to send, one after the other: 'GET http://shop.example.test/'; a third word is the size of the body in bytes.
    #[arg(long = "request", required = true, value_parser = parse_request)]
    requests: Vec<(Method, Url, Option<usize>)>,
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
    /// Tiers of users, one of which each request is for.
    #[arg(long, value_delimiter = ',')]
    users: Vec<String>,
}

/// `GET http://host/path`, `POST http://host/path 2000000`.
fn parse_request(text: &str) -> Result<(Method, Url, Option<usize>), String> {
    let mut words = text.split(' ');
    let (Some(method), Some(url), bytes, None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err("write METHOD URL [BYTES], like 'GET http://shop.example.test/'".to_owned());
    };
    let method = method.parse().map_err(|_| format!("`{method}` is no HTTP method"))?;
    let bytes = bytes.map(|text| text.parse().map_err(|_| format!("`{text}` is no number of bytes"))).transpose()?;
    Ok((method, parse_url(url)?, bytes))
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
        let (method, url, bytes) = &self.requests[index];
        let id = format!("{:016x}", fastrand::u64(..));
        let bytes = bytes.unwrap_or(if method == Method::GET { 0 } else { self.bytes });
        let user = fastrand::choice(&self.users).map(String::as_str);
        let upstream = outcome::authority(url);
        let start = Instant::now();
        let answer = send(Request { method, url, id: &id, user, bytes }, Patience::of(self.timeout)).await;
        let (status, address, error) = match answer {
            Ok(response) => {
                (Some(response.status().as_u16()), response.remote_addr().map(|address| address.to_string()), None)
            }
            Err(failure) => (None, None, Some(failure.told())),
        };
        Record {
            time: log::now(),
            hop: &self.name,
            id: &id,
            method: method.as_str(),
            path: url.path(),
            bytes: bytes as u64,
            status,
            seconds: start.elapsed().as_secs_f64(),
            upstream: Some(&upstream),
            client: None,
            user,
            address: address.as_deref(),
            error: error.as_deref(),
        }
        .write();
    }
}
