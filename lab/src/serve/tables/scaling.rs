//! How many pods there may and must be.

use jiff::Timestamp;
use serde_json::Value;

use super::{Column, Printer, age, count, list, name, number, or, text, written};

const AUTOSCALERS: &[Column] = &[
    text("Name"),
    text("Reference"),
    text("Targets"),
    text("MinPods"),
    text("MaxPods"),
    text("Replicas"),
    text("Age"),
];
const BUDGETS: &[Column] =
    &[text("Name"), text("Min Available"), text("Max Unavailable"), number("Allowed Disruptions"), text("Age")];

pub(super) fn printer(kind: &str) -> Option<Printer> {
    match kind {
        "HorizontalPodAutoscaler" => Some(Printer { columns: AUTOSCALERS, cells: autoscaler }),
        "PodDisruptionBudget" => Some(Printer { columns: BUDGETS, cells: budget }),
        _ => None,
    }
}

fn budget(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    vec![
        name(object),
        written(&spec["minAvailable"], "N/A").into(),
        written(&spec["maxUnavailable"], "N/A").into(),
        count(&object["status"]["disruptionsAllowed"]).into(),
        age(object, now),
    ]
}

fn autoscaler(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let target = &spec["scaleTargetRef"];
    vec![
        name(object),
        format!("{}/{}", or(&target["kind"], ""), or(&target["name"], "")).into(),
        metrics(&spec["metrics"], &status["currentMetrics"]).into(),
        written(&spec["minReplicas"], "<unset>").into(),
        count(&spec["maxReplicas"]).into(),
        count(&status["currentReplicas"]).into(),
        age(object, now),
    ]
}

/// `cpu: 12%/80%`, two of them and how many more there are.
fn metrics(specs: &Value, statuses: &Value) -> String {
    let all: Vec<String> = list(specs).enumerate().map(|(index, spec)| metric(spec, &statuses[index])).collect();
    match &all[..] {
        [] => "<none>".to_owned(),
        [a, b, more @ ..] if !more.is_empty() => format!("{a}, {b} + {} more...", more.len()),
        all => all.join(", "),
    }
}

fn metric(spec: &Value, status: &Value) -> String {
    const UNKNOWN: &str = "<unknown>";
    let key = match spec["type"].as_str() {
        Some("External") => "external",
        Some("Pods") => "pods",
        Some("Object") => "object",
        Some("Resource") => "resource",
        Some("ContainerResource") => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let (target, current) = (&spec[key]["target"], &status[key]["current"]);
    let average = &target["averageValue"];
    let now = written(&current["averageValue"], UNKNOWN);
    match key {
        "pods" => format!("{now}/{}", written(average, "0")),
        "external" | "object" if !average.is_null() => format!("{now}/{} (avg)", written(average, "0")),
        "external" | "object" => format!("{}/{}", written(&current["value"], UNKNOWN), written(&target["value"], "0")),
        _ => {
            let of = or(&spec[key]["name"], "");
            let percent =
                |value: &Value, none: &str| value.as_i64().map_or(none.to_owned(), |value| format!("{value}%"));
            if average.is_null() {
                let now = percent(&current["averageUtilization"], UNKNOWN);
                format!("{of}: {now}/{}", percent(&target["averageUtilization"], "<auto>"))
            } else {
                format!("{of}: {now}/{}", written(average, "0"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_autoscaler_shows_two_of_its_metrics() {
        let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}});
        let rate = json!({"type": "Pods", "pods": {"target": {"averageValue": "100"}}});
        let now =
            json!([{"type": "Resource", "resource": {"current": {"averageUtilization": 12, "averageValue": "60m"}}}]);
        assert_eq!(metrics(&json!([cpu, rate, rate]), &now), "cpu: 12%/80%, <unknown>/100 + 1 more...");
        assert_eq!(metrics(&json!([]), &now), "<none>");
    }
}
