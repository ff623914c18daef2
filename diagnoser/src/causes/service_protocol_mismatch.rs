//! A Service is for UDP where its pods speak TCP (or the other way round): what is sent to it goes nowhere.
//!
//! # What it looks like
//! Whoever uses the Service fails, in time-outs or refusals, though its selector and target port are right and the pods are
//! ready and answer when they are asked themselves.
//!
//! # Confirm by hand
//! `kubectl -n NS get svc NAME -o jsonpath={.spec.ports[*].protocol}` against `kubectl -n NS get pod POD -o
//! jsonpath={.spec.containers[*].ports}`; a connection to the pod's own address succeeds.
//!
//! # Fix
//! Give the port the protocol of the pods.
//!
//! # Who acts
//! The owner of the Service.
//!
//! # Source
//! kubernetes.io, Service, "Protocols for Services".

use crate::json::{Value, json};

use super::{Case, Cause, Finding, State};
use crate::{
    diagnosis::{Change, Fix},
    evidence::Object,
    model::{Model, is_ready},
    propagation::Mode,
    symptoms::{Observation, Symptom},
};

/// See the module's comment.
pub struct ServiceProtocolMismatch;

impl Cause for ServiceProtocolMismatch {
    fn id(&self) -> &'static str {
        "service-protocol-mismatch"
    }

    fn source(&self) -> &'static str {
        include_str!("service_protocol_mismatch.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let services = model.evidence.objects.of_kind("service");
        let asked = services.filter(|service| is_asked_in_vain(case, service));
        asked.filter_map(|service| examine(model, service)).collect()
    }
}

/// Whether somebody tried in vain though a pod is ready behind it. What pods declare is for people to read: it alone breaks nothing.
fn is_asked_in_vain(case: &Case<'_, '_>, service: &Object) -> bool {
    let tried = |symptom: &&Symptom| {
        matches!(symptom.seen, Observation::Failed(_) | Observation::Status(..) | Observation::FailsInWords)
    };
    let mut tried = case.symptoms.iter().filter(tried);
    case.model.selected_pods(service).iter().copied().any(is_ready)
        && tried.any(|symptom| symptom.scope.contains(service.subject()))
}

fn protocol(port: &Value) -> &str {
    port["protocol"].as_str().unwrap_or("TCP")
}

/// The first port of a Service whose pods declare its target, in another protocol only.
fn examine(model: &Model<'_>, service: &Object) -> Option<Finding> {
    let pods = model.selected_pods(service);
    let ports = service.list("/spec/ports");
    ports.iter().enumerate().find_map(|(index, port)| {
        let target = if port["targetPort"].is_null() { &port["port"] } else { &port["targetPort"] };
        let own = protocol(port);
        if ports.iter().any(|other| other["port"] == port["port"] && protocol(other) != own) {
            return None;
        }
        let (pod, theirs) = pods.iter().find_map(|pod| {
            let declared =
                pod.list("/spec/containers").iter().flat_map(|c| c["ports"].as_array().into_iter().flatten());
            let mut same = declared.filter(|d| d["containerPort"] == *target || d["name"] == *target).map(protocol);
            let first = same.next()?;
            (first != own && same.all(|other| other != own)).then_some((pod, first))
        })?;
        let path = format!("/spec/ports/{index}/protocol");
        let evidence = vec![
            service.cite(&path, format!("port {} is for {own}", port["port"])),
            pod.cite("/spec/containers", format!("{} declares {target} for {theirs}", pod.subject())),
        ];
        let summary = format!("Let {} take {theirs} on port {}", service.subject(), port["port"]);
        let change = Change::Set { object: service.subject().clone(), path, from: json!(own), to: json!(theirs) };
        let modes = [Mode::Refused, Mode::Silent, Mode::Empty];
        Some(Finding {
            subject: service.subject().clone(),
            effects: modes.map(|mode| (service.subject().clone(), mode)).to_vec(),
            state: State::holds(evidence, Fix { summary, patch: vec![change] }),
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/api  selector app=api  80 -> 8080
         pod a/api-1  app=api  ready  listens 0.0.0.0:8080  declares 8080
         probe service/a/api:80  refused in 1ms";
    const UDP: &str = "set service/a/api  spec.ports[0].protocol=UDP";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{UDP}\n=> service-protocol-mismatch service/a/api"));
    }

    #[test]
    fn twin_the_pods_speak_udp_or_the_service_has_the_port_in_both() {
        check(&format!("{WORLD}\n{UDP}\nset pod/a/api-1  spec.containers[0].ports[0].protocol=UDP\n=> unknown"));
        let both =
            "set service/a/api  spec.ports[1].port=80  spec.ports[1].targetPort=8080  spec.ports[1].protocol=TCP";
        check(&format!("{WORLD}\n{UDP}\n{both}\nmissed endpointslices forbidden\n=> unknown"));
    }

    #[test]
    fn twin_nobody_has_tried_or_nobody_is_ready() {
        check(&format!(
            "{}\n{UDP}\nprobe service/a/b:80  connected in 1ms\nservice a/b  selector app=b  80 -> 80\npod a/b-1  app=b  ready\n=> healthy",
            WORLD.lines().take(2).collect::<Vec<_>>().join("\n")
        ));
        check(&format!("{}\n{UDP}\n=> unknown", WORLD.replace("ready ", "unready ")));
    }

    #[test]
    fn unknown_where_the_pods_say_nothing_of_their_ports() {
        check(&format!("{}\n{UDP}\n=> unknown", WORLD.replace("declares 8080", "")));
    }
}
