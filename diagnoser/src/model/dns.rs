//! Who answers for the names of the cluster, and who asks.

use std::{collections::BTreeSet, net::IpAddr};

use super::Model;
use crate::{
    evidence::{Object, Objects},
    policy::in_host_network,
    subject::Subject,
};

/// The Service of the cluster's DNS: `k8s-app=kube-dns`, as every distribution labels its pods.
pub(super) fn service(objects: &Objects) -> Option<&Object> {
    objects.in_namespace("service", "kube-system").find(|s| s.map("/spec/selector").get("k8s-app") == Some(&"kube-dns"))
}

impl<'e> Model<'e> {
    /// The Service of the cluster's DNS.
    pub fn dns(&self) -> Option<&'e Object> {
        service(&self.evidence.objects)
    }

    /// The names that a pod sent requests to, as its own records have them.
    pub fn names_requested(&self, pod: &Subject) -> BTreeSet<Subject> {
        let hosts = self.records_of(pod).filter_map(|(_, record)| record.upstream.as_deref()?.rsplit_once(':'));
        let names = hosts.map(|(host, _)| host).filter(|host| host.parse::<IpAddr>().is_err());
        names.map(|name| Subject::global("name", name)).collect()
    }

    /// The names that a pod was seen asking for: those of its requests, and those of look-ups made from it.
    pub fn names_asked(&self, pod: &Subject) -> BTreeSet<Subject> {
        let probes = self.evidence.probes.iter().filter(|probe| probe.from.as_ref() == Some(pod));
        let hosts = probes.filter_map(|probe| probe.target().host());
        let names = hosts.filter(|host| host.parse::<IpAddr>().is_err()).map(|name| Subject::global("name", &name));
        names.chain(self.names_requested(pod)).collect()
    }
}

/// Whom a pod asks for names, by its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolver<'a> {
    /// The cluster's DNS.
    Cluster,
    /// The resolver of its node.
    Node,
    /// These servers, and nobody else.
    Own(Vec<&'a str>),
}

/// Whom a pod asks (core/v1 DNSPolicy): `ClusterFirst` is the default, and in the node's network it means the node's resolver.
pub fn resolver(pod: &Object) -> Resolver<'_> {
    let servers = || pod.list("/spec/dnsConfig/nameservers").iter().filter_map(crate::json::Value::as_str).collect();
    match pod.text("/spec/dnsPolicy") {
        None | Some("ClusterFirst") if in_host_network(pod) => Resolver::Node,
        None | Some("ClusterFirst" | "ClusterFirstWithHostNet") => Resolver::Cluster,
        Some("None") => Resolver::Own(servers()),
        Some(_) => Resolver::Node,
    }
}

/// Whether a pod asks the Service of the cluster's DNS, if only by its address.
pub(super) fn asks(pod: &Object, dns: &Object) -> bool {
    match resolver(pod) {
        Resolver::Cluster => true,
        Resolver::Node => false,
        Resolver::Own(servers) => dns.text("/spec/clusterIP").is_some_and(|address| servers.contains(&address)),
    }
}
