//! What is served: the objects of the evidence by their kind, what is known to be left out, and the time that counts as now.

use std::collections::{BTreeMap, BTreeSet};

use diagnoser::evidence::Coverage;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    events,
    resources::{Resource, resources},
    restored::restore,
};
use crate::{LabError, evidence_folder::MAY_HOLD, replay::Files};

/// What is said where no node tells the version: the one whose kinds and tables are served.
const VERSION: &str = "v1.34.0";

/// A cluster as it was seen.
pub(super) struct Cluster {
    pub resources: Vec<Resource>,
    /// When the evidence was taken. Ages are reckoned from it.
    pub now: Timestamp,
    /// `v1.34.10`.
    pub version: String,
    /// The last change that was seen of anything; watches go on from it.
    pub resource_version: String,
    /// Objects by API version and plural, in the order in which a server lists them.
    objects: BTreeMap<(String, String), Vec<Value>>,
    /// Plurals that were asked for, with or without an answer.
    listed: BTreeSet<String>,
    /// Plural, or file, to why it was not collected, or not whole.
    missed: BTreeMap<String, String>,
    /// The namespaces that were collected; `None`: all.
    namespaces: Option<BTreeSet<String>>,
    /// `logs/<namespace>_<pod>_<container>.txt`.
    logs: Files,
}

impl Cluster {
    /// The cluster of an evidence folder.
    ///
    /// # Errors
    /// When there are no objects in it, or they do not parse.
    pub fn of(evidence: &Files) -> Result<Self, LabError> {
        let mut objects = match evidence.get("objects.json") {
            Some(text) => items(text)?,
            None => {
                return Err(LabError::BadInput {
                    place: "objects.json".to_owned(),
                    what: "there is none: this evidence holds no Kubernetes objects that could be served".to_owned(),
                    next: format!(
                        "lab list --format json shows the rig of each scenario; those of kind have objects.\n{MAY_HOLD}"
                    ),
                });
            }
        };
        let coverage: Coverage = match evidence.get("coverage.json") {
            Some(text) => serde_json::from_str(text).map_err(|error| broken("coverage.json", &error))?,
            None => Coverage::default(),
        };
        let now = coverage.collected.or_else(|| newest(&objects)).unwrap_or_else(Timestamp::now);
        let resource_version = last_change(&objects);
        let resources = resources(&objects);
        objects.iter_mut().for_each(|object| restore(object, &resource_version, &resources));
        let mut listed: BTreeSet<String> = coverage.listed.into_keys().collect();
        let namespaces = (!coverage.namespaces.is_empty()).then(|| {
            let seen = objects.iter().filter_map(|object| object["metadata"]["namespace"].as_str().map(str::to_owned));
            coverage.namespaces.into_iter().chain(seen).collect()
        });
        let version = server_version(&objects);
        let by_kind = by_kind(objects, &resources);
        listed.extend(by_kind.keys().map(|(_, plural)| plural.clone()));
        let logs = evidence.iter().filter(|(name, _)| name.starts_with("logs/"));
        Ok(Self {
            missed: coverage.missed.into_iter().map(|missed| (missed.what, missed.why)).collect(),
            logs: logs.map(|(name, text)| (name.clone(), text.clone())).collect(),
            objects: by_kind,
            resources,
            now,
            version,
            resource_version,
            listed,
            namespaces,
        })
    }

    /// The objects of a kind, those of a namespace or all.
    pub fn list<'a, 'n>(
        &'a self,
        resource: &Resource,
        namespace: Option<&'n str>,
    ) -> impl Iterator<Item = &'a Value> + use<'a, 'n> {
        let key = (resource.api_version(), resource.plural.clone());
        let all = self.objects.get(&key).into_iter().flatten();
        all.filter(move |object| namespace.is_none_or(|namespace| object["metadata"]["namespace"] == namespace))
    }

    /// One object.
    pub fn get(&self, resource: &Resource, namespace: Option<&str>, name: &str) -> Option<&Value> {
        self.list(resource, namespace).find(|object| object["metadata"]["name"] == name)
    }

    /// Why objects of a kind cannot be told of, where none of it was collected or none in this namespace.
    pub fn lacks(&self, resource: &Resource, namespace: Option<&str>) -> Option<String> {
        let missed = self.missed.get(&resource.plural);
        let own = self.objects.contains_key(&(resource.api_version(), resource.plural.clone()));
        if !own && !self.listed.contains(&resource.plural) {
            let why = missed.map(|why| format!(" ({why})")).unwrap_or_default();
            return Some(format!("this kind is not in the recording{why}"));
        }
        let covered = |namespace: &str| self.namespaces.as_ref().is_none_or(|all| all.contains(namespace));
        let namespace = namespace.filter(|namespace| resource.namespaced && !covered(namespace))?;
        Some(format!("namespace {namespace} is not in the recording, which holds {}", self.covered()))
    }

    /// What a list of a kind leaves out, where it is not all there was.
    pub fn leaves_out(&self, resource: &Resource, namespace: Option<&str>) -> Option<String> {
        if let Some(why) = self.missed.get(&resource.plural) {
            return Some(format!("{} are not all in the recording: {why}", resource.plural));
        }
        let namespaces = self.namespaces.as_ref().filter(|_| resource.namespaced && namespace.is_none())?;
        let all = self.objects.get(&("v1".to_owned(), "namespaces".to_owned())).into_iter().flatten();
        let left: Vec<&str> = all
            .filter_map(|object| object["metadata"]["name"].as_str())
            .filter(|name| !namespaces.contains(*name))
            .collect();
        (!left.is_empty()).then(|| format!("not in the recording: namespaces {}", left.join(", ")))
    }

    /// What a container wrote, or why that is not known.
    pub fn log(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Result<&str, String> {
        let end = if previous { ".previous" } else { "" };
        let file = format!("logs/{namespace}_{pod}_{container}{end}.txt");
        match (self.logs.get(&file), self.missed.get(&file)) {
            (Some(text), _) => Ok(text),
            (None, Some(why)) => Err(format!("this log is not in the recording ({why})")),
            (None, None) => Err("this log is not in the recording".to_owned()),
        }
    }

    fn covered(&self) -> String {
        self.namespaces.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// The items of `objects.json`: a List, a bare array, or one object.
fn items(text: &str) -> Result<Vec<Value>, LabError> {
    let mut whole: Value = serde_json::from_str(text).map_err(|error| broken("objects.json", &error))?;
    let mut items = match whole["items"].take() {
        Value::Array(items) => items,
        _ => match whole {
            Value::Array(items) => items,
            object => vec![object],
        },
    };
    items.retain(|object| object["kind"].is_string() && object["metadata"]["name"].is_string());
    Ok(items)
}

fn broken(file: &str, error: &serde_json::Error) -> LabError {
    LabError::BadInput {
        place: format!("{file}:{}:{}", error.line(), error.column()),
        what: error.to_string(),
        next: "Was it cut off? Collect it again.".to_owned(),
    }
}

fn by_kind(objects: Vec<Value>, resources: &[Resource]) -> BTreeMap<(String, String), Vec<Value>> {
    let plurals: BTreeMap<(String, &str), &str> = resources
        .iter()
        .map(|resource| ((resource.api_version(), resource.kind.as_str()), resource.plural.as_str()))
        .collect();
    let mut by_kind: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for mut object in objects {
        let version = object["apiVersion"].as_str().unwrap_or("v1").to_owned();
        // Events are one thing under two names.
        if object["kind"] == "Event" {
            if version != "v1" {
                object = events::as_core(&object);
            }
            let newer = events::as_newer(&object);
            by_kind.entry((events::NEWER.to_owned(), "events".to_owned())).or_default().push(newer);
            by_kind.entry(("v1".to_owned(), "events".to_owned())).or_default().push(object);
            continue;
        }
        let kind = object["kind"].as_str().unwrap_or_default();
        // An older version of a kind that is served in a newer one is not converted; it is left out.
        let Some(plural) = plurals.get(&(version.clone(), kind)) else { continue };
        by_kind.entry((version, (*plural).to_owned())).or_default().push(object);
    }
    // A server lists in the order of its store's keys, `namespace/name`.
    let key = |object: &Value| {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
        format!("{}/{}", text("namespace"), text("name"))
    };
    by_kind.values_mut().for_each(|objects| objects.sort_by_cached_key(key));
    by_kind
}

/// The last time anything says it happened: evidence of anyone's need not say when it was taken.
fn newest(objects: &[Value]) -> Option<Timestamp> {
    fn times(value: &Value, newest: &mut Option<Timestamp>) {
        match value {
            Value::Object(map) => map.values().for_each(|value| times(value, newest)),
            Value::Array(list) => list.iter().for_each(|value| times(value, newest)),
            Value::String(text) if text.len() >= 20 && text.as_bytes()[10] == b'T' => {
                *newest = (*newest).max(text.parse().ok());
            }
            _ => {}
        }
    }
    let mut newest = None;
    // Only statuses and events tell of the past; a specification may name a day to come.
    for object in objects {
        for part in ["/metadata/creationTimestamp", "/status", "/lastTimestamp", "/eventTime"] {
            times(object.pointer(part).unwrap_or(&Value::Null), &mut newest);
        }
    }
    newest
}

fn last_change(objects: &[Value]) -> String {
    let versions = objects.iter().filter_map(|object| object["metadata"]["resourceVersion"].as_str()?.parse().ok());
    versions.max().unwrap_or(1_u64).to_string()
}

/// The version of the kubelet beside the API server, or of the newest one.
fn server_version(objects: &[Value]) -> String {
    let nodes = objects.iter().filter(|object| object["kind"] == "Node");
    let version = |node: &Value| node["status"]["nodeInfo"]["kubeletVersion"].as_str().map(str::to_owned);
    let is_control = |node: &&Value| !node["metadata"]["labels"]["node-role.kubernetes.io/control-plane"].is_null();
    let control = nodes.clone().find(is_control).and_then(version);
    control.or_else(|| nodes.filter_map(version).max()).unwrap_or_else(|| VERSION.to_owned())
}
