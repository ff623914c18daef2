//! Where a Service really forwards to, out of EndpointSlices or the older Endpoints.

use std::collections::BTreeMap;

use super::Model;
use crate::{
    evidence::{Citation, Fact, Object},
    subject::Subject,
};

/// One address behind a Service.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The pod, where the evidence names it.
    pub pod: Option<Subject>,
    /// The address connections go to.
    pub address: Option<String>,
    /// The port connections go to.
    pub port: Option<u16>,
    /// Whether traffic is sent to it.
    pub ready: bool,
}

impl<'e> Model<'e> {
    /// The endpoints of a Service (one per address and port) and where they stand; missed where neither kind was collected.
    pub fn endpoints(&self, service: &Object) -> Fact<(Vec<Endpoint>, Vec<Citation>)> {
        let mut endpoints = Vec::new();
        let mut cited = Vec::new();
        let mut found = false;
        for slice in self.slices(service) {
            found = true;
            self.add_slice(slice, &mut endpoints);
            cited.push(slice.cite("/endpoints", format!("{} endpoints", slice.list("/endpoints").len())));
        }
        if !found
            && let Some(object) = self.object(&Subject::namespaced("endpoints", service.namespace(), service.name()))
        {
            found = true;
            self.add_subsets(object, &mut endpoints);
            cited.push(object.cite("/subsets", format!("{} subsets", object.list("/subsets").len())));
        }
        let complete = [("endpointslice", "endpointslices"), ("endpoints", "endpoints")]
            .into_iter()
            .any(|(kind, resource)| matches!(self.evidence.listed(kind, resource), Fact::Seen(())));
        if found || complete {
            Fact::Seen((endpoints, cited))
        } else {
            Fact::Missed("neither endpointslices nor endpoints were collected".to_owned())
        }
    }

    fn slices(&self, service: &Object) -> Vec<&'e Object> {
        let of_service = BTreeMap::from([("kubernetes.io/service-name", service.name())]);
        self.evidence.objects.selected("endpointslice", service.namespace(), &of_service)
    }

    fn add_slice(&self, slice: &Object, endpoints: &mut Vec<Endpoint>) {
        let ports: Vec<Option<u16>> =
            slice.list("/ports").iter().map(|port| port["port"].as_u64()?.try_into().ok()).collect();
        for endpoint in slice.list("/endpoints") {
            let pod = endpoint["targetRef"]["name"]
                .as_str()
                .map(|name| Subject::namespaced("pod", slice.namespace(), name))
                .or_else(|| self.resolve(endpoint["addresses"][0].as_str()?, None));
            let address = endpoint["addresses"][0].as_str().map(str::to_owned);
            // Absent means ready (discovery/v1 EndpointConditions).
            let ready = endpoint["conditions"]["ready"].as_bool().unwrap_or(true);
            let each =
                ports.iter().copied().map(|port| Endpoint { pod: pod.clone(), address: address.clone(), port, ready });
            endpoints.extend(each);
        }
    }

    fn add_subsets(&self, object: &Object, endpoints: &mut Vec<Endpoint>) {
        for subset in object.list("/subsets") {
            let ports: Vec<Option<u16>> = subset["ports"]
                .as_array()
                .map(|ports| ports.iter().map(|port| port["port"].as_u64()?.try_into().ok()).collect())
                .unwrap_or_default();
            for (key, ready) in [("addresses", true), ("notReadyAddresses", false)] {
                for address in subset[key].as_array().unwrap_or_default() {
                    let pod = address["targetRef"]["name"]
                        .as_str()
                        .map(|name| Subject::namespaced("pod", object.namespace(), name))
                        .or_else(|| self.resolve(address["ip"].as_str()?, None));
                    let ip = address["ip"].as_str().map(str::to_owned);
                    let each =
                        ports.iter().map(|&port| Endpoint { pod: pod.clone(), address: ip.clone(), port, ready });
                    endpoints.extend(each);
                }
            }
        }
    }
}
