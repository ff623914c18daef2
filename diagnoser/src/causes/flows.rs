//! Who connects to whom: what the causes that blame a NetworkPolicy judge it by. A way that nobody goes may be closed.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use crate::json::Value;

use crate::{
    evidence::{Citation, Object, Outcome, ProbeKind, Target},
    lookup::Lookup,
    model::{Model, Relation},
    policy::{Port, Protocol, named_port},
    subject::Subject,
};

/// The pods that any policy governs.
type Governed<'g> = BTreeSet<&'g Subject>;

/// A connection that somebody makes: from a pod, to a pod, on a port of that pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flow<'m> {
    pub from: &'m Subject,
    pub to: &'m Subject,
    pub port: Port,
}

type Found<'m> = BTreeMap<Flow<'m>, Cow<'m, Citation>>;

/// Flows of one kind, and where each is seen.
pub(super) struct Seen<'m> {
    /// In their order, which is that of where they come from.
    all: Vec<(Flow<'m>, Cow<'m, Citation>)>,
    /// Their places, by where they go.
    by_end: BTreeMap<&'m Subject, Vec<usize>>,
}

impl<'m> Seen<'m> {
    fn new(found: Found<'m>) -> Self {
        let all: Vec<_> = found.into_iter().collect();
        let mut by_end: BTreeMap<&Subject, Vec<usize>> = BTreeMap::new();
        for (place, (flow, _)) in all.iter().enumerate() {
            by_end.entry(flow.to).or_default().push(place);
        }
        Self { all, by_end }
    }

    /// Those from a pod.
    pub(super) fn from(&self, pod: &Subject) -> impl Iterator<Item = Flow<'m>> {
        self.places_from(pod).map(|place| self.all[place].0)
    }

    /// Those to a pod.
    pub(super) fn to(&self, pod: &Subject) -> impl Iterator<Item = Flow<'m>> {
        self.places_to(pod).map(|place| self.all[place].0)
    }

    /// Those that begin, or end, at one of these pods, in their order.
    pub(super) fn at<'s>(&'s self, pods: &[Subject], end: bool) -> impl Iterator<Item = (Flow<'m>, &'s Citation)> {
        let mut places: Vec<usize> = match end {
            true => pods.iter().flat_map(|pod| self.places_to(pod)).collect(),
            false => pods.iter().flat_map(|pod| self.places_from(pod)).collect(),
        };
        places.sort_unstable();
        places.into_iter().map(|place| (self.all[place].0, self.all[place].1.as_ref()))
    }

    fn places_from(&self, pod: &Subject) -> std::ops::Range<usize> {
        let first = self.all.partition_point(|(flow, _)| flow.from < pod);
        first..first + self.all[first..].partition_point(|(flow, _)| flow.from == pod)
    }

    fn places_to(&self, pod: &Subject) -> impl Iterator<Item = usize> {
        self.by_end.get(pod).into_iter().flatten().copied()
    }
}

/// What was tried: by which workload, and to which pod and port; look-ups of any name where that is `None`.
type Tried<'m> = (Subject, Option<(Cow<'m, Subject>, u16)>);

/// Every flow the evidence knows.
pub(super) struct Flows<'m> {
    /// Connections between workloads.
    pub connections: Seen<'m>,
    /// Look-ups of names, from every pod that asks the cluster's DNS.
    pub lookups: Seen<'m>,
    /// The place of the latest probe that was made from a pod of a workload.
    tried: BTreeMap<Tried<'m>, usize>,
}

impl<'m> Flows<'m> {
    /// Those from and to the pods that policies govern, with all that go where these go: the rest is nothing that a policy decides.
    pub(super) fn of(model: &'m Model<'_>, governed: &Governed<'_>) -> Self {
        let (connections, lookups) = (connections(model, governed), lookups(model, governed));
        Self { connections: Seen::new(connections), lookups: Seen::new(lookups), tried: tried(model) }
    }

    /// What the latest attempt to go this way met, made from a pod of the same workload: a connection to that very pod, or a
    /// look-up of any name.
    pub(super) fn tried(&self, model: &Model<'_>, flow: Flow<'_>) -> Option<(Outcome, Citation)> {
        let end = match flow.port.protocol {
            Protocol::Udp => None,
            _ => Some((Cow::Borrowed(flow.to), flow.port.number)),
        };
        let index = *self.tried.get(&(model.workload_of(flow.from), end))?;
        let probe = &model.evidence.probes[index];
        Some((probe.outcome, probe.cite(index)))
    }
}

/// Who connects to which Service or pod, and the probes made from pods to what is in use.
fn connections<'m>(model: &'m Model<'_>, governed: &Governed<'_>) -> Found<'m> {
    let of_governed = governed.iter().flat_map(|pod| services(model, pod)).map(|service| (service.subject(), ()));
    let mut ends = Ends {
        model,
        governed,
        of_governed: of_governed.collect(),
        reached: Lookup::default(),
        behind: BTreeMap::new(),
        flows: Found::new(),
    };
    let connecting =
        |pod: &'m Subject| model.dependencies(pod).iter().filter(|edge| edge.relation == Relation::ConnectsTo);
    let reached = governed.iter().filter_map(|pod| Some(model.object(pod)?.subject())).flat_map(connecting);
    ends.reached = reached.flat_map(|edge| services(model, &edge.to)).map(|service| (service.subject(), ())).collect();
    for pod in model.evidence.objects.of_kind("pod") {
        for edge in connecting(pod.subject()) {
            if let Some(seen) = edge.evidence.as_deref() {
                ends.add(pod.subject(), &edge.to, Cow::Borrowed(seen));
            }
        }
    }
    for (index, probe) in model.evidence.probes.iter().enumerate().filter(|(_, probe)| probe.kind != ProbeKind::Dns) {
        if let (Some(from), Target::Object(to, _)) = (&probe.from, probe.target())
            && from.is("pod")
            && to.is("service")
            && model.dependencies(from).iter().any(|edge| edge.relation == Relation::ConnectsTo && edge.to == to)
        {
            ends.add(from, &to, Cow::Owned(probe.cite(index)));
        }
    }
    ends.flows
}

/// The Services that stand for an end: itself, or those that forward to the pod.
fn services<'e>(model: &Model<'e>, end: &Subject) -> Vec<&'e Object> {
    if end.is("service") {
        return model.object(end).into_iter().collect();
    }
    let selecting = model.dependents(end).iter().filter(|(_, relation)| *relation == Relation::ForwardsTo);
    selecting.filter_map(|(service, _)| model.object(service)).collect()
}

/// The pods and ports behind Services; those of one are asked for by all who connect to it.
struct Ends<'m, 'e, 'g> {
    model: &'m Model<'e>,
    governed: &'g Governed<'g>,
    /// The Services that forward to governed pods.
    of_governed: Lookup<&'e Subject, ()>,
    /// The Services that governed pods connect to.
    reached: Lookup<&'e Subject, ()>,
    behind: BTreeMap<&'e Subject, Vec<(&'e Object, Port)>>,
    flows: Found<'m>,
}

impl<'m> Ends<'m, '_, '_> {
    fn add(&mut self, from: &'m Subject, to: &Subject, seen: Cow<'m, Citation>) {
        let model = self.model;
        for service in services(model, to) {
            let all = self.reached.get(&service.subject()).is_some() || self.governed.contains(from);
            if !all && self.of_governed.get(&service.subject()).is_none() {
                continue;
            }
            // A client that reaches the Service reaches any of its pods.
            for (to, port) in self.behind.entry(service.subject()).or_insert_with(|| behind(model, service)) {
                if all || self.governed.contains(to.subject()) {
                    let flow = Flow { from, to: to.subject(), port: *port };
                    self.flows.entry(flow).or_insert_with(|| seen.clone());
                }
            }
        }
    }
}

fn lookups<'m>(model: &'m Model<'_>, governed: &Governed<'_>) -> Found<'m> {
    let mut flows = Found::new();
    let Some(dns) = model.dns() else { return flows };
    let servers = behind(model, dns);
    let all = servers.iter().any(|(pod, _)| governed.contains(pod.subject()));
    let pods = model.evidence.objects.of_kind("pod").map(Object::subject);
    for pod in pods.filter(|pod| all || governed.contains(pod)) {
        for edge in model.dependencies(pod).iter().filter(|edge| edge.relation == Relation::ResolvesBy) {
            // Large answers come over TCP; without UDP no look-up gets anywhere.
            for &(to, port) in servers.iter().filter(|(_, port)| port.protocol == Protocol::Udp) {
                let seen = edge.evidence.as_deref().map(Cow::Borrowed);
                flows.extend(seen.map(|seen| (Flow { from: pod, to: to.subject(), port }, seen)));
            }
        }
    }
    flows
}

/// The pods behind a Service, each with the ports it is reached on.
fn behind<'e>(model: &Model<'e>, service: &Object) -> Vec<(&'e Object, Port)> {
    let mut found = Vec::new();
    for &pod in model.selected_pods(service) {
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

fn tried<'m>(model: &Model<'_>) -> BTreeMap<Tried<'m>, usize> {
    let probes = &model.evidence.probes;
    let mut latest: BTreeMap<Tried<'_>, usize> = BTreeMap::new();
    for (index, probe) in probes.iter().enumerate() {
        let Some(from) = &probe.from else { continue };
        let lookup = (probe.kind == ProbeKind::Dns).then_some(None);
        let connection = match probe.target() {
            Target::Object(to, Some(port)) => Some(Some((Cow::Owned(to), port))),
            _ => None,
        };
        for end in lookup.into_iter().chain(connection) {
            let known = latest.entry((model.workload_of(from), end)).or_insert(index);
            if probes[*known].time <= probe.time {
                *known = index;
            }
        }
    }
    latest
}
