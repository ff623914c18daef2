//! Two Ingresses claim the same host and path for different Services, and the controller follows the wrong one.
//!
//! # What it looks like
//! A kind of request that was served is refused by another application, often with 404, although the Ingress it belongs to
//! is unchanged and right. Which of the two is followed differs between controllers (nginx: of equal paths the older;
//! Traefik: the rule that is written longer, of equal ones either).
//!
//! # Confirm by hand
//! `kubectl get ingress -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,AGE:.metadata.creationTimestamp,HOSTS:.spec.rules[*].host,PATHS:.spec.rules[*].http.paths[*].path`
//! lists the same host and path twice; the access log of the controller shows which Service gets the requests.
//!
//! # Fix
//! Delete the Ingress, or the path of it, that takes the requests away.
//!
//! # Who acts
//! The owners of the two Ingresses, together.
//!
//! # Source
//! k8s.io/api/networking/v1 types.go, HTTPIngressPath (precedence of paths); ingress-nginx, user guide, "Ingress path
//! matching": if the same path is defined in more than one Ingress, the oldest rule wins.

use crate::json::Value;

use super::{
    Case, Cause, Finding,
    route_fault::{Fault, Held, findings},
    routing::Rule,
};
use crate::{diagnosis::Change, model::Model, propagation::Mode};

/// See the module's comment.
pub struct DuplicateIngress;

impl Cause for DuplicateIngress {
    fn id(&self) -> &'static str {
        "duplicate-ingress"
    }

    fn source(&self) -> &'static str {
        include_str!("duplicate_ingress.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        findings(case, &[Mode::NotFound, Mode::Rejects], |fault, asked| {
            let Fault::Duplicate(rule, first) = fault else { return None };
            Some(Held {
                subject: rule.ingress.subject().clone(),
                summary: format!(
                    "Leave {}{} to {}: take it out of {}",
                    asked.host,
                    asked.path,
                    first.ingress.subject(),
                    rule.ingress.subject()
                ),
                evidence: vec![],
                patch: vec![without(case.model, rule)],
            })
        })
    }
}

/// The Ingress without this rule: gone, where it has no other.
fn without(model: &Model<'_>, rule: &Rule<'_>) -> Change {
    let object = rule.ingress.subject().clone();
    let paths = model.rules.iter().filter(|other| *other.ingress.subject() == object).count();
    if paths == 1 {
        return Change::Delete { object };
    }
    let from = rule.ingress.get(&rule.pointer).cloned().unwrap_or(Value::Null);
    Change::Unset { object, path: rule.pointer.clone(), from }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service shop/web  selector app=web  80 -> 80
         service shop/info  selector app=info  80 -> 80
         pod shop/web-1  app=web  ready  listens 0.0.0.0:80
         pod shop/info-1  app=info  ready  listens 0.0.0.0:80
         pod in/ctl-1  app=ctl  ready
         pod c/c-1  app=c  ready
         ingress shop/web  shop.test -> web
         ingress shop/more  shop.test -> info
         request hop=client method=GET path=/ status=404 upstream=shop.test:80 pod=c/c-1 id=r x6";

    const SENT: &str = "request hop=ingress method=GET path=/ status=404 upstream=info.shop:80 pod=in/ctl-1 id=r x6";
    const EARLIER: &str =
        "request hop=client method=GET path=/ status=200 upstream=shop.test:80 pod=c/c-1 id=o at=-60 x3
         request hop=ingress method=GET path=/ status=200 upstream=web.shop:80 pod=in/ctl-1 id=o at=-60 x3";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{SENT}\n{EARLIER}\n=> duplicate-ingress ingress/shop/more"));
    }

    #[test]
    fn holds_for_a_narrower_claim() {
        check(&format!(
            "{WORLD}\n{SENT}\n{EARLIER}\nset ingress/shop/more  spec.rules[0].http.paths[0].pathType=Exact
             => duplicate-ingress ingress/shop/more"
        ));
    }

    #[test]
    fn twin_the_second_is_for_another_path() {
        check(&format!(
            "{WORLD}\n{SENT}\n{EARLIER}\nset ingress/shop/more  spec.rules[0].http.paths[0].path=/more\n=> unknown"
        ));
    }

    #[test]
    fn twin_the_first_leads_there_as_well() {
        check(&format!(
            "{WORLD}\n{SENT}\n{EARLIER}\nset ingress/shop/more  spec.rules[0].http.paths[0].path=/more
             set ingress/shop/web  spec.rules[0].http.paths[0].backend.service.name=info
             => ingress-wrong-backend ingress/shop/web"
        ));
    }

    #[test]
    fn unknown_without_the_controllers_log() {
        check(&format!("{WORLD}\n{}\n=> unknown lacks traffic.jsonl", EARLIER.lines().next().unwrap_or_default()));
    }
}
