//! Volumes, their claims and their classes.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Column, Printer, age, joined, list, name, none_if_empty, number, or, text, truth, wide, written};

const VOLUMES: &[Column] = &[
    text("Name"),
    text("Capacity"),
    text("Access Modes"),
    text("Reclaim Policy"),
    text("Status"),
    text("Claim"),
    text("StorageClass"),
    text("VolumeAttributesClass"),
    text("Reason"),
    text("Age"),
    wide("VolumeMode"),
];
const CLAIMS: &[Column] = &[
    text("Name"),
    text("Status"),
    text("Volume"),
    text("Capacity"),
    text("Access Modes"),
    text("StorageClass"),
    text("VolumeAttributesClass"),
    text("Age"),
    wide("VolumeMode"),
];
const CLASSES: &[Column] = &[
    text("Name"),
    text("Provisioner"),
    text("ReclaimPolicy"),
    text("VolumeBindingMode"),
    text("AllowVolumeExpansion"),
    text("Age"),
];
const ATTRIBUTES: &[Column] = &[text("Name"), text("DriverName"), text("Age")];
const ATTACHMENTS: &[Column] =
    &[text("Name"), text("Attacher"), text("PV"), text("Node"), truth("Attached"), text("Age")];
const CSI_NODES: &[Column] = &[text("Name"), number("Drivers"), text("Age")];
const CSI_DRIVERS: &[Column] = &[
    text("Name"),
    truth("AttachRequired"),
    truth("PodInfoOnMount"),
    truth("StorageCapacity"),
    text("TokenRequests"),
    truth("RequiresRepublish"),
    text("Modes"),
    text("Age"),
];
const CAPACITIES: &[Column] = &[text("Name"), text("StorageClassName"), text("Capacity")];

pub(super) fn printer(kind: &str) -> Option<Printer> {
    let (columns, cells): (_, fn(&Value, Timestamp) -> Vec<Value>) = match kind {
        "CSIDriver" => (CSI_DRIVERS, driver),
        "CSINode" => (CSI_NODES, csi_node),
        "CSIStorageCapacity" => (CAPACITIES, capacity),
        "PersistentVolume" => (VOLUMES, volume),
        "PersistentVolumeClaim" => (CLAIMS, claim),
        "StorageClass" => (CLASSES, class),
        "VolumeAttachment" => (ATTACHMENTS, attachment),
        "VolumeAttributesClass" => (ATTRIBUTES, attributes),
        _ => return None,
    };
    Some(Printer { columns, cells })
}

/// `RWO,ROX,RWX,RWOP` of those that are there, in this order.
fn modes(modes: &Value) -> String {
    const MODES: [(&str, &str); 4] =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    joined(MODES.into_iter().filter(|(mode, _)| list(modes).any(|each| each == mode)).map(|(_, short)| short), ",")
}

/// The class: by the old annotation, else by the field.
fn class_of(object: &Value) -> &str {
    let annotation = &object["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"];
    or(annotation, or(&object["spec"]["storageClassName"], ""))
}

fn phase(object: &Value) -> &str {
    if object["metadata"]["deletionTimestamp"].is_null() { or(&object["status"]["phase"], "") } else { "Terminating" }
}

fn volume(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let claim = &spec["claimRef"];
    let claim = if claim.is_null() {
        String::new()
    } else {
        format!("{}/{}", or(&claim["namespace"], ""), or(&claim["name"], ""))
    };
    vec![
        name(object),
        written(&spec["capacity"]["storage"], "0").into(),
        modes(&spec["accessModes"]).into(),
        or(&spec["persistentVolumeReclaimPolicy"], "").into(),
        phase(object).into(),
        claim.into(),
        class_of(object).into(),
        or(&spec["volumeAttributesClassName"], "<unset>").into(),
        or(&object["status"]["reason"], "").into(),
        age(object, now),
        or(&spec["volumeMode"], "<unset>").into(),
    ]
}

fn claim(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let bound = !or(&spec["volumeName"], "").is_empty();
    let (capacity, modes) = match bound {
        true => (written(&status["capacity"]["storage"], "0"), modes(&status["accessModes"])),
        false => Default::default(),
    };
    vec![
        name(object),
        phase(object).into(),
        or(&spec["volumeName"], "").into(),
        capacity.into(),
        modes.into(),
        class_of(object).into(),
        or(&spec["volumeAttributesClassName"], "<unset>").into(),
        age(object, now),
        or(&spec["volumeMode"], "<unset>").into(),
    ]
}

fn class(object: &Value, now: Timestamp) -> Vec<Value> {
    let annotations = &object["metadata"]["annotations"];
    let usual = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
    let usual = if usual.iter().any(|key| annotations[*key] == "true") { " (default)" } else { "" };
    vec![
        format!("{}{usual}", or(&object["metadata"]["name"], "")).into(),
        or(&object["provisioner"], "").into(),
        or(&object["reclaimPolicy"], "Delete").into(),
        or(&object["volumeBindingMode"], "Immediate").into(),
        (object["allowVolumeExpansion"] == true).into(),
        age(object, now),
    ]
}

fn attributes(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), or(&object["driverName"], "").into(), age(object, now)]
}

fn attachment(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    vec![
        name(object),
        or(&spec["attacher"], "").into(),
        or(&spec["source"]["persistentVolumeName"], "").into(),
        or(&spec["nodeName"], "").into(),
        (object["status"]["attached"] == true).into(),
        age(object, now),
    ]
}

fn csi_node(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), list(&object["spec"]["drivers"]).count().into(), age(object, now)]
}

fn driver(object: &Value, now: Timestamp) -> Vec<Value> {
    let nothing = Map::new();
    let spec = object["spec"].as_object().unwrap_or(&nothing);
    let says = |key: &str, usual: bool| spec.get(key).and_then(Value::as_bool).unwrap_or(usual).into();
    let tokens = spec.get("tokenRequests").map_or("<unset>".to_owned(), |requests| {
        joined(list(requests).map(|request| or(&request["audience"], "")), ",")
    });
    let modes = joined(list(&object["spec"]["volumeLifecycleModes"]).filter_map(Value::as_str), ",");
    vec![
        name(object),
        says("attachRequired", true),
        says("podInfoOnMount", false),
        says("storageCapacity", false),
        tokens.into(),
        says("requiresRepublish", false),
        none_if_empty(modes).into(),
        age(object, now),
    ]
}

fn capacity(object: &Value, _now: Timestamp) -> Vec<Value> {
    vec![name(object), or(&object["storageClassName"], "").into(), written(&object["capacity"], "<unset>").into()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_that_waits_has_no_capacity() {
        let waiting = json!({"metadata": {"name": "c"}, "spec": {"storageClassName": "s", "accessModes": ["ReadWriteOnce"],
            "volumeMode": "Filesystem"}, "status": {"phase": "Pending"}});
        let wanted = ["Pending", "", "", "", "s", "<unset>"].map(Value::from);
        assert_eq!(claim(&waiting, Timestamp::UNIX_EPOCH)[1..7], wanted);
        assert_eq!(modes(&json!(["ReadWriteMany", "ReadWriteOnce"])), "RWO,RWX");
    }
}
