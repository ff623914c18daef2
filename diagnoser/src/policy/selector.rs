//! Label selectors as policies, affinities and constraints write them.

use std::collections::BTreeMap;

use crate::{
    evidence::{Object, Objects, string_map},
    json::Value,
};

/// Whether a LabelSelector selects these labels. Empty selects all.
pub fn label_selector(selector: &Value, labels: &BTreeMap<&str, &str>) -> bool {
    let equal = selector["matchLabels"]
        .as_object()
        .is_none_or(|map| map.iter().all(|(key, value)| labels.get(key.as_str()).copied() == value.as_str()));
    let expressions = selector["matchExpressions"].as_array().is_none_or(|list| {
        list.iter().all(|expression| {
            let value = expression["key"].as_str().and_then(|key| labels.get(key));
            let among = value.is_some_and(|value| {
                expression["values"].as_array().is_some_and(|values| values.iter().any(|v| v.as_str() == Some(value)))
            });
            match expression["operator"].as_str() {
                Some("In") => among,
                Some("NotIn") => !among,
                Some("Exists") => value.is_some(),
                Some("DoesNotExist") => value.is_none(),
                _ => false,
            }
        })
    });
    equal && expressions
}

/// The pods of a namespace that a LabelSelector selects.
pub fn selected_pods<'a>(
    objects: &'a Objects,
    namespace: &str,
    selector: &'a Value,
) -> impl Iterator<Item = &'a Object> + use<'a> {
    let equal = string_map(selector.get("matchLabels"));
    let pods = match equal.is_empty() {
        true => objects.in_namespace("pod", namespace).collect(),
        false => objects.selected("pod", namespace, &equal),
    };
    pods.into_iter().filter(|pod| label_selector(selector, &pod.labels()))
}
