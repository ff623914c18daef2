//! Kubernetes objects out of text: JSON or YAML; one object, a List, a bare array, or several documents one after the other.

use diagnoser::Subject;
use serde_json::Value;

use crate::{LabError, rigs::Kind};

/// An object and the pointer to it in its file: as in JSON, and where the file has several documents, first which of them.
pub(super) type Placed = (Value, String);

/// What a text came to.
#[derive(Default)]
pub(super) struct Found {
    /// Every object with a kind and a name.
    pub(super) objects: Vec<Placed>,
    /// How many had none.
    pub(super) nameless: usize,
    /// Whether anything in it was a list of objects, be it empty.
    pub(super) lists: bool,
    /// The kinds that lists were of, where they say it: `Pod` of a `PodList`.
    pub(super) kinds: Vec<String>,
}

/// Whether a text is worth reading for objects: each says its apiVersion and kind somewhere.
pub(super) fn may_hold_objects(text: &str) -> bool {
    text.contains("apiVersion") && text.contains("kind")
}

/// The objects in a text. Items of typed lists (`PodList`) and of bare arrays have no kind of their own: the list's is theirs, or
/// `hint`.
///
/// # Errors
/// When it does not parse, with the place: `shown:line:column`.
pub(super) fn objects(shown: &str, text: &str, hint: Option<&Kind>) -> Result<Found, LabError> {
    let documents = parse(shown, text)?;
    let several = documents.len() > 1;
    let mut found = Found::default();
    for (index, document) in documents.into_iter().enumerate() {
        let pointer = if several { format!("/{index}") } else { String::new() };
        found.add(document, pointer, hint.map(|hint| (hint.version, hint.kind)));
    }
    Ok(found)
}

impl Found {
    fn add(&mut self, mut value: Value, pointer: String, hint: Option<(&str, &str)>) {
        if let Value::Array(items) = value {
            self.lists = true;
            for (index, item) in items.into_iter().enumerate() {
                self.add(item, format!("{pointer}/{index}"), hint);
            }
            return;
        }
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text("apiVersion"), text("kind"));
        // A custom resource may well be called AllowList: it has a name, which a list has not.
        let items = value["items"].is_array() || value["items"].is_null() && value["metadata"]["name"].is_null();
        if let Some(of) = if kind.is_empty() { Some("") } else { kind.strip_suffix("List") }
            .filter(|of| items && !(of.is_empty() && value["items"].is_null()))
        {
            self.lists = true;
            let hint = if of.is_empty() { hint } else { Some((version.as_str(), of)) };
            self.kinds.extend(hint.map(|(_, kind)| kind.to_owned()));
            if let Value::Array(items) = value["items"].take() {
                for (index, item) in items.into_iter().enumerate() {
                    self.add(item, format!("{pointer}/items/{index}"), hint);
                }
            }
            return;
        }
        if kind.is_empty()
            && let (Some((version, kind)), Some(object)) = (hint, value.as_object_mut())
        {
            object.insert("apiVersion".to_owned(), version.into());
            object.insert("kind".to_owned(), kind.into());
        }
        match subject(&value) {
            Some(_) => self.objects.push((value, pointer)),
            None => self.nameless += 1,
        }
    }
}

/// What an object is; `None` without kind or name.
pub(crate) fn subject(object: &Value) -> Option<Subject> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let (kind, name) = (text(&object["kind"])?, text(&object["metadata"]["name"])?);
    Some(match text(&object["metadata"]["namespace"]) {
        Some(namespace) => Subject::namespaced(&kind, &namespace, &name),
        None => Subject::global(&kind, &name),
    })
}

/// Every document of a text.
fn parse(shown: &str, text: &str) -> Result<Vec<Value>, LabError> {
    let broken = |line: usize, column: usize, what: String| LabError::BadInput {
        place: format!("{shown}:{line}:{column}"),
        what,
        next: "Was the export cut off? Collect it again, or take the file out of the folder.".to_owned(),
    };
    if text.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '[']) {
        let documents = serde_json::Deserializer::from_str(text.trim_start_matches('\u{feff}')).into_iter();
        return documents
            .collect::<Result<_, serde_json::Error>>()
            .map_err(|error| broken(error.line(), error.column(), message(&error)));
    }
    let options = serde_saphyr::options! {
        // Exports of large clusters are larger than what is written by hand; how deep they may be is left as it is.
        budget: serde_saphyr::budget! {
            max_events: usize::MAX,
            max_nodes: usize::MAX,
            max_documents: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
        },
        with_snippet: false,
        // kubectl writes true and false; something may well be called `n`.
        strict_booleans: true,
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        let error = error.without_snippet();
        let (line, column) = error.location().map_or((1, 1), |at| (at.line() as usize, at.column() as usize));
        broken(line, column, crate::scenario::yaml::plain(error))
    })
}

fn message(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "the file ends in the middle of a value".to_owned();
    }
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rigs::kind_of;

    fn names(text: &str, hint: Option<&str>) -> Vec<String> {
        let hint = hint.map(|name| kind_of(name).expect("a kind"));
        let found = objects("f", text, hint).expect("it parses");
        let say = |(object, pointer): &Placed| format!("{} {pointer}", subject(object).expect("a name"));
        found.objects.iter().map(say).collect()
    }

    #[test]
    fn one_object_lists_and_documents_in_both_languages() {
        let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n";
        assert_eq!(names(service, None), ["service/shop/web "]);
        let two =
            format!("---\n{service}---\napiVersion: v1\nkind: List\nitems:\n- kind: Node\n  metadata: {{name: n}}\n");
        assert_eq!(names(&two, None), ["service/shop/web /0", "node/n /1/items/0"]);
        let pods = r#"{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"a","namespace":"s"}}]}"#;
        assert_eq!(names(pods, None), ["pod/s/a /items/0"]);
        assert_eq!(names(&format!("{pods}\n{pods}"), None), ["pod/s/a /0/items/0", "pod/s/a /1/items/0"]);
        assert_eq!(names(r#"[{"metadata":{"name":"a","namespace":"s"}}]"#, Some("pods")), ["pod/s/a /0"]);
        assert_eq!(names(r#"[{"metadata":{"name":"a"}}, 3, {"kind":"Pod"}]"#, None), [""; 0]);
    }

    #[test]
    fn what_does_not_parse_has_its_place() {
        for (text, place) in [("{\n  \"kind\": ", "f:2:"), ("kind: Pod\nmetadata: {name: a\n", "f:"), ("a: 'b\n", "f:")]
        {
            let error = objects("f", text, None).err().expect("it is broken").to_string();
            assert!(error.starts_with(place), "{error}");
        }
    }
}
