//! No rule of any Ingress takes a kind of request that was served until now: its rule is gone.
//!
//! # What it looks like
//! 404 at once for one path, or for all of a name, while others are served. The ingress controller logs the requests and
//! sends them nowhere (or to a broader rule's application); earlier ones of the same kind reached an application.
//!
//! # Confirm by hand
//! `kubectl describe ingress -A` shows no rule that fits host and path; the controller's access log has earlier requests
//! of the kind with the upstream that served them; `kubectl port-forward svc/NAME` and `curl`: the Service still does.
//!
//! # Fix
//! Add the rule again: the host, the path, and the Service that served it. What removed it is in the history of the
//! repository that the Ingress comes from.
//!
//! # Who acts
//! The owner of the Ingress.
//!
//! # Source
//! kubernetes.io, Concepts / Ingress, "Ingress rules"; k8s.io/api/networking/v1 types.go, IngressSpec.

use std::collections::BTreeMap;

use crate::json::{Value, json};

use super::{
    Case, Cause, Finding, State,
    route_fault::{Fault, Held, findings},
};
use crate::{diagnosis::Change, evidence::Object, model::Model, propagation::Mode, subject::Subject, symptoms::Asked};

/// See the module's comment.
pub struct IngressRouteMissing;

impl Cause for IngressRouteMissing {
    fn id(&self) -> &'static str {
        "ingress-route-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("ingress_route_missing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let mut found = findings(case, &[Mode::NotFound], |fault, asked| {
            let Fault::Missing(subject, served) = fault else { return None };
            Some(Held {
                summary: format!("Add a rule for {}{} that leads to {}", asked.host, asked.path, served.service),
                evidence: vec![],
                patch: case
                    .model
                    .object(subject)
                    .and_then(|o| added(case.model, o, asked, &served.service))
                    .into_iter()
                    .collect(),
                subject: subject.clone(),
            })
        });
        for finding in &mut found {
            if let State::Holds(proof) = &mut finding.state {
                proof.fix.patch = together(std::mem::take(&mut proof.fix.patch));
            }
        }
        found
    }
}

/// The list of paths of an Ingress with one more.
fn added(model: &Model<'_>, ingress: &Object, asked: &Asked, service: &Subject) -> Option<Change> {
    if ingress.namespace() != service.namespace() {
        return None;
    }
    let index = ingress.list("/spec/rules").iter().position(|rule| rule["host"] == asked.host.as_str())?;
    let path = format!("/spec/rules/{index}/http/paths");
    let from = ingress.get(&path)?.clone();
    let port = model.object(service)?.list("/spec/ports").first()?["port"].clone();
    let kind = if asked.path == "/" { "Exact" } else { "Prefix" };
    let mut to = from.as_array()?.to_vec();
    to.push(json!({
        "path": asked.path, "pathType": kind,
        "backend": {"service": {"name": service.name, "port": {"number": port}}},
    }));
    Some(Change::Set { object: ingress.subject().clone(), path, from, to: to.into() })
}

/// Several additions to one list as one.
fn together(changes: Vec<Change>) -> Vec<Change> {
    let mut lists: BTreeMap<(Subject, String), (Value, Vec<Value>)> = BTreeMap::new();
    for change in changes {
        let Change::Set { object, path, from, to } = change else { continue };
        let known = from.as_array().map_or(0, <[Value]>::len);
        let more = to.as_array().into_iter().flatten().skip(known).cloned();
        lists.entry((object, path)).or_insert((from, vec![])).1.extend(more);
    }
    let whole = lists.into_iter().map(|((object, path), (from, more))| {
        let to = from.as_array().into_iter().flatten().cloned().chain(more).collect();
        Change::Set { object, path, from, to: Value::Array(to) }
    });
    whole.collect()
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service shop/web  selector app=web  80 -> 80
         pod shop/web-1  app=web  ready  listens 0.0.0.0:80
         pod in/ctl-1  app=ctl  ready
         pod c/c-1  app=c  ready
         ingress shop/web  shop.test -> web
         set ingress/shop/web  spec.rules[0].http.paths[0].pathType=Exact
         request hop=client method=GET path=/ status=200 upstream=shop.test:80 pod=c/c-1 id=r x6
         request hop=ingress method=GET path=/ status=200 upstream=web.shop:80 pod=in/ctl-1 id=r x6
         request hop=web method=GET path=/ status=200 pod=shop/web-1 id=r x6
         request hop=client method=POST path=/orders status=404 upstream=shop.test:80 pod=c/c-1 id=s x6
         request hop=ingress method=POST path=/orders status=404 pod=in/ctl-1 id=s x6";

    const EARLIER: &str =
        "request hop=client method=POST path=/orders status=201 upstream=shop.test:80 pod=c/c-1 id=o at=-60 x3
         request hop=ingress method=POST path=/orders status=201 upstream=web.shop:80 pod=in/ctl-1 id=o at=-60 x3
         request hop=web method=POST path=/orders status=201 pod=shop/web-1 id=o at=-60 x3";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{EARLIER}\n=> ingress-route-missing ingress/shop/web"));
    }

    #[test]
    fn twin_a_path_that_was_never_served_is_nobodys_fault() {
        check(&format!("{WORLD}\n=> unknown lacks traffic.jsonl"));
    }

    #[test]
    fn twin_a_rule_that_is_a_letter_off() {
        check(&format!(
            "{WORLD}\n{EARLIER}
             set ingress/shop/web  spec.rules[0].http.paths[1].path=/oders spec.rules[0].http.paths[1].pathType=Prefix spec.rules[0].http.paths[1].backend.service.name=web spec.rules[0].http.paths[1].backend.service.port.number=80
             => ingress-path-mismatch ingress/shop/web"
        ));
    }

    #[test]
    fn holds_where_the_application_of_a_broader_rule_answers() {
        check(
            "service shop/web  selector app=web  80 -> 80
             service shop/api  selector app=api  80 -> 80
             pod shop/web-1  app=web  ready  listens 0.0.0.0:80
             pod shop/api-1  app=api  ready  listens 0.0.0.0:80
             pod in/ctl-1  app=ctl  ready
             pod c/c-1  app=c  ready
             ingress shop/web  shop.test -> web
             request hop=client method=GET path=/ status=200 upstream=shop.test:80 pod=c/c-1 id=r x6
             request hop=ingress method=GET path=/ status=200 upstream=web.shop:80 pod=in/ctl-1 id=r x6
             request hop=web method=GET path=/ status=200 pod=shop/web-1 id=r x6
             request hop=client method=GET path=/api status=200 upstream=shop.test:80 pod=c/c-1 id=o at=-60 x3
             request hop=ingress method=GET path=/api status=200 upstream=api.shop:80 pod=in/ctl-1 id=o at=-60 x3
             request hop=client method=GET path=/api status=404 upstream=shop.test:80 pod=c/c-1 id=s at=-1 x4
             request hop=ingress method=GET path=/api status=404 upstream=web.shop:80 pod=in/ctl-1 id=s at=-1 x4
             request hop=web method=GET path=/api status=404 pod=shop/web-1 id=s at=-1 x4
             => ingress-route-missing ingress/shop/web",
        );
    }

    #[test]
    fn unknown_when_ingresses_were_not_listed() {
        check(&format!("{WORLD}\n{EARLIER}\nmissed ingresses forbidden\n=> unknown lacks ingresses"));
    }
}
