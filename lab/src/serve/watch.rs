//! Watches. Nothing changes in a recording: whoever watches gets what there is, if asked for, and then silence.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    answer::{Answer, Body},
    api::metadata,
    ask::{Ask, Form},
    cluster::Cluster,
    resources::Resource,
    tables::table,
};

/// How long a watch lasts whose client does not say (a server's own choice is between 30 and 60 minutes).
const USUAL: Duration = Duration::from_secs(45 * 60);

/// The mark of the bookmark after the last of the objects that were there already (sendInitialEvents, KEP-3157).
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// A watch of these objects.
pub(super) fn answer(cluster: &Cluster, ask: &Ask, resource: &Resource, objects: &[&Value]) -> Answer {
    let whole = ask.says("sendInitialEvents");
    let from_the_start = whole || matches!(ask.parameter("resourceVersion"), "" | "0");
    let mut lines = String::new();
    let mut line = |kind: &str, object: Value| {
        lines.push_str(&json!({"type": kind, "object": object}).to_string());
        lines.push('\n');
    };
    for (index, object) in objects.iter().enumerate().filter(|_| from_the_start) {
        line(
            "ADDED",
            match ask.form {
                Form::Table => {
                    let mut rows = table(resource, &[object], ask.parameter("includeObject"), cluster);
                    // Columns are told once.
                    if index > 0 {
                        rows["columnDefinitions"] = Value::Null;
                    }
                    rows
                }
                Form::Metadata => metadata(object),
                _ => (*object).clone(),
            },
        );
    }
    if whole {
        line("BOOKMARK", bookmark(cluster, ask, resource, json!({INITIAL_END: "true"})));
    }
    let again = json!({"type": "BOOKMARK", "object": bookmark(cluster, ask, resource, Value::Null)});
    let quiet = ask.parameter("timeoutSeconds").parse().map_or(USUAL, Duration::from_secs);
    let bookmark = if ask.says("allowWatchBookmarks") { format!("{again}\n") } else { String::new() };
    Answer { status: 200, content_type: "application/json", body: Body::Then { lines, quiet, bookmark }, warning: None }
}

fn bookmark(cluster: &Cluster, ask: &Ask, resource: &Resource, annotations: Value) -> Value {
    let mut metadata = json!({"resourceVersion": cluster.resource_version, "creationTimestamp": null});
    if !annotations.is_null() {
        metadata["annotations"] = annotations;
    }
    match ask.form {
        Form::Table => {
            json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": null,
            "rows": []})
        }
        Form::Metadata => {
            json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
        }
        _ => json!({"kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata}),
    }
}
