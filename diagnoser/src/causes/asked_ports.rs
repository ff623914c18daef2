//! Ports on which workloads are told to reach Services, and whether these have them: what the two causes share that tell apart who
//! is wrong. Where others reach the Service on a port that it has, or it is consistent in itself, the one who asks is wrong; where
//! all ask for the same port, and the pods are there on it, the Service is.

use std::collections::BTreeSet;

use super::places::{self, Place};
use crate::{
    attempts,
    evidence::{Citation, Object},
    model::{Model, is_down},
    propagation::Mode,
    subject::Subject,
};

/// A setting that names a Service and a port.
pub(super) struct Asked<'e> {
    /// Whose setting it is.
    pub workload: Subject,
    /// One of its pods.
    pub pod: &'e Object,
    /// Where it stands.
    pub place: Place,
    /// The Service.
    pub service: &'e Object,
    /// The port that is asked for.
    pub port: u16,
    /// Whether the Service has it.
    pub has: bool,
}

/// All that ask Services which somebody asks for a port that they lack.
pub(super) fn all<'e>(model: &Model<'e>) -> Vec<Asked<'e>> {
    let typical = |workload: &Subject| model.typical_pod(workload);
    let pods = model.workloads().iter().filter_map(typical);
    let asked = pods.flat_map(|pod| places::ports(model, pod).filter_map(|(host, port)| has(model, pod, host, port)));
    let lacking: BTreeSet<&Subject> = asked.filter(|(_, has)| !has).map(|(service, _)| service.subject()).collect();
    let mut found = Vec::new();
    for workload in model.workloads().iter().filter(|_| !lacking.is_empty()) {
        let Some(pod) = typical(workload) else { continue };
        for place in places::of(model, pod) {
            let Some((port, (service, has))) =
                place.port.and_then(|port| Some((port, has(model, pod, &place.host, port)?)))
            else {
                continue;
            };
            if lacking.contains(service.subject()) {
                found.push(Asked { workload: workload.clone(), pod, place, service, port, has });
            }
        }
    }
    found
}

/// The Service that a host means to a pod, and whether it has the port. A headless Service stands for its pods, and one with an
/// external name for somebody else: they have no ports.
fn has<'e>(model: &Model<'e>, pod: &Object, host: &str, port: u16) -> Option<(&'e Object, bool)> {
    let service = model.object(&model.resolve(host, Some(pod.namespace()))?)?;
    let ports = ports(service);
    let elsewhere = service.text("/spec/clusterIP") == Some("None");
    let asked = service.subject().is("service") && !ports.is_empty() && !elsewhere;
    (asked && service.text("/spec/type") != Some("ExternalName")).then(|| (service, ports.contains(&port)))
}

/// The ports that a Service has.
pub(super) fn ports(service: &Object) -> Vec<u16> {
    let ports = service.list("/spec/ports").iter();
    ports.filter_map(|port| port["port"].as_u64()?.try_into().ok()).collect()
}

/// Whether it is the Service that lacks the port: nobody asks for one that it has, and its pods declare the one that is asked for,
/// or several ask for it.
pub(super) fn service_lacks(model: &Model<'_>, all: &[Asked<'_>], asked: &Asked<'_>) -> Option<Citation> {
    let mut same = all.iter().filter(|other| other.service.subject() == asked.service.subject());
    if same.any(|other| other.has || other.port != asked.port) {
        return None;
    }
    let declares = model.selected_pods(asked.service).iter().copied().find(|pod| declares(pod, asked.port));
    let others: BTreeSet<&Subject> =
        all.iter().filter(|other| other.service.subject() == asked.service.subject()).map(|o| &o.workload).collect();
    match declares {
        Some(pod) => {
            let says = format!("{} is there on {}", pod.subject(), asked.port);
            Some(pod.cite("/spec/containers", says))
        }
        None if others.len() > 1 => Some(asked.place.cited.clone()),
        None => None,
    }
}

/// Whether a container of the pod declares a port.
pub(super) fn declares(pod: &Object, port: u16) -> bool {
    let containers = pod.list("/spec/containers").iter();
    let mut ports = containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
    ports.any(|declared| declared["containerPort"] == port)
}

/// What shows which ports a Service has.
pub(super) fn cite(service: &Object) -> Citation {
    let said: Vec<String> = ports(service).iter().map(u16::to_string).collect();
    service.cite("/spec/ports", format!("{} has port {}", service.subject(), said.join(", ")))
}

/// The last line by which the pods of a workload tell of an attempt in vain at what it asks for.
pub(super) fn told(model: &Model<'_>, asked: &Asked<'_>) -> Option<Citation> {
    let host = asked.place.host.as_str();
    let address = asked.service.text("/spec/clusterIP").unwrap_or(host);
    let wanted = [host, address].map(|host| format!("{host}:{}", asked.port));
    let own = |line: &str| {
        let mut words = attempts::addresses(line);
        attempts::tells(line) && words.any(|word| word == host || wanted.iter().any(|wanted| word == wanted))
    };
    let logs = model.pods_of(&asked.workload).flat_map(|pod| model.evidence.logs.of(pod.subject()));
    logs.filter_map(|log| log.last_line_within(600, own)).last()
}

/// Who cannot reach what it needs answers errors, and may not stay up, where it tells why.
pub(super) fn effects(model: &Model<'_>, asked: &Asked<'_>) -> Vec<(Subject, Mode)> {
    let tells = told(model, asked).is_some() || model.evidence.logs.of(asked.pod.subject()).is_empty();
    let of = |pod: &Object| {
        let down = (tells && is_down(pod)).then_some(Mode::Down);
        [Mode::Errors].into_iter().chain(down).map(|mode| (pod.subject().clone(), mode)).collect::<Vec<_>>()
    };
    model.pods_of(&asked.workload).flat_map(of).collect()
}
