//! Faults on the way of a request: Services, Ingresses and policies that lead elsewhere or nowhere.

use diagnoser::Subject;
use serde_json::json;

use super::{Fails, Planted, World};
use crate::synthetic::healthy;

/// The Ingress names a port that the Service does not have.
pub(super) fn ingress_port_mismatch(world: &mut World, victim: usize) -> Planted {
    backend(world, victim, "/port/number", |_| json!(8000))
}

/// The Ingress names a Service that does not exist.
pub(super) fn ingress_wrong_backend(world: &mut World, victim: usize) -> Planted {
    backend(world, victim, "/name", |world| json!(world.names.next(&mut world.chance)))
}

fn backend(world: &mut World, victim: usize, field: &str, to: fn(&mut World) -> serde_json::Value) -> Planted {
    if world.apps[victim].host.is_none() {
        healthy::expose(world, victim);
    }
    let ingress = world.apps[victim].own("ingress");
    let to = to(world);
    let service = &mut world.object(&ingress)["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"];
    if let Some(place) = service.pointer_mut(field) {
        *place = to;
    }
    Planted { subject: ingress, fails: Fails::Unrouted }
}

/// A policy lets in only pods that there are none of.
pub(super) fn network_policy_denies_ingress(world: &mut World, victim: usize) -> Planted {
    healthy::asker(world, victim);
    let app = world.apps[victim].clone();
    let (name, other) = (world.names.next(&mut world.chance), world.names.next(&mut world.chance));
    // Policies add up: what another lets in is in.
    world.remove_policies_of(&app);
    let policy = world.put(json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": app.namespace},
        "spec": {"podSelector": {"matchLabels": {"app.kubernetes.io/name": app.name}}, "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": other}}}]}]}}));
    super::nodes::facts_of(world, &app);
    Planted { subject: policy, fails: Fails::Silent }
}

/// The Service forwards to a port by a name that no container has.
pub(super) fn service_named_port_missing(world: &mut World, victim: usize) -> Planted {
    let service = target_port(world, victim, json!("grpc"));
    Planted { subject: service, fails: Fails::Empty }
}

/// The Service forwards to a port nobody listens on.
pub(super) fn service_port_mismatch(world: &mut World, victim: usize) -> Planted {
    let wrong = if world.apps[victim].port == 8080 { 8081 } else { 8080 };
    let service = target_port(world, victim, json!(wrong));
    Planted { subject: service, fails: Fails::Refuses }
}

fn target_port(world: &mut World, victim: usize, to: serde_json::Value) -> Subject {
    let service = world.apps[victim].own("service");
    world.object(&service)["spec"]["ports"][0]["targetPort"] = to;
    service
}

/// The Service selects a label that no pod has.
pub(super) fn service_selector_mismatch(world: &mut World, victim: usize) -> Planted {
    let app = world.apps[victim].clone();
    let service = app.own("service");
    world.object(&service)["spec"]["selector"]["app.kubernetes.io/name"] = json!(format!("{}-v2", app.name));
    Planted { subject: service, fails: Fails::Empty }
}
