//! A rule of an Ingress leads to another Service than the one that serves these requests, or to one that does not exist.
//!
//! # What it looks like
//! A kind of request that was served is now refused by an application, often with 404: the one that answers is not the one
//! that served it before. Where the Service does not exist the controller answers by itself (404 or 503).
//!
//! # Confirm by hand
//! Follow one request id: it is in the log of another application than before. `kubectl -n NS describe ingress NAME` shows
//! the Service of the rule; `kubectl -n NS exec POD -- curl -s http://RIGHT-SERVICE/PATH` is answered well.
//!
//! # Fix
//! Set `backend.service.name` of the rule to the Service that serves these requests.
//!
//! # Who acts
//! The owner of the Ingress.
//!
//! # Source
//! kubernetes.io, Concepts / Ingress, "Ingress rules": a backend is a combination of Service and port names.

use crate::json::{Value, json};

use super::{
    Case, Cause, Finding,
    route_fault::{Fault, Held, findings},
    routing::Rule,
};
use crate::{diagnosis::Change, model::Model, propagation::Mode, subject::Subject};

/// See the module's comment.
pub struct IngressWrongBackend;

/// What another application, or the controller, makes of it.
const MODES: [Mode; 3] = [Mode::NotFound, Mode::Rejects, Mode::RelaysEmpty];

impl Cause for IngressWrongBackend {
    fn id(&self) -> &'static str {
        "ingress-wrong-backend"
    }

    fn source(&self) -> &'static str {
        include_str!("ingress_wrong_backend.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        findings(case, &MODES, |fault, _| {
            let Fault::Backend(rule, before) = fault else { return None };
            let right = before.as_ref().map(|before| &before.service);
            let to = right.map_or_else(|| "a Service that exists".to_owned(), ToString::to_string);
            Some(Held {
                subject: rule.ingress.subject().clone(),
                summary: format!("Let the rule of {} for {} lead to {to}", rule.ingress.subject(), rule.says()),
                evidence: before.as_ref().map(|before| before.evidence.clone()).unwrap_or_default(),
                patch: right.map(|right| changes(case.model, rule, right)).unwrap_or_default(),
            })
        })
    }
}

/// The rule led to this Service; the port changes with it where the Service does not have the one that is named.
fn changes(model: &Model<'_>, rule: &Rule<'_>, right: &Subject) -> Vec<Change> {
    if right.namespace() != rule.ingress.namespace() {
        return vec![];
    }
    let set = |key: &str, to: Value| {
        let path = format!("{}/service/{key}", rule.backend_pointer());
        let from = rule.ingress.get(&path).cloned().unwrap_or(Value::Null);
        Change::Set { object: rule.ingress.subject().clone(), path, from, to }
    };
    let ports = model.object(right).map_or(&[][..], |service| service.list("/spec/ports"));
    let has = ports.iter().any(|port| port["port"] == *rule.port() || port["name"] == *rule.port());
    let port = ports.first().filter(|_| !has).map(|port| set("port", json!({"number": port["port"]})));
    [set("name", json!(right.name))].into_iter().chain(port).collect()
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
         request hop=client method=GET path=/ status=404 upstream=shop.test:80 pod=c/c-1 id=r x6
         request hop=ingress method=GET path=/ status=404 upstream=info.shop:80 upstream_status=404 pod=in/ctl-1 id=r x6";

    const EARLIER: &str =
        "request hop=client method=GET path=/ status=200 upstream=shop.test:80 pod=c/c-1 id=o at=-60 x3
         request hop=ingress method=GET path=/ status=200 upstream=web.shop:80 pod=in/ctl-1 id=o at=-60 x3";

    #[test]
    fn holds() {
        check(&format!(
            "{WORLD}\n{EARLIER}\ningress shop/web  shop.test -> info\n=> ingress-wrong-backend ingress/shop/web"
        ));
    }

    #[test]
    fn holds_where_the_service_does_not_exist() {
        check(
            "service shop/web  selector app=web  80 -> 80
             pod shop/web-1  app=web  ready  listens 0.0.0.0:80
             ingress shop/web  shop.test -> wbe
             probe http://shop.test/  503 in 3ms
             => ingress-wrong-backend ingress/shop/web",
        );
    }

    #[test]
    fn twin_a_second_ingress_takes_it() {
        check(&format!(
            "{WORLD}\n{EARLIER}
             ingress shop/web  shop.test -> web
             ingress shop/more  shop.test -> info
             => duplicate-ingress ingress/shop/more"
        ));
    }

    #[test]
    fn twin_the_application_never_had_it() {
        check(&format!("{WORLD}\ningress shop/web  shop.test -> info\n=> healthy"));
    }

    #[test]
    fn twin_the_same_application_served_it_before() {
        check(&format!(
            "{WORLD}\n{}\ningress shop/web  shop.test -> info\n=> unknown",
            EARLIER.replace("web.shop", "info.shop")
        ));
    }

    #[test]
    fn unknown_when_ingresses_were_not_listed() {
        check(&format!(
            "{WORLD}\n{EARLIER}\ningress shop/web  shop.test -> info\nmissed ingresses forbidden\n=> unknown lacks ingresses"
        ));
    }
}
