//! The cluster itself: nodes and what holds them together.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::{Column, Printer, age, count, list, name, number, or, text, truth, wide};

const NODES: &[Column] = &[
    text("Name"),
    text("Status"),
    text("Roles"),
    text("Age"),
    text("Version"),
    wide("Internal-IP"),
    wide("External-IP"),
    wide("OS-Image"),
    wide("Kernel-Version"),
    wide("Container-Runtime"),
];
const NAMESPACES: &[Column] = &[text("Name"), text("Status"), text("Age")];
const LEASES: &[Column] = &[text("Name"), text("Holder"), text("Age")];
const RUNTIMES: &[Column] = &[text("Name"), text("Handler"), text("Age")];
const PRIORITIES: &[Column] =
    &[text("Name"), number("Value"), truth("Global-Default"), text("Age"), text("PreemptionPolicy")];
const COMPONENTS: &[Column] = &[text("Name"), text("Status"), text("Message"), text("Error")];

pub(super) fn printer(kind: &str) -> Option<Printer> {
    let (columns, cells): (_, fn(&Value, Timestamp) -> Vec<Value>) = match kind {
        "ComponentStatus" => (COMPONENTS, component),
        "Lease" => (LEASES, lease),
        "Namespace" => (NAMESPACES, namespace),
        "Node" => (NODES, node),
        "PriorityClass" => (PRIORITIES, priority),
        "RuntimeClass" => (RUNTIMES, runtime),
        _ => return None,
    };
    Some(Printer { columns, cells })
}

fn node(object: &Value, now: Timestamp) -> Vec<Value> {
    let (status, info) = (&object["status"], &object["status"]["nodeInfo"]);
    let ready = list(&status["conditions"]).filter(|each| each["type"] == "Ready").last();
    let state = ready.map_or("Unknown", |ready| if ready["status"] == "True" { "Ready" } else { "NotReady" });
    let closed = if object["spec"]["unschedulable"] == true { ",SchedulingDisabled" } else { "" };
    let address = |kind: &str| {
        let found = list(&status["addresses"]).find(|address| address["type"] == kind);
        found.map_or("<none>", |address| or(&address["address"], "")).into()
    };
    vec![
        name(object),
        format!("{state}{closed}").into(),
        roles(object).into(),
        age(object, now),
        or(&info["kubeletVersion"], "").into(),
        address("InternalIP"),
        address("ExternalIP"),
        or(&info["osImage"], "<unknown>").into(),
        or(&info["kernelVersion"], "<unknown>").into(),
        or(&info["containerRuntimeVersion"], "<unknown>").into(),
    ]
}

fn roles(node: &Value) -> String {
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let roles: BTreeSet<&str> = labels
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None => value.as_str().filter(|_| key == "kubernetes.io/role"),
        })
        .filter(|role| !role.is_empty())
        .collect();
    super::none_if_empty(super::joined(roles.into_iter(), ","))
}

fn namespace(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), or(&object["status"]["phase"], "").into(), age(object, now)]
}

fn lease(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), or(&object["spec"]["holderIdentity"], "").into(), age(object, now)]
}

fn runtime(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), or(&object["handler"], "").into(), age(object, now)]
}

fn priority(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        count(&object["value"]).into(),
        (object["globalDefault"] == true).into(),
        age(object, now),
        or(&object["preemptionPolicy"], "").into(),
    ]
}

fn component(object: &Value, _now: Timestamp) -> Vec<Value> {
    let condition = list(&object["conditions"]).find(|each| each["type"] == "Healthy").unwrap_or(&Value::Null);
    let state = match or(&condition["status"], "") {
        "" => "Unknown",
        "True" => "Healthy",
        _ => "Unhealthy",
    };
    vec![name(object), state.into(), or(&condition["message"], "").into(), or(&condition["error"], "").into()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_says_its_state_and_its_roles() {
        let object = json!({"metadata": {"name": "n", "labels": {"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "b"}},
            "spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}],
            "addresses": [{"type": "InternalIP", "address": "172.18.0.2"}]}});
        let cells = node(&object, Timestamp::UNIX_EPOCH);
        assert_eq!(cells[1..3], ["NotReady,SchedulingDisabled", "b,control-plane"].map(Value::from));
        assert_eq!(cells[5..7], ["172.18.0.2", "<none>"].map(Value::from));
    }
}
