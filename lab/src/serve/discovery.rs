//! What kinds there are, in both ways clients ask: a document a group, or all in one (apidiscovery.k8s.io/v2).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    answer::{Answer, no_such_address},
    ask::{Ask, Form},
    cluster::Cluster,
    resources::{Resource, api_version},
};

/// What may be done with objects here.
const VERBS: [&str; 3] = ["get", "list", "watch"];

/// The answer to an address above those of objects; `None` where it is another's.
pub(super) fn answer(cluster: &Cluster, ask: &Ask) -> Option<Answer> {
    let parts: Vec<&str> = ask.path.split('/').filter(|part| !part.is_empty()).collect();
    Some(match parts[..] {
        ["api"] if ask.form == Form::AllKinds => all(cluster, true),
        ["apis"] if ask.form == Form::AllKinds => all(cluster, false),
        ["api"] => Answer::json(&json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})),
        ["apis"] => {
            let groups: Vec<Value> = groups(cluster, false).keys().map(|group| of_group(cluster, group)).collect();
            Answer::json(&json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", group] => match groups(cluster, false).contains_key(group) {
            true => Answer::json(&of_group(cluster, group)),
            false => no_such_address(),
        },
        ["api", version] => of_version(cluster, "", version),
        ["apis", group, version] => of_version(cluster, group, version),
        _ => return None,
    })
}

/// Groups and their versions, the preferred one first. The core group is apart.
fn groups(cluster: &Cluster, core: bool) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for resource in cluster.resources.iter().filter(|resource| resource.group.is_empty() == core) {
        let versions = groups.entry(&resource.group).or_default();
        if !versions.contains(&resource.version.as_str()) {
            versions.push(&resource.version);
        }
    }
    groups
}

fn of_group(cluster: &Cluster, group: &str) -> Value {
    let groups = groups(cluster, false);
    let versions: Vec<Value> = groups
        .get(group)
        .into_iter()
        .flatten()
        .map(|version| json!({"groupVersion": api_version(group, version), "version": version}))
        .collect();
    json!({"kind": "APIGroup", "apiVersion": "v1", "name": group, "preferredVersion": versions.first(), "versions": versions})
}

fn of_version(cluster: &Cluster, group: &str, version: &str) -> Answer {
    let resources = in_version(cluster, group, version).flat_map(|resource| {
        let mut whole = json!({
            "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": verbs(resource),
        });
        for (key, values) in [("shortNames", &resource.short), ("categories", &resource.categories)] {
            if !values.is_empty() {
                whole[key] = json!(values);
            }
        }
        let parts = subresources(resource).iter().map(|(name, kind)| {
            json!({"name": format!("{}/{name}", resource.plural), "singularName": "", "namespaced": resource.namespaced,
                "kind": kind, "verbs": ["get"]})
        });
        std::iter::once(whole).chain(parts).collect::<Vec<_>>()
    });
    let resources: Vec<Value> = resources.collect();
    if resources.is_empty() {
        return no_such_address();
    }
    let version = api_version(group, version);
    Answer::json(
        &json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}),
    )
}

fn in_version<'a>(cluster: &'a Cluster, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a Resource> {
    cluster.resources.iter().filter(move |resource| resource.group == group && resource.version == version)
}

fn verbs(resource: &Resource) -> Vec<&'static str> {
    if resource.is_question() { vec!["create"] } else { VERBS.to_vec() }
}

/// What can be got of an object beside itself.
fn subresources(resource: &Resource) -> &'static [(&'static str, &'static str)] {
    match resource.plural.as_str() {
        "pods" => &[("log", "Pod"), ("status", "Pod")],
        _ => &[],
    }
}

fn all(cluster: &Cluster, core: bool) -> Answer {
    let items: Vec<Value> = groups(cluster, core)
        .into_iter()
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .into_iter()
                .map(|version| {
                    let resources: Vec<Value> = in_version(cluster, group, version).map(in_all).collect();
                    json!({"version": version, "freshness": "Current", "resources": resources})
                })
                .collect();
            json!({"metadata": {"name": group, "creationTimestamp": null}, "versions": versions})
        })
        .collect();
    let list = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items});
    Answer {
        content_type: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        ..Answer::json(&list)
    }
}

fn in_all(resource: &Resource) -> Value {
    let kind = |kind: &str| json!({"group": resource.group, "version": resource.version, "kind": kind});
    let parts: Vec<Value> = subresources(resource)
        .iter()
        .map(|(name, of)| json!({"subresource": name, "responseKind": kind(of), "verbs": ["get"]}))
        .collect();
    json!({
        "resource": resource.plural, "responseKind": kind(&resource.kind), "singularResource": resource.singular,
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" }, "verbs": verbs(resource),
        "shortNames": resource.short, "categories": resource.categories, "subresources": parts,
    })
}
