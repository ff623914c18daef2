//! `objects.json`: a Kubernetes v1 List as `kubectl get -o json` prints it, of any kinds, fields possibly missing.
//!
//! Objects stay JSON on purpose: evidence rebuilt from text lacks fields that typed structures insist on.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use super::{Citation, EvidenceError, parse_json, standing::Standing};
use crate::{
    json::{Map, Text, Value},
    lookup::Lookup,
    subject::Subject,
};

/// One object and its place in the list.
#[derive(Clone, Debug)]
pub struct Object {
    index: usize,
    value: Value,
    subject: Subject,
    standing: Standing,
    node: Option<Text>,
    controller: Option<Subject>,
}

impl Object {
    fn new(index: usize, value: Value) -> Self {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_text).cloned().unwrap_or_default();
        let namespace = Some(text("/metadata/namespace")).filter(|namespace| !namespace.is_empty());
        let subject = Subject { namespace, name: text("/metadata/name"), ..Subject::global(&text("/kind"), "") };
        let node = value.pointer("/spec/nodeName").and_then(Value::as_text).cloned();
        let controller = controller(&value, subject.namespace.as_ref());
        Self { index, standing: Standing::of(&value), node, controller, value, subject }
    }

    /// `kind/namespace/name`.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Its namespace, or the empty string.
    pub fn namespace(&self) -> &str {
        self.subject.namespace()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.subject.name
    }

    /// The value at a JSON pointer; null counts as absent.
    pub fn get(&self, pointer: &str) -> Option<&Value> {
        self.value.pointer(pointer).filter(|value| !value.is_null())
    }

    /// The text at a JSON pointer.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.get(pointer).and_then(Value::as_str)
    }

    /// The whole number at a JSON pointer.
    pub fn number(&self, pointer: &str) -> Option<i64> {
        self.get(pointer).and_then(Value::as_i64)
    }

    /// The list at a JSON pointer; absent is empty.
    pub fn list(&self, pointer: &str) -> &[Value] {
        self.get(pointer).and_then(Value::as_array).unwrap_or_default()
    }

    /// The time at a JSON pointer, RFC 3339 of any offset.
    pub fn time(&self, pointer: &str) -> Option<jiff::Timestamp> {
        self.text(pointer).and_then(|text| text.parse().ok())
    }

    /// The map of texts at a JSON pointer (labels, a selector).
    pub fn map(&self, pointer: &str) -> BTreeMap<&str, &str> {
        string_map(self.get(pointer))
    }

    /// Its labels.
    pub fn labels(&self) -> BTreeMap<&str, &str> {
        self.map("/metadata/labels")
    }

    /// The labels that it is looked for by: its own as a pod or EndpointSlice, those of its template as a workload.
    fn sought_labels(&self) -> Option<&Map> {
        let place = match self.subject.kind.as_str() {
            "endpointslice" | "pod" => "/metadata/labels",
            "daemonset" | "deployment" | "statefulset" => "/spec/template/metadata/labels",
            _ => return None,
        };
        self.get(place)?.as_object()
    }

    /// Whether an equality selector selects it. An empty selector selects nothing.
    pub fn is_selected(&self, selector: &BTreeMap<&str, &str>) -> bool {
        has_all(self.get("/metadata/labels").and_then(Value::as_object), selector)
    }

    /// Whether it is a pod that has come to its end, well or not.
    pub fn is_finished(&self) -> bool {
        self.standing.finished
    }

    /// The node that it runs on, as a pod.
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// How it stands, as a pod.
    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    /// The object that an event is about.
    pub fn regarding(&self) -> Option<Subject> {
        let text = |key: &str| {
            self.text(&format!("/involvedObject/{key}")).or_else(|| self.text(&format!("/regarding/{key}")))
        };
        let (kind, name) = (text("kind")?, text("name")?);
        Some(
            text("namespace")
                .filter(|namespace| !namespace.is_empty())
                .map_or_else(|| Subject::global(kind, name), |namespace| Subject::namespaced(kind, namespace, name)),
        )
    }

    /// A citation of a field of this object.
    pub fn cite(&self, pointer: &str, says: impl Into<String>) -> Citation {
        Citation::new("objects.json", format!("/items/{}{pointer}", self.index), says)
    }

    /// The owner that controls it.
    pub fn controller(&self) -> Option<&Subject> {
        self.controller.as_ref()
    }
}

/// The owner that controls an object.
fn controller(value: &Value, namespace: Option<&Text>) -> Option<Subject> {
    let owners = value.get("metadata")?.get("ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true).or_else(|| owners.first())?;
    let (kind, name) = (owner["kind"].as_str()?, owner["name"].as_text()?.clone());
    Some(Subject { namespace: namespace.cloned(), name, ..Subject::global(kind, "") })
}

/// A map of texts out of JSON.
pub(crate) fn string_map(value: Option<&Value>) -> BTreeMap<&str, &str> {
    value
        .and_then(Value::as_object)
        .map(|map| map.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect())
        .unwrap_or_default()
}

/// Whether these labels have all that an equality selector asks for. An empty selector selects nothing.
fn has_all(labels: Option<&Map>, selector: &BTreeMap<&str, &str>) -> bool {
    let has = |(key, value): (&&str, &&str)| labels.and_then(|labels| labels.get(key)).is_some_and(|has| has == value);
    !selector.is_empty() && selector.iter().all(has)
}

/// Whether an equality selector selects these labels. An empty selector selects nothing (a Service without selector).
pub fn selects(selector: &BTreeMap<&str, &str>, labels: &BTreeMap<&str, &str>) -> bool {
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// All objects, sorted by subject; the order in the list never matters. What is asked for again and again of large clusters is
/// kept at hand, as places in the list.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    items: Vec<Object>,
    /// Events by the object that they are about.
    told: Lookup<Subject, Vec<usize>>,
    /// Objects by the one that controls them.
    controlled: Lookup<Subject, Vec<usize>>,
    /// Pods and EndpointSlices by their labels, and workloads by those of the pods they make: namespace, key and value.
    labelled: Lookup<Text, Lookup<Text, Lookup<Text, Vec<usize>>>>,
    /// The place of each.
    places: Lookup<Subject, usize>,
    /// The machines that pods run on.
    machines: BTreeSet<String>,
}

impl Objects {
    /// Parses a v1 List.
    ///
    /// # Errors
    /// When it is not JSON, or not a List of objects with kind and name.
    pub fn parse(text: &str) -> Result<Self, EvidenceError> {
        const FILE: &str = "objects.json";
        const HELP: &str = "Collect it again with: kubectl get KINDS --all-namespaces -o json > objects.json";
        let with_help = |message: String| EvidenceError {
            file: FILE.to_owned(),
            line: 1,
            column: 1,
            message,
            help: HELP.to_owned(),
        };
        let list: Value = parse_json(FILE, text).map_err(|error| EvidenceError {
            message: where_it_ends(text, &error.message),
            help: HELP.to_owned(),
            ..error
        })?;
        let Value::Object(list) = list else { return Err(with_help("not a Kubernetes v1 List".to_owned())) };
        let Some(Value::Array(values)) = list.into_value("items") else {
            return Err(with_help("a Kubernetes v1 List has `items`; this has none".to_owned()));
        };
        let mut items = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            let object = Object::new(index, value);
            if object.subject.kind.is_empty() || object.subject.name.is_empty() {
                return Err(with_help(format!("item {index} has no kind or no metadata.name")));
            }
            items.push(object);
        }
        // Of an object that is there twice the last counts.
        items.sort_by(|a, b| a.subject.cmp(&b.subject).then(b.index.cmp(&a.index)));
        items.dedup_by(|later, first| later.subject == first.subject);
        let mut objects = Self { items, ..Self::default() };
        objects.forget_what_was_said_of_the_dead();
        objects.index();
        Ok(objects)
    }

    fn index(&mut self) {
        for (place, object) in self.items.iter().enumerate() {
            if let Some(subject) = object.subject.is("event").then(|| object.regarding()).flatten() {
                self.told.at(subject).push(place);
            }
            if let Some(controller) = object.controller() {
                self.controlled.at(controller.clone()).push(place);
            }
            if let Some(labels) = object.sought_labels() {
                let here = self.labelled.at(object.subject.namespace.clone().unwrap_or_default());
                for (key, value) in labels {
                    if let Some(value) = value.as_text() {
                        here.at(key.clone()).at(value.clone()).push(place);
                    }
                }
            }
            self.places.put(object.subject.clone(), place);
            if let Some(node) = object.subject.is("pod").then(|| object.node()).flatten()
                && !self.machines.contains(node)
            {
                self.machines.insert(node.to_owned());
            }
        }
    }

    /// The events about an object.
    pub fn events_about<'a>(&'a self, subject: &Subject) -> impl Iterator<Item = &'a Object> {
        self.at(self.told.get(subject))
    }

    /// The objects that this one controls: the ReplicaSets of a Deployment, the pods of a ReplicaSet.
    pub fn controlled_by<'a>(&'a self, controller: &Subject) -> impl Iterator<Item = &'a Object> {
        self.at(self.controlled.get(controller))
    }

    /// The pods or EndpointSlices that an equality selector selects, or the workloads of a kind whose pods it selects.
    pub fn selected(&self, kind: &str, namespace: &str, selector: &BTreeMap<&str, &str>) -> Vec<&Object> {
        // The rarest label leaves the least to look through.
        let Some(here) = self.labelled.get(namespace) else { return vec![] };
        let of = |(key, value): (&&str, &&str)| here.get(*key)?.get(*value);
        let fewest = selector.iter().map(of).min_by_key(|places| places.map_or(0, Vec::len)).flatten();
        let of_kind = self.at(fewest).filter(|object| object.subject.is(kind));
        of_kind.filter(|object| has_all(object.sought_labels(), selector)).collect()
    }

    /// Whether a pod runs on this machine.
    pub fn runs_pods(&self, machine: &str) -> bool {
        self.machines.contains(machine)
    }

    fn at<'a>(&'a self, places: Option<&'a Vec<usize>>) -> impl Iterator<Item = &'a Object> {
        places.into_iter().flatten().map(|place| &self.items[*place])
    }

    /// Leaves out events about pods that are gone and whose name another pod has now, as with a StatefulSet. The kubelet says
    /// another uid of pods that it runs out of a file than the API server does, so those are left alone
    /// (kubernetes/pkg/kubelet/pod, annotation kubernetes.io/config.mirror).
    fn forget_what_was_said_of_the_dead(&mut self) {
        let stale = |event: &Object| {
            let about = event.regarding()?;
            let place = self.items.binary_search_by(|object| object.subject.cmp(&about)).ok()?;
            let pod = &self.items[place];
            let uid = event.text("/involvedObject/uid").or_else(|| event.text("/regarding/uid"))?;
            let mirror = pod.get("/metadata/annotations/kubernetes.io~1config.mirror").is_some();
            Some(pod.subject.is("pod") && !mirror && pod.text("/metadata/uid")? != uid)
        };
        let stale: BTreeSet<Subject> =
            self.of_kind("event").filter(|event| stale(event) == Some(true)).map(|e| e.subject.clone()).collect();
        self.items.retain(|object| !stale.contains(&object.subject));
    }

    /// One object.
    pub fn get(&self, subject: &Subject) -> Option<&Object> {
        Some(&self.items[*self.places.get(subject)?])
    }

    /// All objects, sorted by kind, namespace and name.
    pub fn all(&self) -> impl Iterator<Item = &Object> {
        self.items.iter()
    }

    /// All objects of a kind (lower case), sorted by namespace and name.
    pub fn of_kind(&self, kind: &str) -> std::slice::Iter<'_, Object> {
        self.between(|subject| subject.kind.as_str().cmp(kind))
    }

    /// All objects of a kind in a namespace.
    pub fn in_namespace(&self, kind: &str, namespace: &str) -> std::slice::Iter<'_, Object> {
        self.between(|subject| (subject.kind.as_str(), subject.namespace()).cmp(&(kind, namespace)))
    }

    /// The objects that are neither before nor after what is looked for.
    fn between(&self, place: impl Fn(&Subject) -> Ordering) -> std::slice::Iter<'_, Object> {
        let from = self.items.partition_point(|object| place(&object.subject).is_lt());
        let to = from + self.items[from..].partition_point(|object| place(&object.subject).is_eq());
        self.items[from..to].iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// For a list that was cut off: which item it ends in. Items start where `"apiVersion"` does, so counting those is close
/// enough to point a person to the place.
fn where_it_ends(text: &str, message: &str) -> String {
    if !message.starts_with("the file ends") {
        return message.to_owned();
    }
    let last = |key: &str| {
        let start = text.rfind(&format!("\"{key}\""))? + key.len() + 2;
        text[start..].split('"').nth(1).filter(|word| !word.is_empty())
    };
    match (last("kind"), last("name")) {
        (Some(kind), Some(name)) => {
            format!("the list ends in the middle of an item, after {} {name}", kind.to_lowercase())
        }
        _ => message.to_owned(),
    }
}
