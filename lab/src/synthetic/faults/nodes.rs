//! Faults of nodes. The victim's pods are on a node of their own, so that nobody else is hit.

use diagnoser::Subject;
use serde_json::json;

use super::{Fails, Planted, World};
use crate::synthetic::{
    healthy,
    pods::{Trouble, list, trouble},
    world::App,
};

/// A new node with all pods of the victim on it.
fn own_node(world: &mut World, victim: usize) -> (App, Subject) {
    let node = healthy::node(world);
    let address = world.object(&node)["status"]["addresses"][0]["address"].clone();
    let app = world.apps[victim].clone();
    for pod in &app.pods {
        let pod = world.object(pod);
        pod["spec"]["nodeName"] = json!(node.name);
        pod["status"]["hostIP"] = address.clone();
        pod["status"]["hostIPs"] = json!([{"ip": address}]);
    }
    (app, node)
}

/// What nodes say of their connection tables: this many entries, and whether packets are dropped for want of room.
fn tracked(world: &mut World, node: &str, count: u32, drops: bool) {
    let stats = |drop: u32| {
        format!("cpu=0 found=0 invalid=0 insert=0 insert_failed=0 drop={drop} early_drop=0 error=0 search_restart=0\n")
    };
    for (fact, text) in [
        ("sysctl", format!("net.netfilter.nf_conntrack_count = {count}\nnet.netfilter.nf_conntrack_max = 262144\n")),
        ("conntrack.earlier", stats(17)),
        ("conntrack", stats(if drops { 412 } else { 17 })),
    ] {
        world.files.insert(format!("hosts/{node}/{fact}.txt"), text);
    }
}

/// The nodes of an app's pods are well.
pub(super) fn facts_of(world: &mut World, app: &App) {
    for pod in &app.pods {
        if let Some(node) = world.object(pod)["spec"]["nodeName"].as_str().map(str::to_owned) {
            tracked(world, &node, 20_000, false);
        }
    }
}

/// The node's connection table is full, and packets of new connections are dropped.
pub(super) fn conntrack_table_full(world: &mut World, victim: usize) -> Planted {
    let (_, node) = own_node(world, victim);
    // Another is nearly as full, and old entries give way.
    let other = world.nodes[0].clone();
    tracked(world, &other, 262_100, false);
    tracked(world, &node.name, 262_144, true);
    Planted { subject: node, fails: Fails::Silent }
}

/// The file system that the pods write to has no space left.
pub(super) fn disk_full(world: &mut World, victim: usize) -> Planted {
    full(world, victim, "df")
}

/// The file system that the pods write to has no inodes left.
pub(super) fn inode_exhaustion(world: &mut World, victim: usize) -> Planted {
    full(world, victim, "df-inodes")
}

fn full(world: &mut World, victim: usize, fact: &str) -> Planted {
    let (app, node) = own_node(world, victim);
    world.change_template(victim, |spec| {
        list(&mut spec["volumes"]).push(json!({"name": "spool", "hostPath": {"path": "/data/spool"}}));
        list(&mut spec["containers"][0]["volumeMounts"]).push(json!({"name": "spool", "mountPath": "/spool"}));
    });
    for each in ["df", "df-inodes"] {
        let (used, free) = if each == fact { (1_000_000, 0) } else { (400_000, 600_000) };
        let table = format!(
            "Filesystem     Total    Used   Free Use% Mounted on\n/dev/vda1    9000000 3000000 6000000  33% /\n\
             /dev/vdb1    1000000 {used} {free}  40% /data\n"
        );
        world.files.insert(format!("hosts/{}/{each}.txt", node.name), table);
    }
    for pod in &app.pods {
        let log = "listening\nPOST /v1: write /spool/part-77: No space left on device (os error 28)\n".to_owned();
        world.files.insert(format!("logs/{}_{}_{}.txt", app.namespace, pod.name, app.name), log);
    }
    Planted { subject: node, fails: Fails::Errors }
}

/// The kubelet does not run: the node is not heard of any more, and its pods are taken out of the endpoints.
pub(super) fn kubelet_stopped(world: &mut World, victim: usize) -> Planted {
    let (app, node) = own_node(world, victim);
    let since = world.ago(300);
    for condition in list(&mut world.object(&node)["status"]["conditions"]) {
        condition["status"] = json!("Unknown");
        condition["reason"] = json!("NodeStatusUnknown");
        condition["message"] = json!("Kubelet stopped posting node status.");
        condition["lastTransitionTime"] = json!(since);
    }
    world.object(&node)["spec"]["taints"] = json!([{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]);
    trouble(world, &app, &Trouble::Unready);
    let status = "* kubelet.service - kubelet: The Kubernetes Node Agent\n     Loaded: loaded\n     Active: inactive (dead) since Mon 2026-03-02 09:24:40 UTC; 5min ago\n";
    world.files.insert(format!("hosts/{}/systemctl-kubelet.txt", node.name), status.to_owned());
    Planted { subject: node, fails: Fails::Empty }
}
