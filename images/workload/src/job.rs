//! A batch job that asks an application for a lot, for a while, and is done.

use std::{sync::Arc, time::Duration};

use clap::Args;
use reqwest::{Method, Url};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    client, log, outcome,
    request::{Patience, Request, send},
};

/// See the module's comment.
#[derive(Args)]
pub struct Job {
    /// How many requests a second.
    #[arg(long, default_value_t = 20)]
    rate: u32,
    /// How many at once, at most.
    #[arg(long, default_value_t = 4)]
    concurrency: usize,
    /// How long.
    #[arg(long = "for", default_value = "15s", value_parser = outcome::parse_duration)]
    duration: Duration,
    /// What to ask for.
    #[arg(value_parser = client::parse_url)]
    url: Url,
}

impl Job {
    /// Asks until the time is over.
    pub async fn run(self) -> Result<(), String> {
        let places = Arc::new(Semaphore::new(self.concurrency));
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / self.rate.max(1));
        let end = Instant::now() + self.duration;
        let mut asked = 0;
        while Instant::now() < end {
            ticks.tick().await;
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
            let url = self.url.clone();
            asked += 1;
            tokio::spawn(async move {
                let id = format!("{:016x}", fastrand::u64(..));
                let request = Request { method: &Method::GET, url: &url, id: &id, user: None, bytes: 0 };
                drop(send(request, Patience::of(Duration::from_secs(3))).await);
                drop(place);
            });
        }
        log::message("info", &format!("asked {} {asked} times", self.url));
        Ok(())
    }
}
