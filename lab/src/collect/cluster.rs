//! An evidence folder of a cluster of the user's own: what can be had by get, list and logs, and nothing else.

use std::collections::BTreeMap;

use diagnoser::Subject;
use futures::{StreamExt, stream};
use indicatif::ProgressBar;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Part, changes,
    cluster_reader::{ClusterReader, Refusal},
    lines,
    objects::as_list,
    pretty,
    redact::redact,
};
use crate::{
    LabError,
    replay::Files,
    rigs::{Kind, kinds},
};

/// How many requests are under way at once: as many as kubectl's own client lets through in a second.
const AT_ONCE: usize = 5;
/// Of how many pods the logs are read: those in trouble, the newest trouble first.
const PODS: usize = 10;

/// Why a reading of a machine is not taken here.
pub const OF_MACHINES: &str = "a cluster is only asked through its API; run the command there";

/// The kinds that are read. Endpoints say the same as EndpointSlices, and less of it; definitions say how objects may look, and
/// are many megabytes in some clusters.
pub(super) fn wanted() -> impl Iterator<Item = &'static Kind> {
    kinds().filter(|kind| !matches!(kind.kind, "CustomResourceDefinition" | "Endpoints"))
}

/// Reads a cluster, or what concerns one namespace of it.
///
/// # Errors
/// Where nothing at all can be listed, with what was said last.
pub async fn of_cluster(reader: &ClusterReader, namespace: Option<&str>) -> Result<Files, LabError> {
    let wanted: Vec<&Kind> = wanted().collect();
    let progress = ProgressBar::new(wanted.len() as u64);
    let read = |kind: &'static Kind| {
        let progress = &progress;
        async move {
            let listed = reader.list(kind, namespace).await;
            progress.inc(1);
            (kind, listed)
        }
    };
    let mut answers: Vec<_> = stream::iter(wanted).map(read).buffer_unordered(AT_ONCE).collect().await;
    progress.finish_and_clear();
    answers.sort_by_key(|(kind, _)| kind.plural);
    let mut part = Part::default();
    let mut listed: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut items, mut changed) = (Vec::new(), Vec::new());
    for (kind, answer) in answers {
        match answer {
            Ok(mut objects) => {
                listed.insert(kind.plural, objects.len());
                changed.extend(changes::of(&objects));
                objects.iter_mut().for_each(redact);
                items.extend(objects);
            }
            Err(Refusal::NoSuchKind) => drop(listed.insert(kind.plural, 0)),
            Err(Refusal::Why(why)) => part.miss(kind.plural, why),
        }
    }
    if items.is_empty() {
        let why = part.missed.pop().map_or_else(|| "there is no object of any kind".to_owned(), |missed| missed.why);
        return Err(LabError::Live {
            what: "reading the cluster".to_owned(),
            why,
            next: "docs/diagnose-role.yaml is a role that lets one read what is needed.".to_owned(),
        });
    }
    let collected = Timestamp::now();
    part.merge(logs(reader, &items).await);
    let coverage = json!({
        "collected": collected,
        "namespaces": namespace.into_iter().collect::<Vec<_>>(),
        "listed": listed,
        "missed": part.missed(),
    });
    part.files.insert("objects.json".to_owned(), as_list(&items));
    part.files.insert("changes.json".to_owned(), lines(&changed));
    part.files.insert("coverage.json".to_owned(), pretty(&coverage));
    Ok(part.files)
}

/// The logs of pods in trouble.
async fn logs(reader: &ClusterReader, items: &[Value]) -> Part {
    let mut pods: Vec<(&Value, Vec<(String, bool)>)> =
        items.iter().filter(|item| item["kind"] == "Pod").map(|pod| (pod, worth_reading(pod))).collect();
    pods.retain(|(_, containers)| !containers.is_empty());
    pods.sort_by_key(|(pod, _)| std::cmp::Reverse(pod["metadata"]["creationTimestamp"].as_str().unwrap_or_default()));
    pods.truncate(PODS);
    let wanted = pods.into_iter().flat_map(|(pod, containers)| {
        let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default().to_owned();
        let subject = Subject::namespaced("pod", &text("namespace"), &text("name"));
        containers.into_iter().map(move |(container, previous)| (subject.clone(), container, previous))
    });
    let read = |(pod, container, previous): (Subject, String, bool)| async move {
        let end = if previous { ".previous" } else { "" };
        let file = format!("logs/{}_{}_{container}{end}.txt", pod.namespace(), pod.name);
        (file, reader.log(&pod, &container, previous).await)
    };
    let mut part = Part::default();
    for (file, answer) in stream::iter(wanted).map(read).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await {
        match answer {
            Ok(text) => drop(part.files.insert(file, text)),
            Err(why) => part.miss(file, why),
        }
    }
    part
}

/// The containers of a pod that have a log and are in trouble, and whether the log is that of the instance before.
fn worth_reading(pod: &Value) -> Vec<(String, bool)> {
    let statuses = ["containerStatuses", "initContainerStatuses"].into_iter();
    let statuses = statuses.flat_map(|list| pod["status"][list].as_array().into_iter().flatten());
    let mut found = Vec::new();
    for status in statuses {
        let Some(name) = status["name"].as_str() else { continue };
        let done = status["state"]["terminated"]["exitCode"] == 0;
        let began = status["restartCount"].as_u64() > Some(0) || status["state"]["waiting"].is_null();
        if status["ready"] == true || done || !began {
            continue;
        }
        found.push((name.to_owned(), false));
        if status["restartCount"].as_u64() > Some(0) {
            found.push((name.to_owned(), true));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_read_where_something_is_wrong() {
        let pod = |status: Value| json!({"status": {"containerStatuses": [status]}});
        assert_eq!(
            worth_reading(&pod(json!({"name": "c", "ready": true, "restartCount": 0, "state": {"running": {}}}))),
            []
        );
        let crashing = json!({"name": "c", "ready": false, "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
        assert_eq!(worth_reading(&pod(crashing)), [("c".to_owned(), false), ("c".to_owned(), true)]);
        let pulling =
            json!({"name": "c", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": "ErrImagePull"}}});
        assert_eq!(worth_reading(&pod(pulling)), []);
        let done = json!({"name": "c", "ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 0}}});
        assert_eq!(worth_reading(&pod(done)), []);
    }
}
