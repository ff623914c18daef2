//! Collecting: everything observed of a live world, or of a cluster of the user's, as the files of an evidence folder.
//!
//! What could not be had is said in `coverage.json`; it is never left to look like absence. Nothing is collected that
//! says what was broken on purpose, and no secret.

mod answer;
mod changes;
mod cluster;
mod cluster_reader;
mod components;
mod hosts;
mod logs;
mod machine_facts;
mod machines;
mod objects;
mod probes;
mod redact;
mod role;
mod servers;
mod traffic;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

pub use answer::answer;
pub(crate) use changes::of as changes_of;
pub use cluster::{OF_MACHINES, of_cluster};
pub use cluster_reader::ClusterReader;
pub use components::components;
pub use machines::{answer_of_machines, components_of_machines, of_machines};
pub(crate) use objects::as_list;
pub use role::role;
pub(crate) use traffic::of_logs as requests_of;

use crate::{LabError, replay::Files, rigs::Live};

/// Counters are read twice, so far apart: what rises is told from what is high.
const APART: Duration = Duration::from_secs(4);

/// What one collector brought: files, and what could not be had.
#[derive(Default)]
struct Part {
    files: Files,
    missed: Vec<Missed>,
}

/// Something that could not be had.
struct Missed {
    /// A file of the evidence folder, or a resource.
    what: String,
    why: String,
}

impl Part {
    fn merge(&mut self, other: Self) {
        self.files.extend(other.files);
        self.missed.extend(other.missed);
    }

    /// What could not be had, as `coverage.json` has it.
    fn missed(&self) -> Vec<Value> {
        self.missed.iter().map(|missed| json!({"what": missed.what, "why": missed.why})).collect()
    }

    fn miss(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.missed.push(Missed { what: what.into(), why: why.into() });
    }
}

/// Collects everything about a world that has run since `begun`; of its traffic the last `requests` before now.
///
/// # Errors
/// When the machine or the cluster does not answer at all; a single reading that fails is said in `coverage.json`.
pub async fn evidence(live: &Live, begun: Timestamp, requests: usize) -> Result<Files, LabError> {
    // Collecting is a load of its own: what becomes of requests meanwhile says nothing of the world.
    let end = Timestamp::now();
    let fetched = probes::requests(live).await;
    let first = hosts::counters(live).await?;
    let again = Instant::now() + APART;
    // The time of the objects is the time of the evidence: ages are reckoned from it.
    let (probes, ((objects, listed, values), collected)) =
        futures::try_join!(async { probes::collect(live, fetched).await }, async {
            Ok((objects::collect(live).await?, Timestamp::now()))
        })?;
    sleep_until(again).await;
    let (facts, mut logs) = futures::try_join!(hosts::collect(live, begun), logs::collect(live, begun))?;
    let mut whole = Part::default();
    whole.files.insert("traffic.jsonl".to_owned(), traffic::from_logs(&logs.files, &values, end, requests));
    logs::thin(&mut logs.files);
    for part in [first, probes, objects, facts, logs] {
        whole.merge(part);
    }
    let coverage = json!({
        "collected": collected,
        "namespaces": objects::places(live).await?,
        "listed": listed,
        "missed": whole.missed(),
    });
    whole.files.insert("coverage.json".to_owned(), pretty(&coverage));
    Ok(whole.files)
}

/// A JSON array with one value a line.
pub(crate) fn lines(values: &[impl ToString]) -> String {
    let lines: Vec<String> = values.iter().map(ToString::to_string).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// JSON as people read it, with a final newline.
pub(crate) fn pretty(value: &Value) -> String {
    // A value without maps of other than text keys can always be written.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
