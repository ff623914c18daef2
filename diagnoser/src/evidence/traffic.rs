//! `traffic.jsonl`: one request a line, as one hop logged it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{EvidenceError, Outcome, json_error};
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
    /// `client`, `edge`, `ingress`, `sidecar` (a proxy beside an application), or the name of an application.
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
    /// The machine that logged it, where it was none of a pod: `host/client`.
    #[serde(default)]
    pub from: Option<Subject>,
    /// How it ended, where that is no HTTP status: `answered` as it was meant to be.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// What went wrong, in this hop's words.
    #[serde(default)]
    pub error: Option<String>,
    /// Who asked: an address, or a name.
    #[serde(default)]
    pub client: Option<String>,
    /// The user it was for, by tier or name, where one is logged.
    #[serde(default)]
    pub user: Option<String>,
    /// The zone of the hop.
    #[serde(default)]
    pub zone: Option<String>,
    /// The status that the hop's upstream answered.
    #[serde(default)]
    pub upstream_status: Option<u16>,
    /// The Host header, where the hop logs it.
    #[serde(default)]
    pub host: Option<String>,
    /// The address that answered, as the client of a name saw it.
    #[serde(default)]
    pub address: Option<String>,
    /// What Envoy says of a response that it made itself (`UF`, `NC`), or of how the exchange ended.
    #[serde(default)]
    pub response_flags: Option<String>,
    /// The cluster that Envoy chose: `outbound|80|v1|api.shop.svc.cluster.local`, `PassthroughCluster`.
    #[serde(default)]
    pub upstream_cluster: Option<String>,
    /// The route by which it chose it, by name.
    #[serde(default)]
    pub route: Option<String>,
    /// How Envoy came to the status: `upstream_response_timeout`, `cluster_not_found`.
    #[serde(default)]
    pub details: Option<String>,
    /// Why Envoy's connection could not be made or broke, in its words.
    #[serde(default)]
    pub transport_failure: Option<String>,
    /// Whether a 4xx is a failure and not the application's word; see [`parse`].
    #[serde(skip)]
    unexpected: bool,
}

impl RequestRecord {
    /// When it began; when it ended, where it does not say how long it took.
    pub fn began(&self) -> Option<jiff::Timestamp> {
        let took = self.seconds.and_then(|seconds| jiff::SignedDuration::try_from_secs_f64(seconds).ok());
        self.time.map(|time| took.and_then(|took| time.checked_sub(took).ok()).unwrap_or(time))
    }

    /// Whether this hop saw it fail: a server's error, a status by which a proxy notes that its client hung up (499), none, or
    /// a 4xx that nobody meant.
    pub fn failed(&self) -> bool {
        self.unexpected || !self.answered() && self.status.is_none_or(|status| status >= 499 || status == 0)
    }

    /// Whether something other than an HTTP request was answered as it was meant to be.
    fn answered(&self) -> bool {
        self.status.is_none_or(|status| status == 0)
            && matches!(self.outcome, Some(Outcome::Answered | Outcome::Connected))
    }

    /// Whether it was answered as its client wanted.
    pub fn succeeded(&self) -> bool {
        self.answered() || self.status.is_some_and(is_good)
    }

    /// Whether it was refused for what it is (4xx).
    fn is_refused(&self) -> bool {
        self.status.is_some_and(|status| (400..499).contains(&status))
    }

    /// The pod that logged it.
    pub fn pod(&self) -> Option<Subject> {
        let (namespace, name) = self.pod.as_deref()?.split_once('/')?;
        Some(Subject::namespaced("pod", namespace, name))
    }

    /// The name that was asked for: the Host header, or what a client sent its request to.
    pub fn host(&self) -> Option<&str> {
        let sent_to = || self.upstream.as_deref().filter(|_| self.hop == "client");
        // Of several servers that stand in for each other the first, as in URLs.
        let authority = self.host.as_deref().or_else(sent_to)?.split(',').next()?;
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        Some(host).filter(|host| host.parse::<std::net::IpAddr>().is_err())
    }

    /// Whether a sidecar made this answer itself, as it had none to pass on. That its client hung up (DC) is no answer.
    pub fn made_by_sidecar(&self) -> bool {
        self.hop == SIDECAR && self.response_flags.as_deref().is_some_and(|flags| flags != "DC")
    }

    /// How deep this hop lies: the client is the shallowest. A sidecar passes on what its application and others answer; what
    /// it answers itself has come no further.
    fn depth(&self) -> u8 {
        match self.hop.as_str() {
            "client" => 0,
            "edge" => 1,
            "ingress" => 2,
            _ if self.made_by_sidecar() => APPLICATION + 1,
            SIDECAR => APPLICATION - 1,
            _ => APPLICATION,
        }
    }

    /// `GET /orders`.
    pub fn what(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// The depth of applications.
const APPLICATION: u8 = 4;

/// The hop of a proxy that stands beside an application.
pub(crate) const SIDECAR: &str = "sidecar";

/// Sorts the records of one request from the innermost hop outward. A hop that waits for another ends later, so between
/// applications the one that took less time is the deeper.
pub fn deepest_first(records: &mut [&RequestRecord]) {
    records.sort_by(|a, b| {
        (b.depth(), a.seconds.unwrap_or_default(), &a.hop, &a.pod)
            .partial_cmp(&(a.depth(), b.seconds.unwrap_or_default(), &b.hop, &b.pod))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
}

fn is_good(status: u16) -> bool {
    (200..400).contains(&status)
}

/// Parses one JSON document a line; empty lines are left alone.
///
/// A 4xx may be what the application means to say. It is a failure where the same hop answered the same kind of request
/// (method and path) well at another time, or where only proxies saw the request: no application ever said it.
pub(super) fn parse(text: &str) -> Result<Vec<RequestRecord>, EvidenceError> {
    let mut records = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| serde_json::from_str(line).map_err(|error| json_error("traffic.jsonl", number, &error)))
        .collect::<Result<Vec<RequestRecord>, EvidenceError>>()?;
    let kind = |record: &RequestRecord| (record.hop.clone(), record.method.clone(), record.path.clone());
    let good: BTreeSet<_> = records.iter().filter(|record| record.succeeded()).map(kind).collect();
    let applications_log = records.iter().any(|record| record.depth() == APPLICATION);
    let mut deepest: BTreeMap<String, (u8, bool)> = BTreeMap::new();
    for record in &records {
        let Some(id) = &record.id else { continue };
        let innermost = deepest.entry(id.clone()).or_default();
        let said = record.upstream_status.is_some() && record.upstream_status == record.status;
        *innermost = (*innermost).max((record.depth(), said));
    }
    let only_proxies = |record: &RequestRecord| {
        let deepest = record.id.as_ref().and_then(|id| deepest.get(id));
        applications_log && deepest.is_some_and(|(depth, said)| (1..APPLICATION).contains(depth) && !said)
    };
    let unexpected: Vec<bool> = records
        .iter()
        .map(|record| record.is_refused() && (good.contains(&kind(record)) || only_proxies(record)))
        .collect();
    for (record, unexpected) in records.iter_mut().zip(unexpected) {
        record.unexpected = unexpected;
    }
    Ok(records)
}
