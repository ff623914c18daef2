//! What looks bad in every large cluster, and harms nobody.

use diagnoser::Subject;
use serde_json::{Value, json};

use super::{
    healthy::service_of,
    pods::list,
    world::{App, World},
};

/// One of these for so many pods.
const PODS_A_DECOY: usize = 12;

/// Scatters decoys, each at an app of its own choice.
pub(super) fn scatter(world: &mut World) {
    let kinds: [fn(&mut World, &App); 11] = [
        unused_service,
        old_restart,
        slow_start,
        was_unscheduled_once,
        scaled_down_on_purpose,
        finished_job,
        claim_without_consumer,
        optional_settings,
        policy_that_lets_everyone_in,
        cordoned_node,
        ordinary_life,
    ];
    let pods: usize = world.apps.iter().map(|app| app.pods.len()).sum();
    for _ in 0..(pods / PODS_A_DECOY).max(3) {
        let app = world.apps[world.chance.usize(..world.apps.len())].clone();
        kinds[world.chance.usize(..kinds.len())](world, &app);
    }
}

/// A Service that selects nobody, and that nobody asks.
fn unused_service(world: &mut World, app: &App) {
    let name = world.names.next(&mut world.chance);
    let labels = json!({"app.kubernetes.io/name": name});
    service_of(world, &app.namespace, &name, &labels, 80, &json!(8080));
}

/// A container that ended once, long ago.
fn old_restart(world: &mut World, app: &App) {
    let Some(pod) = app.pods.first() else { return };
    let (start, end, again) = (world.ago(90_000), world.ago(86_000), world.ago(85_990));
    let status = &mut world.object(pod)["status"]["containerStatuses"][0];
    let (code, reason) = [(1, "Error"), (137, "OOMKilled"), (137, "Error"), (2, "Error")][app.name.len() % 4];
    status["restartCount"] = json!(2);
    status["lastState"] =
        json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": start, "finishedAt": end}});
    status["state"] = json!({"running": {"startedAt": again}});
}

/// Probes that failed while a pod started, which is ready since.
fn slow_start(world: &mut World, app: &App) {
    let Some(pod) = app.pods.last() else { return };
    let address = world.object(pod)["status"]["podIP"].as_str().unwrap_or_default().to_owned();
    let says = format!(
        "Readiness probe failed: Get \"http://{address}:{port}/ready\": dial tcp {address}:{port}: connect: connection refused",
        port = app.port
    );
    world.event(pod, "Warning", "Unhealthy", &says, 2_900, 4);
}

/// A pod that waited for a place and has one now.
fn was_unscheduled_once(world: &mut World, app: &App) {
    let Some(pod) = app.pods.first() else { return };
    let nodes = world.nodes.len();
    let says = format!("0/{nodes} nodes are available: {nodes} Insufficient memory.");
    world.event(pod, "Warning", "FailedScheduling", &says, 3_400, 2);
    world.event(pod, "Normal", "Scheduled", &format!("Successfully assigned {} to a node", pod.name), 3_300, 1);
}

/// A workload that is kept for later.
fn scaled_down_on_purpose(world: &mut World, app: &App) {
    let name = world.names.next(&mut world.chance);
    let labels = json!({"app.kubernetes.io/name": name});
    let spec = world.object(&app.workload())["spec"]["template"]["spec"].clone();
    world.put(json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": app.namespace, "labels": labels},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
        "status": {"replicas": 0}}));
    service_of(world, &app.namespace, &name, &labels, 80, &json!(app.port));
}

/// A Job whose first pod failed and whose second did its work.
fn finished_job(world: &mut World, app: &App) {
    let name = world.names.next(&mut world.chance);
    let (born, end) = (world.ago(40_000), world.ago(39_000));
    let job = world.put(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": app.namespace, "creationTimestamp": born},
        "spec": {"completions": 1, "parallelism": 1, "backoffLimit": 6},
        "status": {"succeeded": 1, "failed": 1, "conditions": [{"type": "Complete", "status": "True"}]}}));
    for (end_name, phase, code) in [("x4", "Failed", 1), ("z7", "Succeeded", 0)] {
        let node = world.nodes[world.chance.usize(..world.nodes.len())].clone();
        let address = world.pod_address();
        world.put(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("{name}-{end_name}"), "namespace": app.namespace, "creationTimestamp": born, "labels": {"job-name": name},
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": job.name, "controller": true}]},
            "spec": {"nodeName": node, "restartPolicy": "Never", "containers": [{"name": "job", "image": "registry.example.test/team/job:3"}]},
            "status": {"phase": phase, "podIP": address, "conditions": [{"type": "Ready", "status": "False", "reason": "PodCompleted"}],
                "containerStatuses": [{"name": "job", "ready": false, "restartCount": 0,
                    "state": {"terminated": {"exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" },
                        "startedAt": born, "finishedAt": end}}}]}}));
    }
}

/// A claim that waits for a pod that nobody makes.
fn claim_without_consumer(world: &mut World, app: &App) {
    let name = world.names.next(&mut world.chance);
    world.put(json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "disks.example.test",
        "metadata": {"name": "late"}, "volumeBindingMode": "WaitForFirstConsumer"}));
    let claim = world.put(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": app.namespace}, "status": {"phase": "Pending"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "late", "resources": {"requests": {"storage": "1Gi"}}}}));
    world.event(
        &claim,
        "Normal",
        "WaitForFirstConsumer",
        "waiting for first consumer to be created before binding",
        30,
        400,
    );
}

/// Settings that may be missing, and are.
fn optional_settings(world: &mut World, app: &App) {
    let Some(index) = world.apps.iter().position(|other| other.name == app.name) else { return };
    let missing = world.names.next(&mut world.chance);
    world.change_template(index, |spec| {
        list(&mut spec["containers"][0]["envFrom"]).push(json!({"configMapRef": {"name": missing, "optional": true}}));
    });
}

/// A policy that lets everything in at the port that is asked for.
fn policy_that_lets_everyone_in(world: &mut World, app: &App) {
    let name = world.names.next(&mut world.chance);
    let labels: Value = json!({"app.kubernetes.io/name": app.name});
    world.put(json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name, "namespace": app.namespace},
        "spec": {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress"],
            "ingress": [{"ports": [{"port": app.port, "protocol": "TCP"}]}]}}));
}

/// A node that takes no new pods; one of a cluster, while the others have room.
fn cordoned_node(world: &mut World, _: &App) {
    let node = Subject::global("node", &world.nodes[0]);
    let spec = &mut world.object(&node)["spec"];
    spec["unschedulable"] = json!(true);
    spec["taints"] = json!([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]);
}

/// What happens all day.
fn ordinary_life(world: &mut World, app: &App) {
    for pod in &app.pods {
        world.event(pod, "Normal", "Pulled", "Container image already present on machine", 2_000, 1);
        world.event(pod, "Normal", "Started", &format!("Started container {}", app.name), 1_990, 1);
    }
}
