//! A VirtualService routes requests to a host that the mesh does not know.
//!
//! # What it looks like
//! 503 within a millisecond, for the requests that take that route and no others. The caller's own sidecar says it: response
//! flag NC (no cluster), older ones NR, and no upstream host. Whoever was meant never saw the request, and clients without a
//! sidecar are served: they do not know of the route.
//!
//! # Confirm by hand
//! `kubectl -n NS logs POD -c istio-proxy`: `"response_flags":"NC"`, `"response_code_details":"cluster_not_found"`.
//! `istioctl analyze -n NS` says IST0101, "Referenced host not found". Without it: compare `destination.host` in
//! `kubectl -n NS get virtualservices -o yaml` with `kubectl get services,serviceentries -A`.
//!
//! # Fix
//! Let the route lead to a host that exists; write whole names, as short ones are completed with the namespace of the
//! VirtualService.
//!
//! # Who acts
//! The owner of the VirtualService.
//!
//! # Source
//! istio.io, Reference / VirtualService, "Destination"; Operations / Common problems / Traffic management; envoyproxy.io,
//! "Response flags" (NC, NR).

use std::collections::BTreeSet;

use super::{
    Case, Cause, Finding, mesh,
    mesh_route::{Destination, Fault, Held, findings},
};
use crate::{evidence::Fact, model::Model};

/// See the module's comment.
pub struct MeshVirtualServiceHostMissing;

impl Cause for MeshVirtualServiceHostMissing {
    fn id(&self) -> &'static str {
        "mesh-virtual-service-host-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("mesh_virtual_service_host_missing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        findings(case, |model, fault| {
            let Fault::Host(destination) = fault else { return None };
            let subject = destination.routing.subject().clone();
            let right = right(model, destination);
            let says =
                format!("{subject} leads to {}, which is no Service and no host of a ServiceEntry", destination.host);
            let summary = match &right {
                Some(right) => format!("Let {subject} lead to {right} and not to {}", destination.host),
                None => format!("Let {subject} lead to a host that exists, not to {}", destination.host),
            };
            let patch = destination.set("host", right.as_deref());
            Some(Held { subject, evidence: vec![destination.cite("host", says)], summary, patch })
        })
    }
}

/// The host that is meant: the one to which all other routes lead, else the one whose routes these are.
fn right(model: &Model<'_>, destination: &Destination<'_>) -> Option<String> {
    let known = |host: &String| mesh::known(model, host) == Fact::Seen(true);
    let others: BTreeSet<String> = destination.all().into_iter().map(|other| other.host).filter(known).collect();
    let hosts = destination.routing.list("/spec/hosts").iter().filter_map(|host| host.as_str());
    let own: BTreeSet<String> =
        hosts.map(|host| mesh::whole(host, destination.routing.namespace())).filter(known).collect();
    let candidates = if others.is_empty() { own } else { others };
    <[String; 1]>::try_from(Vec::from_iter(candidates)).ok().map(|[one]| one)
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"service shop/web  selector app=web  80 -> 80
         service shop/api  selector app=api  80 -> 80
         pod shop/web-1  app=web  ready  listens 0.0.0.0:80  calls api.shop:80
         set pod/shop/web-1  spec.containers[1].name=istio-proxy
         pod shop/api-1  app=api,version=v1  ready  listens 0.0.0.0:80
         pod c/c-1  app=c  ready
         ingress shop/web  shop.test -> web
         request hop=client method=POST path=/orders status=503 seconds=0.004 upstream=shop.test:80 pod=c/c-1 id=s x6
         request hop=web method=POST path=/orders status=503 seconds=0.003 upstream=api.shop:80 pod=shop/web-1 id=s x6"#;

    const TURNED: &str = "request hop=sidecar method=POST path=/o status=503 seconds=0 host=api.shop:80 response_flags=NC pod=shop/web-1 id=s x6";

    fn route(destination: &str) -> String {
        format!(
            r#"object VirtualService shop/api  spec.hosts=["api"] spec.http=[{{"route":[{{"destination":{destination}}}]}}]"#
        )
    }

    #[test]
    fn holds() {
        let nowhere = route(r#"{"host":"nowhere"}"#);
        check(&format!("{WORLD}\n{TURNED}\n{nowhere}\n=> mesh-virtual-service-host-missing virtualservice/shop/api"));
    }

    #[test]
    fn twin_a_host_that_a_service_entry_declares() {
        let declared = route(r#"{"host":"nowhere"}"#);
        check(&format!(
            "{WORLD}\n{TURNED}\n{declared}\nobject ServiceEntry shop/n  spec.hosts=[\"nowhere.shop.svc.cluster.local\"]\n=> unknown"
        ));
    }

    #[test]
    fn twin_a_subset_that_nobody_declares() {
        let subset = route(r#"{"host":"api","subset":"v2"}"#);
        check(&format!("{WORLD}\n{TURNED}\n{subset}\n=> mesh-subset-missing virtualservice/shop/api"));
    }

    #[test]
    fn twin_routes_of_a_gateway_are_none_of_a_sidecars() {
        let nowhere = route(r#"{"host":"nowhere"}"#);
        check(&format!("{WORLD}\n{TURNED}\n{nowhere} spec.gateways=[\"public\"]\n=> unknown"));
    }

    #[test]
    fn unknown_without_the_routes_the_entries_or_the_sidecars_word() {
        let nowhere = route(r#"{"host":"nowhere"}"#);
        let lacking = |missed: &str, lack: &str| {
            check(&format!("{WORLD}\n{TURNED}\n{nowhere}\nmissed {missed} forbidden\n=> unknown lacks {lack}"))
        };
        lacking("virtualservices", "virtualservices of namespace shop");
        lacking("serviceentries", "serviceentries of namespace shop");
        check(&format!("{WORLD}\n{nowhere}\n=> unknown lacks logs/shop_web-1_istio-proxy.txt"));
    }
}
