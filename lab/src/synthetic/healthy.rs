//! A cluster in which all is well: nodes, what the cluster itself runs, and workloads that serve and ask each other.

use serde_json::{Value, json};

use super::{
    names::{suffix, uid},
    pods,
    world::{App, World},
};
use diagnoser::Subject;

/// How many of a node's 110 places are taken.
const PODS_A_NODE: usize = 40;
const NODES_AT_LEAST: usize = 4;
const APPS_A_NAMESPACE: usize = 12;

/// Builds it.
pub(super) fn build(world: &mut World, pods: usize) {
    for _ in 0..(pods / PODS_A_NODE).max(NODES_AT_LEAST) {
        node(world);
    }
    system(world);
    while world.apps.iter().map(|app| app.pods.len()).sum::<usize>() < pods {
        let left = pods - world.apps.iter().map(|app| app.pods.len()).sum::<usize>();
        app(world, left);
    }
    // Somebody is asked for from outside.
    if world.apps.iter().all(|app| app.host.is_none()) {
        expose(world, 0);
    }
}

/// One more node.
pub(super) fn node(world: &mut World) -> Subject {
    let index = world.nodes.len();
    let name = format!("n-{}", suffix(&mut world.chance, 6));
    let zone = ["a", "b", "c"][index % 3];
    let (born, beat) = (world.ago(20_000_000), world.ago(30));
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": message, "lastHeartbeatTime": beat,
            "lastTransitionTime": born})
    };
    let images: Vec<Value> = (0..50)
        .map(|_| {
            let digest = format!("{:016x}{:016x}", world.chance.u64(..), world.chance.u64(..));
            let image = format!("registry.example.test/team/{}", suffix(&mut world.chance, 8));
            json!({"names": [format!("{image}@sha256:{digest}{digest}"), format!("{image}:1.4.2")], "sizeBytes": world.chance.u32(..)})
        })
        .collect();
    let sizes =
        json!({"cpu": "16", "memory": "64Gi", "pods": "110", "ephemeral-storage": "264212084Ki", "hugepages-2Mi": "0"});
    let [boot, machine, system] = [(); 3].map(|()| uid(&mut world.chance));
    world.nodes.push(name.clone());
    world.put(json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "creationTimestamp": born, "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
            "labels": {"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "kubernetes.io/hostname": name,
                "node.kubernetes.io/instance-type": "m16", "topology.kubernetes.io/zone": zone}},
        "spec": {"podCIDR": format!("10.{}.{}.0/24", 64 + index / 256, index % 256), "providerID": format!("cloud:///{name}")},
        "status": {
            "addresses": [{"type": "InternalIP", "address": format!("192.168.{}.{}", index / 250, index % 250 + 2)},
                {"type": "Hostname", "address": name}],
            "allocatable": sizes, "capacity": sizes, "images": images,
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                condition("Ready", "True", "KubeletReady", "kubelet is posting ready status")],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {"architecture": "amd64", "operatingSystem": "linux", "osImage": "Debian GNU/Linux 13 (trixie)",
                "containerRuntimeVersion": "containerd://2.1.4", "kernelVersion": "6.12.48", "kubeletVersion": "v1.34.1",
                "kubeProxyVersion": "", "bootID": boot, "machineID": machine, "systemUUID": system}}
    }))
}

/// What a cluster runs for itself: DNS, kube-proxy, an ingress controller, classes of storage and of Ingresses.
fn system(world: &mut World) {
    namespace(world, "kube-system");
    let controllers = world.names.next(&mut world.chance);
    namespace(world, &controllers);
    for (namespace, name, labels, kind, port, replicas) in [
        ("kube-system", "coredns", json!({"k8s-app": "kube-dns"}), "Deployment", 53, 2),
        ("kube-system", "kube-proxy", json!({"k8s-app": "kube-proxy"}), "DaemonSet", 10249, world.nodes.len()),
        (controllers.as_str(), "ingress-nginx", json!({"app": "ingress-nginx"}), "Deployment", 80, 2),
    ] {
        let template = pods::Template { namespace, name, labels, port, env: vec![], claim: None, config: name };
        config_map(world, namespace, name);
        let nodes: Vec<String> = world.nodes.iter().take(replicas).cloned().collect();
        pods::workload(world, kind, &template, &nodes);
        if kind == "Deployment" {
            let service = if name == "coredns" { "kube-dns" } else { name };
            service_of(world, namespace, service, &template.labels, port, &json!(port));
        }
    }
    world.put(json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "nginx"},
        "spec": {"controller": "k8s.io/ingress-nginx"}}));
    world.put(json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "disks.example.test",
        "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}));
}

fn namespace(world: &mut World, name: &str) {
    let born = world.ago(19_000_000);
    world.put(json!({"apiVersion": "v1", "kind": "Namespace", "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
        "metadata": {"name": name, "creationTimestamp": born, "labels": {"kubernetes.io/metadata.name": name}}}));
    world.put(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name, "creationTimestamp": born}}));
    world.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"ca.crt": "-----BEGIN CERTIFICATE-----\n..."},
        "metadata": {"name": "kube-root-ca.crt", "namespace": name, "creationTimestamp": born}}));
}

/// One more workload of at most `left` pods, with its Service, its settings and those it asks.
fn app(world: &mut World, left: usize) {
    let index = world.apps.len();
    let namespace = match index % APPS_A_NAMESPACE {
        0 => {
            let name = world.names.next(&mut world.chance);
            self::namespace(world, &name);
            name
        }
        _ => world.apps[index - 1].namespace.clone(),
    };
    // Who is asked was there before, so that no ring of askers comes to be.
    let calls: Vec<usize> =
        (0..world.chance.usize(..3)).filter(|_| index > 0).map(|_| world.chance.usize(..index)).collect();
    app_that_calls(world, namespace, calls, left);
    if world.chance.u8(..3) == 0 {
        expose(world, index);
    }
}

/// A small app that asks this one, for faults that only who asks from inside can see.
pub(super) fn asker(world: &mut World, called: usize) {
    let namespace = world.apps[called].namespace.clone();
    app_that_calls(world, namespace, vec![called], 1);
}

fn app_that_calls(world: &mut World, namespace: String, calls: Vec<usize>, left: usize) {
    let name = world.names.next(&mut world.chance);
    let kind = if world.chance.u8(..6) == 0 { "StatefulSet" } else { "Deployment" };
    let port = world.chance.u16(1024..60_000);
    let env: Vec<(String, String)> = calls
        .iter()
        .enumerate()
        .map(|(n, called)| {
            let called = &world.apps[*called];
            (format!("UPSTREAM_{n}"), format!("http://{}.{}:80/v1", called.name, called.namespace))
        })
        .collect();
    config_map(world, &namespace, &name);
    let labels = json!({"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": namespace});
    let claim = (kind == "StatefulSet").then_some("data");
    let template =
        pods::Template { namespace: &namespace, name: &name, labels: labels.clone(), port, env, claim, config: &name };
    let replicas = world.chance.usize(1..9).min(left);
    let nodes: Vec<String> =
        (0..replicas).map(|_| world.nodes[world.chance.usize(..world.nodes.len())].clone()).collect();
    let pods = pods::workload(world, kind, &template, &nodes);
    service_of(world, &namespace, &name, &labels, 80, &json!(port));
    world.apps.push(App { namespace, name, kind, port, host: None, calls, pods });
}

/// Users ask for this app by a name of its own.
pub(super) fn expose(world: &mut World, app: usize) {
    let App { namespace, name, .. } = world.apps[app].clone();
    let host = format!("{name}.example.test");
    let born = world.ago(8_000_000);
    world.put(json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "status": {"loadBalancer": {}},
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": born, "generation": 1},
        "spec": {"ingressClassName": "nginx", "rules": [{"host": host, "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": name, "port": {"number": 80}}}}]}}]}}));
    world.apps[app].host = Some(host);
}

/// A Service in front of pods with these labels.
pub(super) fn service_of(
    world: &mut World,
    namespace: &str,
    name: &str,
    labels: &Value,
    port: u16,
    target: &Value,
) -> Subject {
    let address = world.service_address();
    let born = world.ago(9_000_000);
    let (port_name, protocol) = if port == 53 { ("dns", "UDP") } else { ("http", "TCP") };
    world.put(json!({"apiVersion": "v1", "kind": "Service", "status": {"loadBalancer": {}},
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": born, "labels": labels},
        "spec": {"type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None", "selector": labels,
            "ports": [{"name": port_name, "port": port, "protocol": protocol, "targetPort": target}]}}))
}

/// Settings, some lines of them.
fn config_map(world: &mut World, namespace: &str, name: &str) {
    let lines: String = (0..12).map(|n| format!("option-{n}: {}\n", suffix(&mut world.chance, 24))).collect();
    let born = world.ago(9_000_000);
    world.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"settings.yaml": lines},
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": born}}));
}
