//! Objects as rows, in the columns in which an API server prints them (kubernetes/pkg/printers/internalversion/printers.go
//! for its own kinds, `additionalPrinterColumns` for others). One family of kinds, one file. Ages are those at the time of the
//! evidence: a table reads as it did then.

mod access;
mod admission;
mod custom;
mod network;
mod nodes;
mod pods;
mod records;
mod scaling;
mod storage;
mod workloads;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{ages, cluster::Cluster, resources::Resource, selectors};

/// A column.
struct Column {
    name: &'static str,
    /// `string`, `integer` or `boolean`.
    of: &'static str,
    /// Shown only with `-o wide`.
    wide: bool,
}

/// How a kind is shown.
struct Printer {
    columns: &'static [Column],
    /// One cell a column.
    cells: fn(&Value, Timestamp) -> Vec<Value>,
}

const fn text(name: &'static str) -> Column {
    Column { name, of: "string", wide: false }
}

const fn number(name: &'static str) -> Column {
    Column { name, of: "integer", wide: false }
}

const fn truth(name: &'static str) -> Column {
    Column { name, of: "boolean", wide: false }
}

const fn wide(name: &'static str) -> Column {
    Column { name, of: "string", wide: true }
}

/// The objects as a `Table`. With each row comes its object: whole, its metadata, or none, as `include` says.
pub(super) fn table(resource: &Resource, objects: &[&Value], include: &str, cluster: &Cluster) -> Value {
    let printer = printer(resource);
    let columns: Vec<Value> = match &printer {
        Some(printer) => printer.columns.iter().map(Column::definition).collect(),
        None => custom::columns(resource),
    };
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells = match &printer {
                Some(printer) => (printer.cells)(object, cluster.now),
                None => custom::cells(resource, object, cluster.now),
            };
            let mut row = json!({"cells": cells});
            if include == "Object" {
                row["object"] = (*object).clone();
            } else if include != "None" {
                row["object"] = super::api::metadata(object);
            }
            row
        })
        .collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": cluster.resource_version},
        "columnDefinitions": columns, "rows": rows})
}

impl Column {
    fn definition(&self) -> Value {
        let format = if self.name == "Name" { "name" } else { "" };
        json!({"name": self.name, "type": self.of, "format": format, "description": "", "priority": u8::from(self.wide)})
    }
}

/// How Kubernetes' own kinds are shown; `None` for those of others.
fn printer(resource: &Resource) -> Option<Printer> {
    match resource.group.as_str() {
        "" => pods::printer(&resource.kind)
            .or_else(|| nodes::printer(&resource.kind))
            .or_else(|| network::printer(&resource.kind))
            .or_else(|| storage::printer(&resource.kind))
            .or_else(|| access::printer(&resource.kind))
            .or_else(|| records::printer(&resource.kind))
            .or_else(|| workloads::printer(&resource.kind)),
        "apps" | "batch" => workloads::printer(&resource.kind),
        "autoscaling" | "policy" => scaling::printer(&resource.kind),
        "discovery.k8s.io" | "networking.k8s.io" => network::printer(&resource.kind),
        "storage.k8s.io" => storage::printer(&resource.kind),
        "rbac.authorization.k8s.io" | "certificates.k8s.io" => access::printer(&resource.kind),
        "events.k8s.io" => records::printer(&resource.kind),
        "coordination.k8s.io" | "node.k8s.io" | "scheduling.k8s.io" => nodes::printer(&resource.kind),
        "admissionregistration.k8s.io" => admission::printer(&resource.kind),
        "apiextensions.k8s.io" => records::printer(&resource.kind),
        _ => None,
    }
}

fn name(object: &Value) -> Value {
    object["metadata"]["name"].clone()
}

fn age(object: &Value, now: Timestamp) -> Value {
    ages::since(&object["metadata"]["creationTimestamp"], now).into()
}

/// A text, or what is shown in place of none.
fn or<'a>(value: &'a Value, none: &'a str) -> &'a str {
    value.as_str().filter(|text| !text.is_empty()).unwrap_or(none)
}

/// A number; 0 where there is none.
fn count(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn joined<'a>(texts: impl Iterator<Item = &'a str>, between: &str) -> String {
    texts.collect::<Vec<_>>().join(between)
}

/// Names and images of containers.
fn containers(containers: &Value) -> [Value; 2] {
    ["name", "image"].map(|key| joined(list(containers).map(|each| or(&each[key], "")), ",").into())
}

/// Labels as `a=b,c=d`.
fn labels(labels: &Value) -> String {
    let labels = labels.as_object().into_iter().flatten();
    let shown: Vec<String> = labels.map(|(key, value)| format!("{key}={}", or(value, ""))).collect();
    none_if_empty(shown.join(","))
}

/// A selector of an object.
fn selector(selector: &Value) -> String {
    none_if_empty(selectors::shown(selector))
}

fn none_if_empty(text: String) -> String {
    if text.is_empty() { "<none>".to_owned() } else { text }
}

/// The first three, and how many more there are.
fn three_and_more(all: &[String]) -> String {
    match all {
        [] => "<unset>".to_owned(),
        [a, b, c, more @ ..] if !more.is_empty() => format!("{a},{b},{c} + {} more...", more.len()),
        all => all.join(","),
    }
}

/// A quantity or number as it is written.
fn written(value: &Value, none: &str) -> String {
    match value {
        Value::Null => none.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::resources::resources;

    #[test]
    fn every_printer_has_a_cell_for_each_column() {
        let now = Timestamp::UNIX_EPOCH;
        let mut printers = 0;
        for resource in resources(&[]) {
            if let Some(printer) = printer(&resource) {
                let empty = json!({"kind": resource.kind, "metadata": {"name": "a"}});
                assert_eq!((printer.cells)(&empty, now).len(), printer.columns.len(), "{}", resource.name());
                printers += 1;
            }
        }
        assert!(printers > 35, "{printers}");
    }
}
