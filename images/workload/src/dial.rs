//! TCP connections tried side by side, as probes.

use std::time::{Duration, Instant};

use clap::Args;
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{net::TcpStream, time::timeout};

use crate::{log, outcome};

/// See the module's comment.
#[derive(Args)]
pub struct Dial {
    /// How long to wait for each.
    #[arg(long, default_value = "2s", value_parser = outcome::parse_duration)]
    timeout: Duration,
    /// host:port
    #[arg(required = true)]
    targets: Vec<String>,
}

impl Dial {
    /// Writes one line a target.
    pub async fn run(self) -> Result<(), String> {
        let mut open: FuturesUnordered<_> = self.targets.iter().map(|target| dial(target, self.timeout)).collect();
        while let Some(line) = open.next().await {
            log::print(&line);
        }
        Ok(())
    }
}

async fn dial(target: &str, limit: Duration) -> serde_json::Value {
    let start = Instant::now();
    let (outcome, address, text) = match timeout(limit, TcpStream::connect(target)).await {
        Ok(Ok(stream)) => ("connected", stream.peer_addr().ok().map(|address| address.to_string()), String::new()),
        Ok(Err(error)) => (outcome::of_io(&error), None, error.to_string()),
        Err(_) => ("timeout", None, format!("no answer within {} s", limit.as_secs_f64())),
    };
    serde_json::json!({
        "kind": "tcp", "target": target, "outcome": outcome, "seconds": start.elapsed().as_secs_f64(),
        "address": address, "text": text, "time": log::now(),
    })
}
