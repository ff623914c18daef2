//! A route of the mesh leads to a subset of a host that nobody declared, or that no pod belongs to.
//!
//! # What it looks like
//! 503 within a millisecond, said by the caller's own sidecar: flag NC where the subset is not declared, UH (no healthy
//! upstream) where its labels are on no pod. The host exists and serves whoever has no sidecar. UH alone proves nothing: the
//! pods of the subset may exist and not be ready.
//!
//! # Confirm by hand
//! `kubectl -n NS logs POD -c istio-proxy` for the flag and the cluster `outbound|PORT|SUBSET|HOST`; `subset` in
//! `kubectl -n NS get virtualservices -o yaml` against `subsets` in `kubectl -n NS get destinationrules -o yaml`, and their
//! labels against `kubectl -n NS get pods --show-labels`. `istioctl analyze` says IST0101, "Referenced host+subset in
//! destinationrule not found".
//!
//! # Fix
//! Declare the subset in the DestinationRule, with labels that its pods carry, before a VirtualService leads to it; or let the
//! route lead to one that is declared.
//!
//! # Who acts
//! The owner of the VirtualService, or of the DestinationRule where its labels are wrong.
//!
//! # Source
//! istio.io, Reference / DestinationRule, "Subset"; Operations / Common problems, "Route rules don't seem to affect traffic flow" and
//! "503 errors after setting destination rule"; envoyproxy.io, "Response flags" (NC, UH).

use std::collections::BTreeSet;

use crate::json::{Text, Value, json};

use super::{
    Case, Cause, Finding, mesh,
    mesh_route::{Destination, Fault, Held, findings},
};
use crate::{diagnosis::Change, evidence::Object, model::Model};

/// See the module's comment.
pub struct MeshSubsetMissing;

impl Cause for MeshSubsetMissing {
    fn id(&self) -> &'static str {
        "mesh-subset-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("mesh_subset_missing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        findings(case, |model, fault| match fault {
            Fault::Host(_) => None,
            Fault::Subset(destination, rule) => Some(undeclared(model, destination, *rule)),
            Fault::Labels(destination, rule, index) => labels(model, destination, rule, *index),
        })
    }
}

fn undeclared(model: &Model<'_>, destination: &Destination<'_>, rule: Option<&Object>) -> Held {
    let (routing, host) = (destination.routing.subject().clone(), &destination.host);
    let wanted = destination.subset.unwrap_or_default();
    let mut evidence = vec![destination.cite("subset", format!("{routing} leads to the subset {wanted} of {host}"))];
    let subsets = rule.map_or(&[][..], |rule| rule.list("/spec/subsets"));
    let names: Vec<&str> = subsets.iter().filter_map(|subset| subset["name"].as_str()).collect();
    evidence.extend(
        rule.map(|rule| rule.cite("/spec/subsets", format!("{} declares {}", rule.subject(), names.join(", ")))),
    );
    // One that others of these routes lead to, else the only one that has a pod.
    let used: BTreeSet<&str> =
        destination.all().iter().filter_map(|other| other.subset).filter(|name| names.contains(name)).collect();
    let pods = mesh::service(model, host).map(|service| model.selected_pods(service)).unwrap_or_default();
    let peopled = subsets.iter().filter(|subset| pods.iter().any(|pod| mesh::carries(&subset["labels"], pod)));
    let candidates =
        if used.is_empty() { peopled.filter_map(|subset| subset["name"].as_str()).collect() } else { used };
    let right = <[&str; 1]>::try_from(Vec::from_iter(candidates)).ok().map(|[one]| one);
    let (summary, patch) = match right {
        Some(right) => (
            format!("Let {routing} lead to the subset {right} and not to {wanted}"),
            destination.set("subset", Some(right)),
        ),
        None => (format!("Declare the subset {wanted} in a DestinationRule of {host}"), vec![]),
    };
    Held { subject: routing, evidence, summary, patch }
}

fn labels(model: &Model<'_>, destination: &Destination<'_>, rule: &Object, index: usize) -> Option<Held> {
    let pointer = format!("/spec/subsets/{index}/labels");
    let from = rule.get(&pointer)?.clone();
    let pods = model.selected_pods(mesh::service(model, &destination.host)?);
    let cited = pods.first()?.cite("/metadata/labels", format!("no pod behind {} carries {from}", destination.host));
    // The values that all of those pods have for the same keys.
    let common = |key: &Text| {
        let values: BTreeSet<Option<&str>> = pods.iter().map(|pod| pod.labels().get(key.as_str()).copied()).collect();
        <[Option<&str>; 1]>::try_from(Vec::from_iter(values))
            .ok()
            .and_then(|[value]| Some((key.clone(), json!(value?))))
    };
    let right: Option<Value> = from.as_object()?.keys().map(common).collect();
    let summary = format!(
        "Give the subset {} of {} labels that its pods carry",
        destination.subset.unwrap_or_default(),
        rule.subject()
    );
    let set = |to: Value| Change::Set { object: rule.subject().clone(), path: pointer.clone(), from: from.clone(), to };
    let evidence = vec![rule.cite(&pointer, format!("the subset is {from}")), cited];
    Some(Held { subject: rule.subject().clone(), evidence, summary, patch: right.map(set).into_iter().collect() })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"service shop/web  selector app=web  80 -> 80
         service shop/api  selector app=api  80 -> 80
         pod shop/web-1  app=web  ready  listens 0.0.0.0:80  calls api.shop:80
         set pod/shop/web-1  spec.containers[1].name=istio-proxy
         pod c/c-1  app=c  ready
         ingress shop/web  shop.test -> web
         object VirtualService shop/api  spec.hosts=["api"] spec.http=[{"name":"r","route":[{"destination":{"host":"api","subset":"v2"}}]}]
         request hop=client method=POST path=/orders status=503 seconds=0.004 upstream=shop.test:80 pod=c/c-1 id=s x6
         request hop=web method=POST path=/orders status=503 seconds=0.003 upstream=api.shop:80 pod=shop/web-1 id=s x6"#;
    const READY: &str = "pod shop/api-1  app=api,version=v1  ready  listens 0.0.0.0:80";
    const V1: &str =
        r#"object DestinationRule shop/api  spec.host=api spec.subsets=[{"name":"v1","labels":{"version":"v1"}}]"#;
    const V2: &str =
        r#"object DestinationRule shop/api  spec.host=api spec.subsets=[{"name":"v2","labels":{"version":"v2"}}]"#;

    fn turned(flag: &str) -> String {
        format!(
            "request hop=sidecar method=POST path=/o status=503 seconds=0 host=api.shop route=r response_flags={flag} pod=shop/web-1 id=s x6"
        )
    }

    #[test]
    fn holds_where_it_is_not_declared() {
        check(&format!("{WORLD}\n{READY}\n{V1}\n{}\n=> mesh-subset-missing virtualservice/shop/api", turned("NC")));
    }

    #[test]
    fn holds_where_no_pod_carries_its_labels() {
        check(&format!("{WORLD}\n{READY}\n{V2}\n{}\n=> mesh-subset-missing destinationrule/shop/api", turned("UH")));
    }

    #[test]
    fn twin_its_pods_exist_and_are_not_ready() {
        let unready = "pod shop/api-1  app=api,version=v2  unready  listens 0.0.0.0:80";
        check(&format!("{WORLD}\n{unready}\n{V2}\n{}\n=> unknown", turned("UH")));
    }

    #[test]
    fn twin_a_connection_that_could_not_be_made() {
        check(&format!("{WORLD}\n{READY}\n{V1}\n{}\n=> unknown", turned("UF")));
    }

    #[test]
    fn unknown_when_rules_were_not_listed() {
        check(&format!(
            "{WORLD}\n{READY}\n{}\nmissed destinationrules forbidden\n=> unknown lacks destinationrules of namespace shop",
            turned("NC")
        ));
    }
}
