//! A rule of an Ingress is for a path that nobody asks for, one slip away from the path that fails; or takes only the very
//! path where those below it are asked for.
//!
//! # What it looks like
//! One path of a name answers 404 at once while others are served. The ingress controller logs the requests and sends them
//! nowhere, or to the application of a broader rule.
//!
//! # Confirm by hand
//! `kubectl -n NS describe ingress NAME` lists the paths: compare them letter by letter with what fails, capitals, slashes
//! and `pathType` included. `curl` with the path as the Ingress has it reaches the application.
//!
//! # Fix
//! Set the rule's `path` (or its `pathType`) to what clients ask for.
//!
//! # Who acts
//! The owner of the Ingress.
//!
//! # Source
//! kubernetes.io, Concepts / Ingress, "Path types" and its table of examples.

use crate::json::{Value, json};

use super::{
    Case, Cause, Finding,
    route_fault::{Fault, Held, findings},
};
use crate::{diagnosis::Change, propagation::Mode};

/// See the module's comment.
pub struct IngressPathMismatch;

impl Cause for IngressPathMismatch {
    fn id(&self) -> &'static str {
        "ingress-path-mismatch"
    }

    fn source(&self) -> &'static str {
        include_str!("ingress_path_mismatch.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        findings(case, &[Mode::NotFound], |fault, _| {
            let Fault::Path(rule, right) = fault else { return None };
            let ingress = rule.ingress.subject().clone();
            // The right path and the written one are the same where only the type is wrong.
            let (key, to) = if rule.path == Some(right) { ("pathType", "Prefix") } else { ("path", right.as_str()) };
            let path = format!("{}/{key}", rule.pointer);
            let from = rule.ingress.get(&path).cloned().unwrap_or(Value::Null);
            Some(Held {
                summary: format!("Let the rule of {ingress} for {} have the {key} {to}", rule.says()),
                evidence: vec![],
                patch: vec![Change::Set { object: ingress.clone(), path, from, to: json!(to) }],
                subject: ingress,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service shop/web  selector app=web  80 -> 80
         service shop/api  selector app=api  80 -> 80
         pod shop/web-1  app=web  ready  listens 0.0.0.0:80
         pod shop/api-1  app=api  ready  listens 0.0.0.0:80
         pod in/ctl-1  app=ctl  ready
         pod c/c-1  app=c  ready
         ingress shop/web  shop.test -> web
         set ingress/shop/web  spec.rules[0].http.paths[0].pathType=Exact
         ingress shop/api  shop.test -> api
         request hop=client method=GET path=/ status=200 upstream=shop.test:80 pod=c/c-1 id=r x6
         request hop=ingress method=GET path=/ status=200 upstream=10.244.0.3:80 pod=in/ctl-1 id=r x6
         request hop=web method=GET path=/ status=200 pod=shop/web-1 id=r x6
         request hop=client method=GET path=/stock/7 status=404 upstream=shop.test:80 pod=c/c-1 id=s x6
         request hop=ingress method=GET path=/stock/7 status=404 pod=in/ctl-1 id=s x6";

    const EARLIER: &str =
        "request hop=client method=GET path=/stock/7 status=200 upstream=shop.test:80 pod=c/c-1 id=o at=-60 x3
         request hop=ingress method=GET path=/stock/7 status=200 upstream=api.shop:80 pod=in/ctl-1 id=o at=-60 x3
         request hop=api method=GET path=/stock/7 status=200 pod=shop/api-1 id=o at=-60 x3";

    #[test]
    fn holds() {
        check(&format!(
            "{WORLD}\nset ingress/shop/api  spec.rules[0].http.paths[0].path=/stcok
             => ingress-path-mismatch ingress/shop/api"
        ));
    }

    #[test]
    fn holds_where_only_the_very_path_fits() {
        check(&format!(
            "{WORLD}\n{EARLIER}
             set ingress/shop/api  spec.rules[0].http.paths[0].path=/stock spec.rules[0].http.paths[0].pathType=Exact
             => ingress-path-mismatch ingress/shop/api"
        ));
    }

    #[test]
    fn twin_the_rule_is_gone() {
        check(&format!(
            "{WORLD}\n{EARLIER}
             set ingress/shop/api  spec.rules[0].http.paths[0].path=/prices
             => ingress-route-missing ingress/shop/api"
        ));
    }

    #[test]
    fn twin_the_slip_leads_elsewhere_than_where_it_was_served() {
        check(&format!(
            "{WORLD}\n{EARLIER}
             set ingress/shop/api  spec.rules[0].http.paths[0].path=/stcok spec.rules[0].http.paths[0].backend.service.name=web
             => unknown"
        ));
    }

    #[test]
    fn unknown_where_another_path_was_never_seen_served() {
        check(&format!(
            "{WORLD}\nset ingress/shop/api  spec.rules[0].http.paths[0].path=/prices\n=> unknown lacks traffic.jsonl"
        ));
    }
}
