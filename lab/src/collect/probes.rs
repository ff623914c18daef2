//! `probes.json`: attempts to reach everything in the world, from everywhere in it: requests, names and connections.

use std::collections::BTreeMap;

use diagnoser::Subject;
use futures::future::{join_all, try_join_all};
use serde_json::Value;

use super::{Part, lines};
use crate::{
    LabError,
    rigs::{Live, WORKLOAD, inside, kind_of, lines_of, pod_subject, running_container},
    scenario::Check,
};

/// How often each of the world's own checks is made.
const TIMES: usize = 3;

/// A connection that is tried: the address, and what it is the address of.
type Targets = BTreeMap<String, String>;

/// Makes every probe.
pub(super) async fn collect(live: &Live) -> Result<Part, LabError> {
    let mut part = Part::default();
    let (requests, connections, names) = futures::join!(requests(live), connections(live), names(live));
    let mut probes = requests.unwrap_or_else(|error| {
        part.miss("probes.json http", error.to_string());
        vec![]
    });
    for (found, missed) in [connections?, names?] {
        probes.extend(found);
        for (what, why) in missed {
            part.miss(format!("probes.json from {what}"), why);
        }
    }
    probes.sort_by_key(|probe| {
        let text = |key: &str| probe[key].as_str().unwrap_or_default().to_owned();
        (text("kind"), text("from"), text("target"), text("method"), text("time"))
    });
    part.files.insert("probes.json".to_owned(), lines(&probes));
    Ok(part)
}

/// The world's own checks, several times, and the names in them.
async fn requests(live: &Live) -> Result<Vec<Value>, LabError> {
    let checks: Vec<_> = live.world.healthy.iter().map(|Check::Http(http)| http).collect();
    let fetch = try_join_all((0..TIMES).map(|_| live.fetch(&checks)));
    let names = live.world.dns.keys().cloned().collect::<Vec<_>>().join(" ");
    let client = live.running_pod(live.world.place("client")?).await?;
    let resolve = format!("{WORKLOAD} resolve {names}");
    let (fetched, resolved) = futures::try_join!(fetch, live.probe(&client, &resolve))?;
    Ok(fetched.into_iter().flatten().chain(resolved).collect())
}

/// Lines of probes, and from where none could be made and why.
type Made = (Vec<Value>, Vec<(String, String)>);

/// One pod of every workload, with its node and the container whose network a probe is made in.
async fn places(live: &Live) -> Vec<(Value, String, String)> {
    let pods = join_all(live.workloads().map(|subject| live.running_pod(subject))).await;
    let places = pods.into_iter().flatten().filter_map(|pod| {
        let node = pod.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default().to_owned();
        let container = running_container(&pod)?.to_owned();
        Some((pod, node, container))
    });
    places.collect()
}

/// The scripts of several places, run on their nodes side by side.
async fn run(live: &Live, places: &[(Subject, String, String)]) -> Result<Made, LabError> {
    let (mut probes, mut missed) = (vec![], vec![]);
    for node in live.rig.nodes() {
        let here: Vec<&(Subject, String, String)> = places.iter().filter(|(_, at, _)| *at == node.name).collect();
        let scripts: Vec<String> = here.iter().map(|(_, _, script)| script.clone()).collect();
        for ((from, _, _), output) in here.iter().zip(node.side_by_side(&scripts).await?) {
            match output.ok() {
                Ok(text) => probes.extend(lines_of(&text, from)),
                Err(why) => missed.push((from.to_string(), why)),
            }
        }
    }
    Ok((probes, missed))
}

/// Look-ups, from one pod of every workload, with the pod's own resolver: of the Services of its namespace, of the public
/// names, and of one that every cluster has.
async fn names(live: &Live) -> Result<Made, LabError> {
    let services: Vec<&Subject> =
        live.objects.iter().map(|(subject, _)| subject).filter(|subject| subject.is("service")).collect();
    let public = live.world.dns.keys().cloned().collect::<Vec<_>>().join(" ");
    let places = places(live).await.into_iter().map(|(pod, node, container)| {
        let subject = pod_subject(&pod);
        let own = services.iter().filter(|service| service.namespace == subject.namespace);
        let own: Vec<String> =
            own.map(|service| format!("{}.{}.svc.cluster.local", service.name, service.namespace())).collect();
        let names = format!("kubernetes.default.svc.cluster.local {} {public}", own.join(" "));
        let resolve = format!("{WORKLOAD} resolve --timeout 2s {names}");
        (subject, node, inside(&container, &resolve))
    });
    run(live, &places.collect::<Vec<_>>()).await
}

/// Connections to every port of every Service and pod of the world, from one pod of every workload and from every node.
async fn connections(live: &Live) -> Result<Made, LabError> {
    let targets = targets(live).await?;
    let addresses = targets.keys().cloned().collect::<Vec<_>>().join(" ");
    let dial = format!("{WORKLOAD} dial --timeout 2s {addresses}");
    let pods = places(live).await.into_iter();
    let mut places: Vec<(Subject, String, String)> = pods
        .map(|(pod, node, container)| {
            let dial = if has_sidecar(&pod) { format!("{PAST_SIDECAR} {dial}") } else { dial.clone() };
            (pod_subject(&pod), node, inside(&container, &dial))
        })
        .collect();
    for node in live.rig.nodes() {
        places.push((Subject::global("node", &node.name), node.name.clone(), dial.clone()));
    }
    let (probes, missed) = run(live, &places).await?;
    Ok((probes.into_iter().map(|line| named(line, &targets)).collect(), missed))
}

/// A sidecar accepts every connection of its pod, whatever becomes of it. What its own user does goes past it.
const PAST_SIDECAR: &str = "setpriv --reuid 1337 --regid 1337 --clear-groups";

fn has_sidecar(pod: &Value) -> bool {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    containers.is_some_and(|all| all.iter().any(|container| container["name"] == "istio-proxy"))
}

/// The probe with its target by name, the address kept beside it.
fn named(mut probe: Value, targets: &Targets) -> Value {
    let address = probe["target"].as_str().unwrap_or_default().to_owned();
    if let Some(name) = targets.get(&address) {
        probe["target"] = name.clone().into();
        probe["address"] = address.into();
    }
    probe
}

/// Every address to connect to: `10.96.0.7:80` and `service/shop/web:80`.
async fn targets(live: &Live) -> Result<Targets, LabError> {
    let mut targets = Targets::new();
    for namespace in live.namespaces() {
        let (services, pods) = futures::try_join!(
            live.rig.api.list(kind_of("service")?, Some(&namespace), ""),
            live.rig.api.list(kind_of("pod")?, Some(&namespace), ""),
        )?;
        let of = |object: &Value, address: &str, ports: Vec<&Value>, port: &str| {
            let address =
                object.pointer(address).and_then(Value::as_str).filter(|address| *address != "None").map(str::to_owned);
            let kind = object["kind"].as_str().unwrap_or_default().to_ascii_lowercase();
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let numbers: Vec<u64> = ports.into_iter().filter_map(|entry| entry[port].as_u64()).collect();
            let namespace = namespace.clone();
            numbers.into_iter().filter_map(move |number| {
                Some((format!("{}:{number}", address.as_ref()?), format!("{kind}/{namespace}/{name}:{number}")))
            })
        };
        for service in &services {
            let ports = service.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten().collect();
            targets.extend(of(service, "/spec/clusterIP", ports, "port"));
        }
        for pod in &pods {
            let containers = pod.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten();
            let ports = containers.filter_map(|container| container["ports"].as_array()).flatten().collect();
            targets.extend(of(pod, "/status/podIP", ports, "containerPort"));
        }
    }
    Ok(targets)
}
