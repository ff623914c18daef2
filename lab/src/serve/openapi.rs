//! The part of the API's description that clients look at before they write: which writes the server checks by itself. Told
//! so, `kubectl apply` and its like leave the checking to the server, and get its refusal.

use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, no_such_address},
    cluster::Cluster,
    resources::Resource,
};

/// The older description's form.
const V2: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// The answer to `/openapi/...`.
pub(super) fn answer(cluster: &Cluster, path: &str) -> Answer {
    if path == "/openapi/v2" {
        // For kubectl before 1.29, which reads it first: an empty document in the form it asks for, protobuf.
        return Answer { content_type: V2, ..Answer::text("") };
    }
    let Some(below) = path.strip_prefix("/openapi/v3") else { return no_such_address() };
    let of_group = |resource: &&Resource| root(resource) == below.trim_matches('/');
    if below.trim_matches('/').is_empty() {
        let paths: Map<String, Value> = cluster
            .resources
            .iter()
            .map(|resource| (root(resource), json!({"serverRelativeURL": format!("/openapi/v3/{}", root(resource))})))
            .collect();
        return Answer::json(&json!({"paths": paths}));
    }
    let paths: Map<String, Value> = cluster.resources.iter().filter(of_group).map(writes).collect();
    if paths.is_empty() {
        return no_such_address();
    }
    let info = json!({"title": "Kubernetes", "version": cluster.version});
    Answer::json(&json!({"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}))
}

/// `api/v1`, `apis/apps/v1`.
fn root(resource: &Resource) -> String {
    let root = if resource.group.is_empty() { "api" } else { "apis" };
    format!("{root}/{}", resource.api_version())
}

fn writes(resource: &Resource) -> (String, Value) {
    let namespace = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
    let path = format!("/{}/{namespace}{}/{{name}}", root(resource), resource.plural);
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    let patch = json!({
        "parameters": [parameter("dryRun"), parameter("fieldValidation")],
        "responses": {"403": {"description": "Forbidden"}},
        "x-kubernetes-group-version-kind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
    });
    (path, json!({"patch": patch}))
}
