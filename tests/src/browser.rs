//! A real browser, driven over WebDriver: Chromium without a window, with a profile of its own.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use reqwest::Client;
use serde_json::{Value, json};
use thirtyfour::prelude::*;

/// Nothing that the browser would do of itself: the tests see every request that it makes.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// A browser that ends with the test.
pub struct Browser {
    child: Child,
    server: String,
    /// What the test drives.
    pub driver: WebDriver,
}

impl Browser {
    /// Starts chromedriver on a free port, and a browser whose profile is in `profile`.
    ///
    /// # Panics
    /// When either is not installed (Debian: chromium and chromium-driver) or does not start.
    pub async fn start(profile: &Path) -> Self {
        // Which TLS is built in depends on what is built beside this.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let child = Command::new("chromedriver").arg("--port=0").process_group(0).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("chromedriver (Debian: chromium-driver): {error}"));
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("started successfully on port ")?;
            rest.trim_end_matches('.').parse::<u16>().ok()
        });
        let server = format!("http://127.0.0.1:{}", port.expect("chromedriver says its port"));
        let mut wanted = DesiredCapabilities::chrome();
        for flag in FLAGS {
            wanted.add_arg(flag).expect("a flag");
        }
        wanted.add_arg(&format!("--user-data-dir={}", profile.display())).expect("a flag");
        wanted.set("goog:loggingPrefs", json!({"browser": "ALL", "performance": "ALL"})).expect("a wish");
        let driver = WebDriver::new(&server, wanted).await.unwrap_or_else(|error| panic!("chromium: {error}"));
        Self { child, server, driver }
    }

    /// What the browser logged since it was last asked: `browser` (its console) or `performance` (events of its own protocol).
    ///
    /// # Panics
    /// When it does not say.
    pub async fn log(&self, kind: &str) -> Vec<Value> {
        let address = format!("{}/session/{}/se/log", self.server, self.driver.session_id());
        let asked = Client::builder().no_proxy().build().expect("a client").post(address).json(&json!({"type": kind}));
        let answer: Value = asked.send().await.expect("an answer").json().await.expect("JSON");
        answer["value"].as_array().cloned().unwrap_or_else(|| panic!("no log: {answer}"))
    }

    /// Every address that pages asked for since the log was last read, without what is in the browser itself (`chrome:`, `data:`).
    ///
    /// # Panics
    /// When it does not say.
    pub async fn requests(&self) -> Vec<String> {
        let entries = self.log("performance").await.into_iter();
        let messages = entries.filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok());
        let sent = messages.filter(|message| message["message"]["method"] == "Network.requestWillBeSent");
        let urls = sent.filter_map(|message| Some(message["message"]["params"]["request"]["url"].as_str()?.to_owned()));
        urls.filter(|url| !["chrome:", "data:"].iter().any(|inside| url.starts_with(inside))).collect()
    }

    /// Makes it a window of this width, in one of the two schemes: `light` or `dark`.
    ///
    /// # Panics
    /// When it refuses.
    pub async fn look(&self, width: u32, height: u32, scheme: &str) {
        let tools = self.driver.cdp();
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        tools.send_raw("Emulation.setDeviceMetricsOverride", size).await.expect("a size");
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        tools.send_raw("Emulation.setEmulatedMedia", scheme).await.expect("a scheme");
    }

    /// Ends the browser.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn end(self) {
        self.driver.clone().quit().await.expect("it ends");
    }
}

impl Drop for Browser {
    /// With the driver its browser ends too, also after a test that failed.
    fn drop(&mut self) {
        drop(Command::new("kill").arg("--").arg(format!("-{}", self.child.id())).status());
        drop(self.child.wait());
    }
}
