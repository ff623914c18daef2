//! The API as a function: a cluster and a question in, an answer out. Nothing here listens, waits or knows the time.

use serde_json::{Value, json};

use super::{
    READ_ONLY, access,
    answer::{Answer, bad_request, failure, no_such_address, not_found, not_held, refused},
    ask::{Ask, Form, Place, place},
    cluster::Cluster,
    discovery, logs, openapi,
    resources::Resource,
    selectors::{FieldSelector, LabelSelector},
    tables::table,
    watch,
};

/// What stands behind the addresses that make a connection to a container or a server, and why they cannot be here.
const CONNECTIONS: [&str; 4] = ["attach", "exec", "portforward", "proxy"];

/// Answers a request.
pub(super) fn answer(cluster: &Cluster, ask: &Ask) -> Answer {
    match ask.path.trim_end_matches('/') {
        "/healthz" | "/livez" | "/readyz" => return Answer::text("ok"),
        "/version" => return Answer::json(&version(cluster)),
        path if path.starts_with("/openapi/") => return openapi::answer(cluster, path),
        _ => {}
    }
    if ask.method == "GET"
        && let Some(answer) = discovery::answer(cluster, ask)
    {
        return answer;
    }
    let Some(place) = place(&ask.path) else { return no_such_address() };
    let known = |resource: &&Resource| {
        (&resource.group, &resource.version, &resource.plural) == (&place.group, &place.version, &place.plural)
    };
    let Some(resource) = cluster.resources.iter().find(known) else { return no_such_address() };
    let connects = place.subresource.as_deref().is_some_and(|sub| CONNECTIONS.contains(&sub));
    match ask.method.as_str() {
        _ if connects => {
            refused("create", resource, &place, "this is a recording; nothing runs here that one could connect to")
        }
        "POST" if resource.is_question() && place.name.is_none() => {
            access::answer(resource, &ask.body).unwrap_or_else(|| refused("create", resource, &place, READ_ONLY))
        }
        "GET" if ask.form == Form::Unknown => {
            failure(406, "NotAcceptable", "only application/json is spoken here", Value::Null)
        }
        "GET" => read(cluster, ask, resource, &place),
        "POST" => refused("create", resource, &place, READ_ONLY),
        "PUT" => refused("update", resource, &place, READ_ONLY),
        "PATCH" => refused("patch", resource, &place, READ_ONLY),
        "DELETE" if place.name.is_none() => refused("deletecollection", resource, &place, READ_ONLY),
        "DELETE" => refused("delete", resource, &place, READ_ONLY),
        _ => failure(405, "MethodNotAllowed", "the server does not allow this method", Value::Null),
    }
}

fn version(cluster: &Cluster) -> Value {
    let mut parts = cluster.version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or("1"), parts.next().unwrap_or("34"));
    json!({
        "major": major, "minor": minor, "gitVersion": cluster.version, "gitCommit": "", "gitTreeState": "archive",
        "buildDate": cluster.now, "goVersion": "", "compiler": "", "platform": "linux/amd64",
    })
}

fn read(cluster: &Cluster, ask: &Ask, resource: &Resource, place: &Place) -> Answer {
    let namespace = place.namespace.as_deref();
    let name = place.name.as_deref();
    if resource.is_question() || resource.namespaced && namespace.is_none() && name.is_some() {
        return no_such_address();
    }
    if let Some(why) = cluster.lacks(resource, namespace) {
        return not_held(resource, name.unwrap_or_default(), &why);
    }
    let Some(name) = name else { return list(cluster, ask, resource, namespace) };
    let Some(object) = cluster.get(resource, namespace, name) else {
        let more = cluster.leaves_out(resource, namespace).map(|why| format!(" ({why})")).unwrap_or_default();
        return not_found(resource, name, &more);
    };
    match place.subresource.as_deref() {
        None | Some("status") => Answer::json(&match ask.form {
            Form::Table => table(resource, &[object], ask.parameter("includeObject"), cluster),
            Form::Metadata => metadata(object),
            _ => object.clone(),
        }),
        Some("log") if resource.plural == "pods" => logs::answer(cluster, ask, object),
        Some(_) => no_such_address(),
    }
}

fn list(cluster: &Cluster, ask: &Ask, resource: &Resource, namespace: Option<&str>) -> Answer {
    let labels = match LabelSelector::parse(ask.parameter("labelSelector")) {
        Ok(labels) => labels,
        Err(why) => return bad_request(why),
    };
    let fields = match FieldSelector::parse(ask.parameter("fieldSelector"), resource) {
        Ok(fields) => fields,
        Err(why) => return bad_request(why),
    };
    let chosen: Vec<&Value> =
        cluster.list(resource, namespace).filter(|object| labels.matches(object) && fields.matches(object)).collect();
    let left_out = cluster.leaves_out(resource, namespace);
    if ask.says("watch") {
        return watch::answer(cluster, ask, resource, &chosen).warning(left_out);
    }
    let list_metadata = json!({"resourceVersion": cluster.resource_version});
    Answer::json(&match ask.form {
        Form::Table => table(resource, &chosen, ask.parameter("includeObject"), cluster),
        Form::Metadata => {
            let items: Vec<Value> = chosen.into_iter().map(metadata).collect();
            json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": list_metadata, "items": items})
        }
        _ => json!({"kind": format!("{}List", resource.kind), "apiVersion": resource.api_version(),
            "metadata": list_metadata, "items": chosen}),
    })
    .warning(left_out)
}

/// An object without specification and status.
pub(super) fn metadata(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}
