//! Who connects to whom: what the causes that blame a NetworkPolicy judge it by. A way that nobody goes may be closed.

use std::collections::BTreeMap;

use crate::json::Value;

use crate::{
    evidence::{Citation, Object, Outcome, ProbeKind, Target},
    model::{Model, Relation},
    policy::{Port, Protocol, named_port},
    subject::Subject,
};

/// A connection that somebody makes: from a pod, to a pod, on a port of that pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flow {
    pub from: Subject,
    pub to: Subject,
    pub port: Port,
}

/// Flows, and where each is seen.
pub(super) type Seen = BTreeMap<Flow, Citation>;

/// Every flow the evidence knows.
pub(super) struct Flows {
    /// Connections between workloads.
    pub connections: Seen,
    /// Look-ups of names, from every pod that asks the cluster's DNS.
    pub lookups: Seen,
}

impl Flows {
    pub(super) fn of(model: &Model<'_>) -> Self {
        Self { connections: connections(model), lookups: lookups(model) }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&Flow, &Citation)> {
        self.connections.iter().chain(&self.lookups)
    }
}

/// Who connects to which Service or pod, and the probes made from pods to what is in use.
fn connections(model: &Model<'_>) -> Seen {
    let mut flows = Seen::new();
    for pod in model.evidence.objects.of_kind("pod") {
        for edge in model.dependencies(pod.subject()).iter().filter(|edge| edge.relation == Relation::ConnectsTo) {
            add(model, pod.subject(), &edge.to, &edge.evidence, &mut flows);
        }
    }
    for (index, probe) in model.evidence.probes.iter().enumerate().filter(|(_, probe)| probe.kind != ProbeKind::Dns) {
        if let (Some(from), Target::Object(to, _)) = (&probe.from, probe.target())
            && from.is("pod")
            && to.is("service")
            && model.dependencies(from).iter().any(|edge| edge.relation == Relation::ConnectsTo && edge.to == to)
        {
            add(model, from, &to, &probe.cite(index), &mut flows);
        }
    }
    flows
}

fn add(model: &Model<'_>, from: &Subject, to: &Subject, seen: &Citation, flows: &mut Seen) {
    let services: Vec<&Object> = if to.is("service") {
        model.object(to).into_iter().collect()
    } else {
        let selecting = model.dependents(to).iter().filter(|(_, relation)| *relation == Relation::ForwardsTo);
        selecting.filter_map(|(service, _)| model.object(service)).collect()
    };
    for service in services {
        // A client that reaches the Service reaches any of its pods.
        for (to, port) in behind(model, service) {
            let flow = Flow { from: from.clone(), to: to.subject().clone(), port };
            flows.entry(flow).or_insert_with(|| seen.clone());
        }
    }
}

fn lookups(model: &Model<'_>) -> Seen {
    let mut flows = Seen::new();
    let Some(dns) = model.dns() else { return flows };
    let servers = behind(model, dns);
    for pod in model.evidence.objects.of_kind("pod") {
        for edge in model.dependencies(pod.subject()).iter().filter(|edge| edge.relation == Relation::ResolvesBy) {
            // Large answers come over TCP; without UDP no look-up gets anywhere.
            for &(to, port) in servers.iter().filter(|(_, port)| port.protocol == Protocol::Udp) {
                let flow = Flow { from: pod.subject().clone(), to: to.subject().clone(), port };
                flows.insert(flow, edge.evidence.clone());
            }
        }
    }
    flows
}

/// The pods behind a Service, each with the ports it is reached on.
fn behind<'e>(model: &Model<'e>, service: &Object) -> Vec<(&'e Object, Port)> {
    let mut found = Vec::new();
    for pod in model.selected_pods(service) {
        for port in service.list("/spec/ports") {
            let protocol = match port["protocol"].as_str() {
                Some("UDP") => Protocol::Udp,
                Some("SCTP") => Protocol::Sctp,
                _ => Protocol::Tcp,
            };
            let number = match port.get("targetPort").unwrap_or(&port["port"]) {
                Value::String(name) => named_port(pod, name, protocol),
                number => number.as_u64().and_then(|number| number.try_into().ok()),
            };
            found.extend(number.map(|number| (pod, Port { protocol, number })));
        }
    }
    found
}

/// What the latest attempt to go this way met, made from a pod of the same workload: a connection to that very pod, or a
/// look-up of any name.
pub(super) fn tried(model: &Model<'_>, flow: &Flow) -> Option<(Outcome, Citation)> {
    let workload = model.workload_of(&flow.from);
    let probes = model.evidence.probes.iter().enumerate().filter(|(_, probe)| {
        let same_way = match flow.port.protocol {
            Protocol::Udp => probe.kind == ProbeKind::Dns,
            _ => probe.target() == Target::Object(flow.to.clone(), Some(flow.port.number)),
        };
        same_way && probe.from.as_ref().is_some_and(|from| model.workload_of(from) == workload)
    });
    let (index, probe) = probes.max_by_key(|(index, probe)| (probe.time, *index))?;
    Some((probe.outcome, probe.cite(index)))
}
