//! The endpoints of a Service without a selector are kept by hand, and an address among them belongs to nobody any more.
//!
//! # What it looks like
//! Connections to the Service time out (504 after the connect timeout of the hop in front); the application never sees them,
//! though it is up. The address lies in the pod network of a node and no pod has it.
//!
//! # Confirm by hand
//! `kubectl -n NS get svc NAME -o jsonpath={.spec.selector}` prints nothing; `kubectl -n NS get endpointslices -l
//! kubernetes.io/service-name=NAME` shows an address that `kubectl get pods -A -o wide` does not.
//!
//! # Fix
//! Give the Service a selector, so that Kubernetes keeps its endpoints, and delete what was kept by hand; or correct the address.
//!
//! # Who acts
//! The owner of the Service.
//!
//! # Source
//! kubernetes.io, Service, "Services without selectors"; EndpointSlices, "Management".

use std::{collections::BTreeSet, net::IpAddr};

use crate::json::{Value, json};
use ipnet::IpNet;

use super::{Case, Cause, Finding, Lack, Proof, State, service_selector_mismatch};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts, Object},
    model::Model,
    propagation::Mode,
};

/// See the module's comment.
pub struct EndpointAddressStale;

impl Cause for EndpointAddressStale {
    fn id(&self) -> &'static str {
        "endpoint-address-stale"
    }

    fn source(&self) -> &'static str {
        include_str!("endpoint_address_stale.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let services = case.model.evidence.objects.of_kind("service");
        let by_hand = services.filter(|service| {
            service.map("/spec/selector").is_empty() && service.text("/spec/type") != Some("ExternalName")
        });
        by_hand.filter_map(|service| examine(case.model, service)).collect()
    }
}

fn examine(model: &Model<'_>, service: &Object) -> Option<Finding> {
    let state = match model.endpoints(service) {
        Fact::Missed(why) => State::Undecided(vec![Lack::objects("endpointslices", Some(service.namespace()), why)]),
        Fact::Seen((endpoints, places)) => {
            let ready = endpoints.iter().filter(|endpoint| endpoint.ready);
            let addresses: BTreeSet<IpAddr> = ready.filter_map(|e| e.address.as_deref()?.parse().ok()).collect();
            if addresses.is_empty() {
                return None;
            }
            state(model, service, &addresses, places)
        }
    };
    Some(Finding {
        subject: service.subject().clone(),
        effects: vec![(service.subject().clone(), Mode::Silent)],
        state,
    })
}

fn state(model: &Model<'_>, service: &Object, addresses: &BTreeSet<IpAddr>, places: Vec<Citation>) -> State {
    let mut lacks = Vec::new();
    for address in addresses.iter().filter(|address| model.resolve(&address.to_string(), None).is_none()) {
        match nobodys(model, *address) {
            Ok(Some(cited)) => {
                let evidence = vec![service.cite("/spec", "no selector: its endpoints are kept by hand")];
                let evidence = evidence.into_iter().chain(places).chain([cited]).collect();
                return State::Holds(Box::new(Proof {
                    evidence,
                    fix: fix(model, service),
                    wants: vec![],
                    changed: None,
                }));
            }
            Ok(None) => {}
            Err(lack) => lacks.push(*lack),
        }
    }
    if lacks.is_empty() {
        return State::excluded("every address among its endpoints is somebody's, or lies outside the cluster", places);
    }
    State::Undecided(lacks)
}

/// Where it stands that no pod has an address, though it lies in a node's pod network; `None` where somebody has it or may.
fn nobodys(model: &Model<'_>, address: IpAddr) -> Result<Option<Citation>, Box<Lack>> {
    let evidence = model.evidence;
    if let Fact::Missed(why) = evidence.listed("pod", "pods") {
        return Err(Box::new(Lack::objects("pods", None, why)));
    }
    let network = |node: &Object| {
        let several = node.list("/spec/podCIDRs").iter().chain(node.get("/spec/podCIDR"));
        several
            .filter_map(Value::as_str)
            .filter_map(|text| text.parse().ok())
            .find(|net: &IpNet| net.contains(&address))
    };
    let Some((node, network)) = evidence.objects.of_kind("node").find_map(|node| Some((node, network(node)?))) else {
        return match evidence.listed("node", "nodes") {
            Fact::Missed(why) => Err(Box::new(Lack::objects("nodes", None, why))),
            Fact::Seen(()) => Ok(None),
        };
    };
    // Where a node has one route for each of its pods, its routes say who is there.
    let routes = evidence.hosts.text(node.name(), "ip-route");
    let file = Hosts::file(node.name(), "ip-route");
    if let Fact::Seen(text) = routes {
        let to = |ip: &str| {
            text.lines().any(|line| line.split_whitespace().next().is_some_and(|to| to.trim_end_matches("/32") == ip))
        };
        if to(&address.to_string()) {
            return Ok(None);
        }
        let pods = evidence.objects.of_kind("pod").filter(|pod| pod.node() == Some(node.name()));
        if pods.filter_map(|pod| pod.text("/status/podIP")).any(to) {
            let says = format!("routes to the pods of {}, none to {address}", node.subject());
            return Ok(Some(Citation::new(file, "", says)));
        }
    }
    if !evidence.coverage.namespaces.is_empty() {
        let why = format!("pods of other namespaces were not collected, and {address} may be one's");
        return Err(Box::new(Lack::host_fact(node.name(), "ip-route", "ip route", why)));
    }
    Ok(Some(
        node.cite("/spec/podCIDR", format!("{address} lies in {network} of {}, and no pod has it", node.subject())),
    ))
}

/// A selector for the pods it is meant for, where those can be told, and an end to what was kept by hand.
fn fix(model: &Model<'_>, service: &Object) -> Fix {
    let subject = service.subject();
    let Some(labels) = service_selector_mismatch::meant_labels(model, service) else {
        return Fix { summary: format!("Correct the endpoints of {subject}, or give it a selector"), patch: vec![] };
    };
    let selector = Change::Set {
        object: subject.clone(),
        path: "/spec/selector".to_owned(),
        from: Value::Null,
        to: json!(labels),
    };
    let slices = model.evidence.objects.in_namespace("endpointslice", service.namespace()).filter(|slice| {
        let labels = slice.labels();
        let kept = labels.get("endpointslice.kubernetes.io/managed-by").is_none_or(|by| !by.ends_with(".k8s.io"));
        kept && labels.get("kubernetes.io/service-name") == Some(&service.name())
    });
    let deletions = slices.map(|slice| Change::Delete { object: slice.subject().clone() });
    Fix {
        summary: format!("Let {subject} select its pods again, and delete the endpoints kept by hand"),
        patch: [selector].into_iter().chain(deletions).collect(),
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/s  selector app=s  80 -> 80
             set service/a/s  spec.selector=null
             deployment a/s  app=s
             pod a/s-1  app=s  ready  listens 0.0.0.0:80  owner deployment/a/s  declares 80
             set pod/a/s-1  status.podIP=10.244.1.2
             pod b/c-1  app=c  ready  calls s.a:80
             conntrack n1  900 of 262144  drop 0 -> 0
             file hosts/n1/nft.txt | table ip filter {
             object Node n1  spec.podCIDR=10.244.1.0/24
             probe pod/b/c-1 -> service/a/s:80  timeout in 3s";

    fn at(address: &str, more: &str) -> String {
        format!(
            "{WORLD}\nobject EndpointSlice a/s-1  metadata.labels.kubernetes~io/service-name=s ports[0].port=80 endpoints[0].addresses[0]={address}\n{more}"
        )
    }

    #[test]
    fn holds() {
        check(&at("10.244.1.250", "=> endpoint-address-stale service/a/s"));
    }

    #[test]
    fn twins_an_address_of_a_pod_and_one_outside_the_cluster() {
        check(&at("10.244.1.2", "=> unknown"));
        check(&at("192.0.2.7", "=> unknown"));
    }

    #[test]
    fn twin_a_pod_of_a_namespace_nobody_collected() {
        check(&at("10.244.1.250", "file hosts/n1/ip-route.txt | 10.244.1.2 dev v1 | 10.244.1.250 dev v2\n=> unknown"));
    }

    #[test]
    fn unknown_without_nodes_pods_or_endpoints() {
        check(&at("10.244.1.250", "missed nodes forbidden\n=> unknown lacks nodes"));
        let anyone = |sketch: String| sketch.replace("pod/b/c-1 -> ", "");
        check(&anyone(at("10.244.1.250", "missed pods forbidden\n=> unknown lacks pods")));
        check(&at("10.244.1.250", "missed endpointslices forbidden\n=> unknown lacks endpointslices of namespace a"));
    }
}
