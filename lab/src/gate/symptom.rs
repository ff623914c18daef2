//! Asserting the symptom: what the scenario says a user sees must be seen, several times in a row.

use std::time::Duration;

use diagnoser::Subject;
use serde_json::Value;

use super::{Run, checks};
use crate::{
    LabError,
    rigs::{Live, Now, System, pod_subject, until},
    scenario::{NodeSymptom, PodSymptom, ProbeSymptom, Symptom},
};

/// How long a symptom may take to show.
const SHOWS: Duration = Duration::from_secs(45);
/// How long one may that comes to a share of the requests: it may come and go by the minute.
const SHARE_SHOWS: Duration = Duration::from_secs(120);
/// How long a node may take to be seen not ready: its lease runs out after 40 s (--node-monitor-grace-period).
const NODE_SHOWS: Duration = Duration::from_secs(90);
/// How often in a row it must be seen.
const IN_A_ROW: u32 = 3;

/// Waits until the symptom is there; returns it in words, `None` for a control.
pub(super) async fn assert(run: &Run<'_>) -> Result<Option<String>, LabError> {
    match &run.scenario.symptom {
        Symptom::None => Ok(None),
        Symptom::Probe(probe) => of_try(&run.system, probe).await.map(Some),
        Symptom::Node(node) => of_node(cluster(&run.system)?, node).await.map(Some),
        Symptom::Pod(pod) => of_pod(cluster(&run.system)?, pod).await.map(Some),
    }
}

fn cluster(system: &System) -> Result<&Live, LabError> {
    match system {
        System::Cluster(live) => Ok(live),
        System::Machines(machines) => Err(LabError::BadInput {
            place: format!("the world {}", machines.world.name),
            what: "the symptom is of a cluster, and this world has none".to_owned(),
            next: "Give the symptom as `probe`.".to_owned(),
        }),
    }
}

async fn of_try(system: &System, expected: &ProbeSymptom) -> Result<String, LabError> {
    let (mut row, mut matched, mut made) = (0, 0, 0);
    let limit = if expected.share.is_some() { SHARE_SHOWS } else { SHOWS };
    until(&format!("the symptom {expected}"), limit, async || {
        let probes = checks::fetch(system, &[expected]).await?;
        let Some(probe) = probes.first() else { return Ok(Now::NotYet("no result".to_owned())) };
        let matches = checks::matches(expected, probe);
        row = if matches { row + 1 } else { 0 };
        (matched, made) = (matched + u32::from(matches), made + 1);
        let says = format!("{}: {}", expected.tries(), checks::says(probe));
        let Some(share) = expected.share else {
            return Ok(if row >= IN_A_ROW { Now::Holds(says) } else { Now::NotYet(says) });
        };
        let says = format!("{}: so {matched} of {made}", expected.tries());
        let often = matched >= IN_A_ROW && f64::from(matched) >= share * f64::from(made);
        Ok(if often { Now::Holds(says) } else { Now::NotYet(says) })
    })
    .await
}

async fn of_node(live: &Live, expected: &NodeSymptom) -> Result<String, LabError> {
    let subject = Subject::global("node", &live.rig.node(&expected.node)?.name);
    live.rig
        .api
        .watch(&subject, &format!("to be ready {}", expected.ready), NODE_SHOWS, |node| {
            let conditions = node.and_then(|node| node.pointer("/status/conditions")?.as_array());
            let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
            let status = ready.and_then(|condition| condition["status"].as_str()).unwrap_or("unheard of");
            if status == expected.ready { Ok(()) } else { Err(format!("ready {status}")) }
        })
        .await?;
    Ok(format!("{subject} ready {}", expected.ready))
}

async fn of_pod(live: &Live, expected: &PodSymptom) -> Result<String, LabError> {
    until(&format!("the symptom {expected}"), SHOWS, async || {
        let pods = live.pods(&expected.workload).await?;
        // What cannot even be made is said of what should make it.
        let makers = live.makers(&expected.workload).await?;
        let mut seen = "no pod".to_owned();
        for (subject, pod) in
            pods.iter().map(|pod| (pod_subject(pod), pod)).chain(makers.iter().map(|m| (m.clone(), &Value::Null)))
        {
            let status = |key: &str| pod.pointer(&format!("/status/containerStatuses/0/{key}"));
            let waiting = status("state/waiting/reason").and_then(Value::as_str);
            let restarts = status("restartCount").and_then(Value::as_u64).unwrap_or_default();
            let events = live.warnings(&subject, pod["metadata"]["uid"].as_str()).await?;
            let has_event =
                expected.event.as_ref().is_none_or(|event| events.iter().any(|(reason, _)| reason == event));
            let waits = expected.waiting.as_ref().is_none_or(|reason| waiting == Some(reason));
            let restarted = expected.restarts.is_none_or(|times| restarts >= times);
            let last = events.last().map_or("no warning", |(reason, _)| reason);
            seen = format!("{subject} {}, {restarts} restarts, {last}", waiting.unwrap_or("does not wait"));
            if waits && has_event && restarted {
                return Ok(Now::Holds(seen));
            }
        }
        Ok(Now::NotYet(seen))
    })
    .await
}
