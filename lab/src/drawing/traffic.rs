//! The requests as their senders saw them: over time, and by what those that fail have in common.

use std::collections::BTreeMap;

use diagnoser::{
    Evidence,
    evidence::{Outcome, RequestRecord},
};
use jiff::Timestamp;

/// How many columns a chart has at most; fewer where there are few requests, so that it has no gaps.
const COLUMNS: usize = 48;
/// Of an attribute with more values than this only the most frequent are told.
const MOST_VALUES: usize = 8;

/// One column of a chart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Column {
    /// Requests that ended well.
    pub good: usize,
    /// Requests that failed.
    pub failed: usize,
    /// The slowest one, in seconds.
    pub slowest: f64,
}

/// Requests over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// When the first and the last began; none where there are no times.
    pub span: Option<(Timestamp, Timestamp)>,
    /// From the first to the last.
    pub columns: Vec<Column>,
}

/// The requests that have one value of one attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    /// `request`, `client`, `zone`, `size`.
    pub attribute: &'static str,
    /// `POST /orders`, `zone-b`.
    pub value: String,
    /// How many.
    pub all: usize,
    /// How many of them failed.
    pub failed: usize,
    /// The middle one by time taken, in seconds.
    pub typical: Option<f64>,
    /// Whether requests of this value fail and those of every other value of the attribute hardly do.
    pub marked: bool,
}

/// Requests as their senders logged them; where no client did, as the outermost hop did.
pub fn outermost(evidence: &Evidence) -> Vec<&RequestRecord> {
    let by = |hop: &str| evidence.traffic.iter().filter(|record| record.hop == hop).collect::<Vec<_>>();
    let hops = ["client", "edge", "ingress"].into_iter().map(by);
    hops.into_iter().find(|records| !records.is_empty()).unwrap_or_else(|| evidence.traffic.iter().collect())
}

/// How a request ended: its status, or how it failed without one.
pub fn ending(record: &RequestRecord) -> String {
    let status = record.status.filter(|status| *status != 0).map(|status| status.to_string());
    let outcome = || record.outcome.or_else(|| Outcome::from_class(record.error.as_deref()?));
    status.or_else(|| outcome().map(|outcome| outcome.to_string())).unwrap_or_else(|| "no answer".to_owned())
}

/// The requests over time, in columns of the same length.
pub fn over_time(records: &[&RequestRecord]) -> Chart {
    let times = || records.iter().filter_map(|record| record.began());
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return Chart::default() };
    let whole = last.duration_since(first).as_secs_f64().max(1.0);
    let mut columns = vec![Column::default(); (records.len() / 2).clamp(6, COLUMNS)];
    for record in records {
        let Some(began) = record.began() else { continue };
        let share = began.duration_since(first).as_secs_f64() / whole;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let at = ((share * columns.len() as f64) as usize).min(columns.len() - 1);
        let column = &mut columns[at];
        if record.failed() {
            column.failed += 1;
        } else {
            column.good += 1;
        }
        column.slowest = column.slowest.max(record.seconds.unwrap_or_default());
    }
    Chart { span: Some((first, last)), columns }
}

/// The requests by each attribute that has more than one value.
pub fn scopes(records: &[&RequestRecord]) -> Vec<Scope> {
    type Attribute = (&'static str, fn(&RequestRecord) -> Option<String>);
    const ATTRIBUTES: [Attribute; 5] = [
        ("request", |record| Some(record.what()).filter(|what| what != " ")),
        ("client", |record| record.pod.clone().or_else(|| record.from.as_ref().map(ToString::to_string))),
        ("zone", |record| record.zone.clone()),
        ("user", |record| record.user.clone()),
        ("size", |record| record.bytes.map(|bytes| size(bytes).to_owned())),
    ];
    ATTRIBUTES.iter().flat_map(|(name, value)| by(records, name, value)).collect()
}

fn by(records: &[&RequestRecord], attribute: &'static str, value: &fn(&RequestRecord) -> Option<String>) -> Vec<Scope> {
    let mut groups: BTreeMap<String, Vec<&RequestRecord>> = BTreeMap::new();
    for record in records {
        if let Some(value) = value(record) {
            groups.entry(value).or_default().push(record);
        }
    }
    if groups.len() < 2 {
        return vec![];
    }
    let mut scopes: Vec<Scope> = groups
        .into_iter()
        .map(|(value, records)| Scope {
            attribute,
            value,
            all: records.len(),
            failed: records.iter().filter(|record| record.failed()).count(),
            typical: middle(&records),
            marked: false,
        })
        .collect();
    let share = |scope: &Scope| (scope.failed * 100) / scope.all.max(1);
    let shares: Vec<usize> = scopes.iter().map(share).collect();
    for (index, scope) in scopes.iter_mut().enumerate() {
        let others = shares.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, share)| *share);
        // Five times as often as any other: no chance among a few dozen requests.
        scope.marked = scope.failed >= 4 && others.max().unwrap_or_default() * 5 < shares[index];
    }
    scopes.sort_by_key(|scope| (!scope.marked, std::cmp::Reverse(scope.all)));
    scopes.truncate(MOST_VALUES);
    scopes
}

fn middle(records: &[&RequestRecord]) -> Option<f64> {
    let mut seconds: Vec<f64> = records.iter().filter_map(|record| record.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied()
}

/// Sizes as people name them.
fn size(bytes: u64) -> &'static str {
    match bytes {
        0..1_000 => "under 1 kB",
        1_000..100_000 => "1 to 100 kB",
        100_000..1_000_000 => "100 kB to 1 MB",
        _ => "1 MB and more",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn evidence(lines: &str) -> Evidence {
        let files = BTreeMap::from([("traffic.jsonl".to_owned(), lines.to_owned())]);
        Evidence::from_files(&files).expect("traffic")
    }

    fn request(second: usize, method: &str, zone: &str, status: u16) -> String {
        format!(
            r#"{{"hop":"client","time":"2026-01-01T00:00:{second:02}Z","method":"{method}","path":"/","zone":"{zone}","status":{status}}}"#
        )
    }

    #[test]
    fn what_fails_is_marked_by_what_sets_it_apart() {
        let lines: Vec<String> = (0..40)
            .map(|n| {
                let (method, zone) = (["GET", "POST"][n % 2], ["a", "b"][n / 2 % 2]);
                request(n, method, zone, if zone == "b" { 502 } else { 200 })
            })
            .collect();
        let evidence = evidence(&lines.join("\n"));
        let scopes = scopes(&outermost(&evidence));
        let marked: Vec<_> = scopes.iter().filter(|scope| scope.marked).map(|scope| scope.value.as_str()).collect();
        assert_eq!(marked, ["b"], "{scopes:?}");
        let zone = scopes.iter().find(|scope| scope.value == "b").expect("zone b");
        assert_eq!((zone.failed, zone.all), (20, 20));
    }

    #[test]
    fn every_request_stands_in_one_column() {
        let lines: Vec<String> = (0..30).map(|n| request(n, "GET", "a", if n < 10 { 200 } else { 503 })).collect();
        let evidence = evidence(&lines.join("\n"));
        let chart = over_time(&outermost(&evidence));
        let sum = |of: fn(&Column) -> usize| chart.columns.iter().map(of).sum::<usize>();
        assert_eq!((sum(|column| column.good), sum(|column| column.failed)), (10, 20));
        assert!(chart.columns[0].good > 0 && chart.columns.last().is_some_and(|last| last.failed > 0), "{chart:?}");
        assert_eq!(over_time(&[]), Chart::default());
    }

    #[test]
    fn an_ending_is_a_status_or_a_word() {
        let evidence = evidence("{\"hop\":\"client\",\"error\":\"refused: x\"}\n{\"status\":502}\n{}");
        let endings: Vec<String> = evidence.traffic.iter().map(ending).collect();
        assert_eq!(endings, ["refused", "502", "no answer"]);
    }
}
