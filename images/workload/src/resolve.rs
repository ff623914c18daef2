//! Names looked up with the system's resolver, as probes.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use clap::Args;
use tokio::{net::lookup_host, time::timeout};

use crate::{log, outcome};

/// See the module's comment.
#[derive(Args)]
pub struct Resolve {
    /// How long to wait for each.
    #[arg(long, default_value = "3s", value_parser = outcome::parse_duration)]
    timeout: Duration,
    /// Names to look up.
    #[arg(required = true)]
    names: Vec<String>,
}

impl Resolve {
    /// Writes one line a name.
    pub async fn run(self) -> Result<(), String> {
        for name in &self.names {
            let start = Instant::now();
            let (outcome, text) = match timeout(self.timeout, lookup_host((name.as_str(), 0))).await {
                Ok(Ok(found)) => {
                    let addresses: BTreeSet<String> = found.map(|address| address.ip().to_string()).collect();
                    ("answered", addresses.into_iter().collect::<Vec<_>>().join(" "))
                }
                Ok(Err(error)) => (outcome::of_io(&error), error.to_string()),
                Err(_) => ("timeout", format!("no answer within {} s", self.timeout.as_secs_f64())),
            };
            log::print(&serde_json::json!({
                "kind": "dns", "target": name, "outcome": outcome, "seconds": start.elapsed().as_secs_f64(),
                "text": text, "time": log::now(),
            }));
        }
        Ok(())
    }
}
