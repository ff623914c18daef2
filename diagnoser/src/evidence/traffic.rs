//! `traffic.jsonl`: one request a line, as one hop logged it.

use serde::Deserialize;

use super::{EvidenceError, json_error};
use crate::subject::Subject;

/// One request as one hop saw it.
#[derive(Clone, Debug, Deserialize)]
pub struct RequestRecord {
    /// When it ended or was logged, UTC.
    #[serde(default)]
    pub time: Option<jiff::Timestamp>,
    /// The request id that all hops share, where they log one.
    #[serde(default)]
    pub id: Option<String>,
    /// `client`, `edge`, `ingress`, or the name of an application.
    #[serde(default)]
    pub hop: String,
    /// The HTTP method.
    #[serde(default)]
    pub method: String,
    /// The path of the URL.
    #[serde(default)]
    pub path: String,
    /// Size of the request in bytes.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// The status this hop answered (or got, for the client); absent where none came.
    #[serde(default)]
    pub status: Option<u16>,
    /// How long it took.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// Where this hop sent it: `10.96.0.7:80`, `api.shop:80`.
    #[serde(default)]
    pub upstream: Option<String>,
    /// The pod that logged it, `namespace/name`.
    #[serde(default)]
    pub pod: Option<String>,
    /// What went wrong, in this hop's words.
    #[serde(default)]
    pub error: Option<String>,
    /// The zone of the hop.
    #[serde(default)]
    pub zone: Option<String>,
}

impl RequestRecord {
    /// Whether this hop saw it fail: a server's error, a status by which a proxy notes that its client hung up (499), or none.
    pub fn failed(&self) -> bool {
        self.status.is_none_or(|status| status >= 499 || status == 0)
    }

    /// The pod that logged it.
    pub fn pod(&self) -> Option<Subject> {
        let (namespace, name) = self.pod.as_deref()?.split_once('/')?;
        Some(Subject::namespaced("pod", namespace, name))
    }

    /// `GET /orders`.
    pub fn what(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// How deep a hop lies: the client is the shallowest, applications the deepest.
fn depth(hop: &str) -> u8 {
    match hop {
        "client" => 0,
        "edge" => 1,
        "ingress" => 2,
        _ => 3,
    }
}

/// Sorts the records of one request from the innermost hop outward. A hop that waits for another ends later, so between
/// applications the one that took less time is the deeper.
pub fn deepest_first(records: &mut [&RequestRecord]) {
    records.sort_by(|a, b| {
        (depth(&b.hop), a.seconds.unwrap_or_default(), &a.hop, &a.pod)
            .partial_cmp(&(depth(&a.hop), b.seconds.unwrap_or_default(), &b.hop, &b.pod))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
}

/// Parses one JSON document a line; empty lines are left alone.
pub(super) fn parse(text: &str) -> Result<Vec<RequestRecord>, EvidenceError> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| serde_json::from_str(line).map_err(|error| json_error("traffic.jsonl", number, &error)))
        .collect()
}
