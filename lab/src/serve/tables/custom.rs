//! Kinds that others defined: their name, and the columns that the definition asks for
//! (k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{age, ages, name};
use crate::serve::resources::Resource;

/// The columns of a kind.
pub(super) fn columns(resource: &Resource) -> Vec<Value> {
    let own = |column: &Value| {
        let text = |key: &str| column[key].as_str().unwrap_or_default();
        json!({"name": text("name"), "type": text("type"), "format": text("format"), "description": text("description"),
            "priority": column["priority"].as_i64().unwrap_or_default()})
    };
    let plain = |name: &str, format: &str| json!({"name": name, "type": "string", "format": format, "description": "", "priority": 0});
    let mut columns = vec![plain("Name", "name")];
    match &resource.columns[..] {
        [] => columns.push(json!({"name": "Age", "type": "date", "format": "", "description": "", "priority": 0})),
        wanted => columns.extend(wanted.iter().map(own)),
    }
    columns
}

/// The cells of an object.
pub(super) fn cells(resource: &Resource, object: &Value, now: Timestamp) -> Vec<Value> {
    let own = |column: &Value| {
        let found = find(object, column["jsonPath"].as_str().unwrap_or_default());
        match (column["type"].as_str(), found.first()) {
            (_, None) => Value::Null,
            (Some("date"), Some(time)) => ages::since(time, now).into(),
            (Some("string"), Some(Value::String(text))) => text.clone().into(),
            (Some("string"), Some(other)) => other.to_string().into(),
            (_, Some(value)) => (*value).clone(),
        }
    };
    let mut cells = vec![name(object)];
    match &resource.columns[..] {
        [] => cells.push(age(object, now)),
        wanted => cells.extend(wanted.iter().map(own)),
    }
    cells
}

/// What a JSONPath of the simple kind leads to: `.a.b[0].c`, `.a[*].b`, `.a[?(@.type=="Ready")].status`.
fn find<'a>(object: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![object];
    let mut rest = path.trim_start_matches('$');
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let Some((step, after)) = inside.split_once(']') else { return vec![] };
            rest = after;
            found = found.into_iter().flat_map(|value| step_into(value, step)).collect();
        } else {
            let name = rest.trim_start_matches('.');
            let end = name.find(['.', '[']).unwrap_or(name.len());
            // `\.` stands for a dot within a name.
            let end = if name[..end].ends_with('\\') {
                name[end + 1..].find(['.', '[']).map_or(name.len(), |at| end + 1 + at)
            } else {
                end
            };
            let key = name[..end].replace('\\', "");
            rest = &name[end..];
            found = found.into_iter().filter_map(|value| value.get(&key)).collect();
        }
    }
    found
}

fn step_into<'a>(value: &'a Value, step: &str) -> Vec<&'a Value> {
    let all = || value.as_array().into_iter().flatten();
    if step == "*" {
        return all().collect();
    }
    if let Some(filter) = step.strip_prefix("?(@.").and_then(|filter| filter.strip_suffix(')')) {
        let Some((key, wanted)) = filter.split_once("==") else { return vec![] };
        let wanted = wanted.trim().trim_matches(['"', '\'']);
        return all().filter(|each| each[key.trim()] == wanted).collect();
    }
    let name = step.trim_matches(['"', '\'']);
    step.parse::<usize>().map_or_else(|_| value.get(name), |index| value.get(index)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_says_what_is_shown() {
        let resource = Resource {
            columns: vec![
                json!({"name": "Hosts", "type": "string", "jsonPath": ".spec.hosts"}),
                json!({"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}),
                json!({"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas", "priority": 1}),
                json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}),
            ],
            ..Resource::default()
        };
        let object = json!({"metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"hosts": ["x", "y"], "replicas": 2},
            "status": {"conditions": [{"type": "Synced", "status": "False"}, {"type": "Ready", "status": "True"}]}});
        let now = "2026-01-01T00:00:09Z".parse().expect("a time");
        assert_eq!(
            cells(&resource, &object, now),
            [json!("a"), json!("[\"x\",\"y\"]"), json!("True"), json!(2), json!("9s")]
        );
        assert_eq!(columns(&resource)[3]["priority"], 1);
        assert_eq!(cells(&Resource::default(), &object, now), [json!("a"), json!("9s")]);
    }

    #[test]
    fn paths_lead_where_they_say() {
        let object = json!({"a": {"b.c": [{"d": 1}, {"d": 2}]}});
        assert_eq!(find(&object, ".a.b\\.c[1].d"), [&json!(2)]);
        assert_eq!(find(&object, ".a['b.c'][*].d"), [&json!(1), &json!(2)]);
        assert!(find(&object, ".a.x").is_empty() && find(&object, ".a[").is_empty());
    }
}
