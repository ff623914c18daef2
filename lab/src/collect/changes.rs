//! `changes.json`: when each object was last changed and in which fields, out of `managedFields`, which are then left out of
//! `objects.json`. Who changed it is not kept: that would say which changes were made on purpose.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// The changes of what people write; what controllers report as status is not a change of the system.
pub(crate) fn of(objects: &[Value]) -> Vec<Value> {
    let mut changes: Vec<(String, String, Vec<String>)> = objects.iter().flat_map(of_one).collect();
    changes.sort();
    changes.dedup();
    changes
        .into_iter()
        .map(|(time, object, fields)| json!({"time": time, "object": object, "fields": fields}))
        .collect()
}

/// Kinds that change all the time by themselves, or that a change of something else makes.
const OF_THEMSELVES: [&str; 6] = ["EndpointSlice", "Endpoints", "Event", "Lease", "Node", "Pod"];

fn of_one(object: &Value) -> Vec<(String, String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if OF_THEMSELVES.iter().any(|kind| object["kind"] == *kind) {
        return vec![];
    }
    let kind = text(&object["kind"]).to_ascii_lowercase();
    let name = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{kind}/{namespace}/{}", text(&object["metadata"]["name"])),
        None => format!("{kind}/{}", text(&object["metadata"]["name"])),
    };
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let written = entries.filter(|entry| entry["subresource"].is_null());
    written.map(|entry| (text(&entry["time"]), name.clone(), fields(&entry["fieldsV1"]))).collect()
}

/// `spec.ports`, `spec.selector`: two levels say what it was about.
fn fields(set: &Value) -> Vec<String> {
    let named = |map: &Value| -> Vec<(String, Value)> {
        let entries = map.as_object().into_iter().flatten();
        entries.filter_map(|(key, value)| Some((key.strip_prefix("f:")?.to_owned(), value.clone()))).collect()
    };
    let mut found = BTreeSet::new();
    for (outer, below) in named(set) {
        let inner = named(&below);
        if inner.is_empty() {
            found.insert(outer.clone());
        }
        found.extend(inner.into_iter().map(|(inner, _)| format!("{outer}.{inner}")));
    }
    // Labels and annotations say nothing of what an object does.
    found.into_iter().filter(|field| !field.starts_with("metadata")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_left_out_and_status_is_no_change() {
        let object = json!({"kind": "Service", "metadata": {"namespace": "a", "name": "s", "managedFields": [
            {"manager": "somebody", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:ports": {}, "f:selector": {}}}},
            {"manager": "controller", "subresource": "status", "time": "2026-01-01T00:00:01Z", "fieldsV1": {"f:status": {}}}]}});
        assert_eq!(
            of(&[object]),
            [
                json!({"time": "2026-01-01T00:00:00Z", "object": "service/a/s", "fields": ["spec.ports", "spec.selector"]})
            ]
        );
    }
}
