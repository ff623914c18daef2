//! What collecting leaves out of objects because it stands elsewhere (lab/src/collect/redact.rs; recordings of earlier versions
//! left out more), put back, so that a client sees what the API server showed.

use serde_json::{Value, json};

use super::resources::Resource;

/// Completes an object. One whose version of change was not kept gets `resource_version`, as clients cannot do without.
pub(super) fn restore(object: &mut Value, resource_version: &str, resources: &[Resource]) {
    if object["metadata"]["resourceVersion"].is_null() {
        object["metadata"]["resourceVersion"] = json!(resource_version);
    }
    match object["kind"].as_str() {
        Some("Pod") => addresses(object),
        Some("Event") => about(object, resources),
        Some("DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet") => observed(object),
        _ => {}
    }
}

/// Clients select events by it (kubectl events --for).
fn about(event: &mut Value, resources: &[Resource]) {
    let Some(about) = event["involvedObject"].as_object_mut() else { return };
    if about.contains_key("apiVersion") {
        return;
    }
    let kind = about.get("kind").and_then(Value::as_str).unwrap_or_default();
    if let Some(resource) = resources.iter().find(|resource| resource.kind == kind) {
        about.insert("apiVersion".to_owned(), json!(resource.api_version()));
    }
}

/// A workload whose controller has reported: `kubectl rollout status` else waits for it to do so.
fn observed(object: &mut Value) {
    let generation = object["metadata"]["generation"].clone();
    let Some(status) = object["status"].as_object_mut() else { return };
    if !status.is_empty() && !status.contains_key("observedGeneration") && generation.is_number() {
        status.insert("observedGeneration".to_owned(), generation);
    }
}

fn addresses(pod: &mut Value) {
    for (one, all) in [("hostIP", "hostIPs"), ("podIP", "podIPs")] {
        if pod["status"][all].is_null() && pod["status"][one].is_string() {
            pod["status"][all] = json!([{"ip": pod["status"][one]}]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::resources::resources;

    #[test]
    fn a_pod_has_what_the_server_gave_it() {
        let mut object = json!({"kind": "Pod", "metadata": {}, "spec": {}, "status": {"podIP": "10.0.0.1"}});
        restore(&mut object, "7", &[]);
        assert_eq!(object["status"]["podIPs"], json!([{"ip": "10.0.0.1"}]));
        assert_eq!(object["metadata"]["resourceVersion"], "7");
        assert!(object["status"]["hostIPs"].is_null());
    }

    #[test]
    fn what_events_and_workloads_are_asked_for_is_there() {
        let mut event =
            json!({"kind": "Event", "metadata": {"resourceVersion": "3"}, "involvedObject": {"kind": "ReplicaSet"}});
        restore(&mut event, "7", &resources(&[]));
        assert_eq!(event["involvedObject"]["apiVersion"], "apps/v1");
        assert_eq!(event["metadata"]["resourceVersion"], "3");
        let mut workload = json!({"kind": "Deployment", "metadata": {"generation": 2}, "status": {"replicas": 1}});
        restore(&mut workload, "7", &[]);
        assert_eq!(workload["status"]["observedGeneration"], 2);
        let mut unseen = json!({"kind": "Deployment", "metadata": {"generation": 2}, "status": {}});
        restore(&mut unseen, "7", &[]);
        assert_eq!(unseen["status"], json!({}));
    }
}
