//! What an address means: a Service's cluster address, a pod's, a node's, or a cluster DNS name of a Service.

use std::collections::BTreeMap;

use super::Machines;
use crate::{evidence::Evidence, subject::Subject};

/// Known addresses and the names of Services.
pub(super) struct Addresses {
    by_ip: BTreeMap<String, Subject>,
    services: BTreeMap<(String, String), Subject>,
}

impl Addresses {
    pub(super) fn new(evidence: &Evidence, machines: &Machines) -> Self {
        let mut by_ip = BTreeMap::new();
        let mut services = BTreeMap::new();
        let mut add = |ip: Option<&str>, subject: &Subject| {
            if let Some(ip) = ip.filter(|ip| !matches!(*ip, "" | "None")) {
                by_ip.insert(ip.to_owned(), subject.clone());
            }
        };
        for node in evidence.objects.of_kind("node") {
            for address in node.list("/status/addresses").iter().filter(|a| a["type"] == "InternalIP") {
                add(address["address"].as_str(), node.subject());
            }
        }
        // A pod in the host's network has the node's address; the node keeps it.
        for pod in evidence.objects.of_kind("pod").filter(|pod| pod.get("/spec/hostNetwork").is_none()) {
            add(pod.text("/status/podIP").filter(|_| !pod.is_finished()), pod.subject());
        }
        for service in evidence.objects.of_kind("service") {
            add(service.text("/spec/clusterIP"), service.subject());
            for ingress in service.list("/status/loadBalancer/ingress") {
                add(ingress["ip"].as_str(), service.subject());
            }
            services.insert((service.namespace().to_owned(), service.name().to_owned()), service.subject().clone());
        }
        // What is the address of an object already stays that.
        for host in machines.hosts() {
            for (address, _) in machines.addresses(host).filter(|(a, _)| machines.owner(*a).is_some()) {
                by_ip.entry(address.to_string()).or_insert_with(|| evidence.machine(host));
            }
        }
        Self { by_ip, services }
    }

    /// See [`super::Model::resolve`].
    pub(super) fn resolve(&self, address: &str, near: Option<&str>) -> Option<Subject> {
        let host = match address.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => host,
            _ => address,
        };
        if let Some(subject) = self.by_ip.get(host) {
            return Some(subject.clone());
        }
        // Cluster DNS: name[.namespace[.svc[.domain]]]
        let mut labels = host.trim_end_matches('.').split('.');
        let (name, namespace, rest) = (labels.next()?, labels.next(), labels.next());
        if rest.is_some_and(|label| label != "svc") {
            return None;
        }
        let namespace = namespace.or(near)?;
        self.services.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }
}
