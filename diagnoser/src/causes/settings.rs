//! ConfigMaps and Secrets that a pod cannot start without.
//!
//! Source: kubernetes.io, ConfigMaps and Secrets ("optional" references); the kubelet's words (`configmap "x" not found`,
//! `couldn't find key k in Secret ns/x`) out of kubernetes/pkg/kubelet/kubelet_pods.go and pkg/volume.

use crate::json::Value;

use super::{
    Lack,
    stuck::{Look, not_listed, put_back, waiting},
};
use crate::{
    diagnosis::Fix,
    evidence::{Citation, Fact, Object},
    model::Model,
    subject::Subject,
    symptoms::events_of,
};

/// One of the two kinds, and how pods refer to it.
pub(super) struct Kind {
    pub kind: &'static str,
    pub resource: &'static str,
    /// In `volumes[]`, and the key of the name there.
    pub volume: (&'static str, &'static str),
    /// In `volumes[].projected.sources[]`.
    pub projected: &'static str,
    /// In `envFrom[]`.
    pub all: &'static str,
    /// In `env[].valueFrom`.
    pub one: &'static str,
}

/// A reference that must be there: where it stands in the pod, what it names, and the keys it needs.
struct Reference<'a> {
    pointer: String,
    name: &'a str,
    keys: Vec<&'a str>,
}

/// Whether something of this kind that a pod needs is missing.
pub(super) fn look(model: &Model<'_>, pod: &Object, kind: &Kind) -> Option<Look> {
    // Only containers that were never made: what runs has its settings already.
    let unmade = ["CreateContainerConfigError", "ContainerCreating", "PodInitializing"];
    waiting(pod).find(|(_, _, reason, _)| unmade.contains(reason))?;
    let references = references(pod, kind);
    if references.is_empty() {
        return None;
    }
    let mut unclear = Vec::new();
    for reference in &references {
        let subject = Subject::namespaced(kind.kind, pod.namespace(), reference.name);
        let absent = match (model.object(&subject), model.evidence.listed(kind.kind, kind.resource)) {
            (Some(object), _) => match lacking_key(object, reference) {
                Some(key) => object.cite("/data", format!("{subject} has no key {key}")),
                None => continue,
            },
            (None, Fact::Seen(())) => not_listed(kind.resource, format!("there is no {subject}")),
            (None, Fact::Missed(why)) => match complaint(model, pod, kind, reference.name) {
                Some(complaint) => complaint,
                None => {
                    unclear.push(Lack::objects(kind.resource, Some(pod.namespace()), why));
                    continue;
                }
            },
        };
        let needs = pod.cite(&reference.pointer, format!("needs {subject}"));
        let complaint = complaint(model, pod, kind, reference.name).filter(|complaint| *complaint != absent);
        return Some(Look::Yes([needs, absent].into_iter().chain(complaint).collect()));
    }
    Some(if unclear.is_empty() {
        Look::No(format!("every {} it names exists", kind.kind), vec![pod.cite("/spec", "what it refers to exists")])
    } else {
        Look::Unclear(unclear)
    })
}

/// Goes back on what the last rollout changed about what is missing.
pub(super) fn fix(model: &Model<'_>, owner: &Subject, pod: &Object, kind: &Kind) -> Fix {
    let missing: Vec<&str> = references(pod, kind)
        .into_iter()
        .filter(|reference| {
            let object = model.object(&Subject::namespaced(kind.kind, pod.namespace(), reference.name));
            object.is_none_or(|object| lacking_key(object, reference).is_some())
        })
        .map(|reference| reference.name)
        .collect();
    let names = |field: &str| {
        let now = model.object(owner).and_then(|owner| owner.get(&format!("/spec/template{field}")));
        now.is_some_and(|now| missing.iter().any(|name| mentions(now, name)))
    };
    let summary =
        format!("Create the {} {} that {owner} needs, or take the reference out", kind.kind, missing.join(", "));
    // With a volume go the mounts that came with it.
    put_back(model, owner, summary, |field| names(field) || field.ends_with("/volumeMounts") && names("/spec/volumes"))
}

fn mentions(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text.as_str() == name,
        Value::Array(list) => list.iter().any(|value| mentions(value, name)),
        Value::Object(map) => map.values().any(|value| mentions(value, name)),
        _ => false,
    }
}

/// The kubelet's own word that it misses this object, or a key of it.
fn complaint(model: &Model<'_>, pod: &Object, kind: &Kind, name: &str) -> Option<Citation> {
    let about = |text: &str| {
        let text = text.to_lowercase();
        text.contains(&format!("{} \"{name}\" not found", kind.kind))
            || text.contains("find key") && text.contains(&format!("{} {}/{name}", kind.kind, pod.namespace()))
    };
    let state = waiting(pod).find(|(_, _, _, message)| about(message));
    let state = state.map(|(place, _, _, message)| pod.cite(&format!("{place}/message"), message));
    state.or_else(|| {
        let events = events_of(model.evidence, pod.subject());
        events.into_iter().find(|(_, text)| about(text)).map(|(event, text)| event.cite("/message", text))
    })
}

/// A key that is needed and not there, where the object's keys were collected.
fn lacking_key<'a>(object: &Object, reference: &Reference<'a>) -> Option<&'a str> {
    let maps: Vec<_> = ["/data", "/binaryData"].into_iter().filter_map(|map| object.get(map)?.as_object()).collect();
    let lacks = |key: &&&str| !maps.is_empty() && !maps.iter().any(|map| map.contains_key(key));
    reference.keys.iter().find(lacks).copied()
}

/// What a pod refers to and cannot do without.
fn references<'a>(pod: &'a Object, kind: &Kind) -> Vec<Reference<'a>> {
    let mut found = Vec::new();
    let mut add = |pointer: String, at: &'a Value, name_key: &str, key: Option<&'a str>| {
        let Some(name) = at[name_key].as_str() else { return };
        // Every namespace is given this one by the cluster itself.
        if at["optional"] == true || name == "kube-root-ca.crt" {
            return;
        }
        let items = at["items"].as_array().into_iter().flatten().filter_map(|item| item["key"].as_str());
        found.push(Reference { pointer: format!("{pointer}/{name_key}"), name, keys: items.chain(key).collect() });
    };
    for list in ["initContainers", "containers"] {
        for (c, container) in pod.list(&format!("/spec/{list}")).iter().enumerate() {
            for (e, from) in container["envFrom"].as_array().into_iter().flatten().enumerate() {
                add(format!("/spec/{list}/{c}/envFrom/{e}/{}", kind.all), &from[kind.all], "name", None);
            }
            for (e, variable) in container["env"].as_array().into_iter().flatten().enumerate() {
                let at = &variable["valueFrom"][kind.one];
                let pointer = format!("/spec/{list}/{c}/env/{e}/valueFrom/{}", kind.one);
                add(pointer, at, "name", at["key"].as_str());
            }
        }
    }
    for (v, volume) in pod.list("/spec/volumes").iter().enumerate() {
        let (own, name) = kind.volume;
        add(format!("/spec/volumes/{v}/{own}"), &volume[own], name, None);
        for (s, source) in volume["projected"]["sources"].as_array().into_iter().flatten().enumerate() {
            let pointer = format!("/spec/volumes/{v}/projected/sources/{s}/{}", kind.projected);
            add(pointer, &source[kind.projected], "name", None);
        }
    }
    found
}
