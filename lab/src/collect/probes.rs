//! `probes.json`: attempts to reach everything in the world, from everywhere in it: requests, names and connections.

use std::collections::BTreeMap;

use diagnoser::{Subject, evidence::Probe};
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

/// Makes every probe but the requests, which were fetched before.
pub(super) async fn collect(live: &Live, fetched: Result<Vec<Value>, LabError>) -> Result<Part, LabError> {
    let mut part = Part::default();
    let (connections, names) = futures::join!(connections(live), names(live));
    let mut probes = fetched.unwrap_or_else(|error| {
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
pub(super) async fn requests(live: &Live) -> Result<Vec<Value>, LabError> {
    let checks: Vec<_> = live.world.healthy.iter().map(|Check::Probe(http)| http).collect();
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

/// From where, on which node and in which container's network (the node's own without one) a command is run, and for what.
#[derive(Clone)]
struct Place {
    from: Subject,
    node: String,
    container: Option<String>,
    command: String,
    targets: Vec<String>,
}

impl Place {
    fn script(&self) -> String {
        let command = format!("{} {}", self.command, self.targets.join(" "));
        self.container.as_ref().map_or_else(|| command.clone(), |container| inside(container, &command))
    }

    /// The same for what failed there.
    fn again(&self, probes: &[Value]) -> Option<Self> {
        let failed = |probe: &&Value| serde_json::from_value::<Probe>((*probe).clone()).is_ok_and(|p| p.failed());
        let here = probes.iter().filter(|probe| probe["from"] == self.from.to_string().as_str()).filter(failed);
        let targets: Vec<String> = here.filter_map(|probe| probe["target"].as_str().map(str::to_owned)).collect();
        (!targets.is_empty()).then(|| Self { targets, ..self.clone() })
    }
}

/// Probes from several places; what failed is tried once more, for once is chance.
async fn run(live: &Live, places: &[Place]) -> Result<Made, LabError> {
    let (mut probes, missed) = once(live, places).await?;
    let again: Vec<Place> = places.iter().filter_map(|place| place.again(&probes)).collect();
    probes.extend(once(live, &again).await?.0);
    Ok((probes, missed))
}

/// Probes from several places, on their nodes side by side.
async fn once(live: &Live, places: &[Place]) -> Result<Made, LabError> {
    let (mut probes, mut missed) = (vec![], vec![]);
    for node in live.rig.nodes() {
        let here: Vec<&Place> = places.iter().filter(|place| place.node == node.name).collect();
        if here.is_empty() {
            continue;
        }
        let scripts: Vec<String> = here.iter().map(|place| place.script()).collect();
        for (place, output) in here.iter().zip(node.side_by_side(&scripts).await?) {
            match output.ok() {
                Ok(text) => probes.extend(lines_of(&text, &place.from)),
                Err(why) => missed.push((place.from.to_string(), why)),
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
    let places = places(live).await.into_iter().map(|(pod, node, container)| {
        let from = pod_subject(&pod);
        let own = services.iter().filter(|service| service.namespace == from.namespace);
        let own = own.map(|service| format!("{}.{}.svc.cluster.local", service.name, service.namespace()));
        let targets = ["kubernetes.default.svc.cluster.local".to_owned()].into_iter().chain(own);
        let targets = targets.chain(live.world.dns.keys().cloned()).collect();
        Place { from, node, container: Some(container), command: format!("{WORKLOAD} resolve --timeout 2s"), targets }
    });
    run(live, &places.collect::<Vec<_>>()).await
}

/// Connections to every port of every Service and pod of the world, from one pod of every workload and from every node.
async fn connections(live: &Live) -> Result<Made, LabError> {
    let targets = targets(live).await?;
    let dial = format!("{WORKLOAD} dial --timeout 2s");
    let place = |from, node: &str, container, command| Place {
        from,
        node: node.to_owned(),
        container,
        command,
        targets: targets.keys().cloned().collect(),
    };
    let mut from: Vec<Place> = vec![];
    for (pod, node, container) in places(live).await {
        let dial = if has_sidecar(&pod) { format!("{PAST_SIDECAR} {dial}") } else { dial.clone() };
        from.push(place(pod_subject(&pod), &node, Some(container), dial));
    }
    for node in live.rig.nodes() {
        from.push(place(Subject::global("node", &node.name), &node.name, None, dial.clone()));
    }
    let (probes, missed) = run(live, &from).await?;
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
