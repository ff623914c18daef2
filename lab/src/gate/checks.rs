//! What a user of the world gets: the world's own checks, and the steady trickle of its client.

use std::time::Duration;

use diagnoser::evidence::{Outcome, Probe, RequestRecord};
use jiff::Timestamp;

use super::Run;
use crate::{
    LabError,
    events::Event,
    rigs::{Now, System, until},
    scenario::{Check, ProbeSymptom},
};

/// How often in a row every check must pass: one lucky answer says little.
const IN_A_ROW: u32 = 3;
/// How many requests of the trickle must have succeeded in a row: both kinds, several times.
const TRICKLE: usize = 6;
/// How long the world may take to be healthy.
const HEALTHY: Duration = Duration::from_secs(60);

/// Asserts that every check of the world passes, several times in a row, and that the trickle's last requests since `since`
/// succeeded. Returns what was seen, in words.
pub(super) async fn assert_healthy(run: &Run<'_>, since: Timestamp) -> Result<String, LabError> {
    let system = &run.system;
    let checks: Vec<&ProbeSymptom> = system.world().healthy.iter().map(|Check::Probe(probe)| probe).collect();
    let (mut rounds, mut row) = (0, 0);
    let probes = until("every check of the world to pass", HEALTHY, async || {
        rounds += 1;
        let probes = fetch(system, &checks).await?;
        let failing = checks.iter().zip(&probes).find(|(check, probe)| !matches(check, probe));
        row = if failing.is_some() { 0 } else { row + 1 };
        Ok(match failing {
            Some((check, probe)) => Now::NotYet(format!("{check}: {}", says(probe))),
            None if row < IN_A_ROW => Now::NotYet(format!("passed {row} times in a row")),
            None => Now::Holds(probes),
        })
    })
    .await?;
    for (check, probe) in checks.iter().zip(&probes) {
        run.journal.record(Event::Checked {
            what: check.tries(),
            outcome: says(probe),
            seconds: probe.seconds.unwrap_or_default(),
            of: rounds,
            passed: row,
        });
    }
    let good = until("the client's own requests to succeed", HEALTHY, async || {
        let records = trickle(system, since).await?;
        let good = records.iter().rev().take_while(|record| record.succeeded()).count();
        let last =
            records.last().map_or("no request yet".to_owned(), |last| format!("{} {:?}", last.what(), last.status));
        Ok(if good >= TRICKLE { Now::Holds(good) } else { Now::NotYet(format!("{good} in a row; the last: {last}")) })
    })
    .await?;
    let first = probes.first().map(says).unwrap_or_default();
    Ok(format!("{first}; the last {good} requests of the client all succeeded"))
}

/// Makes these requests and says how each ended.
pub(super) async fn fetch(system: &System, requests: &[&ProbeSymptom]) -> Result<Vec<Probe>, LabError> {
    let lines = system.fetch(requests).await?;
    let probes: Result<Vec<Probe>, _> = lines.into_iter().map(serde_json::from_value).collect();
    match probes {
        Ok(probes) if probes.len() == requests.len() => Ok(probes),
        other => Err(LabError::Live {
            what: "probing".to_owned(),
            why: other.map_or_else(|error| error.to_string(), |probes| format!("{} results", probes.len())),
            next: "Does every node have the workload image? lab down and lab up load it anew.".to_owned(),
        }),
    }
}

/// Whether a try came to what was expected of it.
pub(super) fn matches(expected: &ProbeSymptom, probe: &Probe) -> bool {
    expected.status.is_none_or(|status| probe.outcome == Outcome::Answered && probe.status == Some(status))
        && expected.outcome.is_none_or(|outcome| probe.outcome == outcome)
        && expected.text.as_ref().is_none_or(|text| probe.text.as_ref().is_some_and(|said| said.contains(text)))
        && expected.within.is_none_or(|limit| probe.seconds.is_some_and(|seconds| seconds <= limit.as_secs_f64()))
        && expected.after.is_none_or(|limit| probe.seconds.is_some_and(|seconds| seconds >= limit.as_secs_f64()))
}

/// How a request ended, in words.
pub(super) fn says(probe: &Probe) -> String {
    probe.says()
}

/// The requests of the world's client since then, as it logged them, oldest first.
pub(super) async fn trickle(system: &System, since: Timestamp) -> Result<Vec<RequestRecord>, LabError> {
    let text = system.trickle(since).await?;
    let records = text.lines().filter_map(|line| serde_json::from_str::<RequestRecord>(line).ok());
    Ok(records.filter(|record| record.hop == "client" && record.time.is_some_and(|time| time >= since)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symptom_is_the_whole_of_status_outcome_and_time() {
        let probe = |json: &str| -> Probe { serde_json::from_str(json).unwrap() };
        let bad =
            probe(r#"{"kind":"http","target":"http://a.test/","outcome":"answered","status":502,"seconds":0.003}"#);
        let slow =
            probe(r#"{"kind":"http","target":"http://a.test/","outcome":"answered","status":502,"seconds":2.5}"#);
        let silent = probe(r#"{"kind":"http","target":"http://a.test/","outcome":"timeout","seconds":3.0}"#);
        let expected = ProbeSymptom {
            from: "client".to_owned(),
            method: "GET".to_owned(),
            url: "http://a.test/".to_owned(),
            status: Some(502),
            outcome: None,
            text: None,
            within: Some(Duration::from_secs(1)),
            after: None,
            bytes: None,
            share: None,
        };
        assert!(matches(&expected, &bad) && !matches(&expected, &slow) && !matches(&expected, &silent));
        let timeout = ProbeSymptom { status: None, outcome: Some(Outcome::Timeout), within: None, ..expected };
        assert!(matches(&timeout, &silent) && !matches(&timeout, &bad));
    }
}
