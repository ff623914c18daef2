//! Changes of an evidence folder that must not change the diagnosis: another order of every list, other names for everything.

use std::collections::BTreeMap;

use lab::variant::{self, Renaming};
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

/// The renaming of everything that was named by whoever built the system: each name to one that says nothing.
pub fn renaming(files: &Files) -> Renaming {
    let names = variant::named(files).into_iter().enumerate().map(|(index, name)| (name, format!("zz{index}q")));
    Renaming::new(names.collect(), BTreeMap::new())
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
