//! What is tried from a namespace: a connection to every port of its Services and pods, their names, and a request where a port
//! says that it speaks HTTP. Where a stranger's failure would say nothing, nothing is tried.

use std::collections::{BTreeMap, BTreeSet};

use diagnoser::json::Value;
use diagnoser::{
    Evidence, Subject,
    evidence::Object,
    model::{Model, Relation, is_running},
    policy::{Direction, isolates},
};

/// More is a load of its own; what is beyond it is said.
const MOST: usize = 200;

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attempt {
    /// A connection to an address, which is that of `target` (`service/ns/name:port`).
    Tcp { target: String, address: String, port: u64 },
    /// A look-up.
    Dns { name: String },
    /// A GET of `/` at an address. By the address and not by a name, because what answers to no name of its own may well
    /// say 404; only an error of the server counts then.
    Http { address: String, port: u64 },
}

/// What is tried, and what is not.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Sorted, each once.
    pub(super) attempts: Vec<Attempt>,
    /// Services that someone in the cluster uses, as `name.namespace.svc:port`: where those fail somebody suffers.
    pub(super) used: Vec<String>,
    /// What is not tried, and why.
    pub(super) skipped: Vec<(String, String)>,
}

/// Plans for a namespace; `pod` is the pod that will try it all, as it will be there.
pub(super) fn plan(evidence: &Evidence, namespace: &str, pod: &Object) -> Plan {
    let mut plan = Plan::default();
    if let Some(policy) = governing(evidence, pod, Direction::Egress) {
        let why = format!("{policy} says what every pod of {namespace} may ask for, this one as well");
        plan.skipped.push(("probes.json".to_owned(), why));
        return plan;
    }
    let model = Model::new(evidence);
    let mut attempts = BTreeSet::from([Attempt::Dns { name: "kubernetes.default.svc.cluster.local".to_owned() }]);
    for service in evidence.objects.in_namespace("service", namespace) {
        let pods = model.selected_pods(service);
        if let Some(why) = pods.iter().find_map(|pod| says_nothing(evidence, pod)) {
            plan.skipped.push((format!("probes of {}", service.subject()), why));
            continue;
        }
        attempts.insert(Attempt::Dns { name: format!("{}.{namespace}.svc.cluster.local", service.name()) });
        let used = is_used(&model, service.subject());
        // Without an address of its own it is a name of pods, or of something elsewhere.
        let address = service.text("/spec/clusterIP").filter(|address| *address != "None");
        for port in service.list("/spec/ports").iter().filter(|port| is_tcp(port)) {
            let (Some(address), Some(number)) = (address, port["port"].as_u64()) else { continue };
            let target = format!("{}:{number}", service.subject());
            attempts.insert(Attempt::Tcp { target, address: address.to_owned(), port: number });
            if used {
                plan.used.push(format!("{}.{namespace}.svc:{number}", service.name()));
                if speaks_http(port) {
                    attempts.insert(Attempt::Http { address: address.to_owned(), port: number });
                }
            }
        }
    }
    for pod in evidence.objects.in_namespace("pod", namespace).filter(|pod| is_running(pod)) {
        if let Some(why) = says_nothing(evidence, pod) {
            plan.skipped.push((format!("probes of {}", pod.subject()), why));
            continue;
        }
        for (port, address) in ports(pod) {
            let target = format!("{}:{port}", pod.subject());
            attempts.insert(Attempt::Tcp { target, address: address.to_owned(), port });
        }
    }
    if attempts.len() > MOST {
        let why = format!("{} attempts would be a load of their own; {MOST} were made", attempts.len());
        plan.skipped.push((format!("further probes of {namespace}"), why));
    }
    plan.attempts = attempts.into_iter().take(MOST).collect();
    plan
}

/// Why the failure of a stranger at this pod's door says nothing of those that it is there for.
fn says_nothing(evidence: &Evidence, pod: &Object) -> Option<String> {
    if let Some(policy) = governing(evidence, pod, Direction::Ingress) {
        return Some(format!("{policy} says who may come in, and this pod need not be among them"));
    }
    let sidecar = pod.list("/spec/containers").iter().chain(pod.list("/spec/initContainers"));
    let has_sidecar = sidecar.into_iter().any(|container| container["name"] == "istio-proxy");
    has_sidecar.then(|| "its sidecar answers for it, and may ask for a certificate that this pod has not".to_owned())
}

fn governing<'e>(evidence: &'e Evidence, pod: &Object, direction: Direction) -> Option<&'e Subject> {
    let mut policies = evidence.objects.in_namespace("networkpolicy", pod.namespace());
    policies.find(|policy| isolates(policy, pod, direction)).map(Object::subject)
}

/// Whether a pod connects to it or an Ingress forwards to it.
fn is_used(model: &Model<'_>, service: &Subject) -> bool {
    let mut dependents = model.dependents(service).iter();
    dependents.any(|(_, relation)| matches!(relation, Relation::ConnectsTo | Relation::RoutesTo))
}

fn is_tcp(port: &Value) -> bool {
    port["protocol"].as_str().is_none_or(|protocol| protocol == "TCP")
}

/// The convention of Services and meshes: `appProtocol: http`, a port called `http` or `http-web`, or the port of HTTP.
fn speaks_http(port: &Value) -> bool {
    match (port["appProtocol"].as_str(), port["name"].as_str()) {
        (Some(protocol), _) => protocol == "http",
        (None, Some(name)) if name.starts_with("http") => name == "http" || name.starts_with("http-"),
        _ => port["port"] == 80,
    }
}

/// The ports that a pod declares, at its address.
fn ports(pod: &Object) -> BTreeMap<u64, &str> {
    let Some(address) = pod.text("/status/podIP") else { return BTreeMap::new() };
    let ports = pod.list("/spec/containers").iter().filter_map(|container| container["ports"].as_array()).flatten();
    ports.filter(|port| is_tcp(port)).filter_map(|port| Some((port["containerPort"].as_u64()?, address))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::probe::pod;

    /// A Service with a pod behind it, and what else is there.
    fn planned(more: Vec<Value>) -> Plan {
        let mut items = vec![
            json!({"kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"clusterIP": "10.96.0.7",
                "selector": {"app": "web"}, "ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]}}),
            json!({"kind": "Pod", "metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "ports": [{"containerPort": 8080}]}]},
                "status": {"podIP": "10.244.1.3", "phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}}),
        ];
        items.extend(more);
        let files = [("objects.json".to_owned(), json!({"items": items}).to_string())].into();
        let evidence = Evidence::from_files(&files).expect("evidence");
        let pod = pod::as_object(&pod::manifest("shop", "probe-1", pod::IMAGE, &Plan::default()));
        plan(&evidence, "shop", &pod)
    }

    fn client() -> Value {
        let env = json!([{"name": "UPSTREAM", "value": "http://web.shop"}]);
        json!({"kind": "Pod", "metadata": {"name": "client", "namespace": "other"}, "spec": {"containers": [{"name": "c", "env": env}]}})
    }

    #[test]
    fn every_port_and_name_is_tried_and_requests_only_where_someone_makes_them() {
        let unused = planned(vec![]);
        let tcp = |target: &str, address: &str, port| Attempt::Tcp {
            target: target.to_owned(),
            address: address.to_owned(),
            port,
        };
        let name = |name: &str| Attempt::Dns { name: name.to_owned() };
        let expected = [
            tcp("pod/shop/web-1:8080", "10.244.1.3", 8080),
            tcp("service/shop/web:80", "10.96.0.7", 80),
            name("kubernetes.default.svc.cluster.local"),
            name("web.shop.svc.cluster.local"),
        ];
        assert_eq!((unused.attempts.as_slice(), unused.used.len()), (&expected[..], 0));
        let used = planned(vec![client()]);
        assert_eq!(used.used, ["web.shop.svc:80"]);
        assert_eq!(used.attempts.last(), Some(&Attempt::Http { address: "10.96.0.7".to_owned(), port: 80 }));
    }

    #[test]
    fn where_a_strangers_failure_says_nothing_nothing_is_tried() {
        let policy = |spec: Value| json!({"kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": "shop"}, "spec": spec});
        let guarded = planned(vec![client(), policy(json!({"podSelector": {"matchLabels": {"app": "web"}}}))]);
        assert_eq!(guarded.attempts, [Attempt::Dns { name: "kubernetes.default.svc.cluster.local".to_owned() }]);
        let said: Vec<&str> = guarded.skipped.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(said, ["probes of service/shop/web", "probes of pod/shop/web-1"]);
        let closed = planned(vec![policy(json!({"podSelector": {}, "policyTypes": ["Egress"]}))]);
        assert_eq!((closed.attempts.len(), closed.skipped.len()), (0, 1));
    }
}
