//! `coverage.json`: what was asked for and how much there was, and what was not collected and why.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What the collection covered. Collectors may write more; unknown keys are left alone.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Coverage {
    /// When the evidence was taken, UTC.
    #[serde(default)]
    pub collected: Option<jiff::Timestamp>,
    /// The namespaces that were collected; empty where that was all of them.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Resource (plural, lower case) to the number of objects listed, 0 included.
    #[serde(default)]
    pub listed: BTreeMap<String, u64>,
    /// What was wanted and not to be had.
    #[serde(default)]
    pub missed: Vec<NotCollected>,
}

/// One thing that was wanted and not to be had.
#[derive(Clone, Debug, Deserialize)]
pub struct NotCollected {
    /// A resource, or a file of the evidence folder.
    pub what: String,
    /// Why: `forbidden`, `timed out`, `no such command`.
    pub why: String,
}

impl Coverage {
    /// Why `what` was not collected, where the collector said so.
    pub fn why_missed(&self, what: &str) -> Option<&str> {
        self.missed.iter().find(|missed| missed.what == what).map(|missed| missed.why.as_str())
    }
}
