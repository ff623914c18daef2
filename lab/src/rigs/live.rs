//! A world that runs, or is about to, in the lab's own cluster: what faults, checks and collectors work on.

use std::{fs, path::Path};

use diagnoser::Subject;
use serde_json::{Value, json};

use super::{
    action::subject_of,
    api::missing,
    kind::KindCluster,
    kind_of,
    node::{inside, pod_subject, running_container},
};
use crate::{
    LabError,
    scenario::{ProbeSymptom, World},
};

/// How long a probe waits for an answer, as the workload program takes it.
const PATIENCE: &str = "3s";

/// The workload program, on every node.
pub const WORKLOAD: &str = "/run/tools/usr/local/bin/workload";

/// A world on a rig.
pub struct Live {
    /// Where it runs.
    pub rig: KindCluster,
    /// What it is.
    pub world: World,
    /// Its objects, as they are applied, with their subjects.
    pub objects: Vec<(Subject, Value)>,
}

/// The objects of a world's manifests and of what is set up with it, everything filled in. An object of an addition that the
/// world has already is merged into that one (JSON Merge Patch, RFC 7386).
///
/// # Errors
/// When a file does not parse, an object has no name or a kind the lab does not handle, or lacks the lab's label.
pub fn manifests(world: &World, with: &[String]) -> Result<Vec<(Subject, Value)>, LabError> {
    let mut found: Vec<(Subject, Value)> = vec![];
    for path in std::iter::once(world.manifests.clone()).chain(with.iter().map(|name| world.addition(name))) {
        for (subject, object) in objects_of(world, &path)? {
            match found.iter_mut().find(|(known, _)| *known == subject) {
                Some((_, known)) => merge(known, object),
                None => found.push((subject, object)),
            }
        }
    }
    if let Some((subject, _)) = found.iter().find(|(_, object)| !super::is_owned(object)) {
        return Err(broken(&world.manifests, format!("{subject} lacks the lab's label")));
    }
    Ok(found)
}

fn objects_of(world: &World, path: &Path) -> Result<Vec<(Subject, Value)>, LabError> {
    let text = fs::read_to_string(path).map_err(|error| LabError::file(path, error))?;
    let text = world.moved(&text);
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).map_err(|error| broken(path, error.to_string()))?;
    let objects = objects.into_iter().filter(|object| !object.is_null());
    objects.map(|object| Ok((subject_of(&object)?, object))).collect()
}

fn broken(path: &Path, what: String) -> LabError {
    LabError::BadInput {
        place: path.display().to_string(),
        what,
        next: "Every object has a name, a known kind, and the label app.kubernetes.io/managed-by: lab.".to_owned(),
    }
}

/// JSON Merge Patch: objects are merged, everything else is replaced, null removes.
fn merge(into: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *into = patch;
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            into.as_object_mut().map(|map| map.remove(&key));
        } else {
            merge(&mut into[key], value);
        }
    }
}

impl Live {
    /// The namespaces of the world, sorted.
    pub fn namespaces(&self) -> Vec<String> {
        let names = self
            .objects
            .iter()
            .filter(|(subject, _)| subject.is("namespace"))
            .map(|(subject, _)| subject.name.to_string());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// The world's workloads: what keeps pods running.
    pub fn workloads(&self) -> impl Iterator<Item = &Subject> {
        let subjects = self.objects.iter().map(|(subject, _)| subject);
        subjects.filter(|subject| subject.is("deployment") || subject.is("statefulset"))
    }

    /// The one object of this kind and name in the world.
    ///
    /// # Errors
    /// When the world has none, or several of that name.
    pub fn find(&self, kind: &str, name: &str) -> Result<&Subject, LabError> {
        let of_kind: Vec<&Subject> =
            self.objects.iter().map(|(subject, _)| subject).filter(|subject| subject.is(kind)).collect();
        let named: Vec<&&Subject> = of_kind.iter().filter(|subject| subject.name == name).collect();
        match named[..] {
            [one] => Ok(one),
            [] => Err(LabError::unknown_name(
                "object in this world",
                name,
                of_kind.iter().map(|subject| subject.name.as_str()),
                format!("The manifests of the world `{}` list its objects.", self.world.name),
            )),
            _ => Err(LabError::BadInput {
                place: format!("{kind} {name}"),
                what: "several objects of the world have this name".to_owned(),
                next: "Faults name objects; give them different names.".to_owned(),
            }),
        }
    }

    /// An object as it is now.
    ///
    /// # Errors
    /// When it does not exist or the API server does not answer.
    pub async fn read(&self, subject: &Subject) -> Result<Value, LabError> {
        self.rig.api.get(subject).await?.ok_or_else(|| missing(subject))
    }

    /// The pods that a workload's selector selects and that are not being deleted, by age, newest first.
    ///
    /// # Errors
    /// When the workload does not exist or the API server does not answer.
    pub async fn pods(&self, workload: &Subject) -> Result<Vec<Value>, LabError> {
        let object = self.read(workload).await?;
        let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
        let selector: Vec<String> = labels
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect();
        let listed = self.rig.api.list(kind_of("pod")?, workload.namespace.as_deref(), &selector.join(",")).await?;
        let mut pods: Vec<Value> =
            listed.into_iter().filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none()).collect();
        pods.sort_by_key(|pod| {
            std::cmp::Reverse(pod["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned())
        });
        Ok(pods)
    }

    /// The ReplicaSets of a workload, which make its pods; the workload itself where it makes them.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn makers(&self, workload: &Subject) -> Result<Vec<Subject>, LabError> {
        let sets = self.rig.api.list(kind_of("replicaset")?, workload.namespace.as_deref(), "").await?;
        let own =
            sets.iter().filter(|set| set.pointer("/metadata/ownerReferences/0/name") == Some(&json!(workload.name)));
        let names = own.filter_map(|set| set["metadata"]["name"].as_str());
        let made: Vec<Subject> =
            names.map(|name| Subject::namespaced("replicaset", workload.namespace(), name)).collect();
        Ok(if made.is_empty() { vec![workload.clone()] } else { made })
    }

    /// A pod of a workload whose container runs.
    ///
    /// # Errors
    /// When none does.
    pub async fn running_pod(&self, workload: &Subject) -> Result<Value, LabError> {
        let pods = self.pods(workload).await?;
        pods.into_iter().find(|pod| running_container(pod).is_some()).ok_or_else(|| LabError::Live {
            what: format!("looking for a pod of {workload}"),
            why: "no container of it runs".to_owned(),
            next: "Run it again; with --keep the world stays up to look around in.".to_owned(),
        })
    }

    /// Reasons and messages of warnings about an object, oldest first; with its uid, none about an earlier one of that name.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn warnings(&self, subject: &Subject, uid: Option<&str>) -> Result<Vec<(String, String)>, LabError> {
        let events = self.rig.api.list(kind_of("event")?, subject.namespace.as_deref(), "").await?;
        let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let about = events.into_iter().filter(|event| {
            event["type"] == "Warning"
                && event["involvedObject"]["name"] == subject.name.as_str()
                && event["involvedObject"]["kind"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case(&subject.kind))
                && uid.is_none_or(|uid| event["involvedObject"]["uid"] == uid)
        });
        let mut found: Vec<Value> = about.collect();
        found.sort_by_key(|event| text(event, "lastTimestamp"));
        Ok(found.iter().map(|event| (text(event, "reason"), text(event, "message"))).collect())
    }

    /// Makes HTTP requests from their places, one after the other, and says how each ended: lines of `probes.json`.
    ///
    /// # Errors
    /// When a place has no running pod, or its node cannot be reached. A request that fails is a result.
    pub async fn fetch(&self, requests: &[&ProbeSymptom]) -> Result<Vec<Value>, LabError> {
        let mut probes = vec![];
        for request in requests {
            let pod = self.running_pod(self.world.place(&request.from)?).await?;
            let bytes = request.bytes.unwrap_or_default();
            let command = format!(
                "{WORKLOAD} fetch --timeout {PATIENCE} --bytes {bytes} --method {} '{}'",
                request.method, request.url
            );
            probes.extend(self.probe(&pod, &command).await?);
        }
        Ok(probes)
    }

    /// Runs a probe in a pod's network, with the pod's own resolver, and reads the lines it prints.
    ///
    /// # Errors
    /// When the pod does not run, or its node cannot be reached.
    pub async fn probe(&self, pod: &Value, command: &str) -> Result<Vec<Value>, LabError> {
        let subject = pod_subject(pod);
        let node = self.rig.node(pod.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default())?;
        let container = running_container(pod).ok_or_else(|| missing(&subject))?;
        let script = inside(container, command);
        Ok(lines_of(&node.shell(&script).await?, &subject))
    }
}

/// The probe lines in an output, with where they were made from.
pub fn lines_of(text: &str, from: &Subject) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter(Value::is_object)
        .map(|mut line| {
            line["from"] = from.to_string().into();
            line
        })
        .collect()
}

/// Whether every replica of a Deployment or StatefulSet as it is written now is there and available; else what is there.
pub fn rolled_out(workload: Option<&Value>) -> Result<(), String> {
    let Some(workload) = workload else { return Err("it does not exist".to_owned()) };
    let number = |pointer: &str| workload.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    let wanted = workload.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let (available, all) = (number("/status/availableReplicas"), number("/status/replicas"));
    // A StatefulSet counts those of its newest revision only while there are two.
    let revision = |key: &str| workload.pointer(key).and_then(Value::as_str);
    let settled = revision("/status/currentRevision").is_some()
        && revision("/status/currentRevision") == revision("/status/updateRevision");
    let updated = if settled { all } else { number("/status/updatedReplicas") };
    let seen = number("/status/observedGeneration") >= number("/metadata/generation");
    if seen && updated == wanted && available == wanted && all == wanted {
        Ok(())
    } else {
        Err(format!("{updated} of {wanted} updated, {available} available, {all} in all"))
    }
}
