//! What happened, what is limited, and what is defined.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{Column, Printer, age, ages, count, name, or, text, wide, written};

const EVENTS: &[Column] = &[
    text("Last Seen"),
    text("Type"),
    text("Reason"),
    text("Object"),
    wide("Subobject"),
    wide("Source"),
    text("Message"),
    wide("First Seen"),
    wide("Count"),
    wide("Name"),
];
const QUOTAS: &[Column] = &[text("Name"), text("Request"), text("Limit"), text("Age")];
const PLAIN: &[Column] = &[text("Name"), text("Created At")];

pub(super) fn printer(kind: &str) -> Option<Printer> {
    let (columns, cells): (_, fn(&Value, Timestamp) -> Vec<Value>) = match kind {
        "Event" => (EVENTS, event),
        "ResourceQuota" => (QUOTAS, quota),
        // Kinds without a printer of their own.
        "CustomResourceDefinition" | "LimitRange" => (PLAIN, plain),
        _ => return None,
    };
    Some(Printer { columns, cells })
}

fn plain(object: &Value, _now: Timestamp) -> Vec<Value> {
    vec![name(object), or(&object["metadata"]["creationTimestamp"], "").into()]
}

/// An event, under either of its names.
fn event(object: &Value, now: Timestamp) -> Vec<Value> {
    let either = |core: &str, newer: &str| if object[core].is_null() { &object[newer] } else { &object[core] };
    let first_time = either("firstTimestamp", "deprecatedFirstTimestamp");
    let first = ages::since(if first_time.is_null() { &object["eventTime"] } else { first_time }, now);
    let last_time = either("lastTimestamp", "deprecatedLastTimestamp");
    let mut last = if last_time.is_null() { first.clone() } else { ages::since(last_time, now) };
    let mut times = count(either("count", "deprecatedCount")).max(1);
    let series = &object["series"];
    if !series.is_null() {
        last = ages::since(&series["lastObservedTime"], now);
        times = count(&series["count"]);
    }
    let about = either("involvedObject", "regarding");
    let kind = or(&about["kind"], "").to_ascii_lowercase();
    let target = match or(&about["name"], "") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let source = either("source", "deprecatedSource");
    let component = or(&source["component"], or(either("reportingComponent", "reportingController"), ""));
    let source = match or(&source["host"], or(&object["reportingInstance"], "")) {
        "" => component.to_owned(),
        host => format!("{component}, {host}"),
    };
    vec![
        last.into(),
        or(&object["type"], "").into(),
        or(&object["reason"], "").into(),
        target.into(),
        or(&about["fieldPath"], "").into(),
        source.into(),
        or(either("message", "note"), "").trim().into(),
        first.into(),
        times.into(),
        name(object),
    ]
}

fn quota(object: &Value, now: Timestamp) -> Vec<Value> {
    let hard: BTreeMap<&String, &Value> = object["status"]["hard"].as_object().into_iter().flatten().collect();
    let column = |limits: bool| {
        let of_column = hard.iter().filter(|(resource, _)| resource.starts_with("limits.") == limits);
        let shown = of_column.map(|(resource, hard)| {
            format!("{resource}: {}/{}", written(&object["status"]["used"][*resource], "0"), written(hard, "0"))
        });
        shown.collect::<Vec<_>>().join(", ").into()
    };
    vec![name(object), column(false), column(true), age(object, now)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::serve::events;

    #[test]
    fn an_event_reads_the_same_under_both_names() {
        let core = json!({"metadata": {"name": "a.1"}, "involvedObject": {"kind": "Pod", "name": "a", "fieldPath": "spec"}, "count": 4,
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:01:00Z", "type": "Warning",
            "reason": "BackOff", "message": "no\n", "source": {"component": "kubelet", "host": "n"}});
        let now = "2026-01-01T00:01:30Z".parse().expect("a time");
        let cells = event(&core, now);
        assert_eq!(cells, event(&events::as_newer(&core), now));
        let wanted = json!(["30s", "Warning", "BackOff", "pod/a", "spec", "kubelet, n", "no", "90s", 4, "a.1"]);
        assert_eq!(Value::Array(cells), wanted);
    }

    #[test]
    fn limits_have_a_column_of_their_own() {
        let object = json!({"metadata": {"name": "q"}, "status": {"hard": {"pods": "4", "limits.cpu": "2"}, "used": {"pods": "1"}}});
        assert_eq!(quota(&object, Timestamp::UNIX_EPOCH)[1..3], ["pods: 1/4", "limits.cpu: 0/2"].map(Value::from));
    }
}
