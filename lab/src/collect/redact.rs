//! What is never written: values of secrets, and of settings whose names say that they are one.

use serde_json::{Value, json};

/// What stands in place of a value.
const REDACTED: &str = "redacted";

/// An annotation that repeats the whole object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Takes out of an object what nobody needs and nobody should see.
pub(super) fn redact(object: &mut Value) {
    if object["kind"] == "Secret" {
        for field in ["data", "stringData"] {
            if let Some(values) = object.get_mut(field).and_then(Value::as_object_mut) {
                values.values_mut().for_each(|value| *value = REDACTED.into());
            }
        }
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
        }
    }
    match object["kind"].as_str() {
        Some("Event") => bookkeeping(object),
        Some("Node") => drop(object["status"].as_object_mut().and_then(|status| status.remove("images"))),
        Some("Pod") => twice(object),
        Some("ConfigMap") if object["metadata"]["name"] == "kube-root-ca.crt" => {
            object["data"] = json!({"ca.crt": REDACTED});
        }
        Some("CustomResourceDefinition") => schemas(object),
        _ => {}
    }
    environment(object);
}

/// What a pod says twice (lab/src/serve/restored.rs puts it back).
fn twice(pod: &mut Value) {
    for (one, all) in [("hostIP", "hostIPs"), ("podIP", "podIPs")] {
        let Some(status) = pod["status"].as_object_mut() else { return };
        if status.get(all).is_some_and(|all| *all == json!([{"ip": status.get(one)}])) {
            status.remove(all);
        }
    }
}

/// How objects of a kind may look, which is long; what is defined and shown of them stays.
fn schemas(definition: &mut Value) {
    for version in definition["spec"]["versions"].as_array_mut().into_iter().flatten() {
        if let Some(version) = version.as_object_mut() {
            version.remove("schema");
        }
    }
}

/// What an event keeps for the API server's own sake.
fn bookkeeping(event: &mut Value) {
    let mut remove = |place: &str, keys: &[&str]| {
        if let Some(map) = event.pointer_mut(place).and_then(Value::as_object_mut) {
            keys.iter().for_each(|key| drop(map.remove(*key)));
        }
    };
    remove("/metadata", &["resourceVersion", "uid"]);
    remove("/involvedObject", &["resourceVersion"]);
}

/// Values of environment variables with telling names, wherever a container is described.
fn environment(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for variable in map.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
                let secret = variable["name"].as_str().is_some_and(is_secret);
                if secret && variable["value"].is_string() {
                    variable["value"] = REDACTED.into();
                }
            }
            map.values_mut().for_each(environment);
        }
        Value::Array(list) => list.iter_mut().for_each(environment),
        _ => {}
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["PASSWORD", "PASSWD", "TOKEN", "SECRET", "KEY", "CREDENTIAL"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_left() {
        let mut secret =
            json!({"kind": "Secret", "metadata": {"name": "s", "managedFields": []}, "data": {"a": "aGk="}});
        redact(&mut secret);
        assert_eq!(secret, json!({"kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "redacted"}}));
        let env = json!([{"name": "DB_PASSWORD", "value": "x"}, {"name": "PORT", "value": "80"}]);
        let mut pod = json!({"kind": "Pod", "metadata": {}, "spec": {"containers": [{"env": env}]}});
        redact(&mut pod);
        assert_eq!(pod["spec"]["containers"][0]["env"][0]["value"], "redacted");
        assert_eq!(pod["spec"]["containers"][0]["env"][1]["value"], "80");
    }
}
