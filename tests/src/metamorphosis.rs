//! Changes of an evidence folder that must not change the diagnosis: another order of every list, other names for everything.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// An evidence folder: file name to text.
pub type Files = BTreeMap<String, String>;

/// The same evidence with the objects, probes and requests, and lists inside objects whose order means nothing, turned round.
pub fn reordered(files: &Files) -> Files {
    let mut changed = files.clone();
    for (name, text) in &mut changed {
        match name.as_str() {
            "objects.json" | "probes.json" => {
                if let Ok(mut value) = serde_json::from_str::<Value>(text) {
                    reverse_lists(&mut value, "items");
                    *text = value.to_string();
                }
            }
            "traffic.jsonl" => *text = text.lines().rev().map(|line| format!("{line}\n")).collect(),
            _ => {}
        }
    }
    changed
}

/// Lists whose order carries no meaning. Containers, arguments and rules keep theirs.
const UNORDERED: [&str; 8] =
    ["items", "endpoints", "conditions", "containerStatuses", "addresses", "ownerReferences", "volumes", "subsets"];

fn reverse_lists(value: &mut Value, key: &str) {
    match value {
        Value::Array(list) => {
            if UNORDERED.contains(&key) {
                list.reverse();
            }
            list.iter_mut().for_each(|value| reverse_lists(value, ""));
        }
        Value::Object(map) => map.iter_mut().for_each(|(key, value)| reverse_lists(value, key)),
        _ => {}
    }
}

/// Words that are names here and vocabulary elsewhere; renaming them would change what the evidence says.
const VOCABULARY: [&str; 14] = [
    "client",
    "clients",
    "default",
    "dns",
    "edge",
    "help",
    "ingress",
    "kubernetes",
    "node",
    "nginx",
    "traefik",
    "service",
    "http",
    "standard",
];

/// The renaming of everything that was named by whoever built the system: each name to one that says nothing.
pub fn renaming(files: &Files) -> BTreeMap<String, String> {
    const KINDS: [&str; 7] = ["ConfigMap", "Deployment", "Ingress", "Namespace", "NetworkPolicy", "Node", "Service"];
    let objects: Value = files.get("objects.json").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let named = objects["items"].as_array().into_iter().flatten().filter(|object| {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        KINDS.iter().any(|kind| object["kind"] == *kind) && !namespace.starts_with("kube-")
    });
    let names: BTreeSet<&str> = named
        .filter_map(|object| object["metadata"]["name"].as_str())
        .filter(|name| !name.starts_with("kube-") && !VOCABULARY.contains(name))
        .collect();
    // Machines that no cluster knows are named by their folders.
    let machines = files.keys().filter_map(|file| file.strip_prefix("hosts/")?.split('/').next());
    let nodes: BTreeSet<&str> = named_nodes(&objects);
    let machines = machines.filter(|name| !nodes.contains(name) && !VOCABULARY.contains(name));
    let names: BTreeSet<&str> = names.into_iter().chain(machines).collect();
    names.into_iter().enumerate().map(|(index, name)| (name.to_owned(), format!("zz{index}q"))).collect()
}

fn named_nodes(objects: &Value) -> BTreeSet<&str> {
    let nodes = objects["items"].as_array().into_iter().flatten().filter(|object| object["kind"] == "Node");
    nodes.filter_map(|node| node["metadata"]["name"].as_str()).collect()
}

/// The same evidence under other names, in file names as well.
pub fn renamed(files: &Files, names: &BTreeMap<String, String>) -> Files {
    files.iter().map(|(name, text)| (rename(name, names), rename(text, names))).collect()
}

/// Replaces whole names, longest first. A name ends where neither letter nor digit follows, so that `web` is renamed in
/// `web-5d8f-x` and in `http://web.shop/`, and left alone in `website`.
pub fn rename(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut by_length: Vec<(&String, &String)> = names.iter().collect();
    by_length.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    let mut renamed = String::with_capacity(text.len());
    let mut rest = text;
    let mut before: Option<char> = None;
    while let Some(next) = rest.chars().next() {
        let starts = before.is_none_or(|c| !c.is_ascii_alphanumeric());
        let found = by_length.iter().find(|(name, _)| {
            starts
                && rest.starts_with(name.as_str())
                && rest[name.len()..].chars().next().is_none_or(|c| !c.is_ascii_alphanumeric())
        });
        let taken = match found {
            Some((name, other)) => {
                renamed.push_str(other);
                name.len()
            }
            None => {
                renamed.push(next);
                next.len_utf8()
            }
        };
        before = rest[..taken].chars().next_back();
        rest = &rest[taken..];
    }
    renamed
}

/// The evidence without the files that `gone` picks.
pub fn without_files(files: &Files, gone: impl Fn(&str) -> bool) -> Files {
    files.iter().filter(|(name, _)| !gone(name)).map(|(name, text)| (name.clone(), text.clone())).collect()
}

/// The evidence without the objects of a kind, as if nobody had been allowed to list them.
pub fn without_kind(files: &Files, kind: &str) -> Files {
    edited(files, |objects| {
        if let Some(items) = objects["items"].as_array_mut() {
            items.retain(|object| object["kind"] != kind);
        }
    })
}

/// The evidence without these fields in every element of the lists named `list`.
pub fn without_fields(files: &Files, fields: &[&str], list: &str) -> Files {
    fn strip(value: &mut Value, fields: &[&str], list: &str, inside: bool) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(|value| strip(value, fields, list, inside)),
            Value::Object(map) => {
                if inside {
                    map.retain(|key, _| !fields.contains(&key.as_str()));
                }
                map.iter_mut().for_each(|(key, value)| strip(value, fields, list, key == list));
            }
            _ => {}
        }
    }
    edited(files, |objects| strip(objects, fields, list, false))
}

fn edited(files: &Files, edit: impl FnOnce(&mut Value)) -> Files {
    let mut changed = files.clone();
    if let Some(text) = changed.get_mut("objects.json")
        && let Ok(mut objects) = serde_json::from_str::<Value>(text)
    {
        edit(&mut objects);
        *text = objects.to_string();
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_only() {
        let names = BTreeMap::from([("web".to_owned(), "a".to_owned()), ("web-base".to_owned(), "b".to_owned())]);
        assert_eq!(
            rename("web web-1 web-base website http://web.x/ myweb", &names),
            "a a-1 b website http://a.x/ myweb"
        );
    }
}
