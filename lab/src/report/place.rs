//! Where a reading stands, as a person would say it: `objects.json, service/shop/web spec.ports[0].targetPort`.

use std::collections::BTreeMap;

use diagnoser::{Subject, evidence::Citation};
use serde_json::Value;

/// Turns citations into words; knows which object stands at which index of `objects.json`.
pub(crate) struct Places(Vec<Option<Subject>>);

impl Places {
    /// Reads the names of the objects; without `objects.json` places stay as pointers.
    pub(crate) fn new(files: &BTreeMap<String, String>) -> Self {
        let list: Value =
            files.get("objects.json").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let items = list["items"].as_array().map_or(&[][..], Vec::as_slice);
        Self(items.iter().map(subject).collect())
    }

    /// The place in words.
    pub(crate) fn say(&self, citation: &Citation) -> String {
        let Citation { source, path, .. } = citation;
        if path.is_empty() {
            return source.clone();
        }
        let Some(pointer) = path.strip_prefix('/') else { return format!("{source} {path}") };
        let object = pointer.strip_prefix("items/").and_then(|rest| {
            let (index, field) = rest.split_once('/').unwrap_or((rest, ""));
            let subject = self.0.get(index.parse::<usize>().ok()?)?.as_ref()?;
            Some(format!("{source}, {subject} {}", dotted(field)).trim_end().to_owned())
        });
        object.unwrap_or_else(|| format!("{source} {}", dotted(pointer)))
    }
}

/// What a reading says; a bare value is named by its field: `targetPort 8080`.
pub(crate) fn says(citation: &Citation) -> String {
    let field = citation.path.starts_with('/').then(|| citation.path.rsplit('/').next()).flatten();
    match field.filter(|field| !field.bytes().all(|byte| byte.is_ascii_digit())) {
        Some(field) if !citation.says.contains(' ') => format!("{field} {}", citation.says),
        _ => citation.says.clone(),
    }
}

/// `spec/ports/0/targetPort` as `spec.ports[0].targetPort`.
pub(super) fn dotted(pointer: &str) -> String {
    let mut text = String::new();
    for part in pointer.trim_start_matches('/').split('/') {
        let part = part.replace("~1", "/").replace("~0", "~");
        if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) {
            text.push_str(&format!("[{part}]"));
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(&part);
        }
    }
    text
}

fn subject(object: &Value) -> Option<Subject> {
    let kind = object["kind"].as_str()?;
    let name = object["metadata"]["name"].as_str()?;
    Some(match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Subject::namespaced(kind, namespace, name),
        None => Subject::global(kind, name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_into_the_list_is_said_with_the_object() {
        let objects = r#"{"items":[{"kind":"Service","metadata":{"namespace":"shop","name":"web"}}]}"#;
        let places = Places::new(&BTreeMap::from([("objects.json".to_owned(), objects.to_owned())]));
        let say = |source: &str, path: &str| places.say(&Citation::new(source, path, ""));
        let expected = "objects.json, service/shop/web spec.ports[0].targetPort";
        assert_eq!(say("objects.json", "/items/0/spec/ports/0/targetPort"), expected);
        assert_eq!(say("objects.json", "/items/7/spec"), "objects.json items[7].spec");
        assert_eq!(say("hosts/n/ss.txt", "line 3"), "hosts/n/ss.txt line 3");
        assert_eq!(say("coverage.json", ""), "coverage.json");
    }
}
