//! Faults that leave pods without a node, or a workload without pods.

use serde_json::{Value, json};

use super::{Fails, Planted, World};
use crate::synthetic::{
    healthy,
    pods::{Trouble, list, trouble},
    world::App,
};

/// The scheduler's word on a pod that no node takes. Nodes that are cordoned are out before anything else is looked at.
fn nobody_takes(world: &mut World, app: &App, why: &str, besides: Option<&str>) {
    let all = world.nodes.clone();
    let cordoned = all.iter().filter(|node| world.is_cordoned(node)).count();
    let mut left = all.len() - cordoned;
    let mut says = format!("0/{} nodes are available: ", all.len());
    if cordoned > 0 {
        says += &format!("{cordoned} node(s) were unschedulable, ");
    }
    if let Some(besides) = besides {
        left -= 1;
        says += &format!("1 {besides}, ");
    }
    says += &format!(
        "{left} {why}. preemption: 0/{0} nodes are available: {0} Preemption is not helpful for scheduling.",
        all.len()
    );
    trouble(world, app, &Trouble::Unscheduled(&says));
}

/// The pods ask for more than any node has.
pub(super) fn insufficient_resources(world: &mut World, victim: usize) -> Planted {
    let app = world.apps[victim].clone();
    world.change_template(victim, |spec| spec["containers"][0]["resources"]["requests"]["cpu"] = json!("24"));
    nobody_takes(world, &app, "Insufficient cpu", None);
    Planted { subject: app.workload(), fails: Fails::Empty }
}

/// The pods ask for a label that no node has.
pub(super) fn node_selector_unmatched(world: &mut World, victim: usize) -> Planted {
    let app = world.apps[victim].clone();
    let pool = world.names.next(&mut world.chance);
    world.change_template(victim, |spec| spec["nodeSelector"] = json!({"pool": pool}));
    nobody_takes(world, &app, "node(s) didn't match Pod's node affinity/selector", None);
    Planted { subject: app.workload(), fails: Fails::Empty }
}

/// The pods ask for a node that has a taint which they do not tolerate, while others are open.
pub(super) fn node_taint_not_tolerated(world: &mut World, victim: usize) -> Planted {
    let app = world.apps[victim].clone();
    let pool = world.names.next(&mut world.chance);
    let node = healthy::node(world);
    let object = world.object(&node);
    object["metadata"]["labels"]["pool"] = json!(pool);
    object["spec"]["taints"] = json!([{"key": "dedicated", "value": "batch", "effect": "NoSchedule"}]);
    world.change_template(victim, |spec| spec["nodeSelector"] = json!({"pool": pool}));
    let besides = "node(s) had untolerated taint {dedicated: batch}";
    nobody_takes(world, &app, "node(s) didn't match Pod's node affinity/selector", Some(besides));
    Planted { subject: app.workload(), fails: Fails::Empty }
}

/// The namespace's quota has no room for the pods.
pub(super) fn resource_quota_exceeded(world: &mut World, victim: usize) -> Planted {
    let app = world.apps[victim].clone();
    let name = world.names.next(&mut world.chance);
    let others: usize = world
        .apps
        .iter()
        .filter(|other| other.namespace == app.namespace && other.name != app.name)
        .map(|o| o.pods.len())
        .sum();
    let counts = |pods: usize| json!({"pods": pods.to_string()});
    let quota = world.put(
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name, "namespace": app.namespace},
        "spec": {"hard": counts(others)}, "status": {"hard": counts(others), "used": counts(others)}}),
    );
    let says = format!("exceeded quota: {name}, requested: pods=1, used: pods={others}, limited: pods={others}");
    refused(world, &app, &says);
    Planted { subject: quota, fails: Fails::Empty }
}

/// The pods are to run under an account that does not exist.
pub(super) fn service_account_missing(world: &mut World, victim: usize) -> Planted {
    let app = world.apps[victim].clone();
    let account = world.names.next(&mut world.chance);
    world.change_template(victim, |spec| {
        spec["serviceAccount"] = json!(account);
        spec["serviceAccountName"] = json!(account);
    });
    let says =
        format!("error looking up service account {}/{account}: serviceaccount \"{account}\" not found", app.namespace);
    refused(world, &app, &says);
    Planted { subject: app.workload(), fails: Fails::Empty }
}

/// Whoever makes the pods is refused: there are none.
fn refused(world: &mut World, app: &App, why: &str) {
    let maker = world.replica_set(app).unwrap_or_else(|| app.workload());
    let says = format!("pods \"{}-\" is forbidden: {why}", maker.name);
    without_pods(world, app);
    if maker.is("replicaset") {
        let since = world.ago(300);
        list(&mut world.object(&maker)["status"]["conditions"])
            .push(json!({"type": "ReplicaFailure", "status": "True",
            "reason": "FailedCreate", "message": says, "lastTransitionTime": since}));
    }
    world.event(&maker, "Warning", "FailedCreate", &format!("Error creating: {says}"), 40, 12);
}

fn without_pods(world: &mut World, app: &App) {
    let maker = world.replica_set(app);
    for pod in &app.pods {
        world.remove(pod);
    }
    for object in [Some(app.workload()), maker].into_iter().flatten() {
        let status = &mut world.object(&object)["status"];
        for count in ["replicas", "readyReplicas", "availableReplicas", "updatedReplicas", "fullyLabeledReplicas"] {
            if !status[count].is_null() {
                status[count] = json!(0);
            }
        }
    }
}

/// The workload was scaled to nothing, while people ask for it.
pub(super) fn scaled_to_zero(world: &mut World, victim: usize) -> Planted {
    let app = world.apps[victim].clone();
    let maker = world.replica_set(&app);
    let (workload, before) = (app.workload(), app.pods.len());
    let what =
        maker.as_ref().map_or_else(|| format!("statefulset {}", app.name), |set| format!("replica set {}", set.name));
    without_pods(world, &app);
    for object in [Some(workload.clone()), maker].into_iter().flatten() {
        world.object(&object)["spec"]["replicas"] = json!(0);
    }
    world.event(&workload, "Normal", "ScalingReplicaSet", &format!("Scaled down {what} from {before} to 0"), 400, 1);
    Planted { subject: workload, fails: Fails::Empty }
}

/// The pods' claim asks for a class that does not exist.
pub(super) fn storage_class_missing(world: &mut World, victim: usize) -> Planted {
    let app = world.apps[victim].clone();
    let (name, class) = (world.names.next(&mut world.chance), world.names.next(&mut world.chance));
    let claim = world.put(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": app.namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": class, "resources": {"requests": {"storage": "5Gi"}}},
        "status": {"phase": "Pending"}}));
    let says = format!("storageclass.storage.k8s.io \"{class}\" not found");
    world.event(&claim, "Warning", "ProvisioningFailed", &says, 20, 60);
    mounts(world, victim, &name);
    let cannot = "pod has unbound immediate PersistentVolumeClaims. not found";
    trouble(world, &app, &Trouble::Unscheduled(&format!("0/{} nodes are available: {cannot}", world.nodes.len())));
    Planted { subject: claim, fails: Fails::Empty }
}

/// The pods name a claim that does not exist.
pub(super) fn volume_claim_missing(world: &mut World, victim: usize) -> Planted {
    let app = world.apps[victim].clone();
    let name = world.names.next(&mut world.chance);
    mounts(world, victim, &name);
    let cannot = format!("0/{} nodes are available: persistentvolumeclaim \"{name}\" not found.", world.nodes.len());
    trouble(world, &app, &Trouble::Unscheduled(&cannot));
    Planted { subject: app.workload(), fails: Fails::Empty }
}

fn mounts(world: &mut World, victim: usize, claim: &str) {
    let volume: Value = json!({"name": "spool", "persistentVolumeClaim": {"claimName": claim}});
    world.change_template(victim, |spec| {
        list(&mut spec["volumes"]).push(volume.clone());
        list(&mut spec["containers"][0]["volumeMounts"]).push(json!({"name": "spool", "mountPath": "/var/spool"}));
    });
}
