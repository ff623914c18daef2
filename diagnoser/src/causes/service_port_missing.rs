//! A Service does not have the port that everybody asks it on, while its pods are there on it.
//!
//! # What it looks like
//! Whoever uses the Service fails, in time-outs or refusals, and its pods are ready and well; its endpoints are there, on
//! another port of the Service. It began with a change of the Service.
//!
//! # Confirm by hand
//! `kubectl -n NS get svc NAME -o jsonpath={.spec.ports}` against what its users are told (`kubectl -n NS get deploy -o yaml |
//! grep NAME:`).
//!
//! # Fix
//! Give the Service the port that it is asked on.
//!
//! # Who acts
//! The owner of the Service.
//!
//! # Source
//! kubernetes.io, Service, "Port definitions"; Debug Services, "Is the Service defined correctly?".

use crate::json::json;

use super::{
    Case, Cause, Finding, State,
    asked_ports::{self, Asked},
};
use crate::{
    diagnosis::{Change, Fix},
    propagation::Mode,
};

/// See the module's comment.
pub struct ServicePortMissing;

impl Cause for ServicePortMissing {
    fn id(&self) -> &'static str {
        "service-port-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("service_port_missing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let all = case.asked_ports();
        let mut found: Vec<Finding> = Vec::new();
        for asked in all.iter().filter(|asked| !asked.has) {
            let service = asked.service.subject();
            if found.iter().any(|finding| finding.subject == *service) {
                continue;
            }
            let state = match asked_ports::service_lacks(model, all, asked) {
                Some(shown) => {
                    let evidence = vec![asked_ports::cite(asked.service), asked.place.cited.clone(), shown];
                    State::holds(evidence, fix(asked))
                }
                None => State::excluded("others ask it on a port that it has", vec![asked_ports::cite(asked.service)]),
            };
            let modes = [Mode::Refused, Mode::Silent, Mode::Empty];
            let own = modes.map(|mode| (service.clone(), mode)).into_iter();
            let askers = all.iter().filter(|other| !other.has && other.service.subject() == service);
            let effects = own.chain(askers.flat_map(|asked| asked_ports::effects(model, asked))).collect();
            found.push(Finding { effects, subject: service.clone(), state });
        }
        found
    }
}

/// The port that is asked for in the place of the one it has; in words where it has several.
fn fix(asked: &Asked<'_>) -> Fix {
    let service = asked.service;
    let summary = format!("Give {} the port {} that it is asked on", service.subject(), asked.port);
    let ports = service.list("/spec/ports");
    let change = || Change::Set {
        object: service.subject().clone(),
        path: "/spec/ports/0/port".to_owned(),
        from: ports[0]["port"].clone(),
        to: json!(asked.port),
    };
    Fix { summary, patch: if ports.len() == 1 { vec![change()] } else { vec![] } }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    /// `web` is told to reach `api` on 8080, where its pods are; the Service has this port.
    fn world(has: u16) -> String {
        format!(
            "service a/api  selector app=api  {has} -> 8080
             pod a/api-1  app=api  ready  listens 0.0.0.0:8080  declares 8080
             pod a/web-1  app=web  ready  calls api:8080
             probe service/a/api:8080  refused in 1ms"
        )
    }

    #[test]
    fn holds() {
        check(&format!("{}\n=> service-port-missing service/a/api", world(80)));
    }

    #[test]
    fn twin_it_has_the_port_and_twin_another_is_served() {
        check(&format!("{}\nmissed endpointslices forbidden\n=> unknown", world(8080)));
        check(&format!("{}\npod a/x-1  app=x  ready  calls api:80\n=> unknown", world(80)));
    }

    #[test]
    fn unknown_where_nobody_is_told_of_it() {
        let nobody: Vec<String> = world(80).lines().filter(|line| !line.contains("calls")).map(str::to_owned).collect();
        check(&format!("{}\n=> unknown", nobody.join("\n")));
    }
}
