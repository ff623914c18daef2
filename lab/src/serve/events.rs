//! Events are served under both names that they have, v1 and events.k8s.io/v1
//! (kubernetes/pkg/apis/events/v1/conversion.go says which field is which).

use serde_json::{Map, Value, json};

/// The newer name.
pub(super) const NEWER: &str = "events.k8s.io/v1";

/// v1 to events.k8s.io/v1.
const FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// An event under its newer name.
pub(super) fn as_newer(event: &Value) -> Value {
    renamed(event, NEWER, FIELDS)
}

/// An event under its older name.
pub(super) fn as_core(event: &Value) -> Value {
    renamed(event, "v1", FIELDS.map(|(core, newer)| (newer, core)))
}

fn renamed(event: &Value, version: &str, fields: [(&str, &str); 7]) -> Value {
    let entries = event.as_object().into_iter().flatten();
    let mut renamed: Map<String, Value> = entries
        .map(|(key, value)| {
            let name = fields.iter().find(|(from, _)| from == key).map_or(key.as_str(), |(_, to)| *to);
            (name.to_owned(), value.clone())
        })
        .collect();
    renamed.insert("apiVersion".to_owned(), json!(version));
    Value::Object(renamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_again() {
        let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "a.1"}, "message": "Back-off", "count": 3,
            "involvedObject": {"kind": "Pod", "name": "a"}, "type": "Warning", "reason": "BackOff"});
        let newer = as_newer(&event);
        assert_eq!((&newer["note"], &newer["regarding"]["name"]), (&json!("Back-off"), &json!("a")));
        assert_eq!(as_core(&newer), event);
    }
}
