//! Requests that clients sent and that fail now, out of the outermost hop's records.

use std::collections::BTreeMap;

use super::{Asked, Observation, Origin, Symptom, origin};
use crate::{
    connections,
    evidence::{Citation, Outcome, RequestRecord},
    model::Model,
    subject::Subject,
};

/// How many of the last requests of one kind are looked at to say whether it fails now.
const WINDOW: usize = 10;

/// A kind of request: the hop, the connection where it is one of a machine, method and path.
type Kind = (String, Option<Subject>, String);

/// One symptom for each kind of request (method and path) that fails now.
pub(super) fn symptoms(model: &Model<'_>) -> Vec<Symptom> {
    let mut kinds: BTreeMap<Kind, Vec<(usize, &RequestRecord)>> = BTreeMap::new();
    for (index, record) in outermost(model) {
        kinds
            .entry((record.hop.clone(), connections::of_record(record), record.what()))
            .or_default()
            .push((index, record));
    }
    let mut found = Vec::new();
    for ((_, connection, what), mut records) in kinds {
        // In the order in which they began: what waited longest tells of what was longest ago.
        records.sort_by_key(|(index, record)| (record.began(), record.id.clone(), *index));
        let window = &records[records.len().saturating_sub(WINDOW)..];
        let mut failing: Vec<(usize, &RequestRecord)> =
            window.iter().filter(|(_, record)| record.failed()).copied().collect();
        let now = failing.len();
        // One of many is chance, unless it happens again and again.
        if now == 0 || now == 1 && window.len() == WINDOW {
            failing = again_and_again(&records);
        }
        let failing = latest(failing);
        let Some(&(line, last)) = failing.last() else { continue };
        let seen = typical(&failing);
        let subject = target(model, last);
        let failed_in_all = records.iter().filter(|(_, record)| record.failed()).count();
        let since = since(&records, now == window.len());
        let origin = Origin::of(model, failing.iter().map(|(_, record)| *record), RequestRecord::failed);
        let asked = Asked::from_record(last);
        let mut scope = match &connection {
            Some(connection) => connections::scope(model, connection),
            None => origin::scope(model, &subject, origin.as_ref(), last.pod().as_ref(), asked.as_ref()),
        };
        scope.extend(asked.map(|asked| asked.subject()));
        found.push(Symptom {
            id: format!("requests-{}", found.len() + 1),
            says: format!(
                "{what}: {} ({} of the last {} requests, {failed_in_all} of {} in all)",
                words(seen),
                failing.len().min(now),
                window.len(),
                records.len()
            ),
            subject,
            seen,
            since,
            evidence: vec![Citation::line("traffic.jsonl", line + 1, format!("{what} {}", words(seen)))],
            scope: scope.into(),
            origin,
            user: true,
            connection,
        });
    }
    found
}

/// The records of the hop nearest to the clients, with their line less one.
pub(crate) fn outermost<'a>(model: &Model<'a>) -> Vec<(usize, &'a RequestRecord)> {
    let traffic = &model.evidence.traffic;
    let rank = |record: &RequestRecord| match record.hop.as_str() {
        "client" => 0,
        "edge" => 1,
        "ingress" => 2,
        _ => 3,
    };
    let Some(first) = traffic.iter().map(rank).min() else { return Vec::new() };
    traffic.iter().enumerate().filter(|(_, record)| rank(record) == first).collect()
}

/// A system that has come to serve has done so this often in a row.
const SERVES: usize = 10;

/// The records, in the order in which they began, less those of the time in which the system was starting: what fails before anything
/// was ever served is no trouble of what runs.
pub(crate) fn steady(mut records: Vec<&RequestRecord>) -> Vec<&RequestRecord> {
    records.sort_by_key(|record| (record.began(), record.id.clone()));
    let serving = serving(records.iter().map(|record| record.failed()));
    records.split_off(serving)
}

/// From which request on a system serves; from the first where it never did.
fn serving(failed: impl Iterator<Item = bool>) -> usize {
    let mut row = 0;
    let served = failed.into_iter().position(|failed| {
        row = if failed { 0 } else { row + 1 };
        row == SERVES
    });
    served.map_or(0, |last| last + 1 - SERVES)
}

/// What failed in the same way in at least two episodes after it had served, and is not over: the time since the last is no
/// longer than the longest between two. A single one that has ended is over.
fn again_and_again<'a>(records: &[(usize, &'a RequestRecord)]) -> Vec<(usize, &'a RequestRecord)> {
    /// So many successes in a row part two episodes.
    const APART: usize = 5;
    /// At least this share of the requests fails, one of so many.
    const RARE: usize = 20;
    let steady = &records[serving(records.iter().map(|(_, record)| record.failed()))..];
    let all: Vec<(usize, &RequestRecord)> = steady.iter().filter(|(_, record)| record.failed()).copied().collect();
    let usual = typical(&all);
    let fails = |record: &RequestRecord| record.failed() && alike(observation(record), usual);
    let failed: Vec<usize> = (0..steady.len()).filter(|index| fails(steady[*index].1)).collect();
    let gaps: Vec<usize> = failed.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > APART).collect();
    let (Some(first), Some(last), Some(longest)) = (failed.first(), failed.last(), gaps.iter().max()) else {
        return Vec::new();
    };
    let recent = steady.len() - last <= *longest;
    if recent && failed.len() >= APART && failed.len() * RARE >= steady.len() - first {
        failed.iter().map(|index| steady[*index]).collect()
    } else {
        Vec::new()
    }
}

/// The failing requests that tell what holds now: where one failure has given way to another, as while a rollout is under way,
/// those of the later one.
fn latest(mut failing: Vec<(usize, &RequestRecord)>) -> Vec<(usize, &RequestRecord)> {
    /// So many in a row are no chance.
    const LASTS: usize = 3;
    let Some((_, last)) = failing.last() else { return failing };
    let last = observation(last);
    let like_the_last = |(_, record): &(usize, &RequestRecord)| alike(observation(record), last);
    let start = failing.iter().rposition(|each| !like_the_last(each)).map_or(0, |index| index + 1);
    let gave_way = !failing[..start].iter().any(like_the_last);
    if gave_way && failing.len() - start >= LASTS { failing.split_off(start) } else { failing }
}

/// What the client asked: the Service or name of its target; the pod itself where the record names none.
pub(super) fn target(model: &Model<'_>, record: &RequestRecord) -> Subject {
    let near = record.pod();
    let Some(upstream) =
        record.upstream.as_deref().filter(|_| record.hop == "client").and_then(|to| to.split(',').next())
    else {
        return near.unwrap_or_else(|| Subject::global("hop", &record.hop));
    };
    let name = || Subject::global("name", upstream.rsplit_once(':').map_or(upstream, |(host, _)| host));
    // What does not resolve is the name, whatever it would lead to.
    if observation(record) == Observation::Failed(Outcome::NameNotFound) {
        return name();
    }
    model.resolve(upstream, near.as_ref().map(Subject::namespace)).unwrap_or_else(name)
}

/// What one record shows.
pub(crate) fn observation(record: &RequestRecord) -> Observation {
    if let Some(status) = record.status.filter(|status| *status > 0) {
        return Observation::Status(status, record.seconds);
    }
    if record.from.is_some() {
        return connections::seen(record);
    }
    let error = record.error.as_deref().unwrap_or_default();
    let told = record.outcome.filter(|outcome| !matches!(outcome, Outcome::Answered | Outcome::Connected));
    Observation::Failed(Outcome::from_class(error).or(told).unwrap_or(Outcome::Failed))
}

/// Whether two observations are the same answer, whatever it took.
pub(crate) fn alike(a: Observation, b: Observation) -> bool {
    match (a, b) {
        (Observation::Status(a, _), Observation::Status(b, _)) => a == b,
        (a, b) => a == b,
    }
}

/// The commonest observation among failing requests; of a status, with the median duration.
fn typical(failing: &[(usize, &RequestRecord)]) -> Observation {
    let mut groups: BTreeMap<String, Vec<Observation>> = BTreeMap::new();
    for (_, record) in failing {
        let seen = observation(record);
        let key = match seen {
            Observation::Status(status, _) => status.to_string(),
            other => format!("{other:?}"),
        };
        groups.entry(key).or_default().push(seen);
    }
    let mut group = groups.into_values().max_by_key(Vec::len).unwrap_or_default();
    group.sort_by(|a, b| match (a, b) {
        (Observation::Status(_, Some(a)), Observation::Status(_, Some(b))) => a.total_cmp(b),
        _ => std::cmp::Ordering::Equal,
    });
    group.get(group.len() / 2).copied().unwrap_or(Observation::Failed(Outcome::Failed))
}

/// When the failing began: after the last success where all fail now, else at the first failure since it once served.
fn since(records: &[(usize, &RequestRecord)], all_fail: bool) -> Option<jiff::Timestamp> {
    let start = if all_fail {
        records.iter().rposition(|(_, record)| !record.failed()).map_or(0, |index| index + 1)
    } else {
        let served = serving(records.iter().map(|(_, record)| record.failed()));
        served + records[served..].iter().position(|(_, record)| record.failed())?
    };
    records.get(start)?.1.time
}

/// An observation in words.
pub(crate) fn words(seen: Observation) -> String {
    use crate::evidence::duration;
    match seen {
        Observation::Status(status, Some(seconds)) => format!("{status} in {}", duration(seconds)),
        Observation::Status(status, None) => status.to_string(),
        Observation::Failed(outcome) => outcome.to_string(),
        Observation::RefusedInWords => "refused in words".to_owned(),
        Observation::FailsInWords => "fails by its own words".to_owned(),
        Observation::UnitDown => "does not run".to_owned(),
        Observation::NoSpace => "no space left".to_owned(),
        Observation::NoInodes => "no inodes left".to_owned(),
        Observation::Killed => "killed for want of memory".to_owned(),
        Observation::PodDown => "not ready".to_owned(),
        Observation::NoEndpoints => "no ready endpoint".to_owned(),
        Observation::NodeDown => "not ready".to_owned(),
        Observation::Slow(seconds) => format!("answered in {}", duration(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::{alike, symptoms};
    use crate::{Evidence, model::Model, sketch, symptoms::Observation};

    #[test]
    fn of_two_failures_the_one_that_gave_way_to_the_other_is_over() {
        let seen = |statuses: &str| {
            let request = |(at, status): (usize, &str)| {
                format!("request hop=client method=GET path=/ status={status} seconds=0.1 id=r{at} at=-{}\n", 30 - at)
            };
            let text: String = statuses.split(' ').enumerate().map(request).collect();
            let evidence = Evidence::from_files(&sketch::evidence(&text)).expect("evidence");
            symptoms(&Model::new(&evidence)).first().map(|symptom| symptom.seen)
        };
        let is = |statuses, status| seen(statuses).is_some_and(|seen| alike(seen, Observation::Status(status, None)));
        assert!(is("200 503 503 503 503 503 502 502 502", 502));
        assert!(is("200 503 503 503 502 503 502 502 502", 503));
        assert!(is("200 503 503 503 503 503 200 502 502", 503));
    }
}
