//! Requests, attempts and changes as rows of a screen. Pure.

use diagnoser::evidence::{Evidence, Probe, RequestRecord};
use jiff::Timestamp;

/// Requests as the hops logged them, in the order of time; with a word, only the rows that have it.
pub(super) fn requests(evidence: &Evidence, word: Option<&str>) -> String {
    let mut records: Vec<&RequestRecord> = evidence.traffic.iter().collect();
    records.sort_by_key(|record| record.time);
    let rows = records.into_iter().map(request).filter(|row| word.is_none_or(|word| row.contains(word)));
    rows.flat_map(|row| [row, "\n".to_owned()]).collect()
}

/// `13:50:26.364 client GET / 502 21 ms -> 10.244.1.22:8080 id 75378b7b zone zone-a`.
fn request(record: &RequestRecord) -> String {
    let RequestRecord { id, hop, method, path, bytes, status, seconds, upstream, error, .. } = record;
    let mut row = format!("{:<12}  {hop:<8} {method} {path}", clock(record.time));
    let mut add = |what: String| row.push_str(&format!("  {what}"));
    add(status.map_or_else(|| "-".to_owned(), |status| status.to_string()));
    seconds.iter().for_each(|seconds| add(duration(*seconds)));
    upstream.iter().for_each(|upstream| add(format!("-> {upstream}")));
    record.upstream_status.iter().for_each(|status| add(format!("which said {status}")));
    bytes.iter().for_each(|bytes| add(format!("{bytes} bytes")));
    error.iter().for_each(|error| add(format!("\"{error}\"")));
    for (name, value) in [
        ("flags", &record.response_flags),
        ("cluster", &record.upstream_cluster),
        ("details", &record.details),
        ("transport", &record.transport_failure),
        ("host", &record.host),
        ("address", &record.address),
        ("client", &record.client),
        ("user", &record.user),
        ("zone", &record.zone),
        ("pod", &record.pod),
        ("id", id),
    ] {
        value.iter().for_each(|value| add(format!("{name} {value}")));
    }
    row
}

/// Attempts, with their outcome and time.
pub(super) fn probes(evidence: &Evidence) -> String {
    evidence.probes.iter().map(probe).collect()
}

fn probe(probe: &Probe) -> String {
    let from = probe.from.as_ref().map(|from| format!("from {from}")).unwrap_or_default();
    let address = probe.address.as_ref().map(|address| format!("  at {address}")).unwrap_or_default();
    let status = probe.status.map(|status| format!(" {status}")).unwrap_or_default();
    let seconds = probe.seconds.map(|seconds| format!(" in {}", duration(seconds))).unwrap_or_default();
    let said = probe.text.as_ref().map(|text| format!("  \"{}\"", text.trim())).unwrap_or_default();
    let method = probe.method.as_ref().map(|method| format!("{method} ")).unwrap_or_default();
    format!(
        "{:<12}  {method}{}{address}  {from}\n              {}{status}{seconds}{said}\n",
        clock(probe.time),
        probe.target,
        probe.outcome
    )
}

/// What was changed, oldest first.
pub(super) fn changes(evidence: &Evidence) -> String {
    let row = |change: &diagnoser::evidence::ObjectChange| {
        format!("{:<12}  {}  {}\n", clock(Some(change.time)), change.object, change.fields.join(", "))
    };
    evidence.changes.iter().map(row).collect()
}

fn clock(time: Option<Timestamp>) -> String {
    time.map(|time| time.strftime("%H:%M:%S%.3f").to_string()).unwrap_or_default()
}

/// Seconds as a person writes them.
fn duration(seconds: f64) -> String {
    if seconds < 0.0005 {
        "under 1 ms".to_owned()
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else {
        format!("{seconds:.1} s")
    }
}
