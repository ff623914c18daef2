//! What collecting leaves out of objects because it stands in them twice (lab/src/collect/redact.rs), put back, so that a client
//! sees what the API server showed.

use serde_json::{Value, json};

/// Completes an object. One whose version of change was not kept gets `resource_version`, as clients cannot do without.
pub(super) fn restore(object: &mut Value, resource_version: &str) {
    if object["metadata"]["resourceVersion"].is_null() {
        object["metadata"]["resourceVersion"] = json!(resource_version);
    }
    for (one, all) in [("hostIP", "hostIPs"), ("podIP", "podIPs")] {
        if object["kind"] == "Pod" && object["status"][all].is_null() && object["status"][one].is_string() {
            object["status"][all] = json!([{"ip": object["status"][one]}]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_has_what_the_server_gave_it() {
        let mut object = json!({"kind": "Pod", "metadata": {}, "spec": {}, "status": {"podIP": "10.0.0.1"}});
        restore(&mut object, "7");
        assert_eq!(object["status"]["podIPs"], json!([{"ip": "10.0.0.1"}]));
        assert_eq!(object["metadata"]["resourceVersion"], "7");
        assert!(object["status"]["hostIPs"].is_null());
    }
}
