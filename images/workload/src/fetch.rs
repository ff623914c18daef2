//! One request as a probe: how it ended, how long it took, where it went.

use std::time::{Duration, Instant};

use clap::Args;
use reqwest::{Method, Url};

use crate::{
    client, log, outcome,
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
    /// Size of the body in bytes.
    #[arg(long, default_value_t = 0)]
    bytes: usize,
    /// What to ask for.
    #[arg(value_parser = client::parse_url)]
    url: Url,
}

impl Fetch {
    /// Writes one line; a failed request is a result, not an error.
    pub async fn run(self) -> Result<(), String> {
        let id = format!("{:016x}", fastrand::u64(..));
        let start = Instant::now();
        let (outcome, status, address, text) = match send(
            Request { method: &self.method, url: &self.url, id: &id, user: None, bytes: self.bytes },
            Patience::of(self.timeout),
        )
        .await
        {
            Ok(response) => {
                let address = response.remote_addr().map(|address| address.to_string());
                let status = response.status().as_u16();
                let text: String = response.text().await.unwrap_or_default().chars().take(200).collect();
                ("answered", Some(status), address, text)
            }
            Err(failure) => (failure.outcome, None, None, failure.words),
        };
        log::print(&serde_json::json!({
            "kind": "http", "target": self.url.as_str(), "method": self.method.as_str(), "outcome": outcome, "status": status,
            "seconds": start.elapsed().as_secs_f64(), "address": address, "text": text, "time": log::now(),
        }));
        Ok(())
    }
}
