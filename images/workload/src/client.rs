//! A steady trickle of requests, each on a connection of its own so that faults of connections are seen.

use std::{
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use reqwest::{Method, Url};

use crate::{
    clients::{Target, attempt},
    log::{self, Record},
    outcome,
    request::{Patience, Request, send, told},
};

/// See the module's comment.
#[derive(Args)]
pub struct Client {
    /// What to send, one after the other: 'GET http://shop.example.test/'; a third word is the size of the body in bytes.
    /// Other protocols have words of their own: 'QUERY postgres://app@db.example.test/orders'.
    #[arg(long = "request", required = true, value_parser = parse_request)]
    requests: Vec<(Method, Asked, Option<usize>)>,
    /// From the start of one request to the start of the next.
    #[arg(long, default_value = "500ms", value_parser = outcome::parse_duration)]
    every: Duration,
    /// How long to wait for an answer.
    #[arg(long, default_value = "3s", value_parser = outcome::parse_duration)]
    timeout: Duration,
    /// Size of a POST's body in bytes, and of what is produced or inserted.
    #[arg(long, default_value_t = 16)]
    bytes: usize,
    /// The name of this hop in the log.
    #[arg(long, default_value = "client")]
    name: String,
    /// Tiers of users, one of which each request is for.
    #[arg(long, value_delimiter = ',')]
    users: Vec<String>,
}

/// What is asked for: by a request of HTTP, or by one of the other clients.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A request of its own connection.
    Http(Url),
    /// Everything else.
    Other(Target),
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // HTTP goes by the other clients only where its connection itself is looked at.
        let kept = ["?hold=", "&hold=", "?open=", "&open="].iter().any(|parameter| text.contains(parameter));
        if text.starts_with("http://") && !kept {
            parse_url(text).map(Self::Http)
        } else {
            text.parse().map(Self::Other)
        }
    }
}

/// `GET http://host/path`, `POST http://host/path 2000000`, `PRODUCE kafka://host:9092/orders`.
fn parse_request(text: &str) -> Result<(Method, Asked, Option<usize>), String> {
    let mut words = text.split(' ');
    let (Some(method), Some(url), bytes, None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err("write METHOD URL [BYTES], like 'GET http://shop.example.test/'".to_owned());
    };
    let method: Method = method.parse().map_err(|_| format!("`{method}` is no HTTP method"))?;
    let bytes = bytes.map(|text| text.parse().map_err(|_| format!("`{text}` is no number of bytes"))).transpose()?;
    let asked = url.parse()?;
    match &asked {
        Asked::Other(target) if target.verb() != method.as_str() => {
            Err(format!("what is done at {target} is called {}", target.verb()))
        }
        _ => Ok((method, asked, bytes)),
    }
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
        let (method, asked, bytes) = &self.requests[index];
        match asked {
            Asked::Http(url) => {
                self.http(method, url, bytes.unwrap_or(if method == Method::GET { 0 } else { self.bytes })).await;
            }
            Asked::Other(target) => self.other(target, bytes.unwrap_or(self.bytes)).await,
        }
    }

    async fn http(&self, method: &Method, url: &Url, bytes: usize) {
        let id = id();
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
            outcome: None,
            error: error.as_deref(),
        }
        .write();
    }

    async fn other(&self, target: &Target, bytes: usize) {
        let (id, upstream, start) = (id(), target.authority(), Instant::now());
        let ended = attempt(target, self.timeout, bytes).await;
        let outcome = ended.said.outcome;
        let error = (!ended.well()).then(|| told(outcome, &ended.said.text));
        Record {
            time: log::now(),
            hop: &self.name,
            id: &id,
            method: target.verb(),
            path: &target.path,
            bytes: bytes as u64,
            status: ended.said.status,
            seconds: start.elapsed().as_secs_f64(),
            upstream: Some(&upstream),
            client: None,
            user: None,
            address: ended.address.as_deref(),
            outcome: Some(outcome),
            error: error.as_deref(),
        }
        .write();
    }
}

/// A request's id.
pub fn id() -> String {
    format!("{:016x}", fastrand::u64(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_words() {
        assert!(matches!(parse_request("POST http://h/x 12"), Ok((Method::POST, Asked::Http(_), Some(12)))));
        assert!(matches!(parse_request("GET http://h/x?hold=2s"), Ok((_, Asked::Other(_), None))));
        assert!(parse_request("PRODUCE kafka://h/orders").is_ok());
        assert!(parse_request("GET kafka://h/orders").unwrap_err().contains("PRODUCE"));
    }
}
