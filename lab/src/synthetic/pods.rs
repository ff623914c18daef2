//! Workloads and their pods, of the size that the API gives them, and the states that a pod can be in.

use diagnoser::Subject;
use serde_json::{Value, json};

use super::{
    names::{suffix, uid},
    world::{App, World},
};

/// What pods are made from.
pub(super) struct Template<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub labels: Value,
    /// What the process listens on.
    pub port: u16,
    /// Settings beside the usual ones.
    pub env: Vec<(String, String)>,
    /// The name of the claim template of a StatefulSet.
    pub claim: Option<&'a str>,
    /// The ConfigMap that is mounted.
    pub config: &'a str,
}

impl Template<'_> {
    fn spec(&self) -> Value {
        let variable = |name: &str, value: &str| json!({"name": name, "value": value});
        let mut env = vec![
            variable("LOG_LEVEL", "info"),
            variable("REGION", "eu-central"),
            variable("MAX_WORKERS", "16"),
            json!({"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}),
            json!({"name": "MEMORY_LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "0"}}}),
        ];
        env.extend(self.env.iter().map(|(name, value)| variable(name, value)));
        let check = |path: &str, delay: u8| {
            json!({"httpGet": {"path": path, "port": self.port, "scheme": "HTTP"}, "initialDelaySeconds": delay,
                "periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3})
        };
        json!({
            "containers": [{
                "name": self.name, "image": format!("registry.example.test/team/{}:1.4.2", self.name),
                "imagePullPolicy": "IfNotPresent", "env": env,
                "ports": [{"name": "web", "containerPort": self.port, "protocol": if self.port == 53 { "UDP" } else { "TCP" }}],
                "readinessProbe": check("/ready", 3), "livenessProbe": check("/alive", 20),
                "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                "volumeMounts": [{"mountPath": "/etc/settings", "name": "settings", "readOnly": true}]}],
            "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
            "securityContext": {"runAsNonRoot": true, "fsGroup": 1000}, "serviceAccount": "default", "serviceAccountName": "default",
            "terminationGracePeriodSeconds": 30,
            "volumes": [{"name": "settings", "configMap": {"name": self.config, "defaultMode": 420}}]
        })
    }
}

/// A workload with a running pod on each of these nodes. Returns the pods.
pub(super) fn workload(world: &mut World, kind: &str, template: &Template<'_>, nodes: &[String]) -> Vec<Subject> {
    let Template { namespace, name, labels, .. } = template;
    let replicas = nodes.len();
    let spec = template.spec();
    let born = world.ago(9_000_000);
    let mut object = json!({"apiVersion": "apps/v1", "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "creationTimestamp": born, "generation": 4},
        "spec": {"selector": {"matchLabels": labels}, "revisionHistoryLimit": 10,
            "template": {"metadata": {"labels": labels}, "spec": spec}}});
    if kind == "DaemonSet" {
        object["status"] = json!({"currentNumberScheduled": replicas, "desiredNumberScheduled": replicas, "numberReady": replicas,
            "numberAvailable": replicas, "numberMisscheduled": 0, "observedGeneration": 4, "updatedNumberScheduled": replicas});
    } else {
        object["spec"]["replicas"] = json!(replicas);
        object["status"] = json!({"replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
            "updatedReplicas": replicas, "observedGeneration": 4});
    }
    if let Some(claim) = template.claim {
        object["spec"]["serviceName"] = json!(name);
        object["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": claim}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}}]);
    }
    let (hash, old) = (suffix(&mut world.chance, 9), suffix(&mut world.chance, 9));
    let revision_key = if kind == "Deployment" { "pod-template-hash" } else { "controller-revision-hash" };
    let mut pod_labels = labels.clone();
    pod_labels[revision_key] = json!(if kind == "Deployment" { hash.clone() } else { format!("{name}-{hash}") });
    let mut maker = json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": true, "blockOwnerDeletion": true,
        "uid": uid(&mut world.chance)});
    object["metadata"]["uid"] = maker["uid"].clone();
    if kind == "Deployment" {
        object["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "4"});
        object["status"]["conditions"] = json!([
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "lastTransitionTime": born,
                "lastUpdateTime": born, "message": "Deployment has minimum availability."},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "lastTransitionTime": born,
                "lastUpdateTime": born, "message": format!("ReplicaSet \"{name}-{hash}\" has successfully progressed.")}]);
        for (hash, revision, replicas) in [(&old, "3", 0), (&hash, "4", replicas)] {
            let mut labels = labels.clone();
            labels[revision_key] = json!(hash);
            let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
                "metadata": {"name": format!("{name}-{hash}"), "namespace": namespace, "labels": labels, "creationTimestamp": born,
                    "generation": 2, "annotations": {"deployment.kubernetes.io/revision": revision},
                    "ownerReferences": [maker]},
                "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": spec}},
                "status": {"replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas, "fullyLabeledReplicas": replicas,
                    "observedGeneration": 2}});
            world.put(set);
        }
        let set = Subject::namespaced("replicaset", namespace, &format!("{name}-{hash}"));
        maker["kind"] = json!("ReplicaSet");
        maker["name"] = json!(set.name);
        maker["uid"] = world.object(&set)["metadata"]["uid"].clone();
    }
    world.put(object);
    let mut pods = Vec::new();
    for (ordinal, node) in nodes.iter().enumerate() {
        let pod_name = match kind {
            "StatefulSet" => format!("{name}-{ordinal}"),
            "DaemonSet" => format!("{name}-{}", suffix(&mut world.chance, 5)),
            _ => format!("{name}-{hash}-{}", suffix(&mut world.chance, 5)),
        };
        let mut pod_spec = spec.clone();
        if let Some(claim) = template.claim {
            let volume = claim_of(world, namespace, &format!("{claim}-{pod_name}"));
            list(&mut pod_spec["volumes"]).push(json!({"name": claim, "persistentVolumeClaim": {"claimName": volume}}));
            list(&mut pod_spec["containers"][0]["volumeMounts"])
                .push(json!({"mountPath": "/var/lib/data", "name": claim}));
        }
        pods.push(running(world, namespace, &pod_name, &pod_labels, &maker, pod_spec, node));
    }
    pods
}

/// A claim and the volume bound to it. Returns its name.
fn claim_of(world: &mut World, namespace: &str, name: &str) -> String {
    let born = world.ago(9_000_000);
    let volume = format!("pvc-{}", uid(&mut world.chance));
    let size = json!({"storage": "10Gi"});
    world.put(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": born},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": size}, "storageClassName": "standard",
            "volumeMode": "Filesystem", "volumeName": volume},
        "status": {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": size}}));
    world.put(json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume, "creationTimestamp": born},
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": size, "storageClassName": "standard", "volumeMode": "Filesystem",
            "persistentVolumeReclaimPolicy": "Delete", "claimRef": {"kind": "PersistentVolumeClaim", "name": name, "namespace": namespace}},
        "status": {"phase": "Bound"}}));
    name.to_owned()
}

/// A list in JSON, to be added to.
pub(super) fn list(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = json!([]);
    }
    match value {
        Value::Array(list) => list,
        _ => unreachable!("it was made a list"),
    }
}

fn running(
    world: &mut World,
    namespace: &str,
    name: &str,
    labels: &Value,
    maker: &Value,
    mut spec: Value,
    node: &str,
) -> Subject {
    let age = world.chance.i64(100_000..8_000_000);
    let (born, up) = (world.ago(age), world.ago(age - 9));
    let token = format!("kube-api-access-{}", suffix(&mut world.chance, 5));
    list(&mut spec["volumes"]).push(json!({"name": token, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}}]}}));
    list(&mut spec["containers"][0]["volumeMounts"])
        .push(json!({"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "name": token, "readOnly": true}));
    spec["nodeName"] = json!(node);
    spec["enableServiceLinks"] = json!(true);
    spec["preemptionPolicy"] = json!("PreemptLowerPriority");
    spec["priority"] = json!(0);
    spec["tolerations"] = json!([
        {"effect": "NoExecute", "key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300},
        {"effect": "NoExecute", "key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 300}]);
    let digest = |world: &mut World| (0..4).map(|_| format!("{:016x}", world.chance.u64(..))).collect::<String>();
    let container = &spec["containers"][0];
    let status = json!({"name": container["name"], "image": container["image"], "ready": true, "started": true, "restartCount": 0,
        "imageID": format!("registry.example.test/team/x@sha256:{}", digest(world)),
        "containerID": format!("containerd://{}", digest(world)),
        "resources": container["resources"], "lastState": {}, "state": {"running": {"startedAt": up}}});
    let (address, checksum) = (world.pod_address(), digest(world));
    let condition =
        |kind: &str| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": up});
    let kinds = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];
    let host = world.object(&Subject::global("node", node))["status"]["addresses"][0]["address"].clone();
    world.put(json!({"apiVersion": "v1", "kind": "Pod", "spec": spec,
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "creationTimestamp": born, "ownerReferences": [maker],
            "generateName": format!("{}-", maker["name"].as_str().unwrap_or_default()),
            "annotations": {"checksum/settings": checksum}},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "hostIP": host, "hostIPs": [{"ip": host}],
            "qosClass": "Burstable", "startTime": born, "containerStatuses": [status],
            "conditions": kinds.map(condition)}}))
}

/// Why a pod does not serve.
pub(super) enum Trouble<'a> {
    /// No node takes it; the scheduler's words.
    Unscheduled(&'a str),
    /// Its container is not started: reason and message.
    Waits(&'a str, &'a str),
    /// Its container ends again and again: exit code, reason and message.
    Ends(i64, &'a str, &'a str),
    /// It runs and is not ready.
    Unready,
}

/// Puts the pods of an app into trouble, since some minutes.
pub(super) fn trouble(world: &mut World, app: &App, trouble: &Trouble<'_>) {
    let since = world.ago(600);
    for pod in &app.pods {
        let (then, before) = (world.ago(80), world.ago(90));
        let object = world.object(pod);
        object["metadata"]["creationTimestamp"] = json!(since);
        object["status"]["startTime"] = json!(since);
        let status = &mut object["status"];
        for condition in list(&mut status["conditions"]) {
            condition["lastTransitionTime"] = json!(since);
            if condition["type"] == "Ready" || condition["type"] == "ContainersReady" {
                condition["status"] = json!("False");
                condition["reason"] = json!("ContainersNotReady");
                condition["message"] = json!(format!("containers with unready status: [{}]", app.name));
            }
        }
        let container = &mut status["containerStatuses"][0];
        container["ready"] = json!(false);
        container["state"] = json!({"running": {"startedAt": since}});
        match trouble {
            Trouble::Unscheduled(says) => {
                *status = json!({"phase": "Pending", "qosClass": "Burstable", "conditions": [{"type": "PodScheduled", "status": "False",
                    "reason": "Unschedulable", "message": says, "lastProbeTime": null, "lastTransitionTime": since}]});
                if let Some(spec) = object["spec"].as_object_mut() {
                    spec.remove("nodeName");
                }
            }
            Trouble::Waits(reason, message) => {
                container["started"] = json!(false);
                container["state"] = json!({"waiting": {"reason": reason, "message": message}});
                status["phase"] = json!("Pending");
            }
            Trouble::Ends(code, reason, message) => {
                let mut ended = json!({"exitCode": code, "reason": reason, "startedAt": before, "finishedAt": then,
                    "containerID": container["containerID"]});
                if !message.is_empty() {
                    ended["message"] = json!(message);
                }
                container["started"] = json!(false);
                container["restartCount"] = json!(6);
                container["lastState"] = json!({"terminated": ended});
                let waits = format!("back-off 5m0s restarting failed container={} pod={}", app.name, pod.name);
                container["state"] = json!({"waiting": {"reason": "CrashLoopBackOff", "message": waits}});
            }
            Trouble::Unready => container["started"] = json!(true),
        }
        match trouble {
            Trouble::Unscheduled(says) => world.event(pod, "Warning", "FailedScheduling", says, 25, 3),
            Trouble::Waits(..) | Trouble::Unready => {}
            Trouble::Ends(..) => {
                let says = format!("Back-off restarting failed container {} in pod {}", app.name, pod.name);
                world.event(pod, "Warning", "BackOff", &says, 15, 8);
            }
        }
    }
    let workload = world.object(&app.workload());
    workload["status"]["readyReplicas"] = json!(0);
    workload["status"]["availableReplicas"] = json!(0);
    if let Some(set) = world.replica_set(app) {
        let set = world.object(&set);
        set["status"]["readyReplicas"] = json!(0);
        set["status"]["availableReplicas"] = json!(0);
    }
}
