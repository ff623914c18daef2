//! Who answers for the names of the cluster, and who asks.

use std::{collections::BTreeSet, net::IpAddr};

use super::{Model, Relation};
use crate::{
    evidence::{Object, Objects},
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
        let requests = self.evidence.traffic.iter().filter(|record| record.pod().as_ref() == Some(pod));
        let hosts = requests.filter_map(|record| record.upstream.as_deref()?.rsplit_once(':'));
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

    /// Whether a pod looks names up in the cluster's DNS.
    pub fn asks_dns(&self, pod: &Subject) -> bool {
        self.dependencies(pod).iter().any(|edge| edge.relation == Relation::ResolvesBy)
    }
}
