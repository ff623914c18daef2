//! Asserting the symptom: what the scenario says a user sees must be seen, several times in a row.

use std::time::Duration;

use serde_json::Value;

use super::{Run, checks};
use crate::{
    LabError,
    rigs::{Live, Now, pod_subject, until},
    scenario::{HttpSymptom, PodSymptom, Symptom},
};

/// How long a symptom may take to show.
const SHOWS: Duration = Duration::from_secs(45);
/// How often in a row it must be seen.
const IN_A_ROW: u32 = 3;

/// Waits until the symptom is there; returns it in words, `None` for a control.
pub(super) async fn assert(run: &Run<'_>) -> Result<Option<String>, LabError> {
    match &run.scenario.symptom {
        Symptom::None => Ok(None),
        Symptom::Http(http) => of_request(&run.live, http).await.map(Some),
        Symptom::Pod(pod) => of_pod(&run.live, pod).await.map(Some),
    }
}

async fn of_request(live: &Live, expected: &HttpSymptom) -> Result<String, LabError> {
    let mut row = 0;
    until(&format!("the symptom {expected}"), SHOWS, async || {
        let probes = checks::fetch(live, &[expected]).await?;
        let Some(probe) = probes.first() else { return Ok(Now::NotYet("no result".to_owned())) };
        row = if checks::matches(expected, probe) { row + 1 } else { 0 };
        let says = format!("{} {} {}: {}", expected.from, expected.method, expected.url, checks::says(probe));
        Ok(if row >= IN_A_ROW { Now::Holds(says) } else { Now::NotYet(says) })
    })
    .await
}

async fn of_pod(live: &Live, expected: &PodSymptom) -> Result<String, LabError> {
    until(&format!("the symptom {expected}"), SHOWS, async || {
        let pods = live.pods(&expected.workload).await?;
        let mut seen = "no pod".to_owned();
        for pod in &pods {
            let subject = pod_subject(pod);
            let waiting = pod.pointer("/status/containerStatuses/0/state/waiting/reason").and_then(Value::as_str);
            let events = live.warnings(&subject).await?;
            let has_event =
                expected.event.as_ref().is_none_or(|event| events.iter().any(|(reason, _)| reason == event));
            let waits = expected.waiting.as_ref().is_none_or(|reason| waiting == Some(reason));
            let last = events.last().map_or("no warning", |(reason, _)| reason);
            seen = format!("{subject} {}, {last}", waiting.unwrap_or("does not wait"));
            if waits && has_event {
                return Ok(Now::Holds(seen));
            }
        }
        Ok(Now::NotYet(seen))
    })
    .await
}
