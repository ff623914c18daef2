//! An Ingress is for a host that nobody asks for, and no Ingress is for the host that is asked for: one is written wrong.
//!
//! # What it looks like
//! Every path of one name answers 404 at once. The ingress controller logs the requests and sends them nowhere; the
//! application sees nothing. The Ingress has the right paths and the right Service.
//!
//! # Confirm by hand
//! `kubectl get ingress -A` lists the hosts: the one that clients ask for is missing, another is a slip of it.
//! `curl -sI -H 'Host: THE-OTHER-HOST' http://CONTROLLER/` is answered by the application.
//!
//! # Fix
//! Set `spec.rules[].host` of the Ingress to the name that clients ask for.
//!
//! # Who acts
//! The owner of the Ingress.
//!
//! # Source
//! kubernetes.io, Concepts / Ingress, "Ingress rules" and "Hostname wildcards".

use crate::json::json;

use super::{
    Case, Cause, Finding,
    route_fault::{Fault, Held, findings},
};
use crate::{diagnosis::Change, propagation::Mode};

/// See the module's comment.
pub struct IngressHostMismatch;

impl Cause for IngressHostMismatch {
    fn id(&self) -> &'static str {
        "ingress-host-mismatch"
    }

    fn source(&self) -> &'static str {
        include_str!("ingress_host_mismatch.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        findings(case, &[Mode::NotFound], |fault, asked| {
            let Fault::Host(rule) = fault else { return None };
            let ingress = rule.ingress.subject().clone();
            let path = rule.rule_pointer()? + "/host";
            let from = rule.ingress.get(&path)?.clone();
            Some(Held {
                summary: format!("Let {ingress} be for {}", asked.host),
                evidence: vec![],
                patch: vec![Change::Set { object: ingress.clone(), path, from, to: json!(asked.host) }],
                subject: ingress,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service shop/web  selector app=web  80 -> 80
         pod shop/web-1  app=web  ready  listens 0.0.0.0:80
         pod in/ctl-1  app=ctl  ready
         pod c/c-1  app=c  ready
         request hop=client method=GET path=/ status=404 upstream=shop.example.test:80 pod=c/c-1 id=r x6
         request hop=ingress method=GET path=/ status=404 pod=in/ctl-1 id=r x6
         request hop=client method=POST path=/orders status=404 upstream=shop.example.test:80 pod=c/c-1 id=s x6
         request hop=ingress method=POST path=/orders status=404 pod=in/ctl-1 id=s x6
         request hop=web method=GET path=/ status=200 pod=shop/web-1 id=old at=-60";

    #[test]
    fn holds() {
        check(&format!(
            "{WORLD}\ningress shop/web  shop.exemple.test -> web\n=> ingress-host-mismatch ingress/shop/web"
        ));
    }

    #[test]
    fn twin_a_host_that_is_asked_for() {
        check(&format!(
            "{WORLD}\ningress shop/web  shop.exemple.test -> web
             probe http://shop.exemple.test/  200 in 3ms
             => unknown"
        ));
    }

    #[test]
    fn twin_another_name_altogether() {
        check(&format!("{WORLD}\ningress shop/web  archive.test -> web\n=> unknown lacks traffic.jsonl"));
    }

    #[test]
    fn twin_a_class_that_is_not_there() {
        check(&format!(
            "{WORLD}\ningress shop/web  shop.example.test -> web
             set ingress/shop/web  spec.ingressClassName=other
             object IngressClass one  spec.controller=x
             => ingress-class-missing ingress/shop/web"
        ));
    }

    #[test]
    fn unknown_when_ingresses_were_not_listed() {
        check(&format!(
            "{WORLD}\ningress shop/web  shop.exemple.test -> web\nmissed ingresses forbidden\n=> unknown lacks ingresses"
        ));
    }

    #[test]
    fn unknown_without_the_controllers_log() {
        check(
            "service shop/web  selector app=web  80 -> 80
             pod shop/web-1  app=web  ready  listens 0.0.0.0:80
             ingress shop/web  shop.exemple.test -> web
             probe http://shop.example.test/  404 in 3ms
             => unknown lacks traffic.jsonl",
        );
    }
}
