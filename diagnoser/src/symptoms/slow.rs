//! Requests that are answered well but late, for a share of them: the tail has moved and the median has not. A system that
//! is as slow as ever for everyone has no such tail, and where requests fail their waiting is part of the failure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Asked, Observation, Origin, Symptom, origin, requests, steady};
use crate::{
    connections,
    evidence::{Citation, RequestRecord, duration},
    model::Model,
    subject::Subject,
};

/// Late is so many times the median ...
const TIMES: f64 = 5.0;
/// ... and so many seconds at least: less than that is not noticed, and hiccups of a busy machine reach it.
const SECONDS: f64 = 0.5;
/// Which share of the requests is late at least: what one of ten replicas answers ...
const SHARE: f64 = 0.1;
/// ... and how many at least: a busy machine holds everything up now and then, for as long as a few requests.
const FEW: usize = 8;
/// Which share of them spends its time at one and the same hop at least.
const ONE_HOP: f64 = 0.6;

/// One symptom for each kind of request of which a share is late.
pub(super) fn symptoms(model: &Model<'_>) -> Vec<Symptom> {
    let mut kinds: BTreeMap<(String, Option<Subject>), Vec<&RequestRecord>> = BTreeMap::new();
    let mut lines: BTreeMap<*const RequestRecord, usize> = BTreeMap::new();
    for (line, record) in requests::outermost(model) {
        lines.insert(std::ptr::from_ref(record), line);
        kinds.entry((record.what(), connections::of_record(record))).or_default().push(record);
    }
    let waits = waits(model);
    let mut found = Vec::new();
    for ((what, _), records) in kinds {
        let well: Vec<&RequestRecord> = steady(records).into_iter().filter(|record| record.succeeded()).collect();
        let Some(median) = median(well.iter().filter_map(|record| record.seconds)) else { continue };
        let bound = (TIMES * median).max(SECONDS);
        let is_late = |record: &RequestRecord| {
            record.seconds.is_some_and(|seconds| seconds >= bound) && !held_up_with_all(record, &waits)
        };
        // Since the first late one: before it there may have been another system.
        let Some(first) = well.iter().position(|record| is_late(record)) else { continue };
        let since = &well[first..];
        let late: Vec<&RequestRecord> = since.iter().copied().filter(|record| is_late(record)).collect();
        #[allow(clippy::cast_precision_loss)]
        let share = late.len() as f64 / since.len() as f64;
        // It lasts where the middle and the latest third have their part of it: what comes in one go is a hiccup.
        let third = since.len().div_ceil(3);
        let lasts = |part: &[&RequestRecord]| part.iter().filter(|record| is_late(record)).count() * 6 >= late.len();
        let middle = since.get(third..since.len() - third).unwrap_or_default();
        let lasts = lasts(middle) && lasts(&since[since.len() - third..]);
        let (Some(last), Some(typical)) = (late.last(), self::median(late.iter().filter_map(|record| record.seconds)))
        else {
            continue;
        };
        if late.len() < FEW || share < SHARE || !lasts {
            continue;
        }
        let subject = requests::target(model, last);
        let origin = Origin::of(model, late.iter().copied(), |record| {
            record.seconds.is_some_and(|seconds| seconds >= typical / 2.0)
        });
        // A busy machine holds up now this hop and now that one.
        if origin.as_ref().is_some_and(|origin| origin.share < ONE_HOP) {
            continue;
        }
        found.push(Symptom {
            id: format!("slow-{}", found.len() + 1),
            says: format!(
                "{what}: {} of {} take {}, the median {}",
                late.len(),
                since.len(),
                duration(typical),
                duration(median)
            ),
            seen: Observation::Slow(typical),
            since: late.first().and_then(|record| record.time),
            evidence: lines
                .get(&std::ptr::from_ref(*last))
                .map(|line| Citation::line("traffic.jsonl", line + 1, format!("{what} took {}", duration(typical))))
                .into_iter()
                .collect(),
            scope: match connections::of_record(last) {
                Some(connection) => connections::scope(model, &connection),
                None => origin::scope(
                    model,
                    &subject,
                    origin.as_ref(),
                    last.pod().as_ref(),
                    Asked::from_record(last).as_ref(),
                ),
            }
            .into(),
            subject,
            origin,
            user: true,
            connection: connections::of_record(last),
        });
    }
    found
}

/// From when to when each request was under way, by its end, for all that the same hop logged.
fn waits(model: &Model<'_>) -> Vec<(Timestamp, Timestamp)> {
    let under_way = requests::outermost(model).into_iter().filter_map(|(_, record)| wait(record));
    let mut waits: Vec<_> = under_way.map(|(start, end)| (end, start)).collect();
    waits.sort_unstable();
    waits
}

/// From when to when a request was under way, where it says how long.
fn wait(record: &RequestRecord) -> Option<(Timestamp, Timestamp)> {
    record.seconds.and(record.began()).zip(record.time)
}

/// Whether others were made while a request waited, and none of them was answered before it (less a tenth of its wait): then
/// a pause of the whole machine, or of the one who asks, held all of them up, and none of them is late by itself.
fn held_up_with_all(record: &RequestRecord, waits: &[(Timestamp, Timestamp)]) -> bool {
    let Some((start, end)) = wait(record) else { return false };
    let before = end.checked_sub(end.duration_since(start) / 10).unwrap_or(end);
    let ended_since = &waits[waits.partition_point(|(ended, _)| *ended <= start)..];
    let mut meanwhile = ended_since.iter().filter(|(_, began)| *began > start && *began < before).peekable();
    meanwhile.peek().is_some() && meanwhile.all(|(ended, _)| *ended >= before)
}

/// The middle one.
pub(crate) fn median(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    #[test]
    fn what_a_pause_of_the_whole_machine_holds_up_is_not_late_by_itself() {
        // Every two seconds one is late; `other` begins in the middle of its wait and ends before it, or with it.
        let requests = |other: f64| -> String {
            let round = |n: i32| {
                let end = f64::from(2 * n - 40);
                format!(
                    "request hop=client method=GET path=/ status=200 seconds=1 id=a{n} at={end}
                     request hop=client method=GET path=/ status=200 seconds={other} id=b{n} at={}
                     request hop=client method=GET path=/ status=200 seconds=0.01 id=c{n} at={} x3\n",
                    end - 0.5 + other,
                    end + 0.6,
                )
            };
            (0..19).map(round).collect()
        };
        check(&format!("{}=> unknown", requests(0.01)));
        check(&format!("{}=> healthy", requests(0.49)));
    }

    #[test]
    fn a_single_late_request_is_no_symptom() {
        check("request hop=client method=GET path=/ status=200 seconds=2 id=r\n=> healthy");
    }
}
