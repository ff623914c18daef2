//! What happened when, in UTC: changes, events, journals, and where the requests turned.

use std::collections::BTreeMap;

use diagnoser::{
    Evidence,
    evidence::{Citation, Fact, Object, RequestRecord},
};
use jiff::{SignedDuration, Timestamp};

use super::traffic;

/// How long before the first request things still belong to the story.
const BEFORE: SignedDuration = SignedDuration::from_secs(120);
/// A unit that says more than this is told of by its last lines.
const MOST_LINES: usize = 6;
/// So many changes of one second, as when a system is set up, are told as one.
const AT_ONCE: usize = 4;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// When.
    pub time: Timestamp,
    /// `change`, `event`, `warning`, `container`, `journal`, `works`, `fails`.
    pub kind: &'static str,
    /// About what.
    pub about: String,
    /// In words.
    pub says: String,
    /// Where it stands.
    pub cited: Citation,
}

/// The story, oldest first, and how many earlier moments were left out.
pub fn timeline(evidence: &Evidence) -> (Vec<Moment>, usize) {
    let mut moments = changes(evidence);
    moments.extend(events(evidence));
    moments.extend(containers(evidence));
    moments.extend(journals(evidence));
    moments.sort();
    moments.dedup_by(|a, b| (a.time, &a.about, &a.says) == (b.time, &b.about, &b.says));
    let records = traffic::outermost(evidence);
    let turns = turns(&records, evidence);
    let begin =
        records.iter().filter_map(|record| record.began()).min().and_then(|first| first.checked_sub(BEFORE).ok());
    moments = together(moments);
    let all = moments.len();
    moments.retain(|moment| begin.is_none_or(|begin| moment.time >= begin));
    let earlier = all - moments.len();
    moments.extend(turns);
    moments.sort();
    (moments, earlier)
}

fn changes(evidence: &Evidence) -> Vec<Moment> {
    let each = evidence.changes.iter().enumerate().map(|(index, change)| Moment {
        time: change.time,
        kind: "change",
        about: change.object.to_string(),
        says: if change.fields.is_empty() { "changed".to_owned() } else { change.fields.join(", ") },
        cited: Citation::new("changes.json", format!("/{index}"), ""),
    });
    each.collect()
}

/// Changes of the same second as one moment, where they are many.
fn together(moments: Vec<Moment>) -> Vec<Moment> {
    let (changes, mut told): (Vec<Moment>, Vec<Moment>) =
        moments.into_iter().partition(|moment| moment.kind == "change");
    for group in changes.chunk_by(|a, b| a.time.as_second() == b.time.as_second()) {
        if group.len() < AT_ONCE {
            told.extend_from_slice(group);
            continue;
        }
        let each = group.iter().map(|moment| format!("{} ({})", moment.about, moment.says));
        told.push(Moment {
            about: format!("{} objects", group.len()),
            says: each.collect::<Vec<_>>().join("; "),
            cited: Citation::new("changes.json", "", ""),
            ..group[0].clone()
        });
    }
    told.sort();
    told
}

fn events(evidence: &Evidence) -> Vec<Moment> {
    const TIMES: [&str; 5] =
        ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp", "/metadata/creationTimestamp"];
    let each = evidence.objects.of_kind("event").filter_map(|event| {
        let time = TIMES.into_iter().find_map(|pointer| event.time(pointer))?;
        let count = event.number("/count").or_else(|| event.number("/series/count")).unwrap_or(1);
        let times = if count > 1 { format!(" (\u{d7}{count})") } else { String::new() };
        let message = event.text("/message").or_else(|| event.text("/note")).unwrap_or_default();
        Some(Moment {
            time,
            kind: if event.text("/type") == Some("Warning") { "warning" } else { "event" },
            about: event.regarding().map(|subject| subject.to_string()).unwrap_or_default(),
            says: format!("{}: {message}{times}", event.text("/reason").unwrap_or_default()),
            cited: event.cite("", ""),
        })
    });
    each.collect()
}

/// Containers that ended.
fn containers(evidence: &Evidence) -> Vec<Moment> {
    let ended = |pod: &Object| {
        let statuses = pod.list("/status/containerStatuses").iter().enumerate();
        let each = statuses.filter_map(|(index, status)| {
            let ended = [&status["lastState"]["terminated"], &status["state"]["terminated"]]
                .into_iter()
                .find(|state| state.is_object())?;
            let reason = ended["reason"].as_str().unwrap_or("ended");
            Some(Moment {
                time: ended["finishedAt"].as_str()?.parse().ok()?,
                kind: "container",
                about: pod.subject().to_string(),
                says: format!(
                    "{} ended: {reason}, exit code {}",
                    status["name"].as_str().unwrap_or_default(),
                    ended["exitCode"]
                ),
                cited: pod.cite(&format!("/status/containerStatuses/{index}"), ""),
            })
        });
        each.collect::<Vec<_>>()
    };
    evidence.objects.of_kind("pod").flat_map(ended).collect()
}

/// What services of machines wrote, without the logs of requests, which the charts show.
fn journals(evidence: &Evidence) -> Vec<Moment> {
    let mut moments = Vec::new();
    for host in evidence.hosts.names() {
        for fact in evidence.hosts.fact_names(host).filter(|fact| fact.starts_with("journal-")) {
            let Fact::Seen(lines) = evidence.hosts.journal_file(host, fact) else { continue };
            let told = lines.iter().filter(|line| !line.message.trim_start().starts_with('{'));
            let told: Vec<_> = told.filter_map(|line| Some((line.at?, line))).collect();
            for (time, line) in &told[told.len().saturating_sub(MOST_LINES)..] {
                moments.push(Moment {
                    time: *time,
                    kind: "journal",
                    about: format!("host/{host} {}", fact.trim_start_matches("journal-")),
                    says: line.message.clone(),
                    cited: diagnoser::evidence::Hosts::cite(host, fact, line.line, ""),
                });
            }
        }
    }
    moments
}

/// Where each kind of request turned from good to bad.
fn turns(records: &[&RequestRecord], evidence: &Evidence) -> Vec<Moment> {
    let mut kinds: BTreeMap<String, Vec<&RequestRecord>> = BTreeMap::new();
    for record in records {
        kinds.entry(record.what()).or_default().push(record);
    }
    let line = |wanted: &RequestRecord| {
        evidence.traffic.iter().position(|record| std::ptr::eq(record, wanted)).map_or(0, |index| index + 1)
    };
    let moment = |record: &RequestRecord, kind: &'static str, what: &str, says: String| {
        record.began().map(|time| Moment {
            time,
            kind,
            about: what.to_owned(),
            says,
            cited: Citation::line("traffic.jsonl", line(record), ""),
        })
    };
    let each = kinds.iter().flat_map(|(what, records)| {
        let mut sorted = records.clone();
        sorted.sort_by_key(|record| record.began());
        let good = sorted.iter().rposition(|record| !record.failed());
        let failed = sorted.iter().skip(good.map_or(0, |good| good + 1)).find(|record| record.failed());
        let last_good = good.map(|good| sorted[good]).filter(|_| failed.is_some());
        let first = failed.and_then(|record| {
            moment(record, "fails", what, format!("from here on every one fails: {}", traffic::ending(record)))
        });
        let last =
            last_good.and_then(|record| moment(record, "works", what, "the last one that ended well".to_owned()));
        [last, first].into_iter().flatten().collect::<Vec<_>>()
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_turn_where_the_last_good_one_was() {
        let line = |second: usize, status: usize| {
            format!(
                r#"{{"hop":"client","time":"2026-01-01T00:00:{second:02}Z","method":"GET","path":"/","status":{status}}}"#
            )
        };
        let lines = [line(1, 502), line(2, 200), line(3, 502), line(4, 502)].join("\n");
        let changes = r#"[{"time":"2026-01-01T00:00:03Z","object":"service/a/b","fields":["spec.ports"]},
            {"time":"2025-01-01T00:00:00Z","object":"service/a/c"}]"#;
        let files =
            BTreeMap::from([("traffic.jsonl".to_owned(), lines), ("changes.json".to_owned(), changes.to_owned())]);
        let (moments, earlier) = timeline(&Evidence::from_files(&files).expect("evidence"));
        let told: Vec<(&str, &str)> = moments.iter().map(|moment| (moment.kind, moment.says.as_str())).collect();
        assert_eq!(
            told,
            [
                ("works", "the last one that ended well"),
                ("change", "spec.ports"),
                ("fails", "from here on every one fails: 502"),
            ]
        );
        assert_eq!((moments[2].cited.path.as_str(), earlier), ("line 3", 1));
    }
}
