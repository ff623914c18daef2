//! The kinds an API server tells of: Kubernetes' own, and those that the evidence defines or holds objects of.

use std::collections::BTreeSet;

use serde_json::Value;

/// What `kubectl api-resources` prints of a Kubernetes 1.34 cluster on which nothing was installed.
const OWN: &str = include_str!("resources.txt");

/// Kinds that `kubectl get all` means (the category `all`; kubernetes/pkg/registry).
const ALL: [&str; 10] = [
    "cronjobs",
    "daemonsets",
    "deployments",
    "horizontalpodautoscalers",
    "jobs",
    "pods",
    "replicasets",
    "replicationcontrollers",
    "services",
    "statefulsets",
];

/// A kind of object, as a server is asked for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resource {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    pub singular: String,
    pub short: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    /// What a definition wants shown of its objects (`additionalPrinterColumns`).
    pub columns: Vec<Value>,
}

impl Resource {
    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// `deployments.apps`, or `pods` for the core group: how messages of an API server name a kind.
    pub fn name(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Whether it is a question to the server and not a kind of stored objects.
    pub fn is_question(&self) -> bool {
        self.kind.ends_with("Review") || self.kind == "Binding"
    }
}

/// `apps/v1` of a group and a version.
pub(super) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// A group and a version of `apps/v1` or `v1`.
pub(super) fn group_and_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Every kind: Kubernetes' own, those that definitions among the objects define, and those that some object is of.
pub(super) fn resources(objects: &[Value]) -> Vec<Resource> {
    let mut all: Vec<Resource> = OWN.lines().skip(1).filter_map(own).collect();
    all.extend(objects.iter().filter(|object| object["kind"] == "CustomResourceDefinition").flat_map(defined));
    let mut known: BTreeSet<(String, String)> =
        all.iter().map(|resource| (resource.group.clone(), resource.kind.clone())).collect();
    for object in objects {
        let Some(found) = undefined(object) else { continue };
        if known.insert((found.group.clone(), found.kind.clone())) {
            all.push(found);
        }
    }
    all
}

fn own(line: &str) -> Option<Resource> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (short, [plural, version_of, namespaced, kind]) = match words[..] {
        [plural, version_of, namespaced, kind] => (vec![], [plural, version_of, namespaced, kind]),
        [plural, short, version_of, namespaced, kind] => {
            (short.split(',').map(str::to_owned).collect(), [plural, version_of, namespaced, kind])
        }
        _ => return None,
    };
    let (group, version) = group_and_version(version_of);
    Some(Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_ascii_lowercase(),
        short,
        categories: if ALL.contains(&plural) { vec!["all".to_owned()] } else { vec![] },
        namespaced: namespaced == "true",
        columns: vec![],
    })
}

/// What a CustomResourceDefinition defines: one for each version that is served.
fn defined(definition: &Value) -> Vec<Resource> {
    let spec = &definition["spec"];
    let names = &spec["names"];
    let kind = text(&names["kind"]);
    let singular = text(&names["singular"]);
    let served = spec["versions"].as_array().into_iter().flatten().filter(|version| version["served"] == true);
    let resource = |version: &Value| Resource {
        group: text(&spec["group"]),
        version: text(&version["name"]),
        singular: if singular.is_empty() { kind.to_ascii_lowercase() } else { singular.clone() },
        kind: kind.clone(),
        plural: text(&names["plural"]),
        short: texts(&names["shortNames"]),
        categories: texts(&names["categories"]),
        namespaced: spec["scope"] == "Namespaced",
        columns: version["additionalPrinterColumns"].as_array().cloned().unwrap_or_default(),
    };
    served.map(resource).collect()
}

/// A kind that is only known by an object of it; its plural is guessed.
fn undefined(object: &Value) -> Option<Resource> {
    let (kind, version_of) = (object["kind"].as_str()?, object["apiVersion"].as_str()?);
    let (group, version) = group_and_version(version_of);
    let singular = kind.to_ascii_lowercase();
    Some(Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural(&singular),
        singular,
        namespaced: object["metadata"]["namespace"].is_string(),
        ..Resource::default()
    })
}

/// The kind that somebody means by a word of kubectl, in lower case: `pod` by `po`, `pods`, `pod`. Other words are left as they are.
pub(crate) fn singular(word: &str) -> String {
    let mut own = OWN.lines().skip(1).filter_map(own);
    let meant = own.find(|kind| kind.plural == word || kind.short.iter().any(|short| short == word));
    meant.map_or_else(|| word.to_owned(), |kind| kind.singular)
}

/// The plural of a kind in lower case, as kinds mostly form it.
pub(crate) fn plural(singular: &str) -> String {
    match singular.as_bytes() {
        [.., b's'] => format!("{singular}es"),
        [.., b'a' | b'e' | b'o' | b'u', b'y'] => format!("{singular}s"),
        [.., before, b'y'] if !b"aeiou".contains(before) => format!("{}ies", &singular[..singular.len() - 1]),
        _ => format!("{singular}s"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rigs::kinds;

    #[test]
    fn every_line_of_the_table_is_read_and_the_labs_kinds_are_among_them() {
        let all = resources(&[]);
        assert_eq!(all.len(), OWN.lines().count() - 1);
        let deployment = all.iter().find(|resource| resource.plural == "deployments").expect("deployments");
        assert_eq!(deployment.name(), "deployments.apps");
        assert_eq!((deployment.short[0].as_str(), deployment.categories.len()), ("deploy", 1));
        for kind in kinds().filter(|kind| !kind.version.contains(".istio.io/")) {
            let same = |resource: &&Resource| resource.kind == kind.kind && resource.api_version() == kind.version;
            let found = all.iter().find(same).unwrap_or_else(|| panic!("{}", kind.kind));
            assert_eq!((found.plural.as_str(), found.namespaced), (kind.plural, kind.namespaced));
        }
    }

    #[test]
    fn a_word_means_a_kind() {
        let meant = ["po", "deploy", "netpol", "ingresses", "endpoints", "virtualservices"].map(singular);
        assert_eq!(meant, ["pod", "deployment", "networkpolicy", "ingress", "endpoints", "virtualservices"]);
    }

    #[test]
    fn kinds_of_others_are_those_defined_and_those_seen() {
        let definition = json!({"kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1", "spec": {
            "group": "example.test", "scope": "Namespaced", "names": {"kind": "Policy", "plural": "policies", "shortNames": ["pol"]},
            "versions": [{"name": "v2", "served": true}, {"name": "v1", "served": false}]}});
        let seen =
            json!({"kind": "Gateway", "apiVersion": "other.test/v1", "metadata": {"namespace": "a", "name": "g"}});
        let policy =
            json!({"kind": "Policy", "apiVersion": "example.test/v2", "metadata": {"namespace": "a", "name": "p"}});
        let all = resources(&[definition, seen, policy]);
        let others: Vec<String> = all.iter().filter(|each| each.group.ends_with(".test")).map(Resource::name).collect();
        assert_eq!(others, ["policies.example.test", "gateways.other.test"]);
    }
}
