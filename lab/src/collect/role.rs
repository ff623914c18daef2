//! What one must be allowed to do for `lab diagnose --context`, as a manifest: docs/diagnose-role.yaml.

use std::collections::BTreeMap;

use super::cluster::wanted;

/// The role, for `kubectl apply`. Secrets are not in it: that they exist could not be read without reading their values, and
/// where they cannot be listed the answer says so if that matters.
pub fn role() -> String {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in wanted().filter(|kind| kind.kind != "Secret") {
        let group = kind.version.split_once('/').map_or("", |(group, _)| group);
        groups.entry(group).or_default().push(kind.plural);
    }
    groups.entry("").or_default().push("pods/log");
    let rules: String = groups
        .into_iter()
        .map(|(group, mut resources)| {
            resources.sort_unstable();
            let resources = resources.join(", ");
            format!("- apiGroups: [\"{group}\"]\n  resources: [{resources}]\n  verbs: [get, list, watch]\n")
        })
        .collect();
    format!(
        "# What `lab diagnose --context` needs, and nothing that changes anything. Written by `just docs`.\n\
         # kubectl apply -f docs/diagnose-role.yaml\n\
         # kubectl create clusterrolebinding lab-diagnose --clusterrole=lab-diagnose --user=NAME\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: ClusterRole\n\
         metadata: {{name: lab-diagnose}}\n\
         rules:\n{rules}"
    )
}
