//! What one must be allowed to do for `--probe`, as a manifest: docs/probe-role.yaml.

/// The role, for `kubectl apply`; it is bound in the namespaces where probes may be made, and nowhere else.
pub fn role() -> String {
    let rights: String = super::run::RIGHTS
        .iter()
        .map(|(resource, verbs)| {
            format!("- apiGroups: [\"\"]\n  resources: [{resource}]\n  verbs: [{}]\n", verbs.join(", "))
        })
        .collect();
    format!(
        "# What `lab diagnose --context NAME --probe` needs beside docs/diagnose-role.yaml. Written by `just docs`.\n\
         # kubectl -n NAMESPACE apply -f docs/probe-role.yaml\n\
         # kubectl -n NAMESPACE create rolebinding lab-probe --role=lab-probe --user=NAME\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: Role\n\
         metadata: {{name: lab-probe}}\n\
         rules:\n{rights}"
    )
}
