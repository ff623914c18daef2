//! A Service names its target port by a name that no container of its pods has: its endpoints have no port to connect to.
//!
//! # What it looks like
//! The pods are ready and selected, and the Service has no endpoint all the same: an ingress controller answers 503 at once,
//! direct connections are refused at once.
//!
//! # Confirm by hand
//! `kubectl -n NS get svc NAME -o jsonpath={.spec.ports}` and `kubectl -n NS get pods -l SELECTOR -o
//! jsonpath={..containers[*].ports}`: the name is not among them; `kubectl -n NS get endpointslices -l
//! kubernetes.io/service-name=NAME` shows PORTS `<unset>`.
//!
//! # Fix
//! Set `targetPort` of the Service to the name (or number) of the port that the containers declare.
//!
//! # Who acts
//! The owner of the Service.
//!
//! # Source
//! kubernetes.io, Concepts / Service, "Port definitions"; kubernetes/staging/src/k8s.io/endpointslice (a pod without the named
//! port is left out).

use std::collections::BTreeSet;

use crate::json::{Value, json};

use super::{Case, Cause, Finding, Lack, State};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Fact, Object},
    model::Model,
    policy::container_port,
    propagation::Mode,
};

/// See the module's comment.
pub struct ServiceNamedPortMissing;

impl Cause for ServiceNamedPortMissing {
    fn id(&self) -> &'static str {
        "service-named-port-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("service_named_port_missing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let services = case.model.evidence.objects.of_kind("service");
        let ports = services.filter(|service| !service.map("/spec/selector").is_empty()).flat_map(|service| {
            let ports = service.list("/spec/ports").iter().enumerate();
            ports.filter_map(move |(index, port)| Some((service, index, port["targetPort"].as_str()?)))
        });
        ports
            .map(|(service, index, name)| Finding {
                subject: service.subject().clone(),
                effects: vec![(service.subject().clone(), Mode::Empty)],
                state: examine(case.model, service, index, name),
            })
            .collect()
    }
}

fn examine(model: &Model<'_>, service: &Object, index: usize, name: &str) -> State {
    let pods = model.selected_pods(service);
    let pointer = format!("/spec/ports/{index}/targetPort");
    if pods.is_empty() {
        if let Fact::Missed(why) = model.evidence.listed("pod", "pods") {
            return State::Undecided(vec![Lack::objects("pods", Some(service.namespace()), why)]);
        }
        return State::excluded("it selects no pod", vec![service.cite("/spec/selector", "selects no pod")]);
    }
    if let Some(pod) = pods.iter().find(|pod| container_port(pod, name).is_some()) {
        let because = format!("{} has a port of that name", pod.subject());
        return State::excluded(because, vec![pod.cite("/spec/containers", name)]);
    }
    let mut evidence = vec![service.cite(&pointer, name)];
    evidence.extend(
        pods.iter().map(|pod| pod.cite("/spec/containers", format!("{} has no port of that name", pod.subject()))),
    );
    match model.endpoints(service) {
        Fact::Seen((endpoints, cited))
            if endpoints.iter().any(|endpoint| endpoint.ready && endpoint.port.is_some()) =>
        {
            return State::excluded("it has endpoints with a port", cited);
        }
        Fact::Seen((_, cited)) => evidence.extend(cited),
        // The names decide alone: endpoints follow from them.
        Fact::Missed(_) => {}
    }
    let front = service.get(&format!("/spec/ports/{index}/port"));
    let patch = meant(pods, front).map(|to| Change::Set {
        object: service.subject().clone(),
        path: pointer,
        from: json!(name),
        to,
    });
    let summary = format!("Let {} forward to a port that its pods have, instead of `{name}`", service.subject());
    let fix = Fix { summary, patch: patch.into_iter().collect() };
    State::holds(evidence, fix)
}

/// The port that every pod declares and that is meant: the only one, or the one of the Service's own number; by its name where it has one.
fn meant(pods: &[&Object], front: Option<&Value>) -> Option<Value> {
    let declared = |pod: &&Object| -> BTreeSet<(u64, Option<String>)> {
        let ports = pod.list("/spec/containers").iter().flat_map(|c| c["ports"].as_array().into_iter().flatten());
        ports
            .filter(|port| port["protocol"].as_str().unwrap_or("TCP") == "TCP")
            .filter_map(|port| Some((port["containerPort"].as_u64()?, port["name"].as_str().map(str::to_owned))))
            .collect()
    };
    let mut common = declared(pods.first()?);
    pods.iter().for_each(|pod| common.retain(|port| declared(pod).contains(port)));
    if common.len() > 1 {
        common.retain(|(number, _)| front.and_then(Value::as_u64) == Some(*number));
    }
    let (number, name) = common.into_iter().next()?;
    Some(name.map_or_else(|| json!(number), |name| json!(name)))
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/p  selector app=p  80 -> web
         pod a/p-1  app=p  ready  declares 80  listens 0.0.0.0:80
         object EndpointSlice a/p-x  metadata.labels.kubernetes~io/service-name=p
         ingress a/p  p.example.test -> p
         probe http://p.example.test/  503 in 2ms";

    #[test]
    fn holds() {
        check(&format!(
            "{WORLD}\nset pod/a/p-1  spec.containers[0].ports[0].name=http\n=> service-named-port-missing service/a/p"
        ));
    }

    #[test]
    fn twin_the_name_is_there_and_the_pod_is_not_ready() {
        let world = WORLD.replace(" ready", " unready");
        check(&format!("{world}\nset pod/a/p-1  spec.containers[0].ports[0].name=web\n=> unknown"));
    }

    #[test]
    fn twin_a_selector_without_pods() {
        let world = WORLD.replace("selector app=p", "selector app=pp");
        check(&format!("{world}\n=> service-selector-mismatch service/a/p"));
    }

    #[test]
    fn unknown_without_pods() {
        check(&format!("{WORLD}\nmissed pods forbidden\n=> unknown lacks pods of namespace a"));
    }
}
