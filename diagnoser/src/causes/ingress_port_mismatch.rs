//! An Ingress names a port that its Service does not have.
//!
//! # What it looks like
//! Every request by that rule fails at once and the application sees nothing. Controllers differ: Traefik drops the route
//! and answers 404, nginx and HAProxy answer 502 or 503. Asked directly, the Service works.
//!
//! # Confirm by hand
//! `kubectl -n NS describe ingress NAME` shows the backend as `SERVICE:PORT (<error: ...>)`; `kubectl -n NS get svc SERVICE`
//! lists the ports there are. The Ingress means the Service's port, not the container's.
//!
//! # Fix
//! Set `backend.service.port` of the rule to a port (or the name of a port) of the Service.
//!
//! # Who acts
//! The owner of the Ingress.
//!
//! # Source
//! k8s.io/api/networking/v1 types.go, ServiceBackendPort; kubernetes.io, Concepts / Ingress, "The Ingress resource".

use crate::json::{Value, json};

use super::{
    Case, Cause, Finding,
    route_fault::{Fault, Held, findings},
    routing::Rule,
};
use crate::{diagnosis::Change, model::Model, propagation::Mode};

/// See the module's comment.
pub struct IngressPortMismatch;

/// What controllers make of it.
const MODES: [Mode; 3] = [Mode::NotFound, Mode::RelaysEmpty, Mode::RelaysRefused];

impl Cause for IngressPortMismatch {
    fn id(&self) -> &'static str {
        "ingress-port-mismatch"
    }

    fn source(&self) -> &'static str {
        include_str!("ingress_port_mismatch.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        findings(case, &MODES, |fault, _| {
            let Fault::Port(rule) = fault else { return None };
            let ingress = rule.ingress.subject().clone();
            let right = right_port(case.model, rule)?;
            Some(Held {
                summary: format!("Let {ingress} name a port of its Service: {} -> {right}", rule.port()),
                evidence: vec![],
                patch: mended(case.model, rule, &right),
                subject: ingress,
            })
        })
    }
}

/// The port that is meant: the Service's only one, the one whose target was written by mistake, else its first.
fn right_port(model: &Model<'_>, rule: &Rule<'_>) -> Option<Value> {
    let ports = model.object(&rule.service()?)?.list("/spec/ports");
    let target = ports.iter().find(|port| port["targetPort"] == *rule.port());
    Some(target.or(ports.first())?["port"].clone())
}

/// The same mistake in every rule of the Ingress that makes it.
fn mended(model: &Model<'_>, rule: &Rule<'_>, right: &Value) -> Vec<Change> {
    let same = |other: &&Rule<'_>| {
        let own = other.ingress.subject() == rule.ingress.subject();
        own && (other.service(), other.port()) == (rule.service(), rule.port())
    };
    let changes = model.rules.iter().filter(same).map(|rule| {
        let path = rule.backend_pointer() + "/service/port";
        let from = rule.ingress.get(&path).cloned().unwrap_or(Value::Null);
        Change::Set { object: rule.ingress.subject().clone(), path, from, to: json!({"number": right}) }
    });
    changes.collect()
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service shop/web  selector app=web  80 -> 9090
         pod shop/web-1  app=web  ready  listens 0.0.0.0:9090
         ingress shop/web  shop.test -> web
         set ingress/shop/web  spec.rules[0].http.paths[0].backend.service.port.number=9090";

    #[test]
    fn holds_whatever_the_controller_says() {
        for answer in ["404", "502", "503"] {
            check(&format!(
                "{WORLD}\nprobe http://shop.test/  {answer} in 3ms\n=> ingress-port-mismatch ingress/shop/web"
            ));
        }
    }

    #[test]
    fn twin_a_port_that_the_service_has() {
        check(
            "service shop/web  selector app=web  80 -> 8080
             pod shop/web-1  app=web  ready  listens 0.0.0.0:9090
             ingress shop/web  shop.test -> web
             probe http://shop.test/  502 in 3ms
             => service-port-mismatch service/shop/web",
        );
    }

    #[test]
    fn twin_silence_is_no_missing_port() {
        check(&format!("{WORLD}\nprobe http://shop.test/  504 in 5s\n=> unknown"));
    }

    #[test]
    fn unknown_without_the_service() {
        check(&format!(
            "{WORLD}\nprobe http://shop.test/  404 in 3ms\nmissed services forbidden\n=> unknown lacks services of namespace shop"
        ));
    }
}
