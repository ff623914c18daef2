//! One request as a probe: how it ended, how long it took, where it went.

use std::time::{Duration, Instant};

use clap::Args;
use reqwest::{Method, Url};

use crate::{
    client::{Asked, id},
    clients::{Target, attempt},
    log, outcome,
    request::{Patience, Request, send},
};

/// See the module's comment.
#[derive(Args)]
pub struct Fetch {
    /// The HTTP method.
    #[arg(long, default_value = "GET")]
    method: Method,
    /// How long to wait for an answer.
    #[arg(long, default_value = "3s", value_parser = outcome::parse_duration)]
    timeout: Duration,
    /// Size of the body in bytes, or of what is produced or inserted.
    #[arg(long, default_value_t = 0)]
    bytes: usize,
    /// What to ask for: http, tcp, dns, postgres, kafka, mongodb or ssh.
    url: Asked,
}

impl Fetch {
    /// Writes one line; a failed request is a result, not an error.
    pub async fn run(self) -> Result<(), String> {
        match &self.url {
            Asked::Http(url) => self.http(url).await,
            Asked::Other(target) => self.other(target).await,
        }
        Ok(())
    }

    async fn http(&self, url: &Url) {
        let start = Instant::now();
        let request = Request { method: &self.method, url, id: &id(), user: None, bytes: self.bytes };
        let (outcome, status, address, text) = match send(request, Patience::of(self.timeout)).await {
            Ok(response) => {
                let address = response.remote_addr().map(|address| address.to_string());
                let status = response.status().as_u16();
                let text: String = response.text().await.unwrap_or_default().chars().take(200).collect();
                ("answered", Some(status), address, text)
            }
            Err(failure) => (failure.outcome, None, failure.address.map(|address| address.to_string()), failure.words),
        };
        log::print(&serde_json::json!({
            "kind": "http", "target": url.as_str(), "method": self.method.as_str(), "outcome": outcome, "status": status,
            "seconds": start.elapsed().as_secs_f64(), "address": address, "text": text, "time": log::now(),
        }));
    }

    async fn other(&self, target: &Target) {
        let start = Instant::now();
        let ended = attempt(target, self.timeout, self.bytes).await;
        log::print(&serde_json::json!({
            "kind": target.scheme.name(), "target": target.to_string(), "outcome": ended.said.outcome,
            "status": ended.said.status, "seconds": start.elapsed().as_secs_f64(), "address": ended.address,
            "text": ended.said.text, "time": log::now(),
        }));
    }
}
