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
            let mut listed = Listed::default();
            let answer = reader.list(kind, namespace, |page| listed.add(page)).await;
            progress.inc(1);
            (kind, answer.map(|()| listed))
        }
    };
    let mut answers: Vec<_> = stream::iter(wanted).map(read).buffer_unordered(AT_ONCE).collect().await;
    progress.finish_and_clear();
    answers.sort_by_key(|(kind, _)| kind.plural);
    let mut part = Part::default();
    let mut listed: BTreeMap<&str, usize> = BTreeMap::new();
    let mut whole = Listed::default();
    for (kind, answer) in answers {
        match answer {
            Ok(of_kind) => {
                listed.insert(kind.plural, of_kind.items.len());
                whole.merge(of_kind);
            }
            Err(Refusal::NoSuchKind) => drop(listed.insert(kind.plural, 0)),
            Err(Refusal::Why(why)) => part.miss(kind.plural, why),
        }
    }
    if whole.items.is_empty() {
        let why = part.missed.pop().map_or_else(|| "there is no object of any kind".to_owned(), |missed| missed.why);
        return Err(LabError::Live {
            what: "reading the cluster".to_owned(),
            why,
            next: "docs/diagnose-role.yaml is a role that lets one read what is needed.".to_owned(),
        });
    }
    let collected = Timestamp::now();
    part.merge(logs(reader, whole.troubled).await);
    let coverage = json!({
        "collected": collected,
        "namespaces": namespace.into_iter().collect::<Vec<_>>(),
        "listed": listed,
        "missed": part.missed(),
    });
    part.files.insert("objects.json".to_owned(), as_list(&whole.items));
    part.files.insert("changes.json".to_owned(), lines(&whole.changed));
    part.files.insert("coverage.json".to_owned(), pretty(&coverage));
    Ok(part.files)
}

/// What was listed, as it will be written: text takes a tenth of the room that values do.
#[derive(Default)]
struct Listed {
    items: Vec<String>,
    changed: Vec<Value>,
    troubled: Vec<Troubled>,
}

/// A pod with containers in trouble, each with whether the log of the instance before is wanted.
struct Troubled {
    born: String,
    pod: Subject,
    containers: Vec<(String, bool)>,
}

impl Listed {
    fn add(&mut self, mut page: Vec<Value>) {
        self.changed.extend(changes::of(&page));
        self.troubled.extend(page.iter().filter(|object| object["kind"] == "Pod").filter_map(troubled));
        page.iter_mut().for_each(redact);
        self.items.extend(page.iter().map(Value::to_string));
    }

    fn merge(&mut self, other: Self) {
        self.items.extend(other.items);
        self.changed.extend(other.changed);
        self.troubled.extend(other.troubled);
    }
}

fn troubled(pod: &Value) -> Option<Troubled> {
    let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default().to_owned();
    let containers = worth_reading(pod);
    (!containers.is_empty()).then(|| Troubled {
        born: text("creationTimestamp"),
        pod: Subject::namespaced("pod", &text("namespace"), &text("name")),
        containers,
    })
}

/// The logs of pods in trouble.
async fn logs(reader: &ClusterReader, mut pods: Vec<Troubled>) -> Part {
    pods.sort_by(|a, b| b.born.cmp(&a.born));
    pods.truncate(PODS);
    let wanted = pods.into_iter().flat_map(|Troubled { pod, containers, .. }| {
        containers.into_iter().map(move |(container, previous)| (pod.clone(), container, previous))
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
    use std::sync::Arc;

    use kube::{Client, Config};
    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::{
        replay,
        synthetic::{FAULTS, Order},
    };

    /// Objects by the plural of their kind.
    type Served = BTreeMap<String, Vec<Value>>;

    /// The most requests that a cluster of some thousand pods may be asked.
    const MOST_REQUESTS: usize = 60;

    #[tokio::test]
    async fn a_large_cluster_is_read_with_few_requests_and_its_fault_is_found() {
        let fault = FAULTS.iter().find(|fault| fault.cause == "image-tag-missing").copied();
        let cluster = Order { pods: 3_000, fault, victims: 1, seed: 7 }.make();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::new(by_plural(&cluster.evidence["objects.json"]));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&served)));
            }
        });
        let config = Config::new(format!("http://{address}").parse().unwrap());
        let reader = ClusterReader::of(Client::try_from(config).unwrap());
        let files = of_cluster(&reader, None).await.unwrap();
        assert!(reader.asked() < MOST_REQUESTS, "{} requests", reader.asked());
        let diagnosis = replay::diagnose(files, OF_MACHINES).unwrap();
        let truth: Vec<_> = cluster.truth.iter().map(|(cause, subject)| (*cause, subject)).collect();
        assert_eq!(diagnosis.roots(), truth);
    }

    fn by_plural(objects: &str) -> Served {
        let objects: Value = serde_json::from_str(objects).unwrap();
        let mut served = Served::new();
        for object in objects["items"].as_array().unwrap() {
            let kind = kinds().find(|kind| object["kind"] == kind.kind).unwrap();
            served.entry(kind.plural.to_owned()).or_default().push(object.clone());
        }
        served
    }

    /// Answers lists in pages, as an API server does, and everything else with 404.
    async fn serve(stream: TcpStream, served: Arc<Served>) {
        let mut stream = BufReader::new(stream);
        loop {
            let (mut first, mut line) = (String::new(), String::from("x"));
            if stream.read_line(&mut first).await.unwrap_or_default() == 0 {
                return;
            }
            while !line.trim().is_empty() {
                line.clear();
                stream.read_line(&mut line).await.unwrap();
            }
            let target = first.split(' ').nth(1).unwrap_or_default();
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let asked =
                |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')?.parse().ok());
            let (from, limit): (usize, usize) = (asked("continue").unwrap_or(0), asked("limit").unwrap_or(usize::MAX));
            let (status, body) = match served.get(path.rsplit('/').next().unwrap_or_default()) {
                None => {
                    ("404 Not Found", json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}))
                }
                Some(objects) => {
                    let page: Vec<&Value> = objects.iter().skip(from).take(limit).collect();
                    let end = from + page.len();
                    let next = if end < objects.len() { end.to_string() } else { String::new() };
                    (
                        "200 OK",
                        json!({"kind": "List", "apiVersion": "v1", "metadata": {"continue": next}, "items": page}),
                    )
                }
            };
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
    }

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
