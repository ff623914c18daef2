//! Where a reading stands, as a person would say it: `objects.json, service/shop/web spec.ports[0].targetPort`.

use std::collections::BTreeMap;

use diagnoser::{Subject, evidence::Citation};
use serde::Deserialize;

use crate::evidence_folder::Origins;

/// Turns citations into words; knows which object stands at which pointer of which file.
pub(crate) struct Places(BTreeMap<(String, String), Subject>);

impl Places {
    /// Reads the names of the objects, unless it is known where they stood; without objects places stay as pointers.
    pub(crate) fn new(files: &BTreeMap<String, String>, origins: Option<&Origins>) -> Self {
        let of = |file: &str, pointer: String, subject| ((file.to_owned(), pointer), subject);
        let given: BTreeMap<_, _> = origins
            .into_iter()
            .flat_map(Origins::objects)
            .map(|(file, pointer, subject)| of(file, pointer.to_owned(), subject.clone()))
            .collect();
        if !given.is_empty() {
            return Self(given);
        }
        let list = files.get("objects.json").and_then(|text| serde_json::from_str(text).ok());
        let list: List = list.unwrap_or_default();
        let items = list.items.iter().enumerate();
        let named =
            items.filter_map(|(index, item)| Some(of("objects.json", format!("/items/{index}"), subject(item)?)));
        Self(named.collect())
    }

    /// The place in words.
    pub(crate) fn say(&self, citation: &Citation) -> String {
        let Citation { source, path, .. } = citation;
        if let Some((subject, field)) = self.object(source, path) {
            return format!("{source}, {subject} {}", dotted(field)).trim_end().to_owned();
        }
        match path.strip_prefix('/') {
            _ if path.is_empty() => source.clone(),
            Some(pointer) => format!("{source} {}", dotted(pointer)),
            None => format!("{source} {path}"),
        }
    }

    /// The object that a pointer leads into, and the rest of the pointer.
    fn object<'a>(&self, source: &str, path: &'a str) -> Option<(&Subject, &'a str)> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let mut cuts = ends.map(|at| path.split_at(at));
        cuts.find_map(|(pointer, field)| Some((self.0.get(&(source.to_owned(), pointer.to_owned()))?, field)))
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
pub(crate) fn dotted(pointer: &str) -> String {
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

/// `objects.json`, as far as names go; large clusters have large objects, which are not kept here.
#[derive(Default, Deserialize)]
struct List {
    items: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    kind: Option<String>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
}

fn subject(object: &Named) -> Option<Subject> {
    let (kind, name) = (object.kind.as_deref()?, object.metadata.name.as_deref()?);
    Some(match &object.metadata.namespace {
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
        let places = Places::new(&BTreeMap::from([("objects.json".to_owned(), objects.to_owned())]), None);
        let say = |source: &str, path: &str| places.say(&Citation::new(source, path, ""));
        let expected = "objects.json, service/shop/web spec.ports[0].targetPort";
        assert_eq!(say("objects.json", "/items/0/spec/ports/0/targetPort"), expected);
        assert_eq!(say("objects.json", "/items/7/spec"), "objects.json items[7].spec");
        assert_eq!(say("hosts/n/ss.txt", "line 3"), "hosts/n/ss.txt line 3");
        assert_eq!(say("coverage.json", ""), "coverage.json");
    }
}
