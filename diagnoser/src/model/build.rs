//! Builds the graph out of the evidence.

use std::{cell::OnceCell, collections::BTreeSet, sync::Arc};

use super::{
    Edge, Machines, Model, Relation, address::Addresses, addresses_in, dns, is_down, is_restarting, records::Records,
    settings, workload,
};
use crate::{
    attempts, connections,
    evidence::{Citation, Evidence, Fact, Object, Outcome, ProbeKind, Target},
    lookup::Lookup,
    policy::{self, Direction},
    routing,
    subject::Subject,
    symptoms::{event_time, lacking},
};

/// Builds the graph.
pub(super) fn build(evidence: &Evidence) -> Model<'_> {
    let (machines, now) = (Machines::new(evidence), now(evidence));
    let mut model = Model {
        evidence,
        dependencies: Lookup::default(),
        dependents: Lookup::default(),
        selected: selected(evidence),
        addresses: Addresses::new(evidence, &machines),
        machines,
        now,
        connections: Vec::new(),
        records: Records::new(evidence),
        troubled: evidence.objects.of_kind("pod").filter(|pod| is_down(pod) || is_restarting(pod, now)).collect(),
        workloads: OnceCell::new(),
        // Of each object the last one counts: they are in the order of their times.
        changed: evidence.changes.iter().map(|change| (&change.object, change.time)).collect(),
        rules: routing::rules(&evidence.objects),
        taken: OnceCell::new(),
        lacking: Fact::Missed(String::new()),
    };
    for pod in evidence.objects.of_kind("pod") {
        model.add_pod(pod);
    }
    for policy in evidence.objects.of_kind("networkpolicy") {
        for pod in [Direction::Ingress, Direction::Egress]
            .into_iter()
            .flat_map(|d| policy::isolated(policy, &evidence.objects, d))
        {
            let cited = policy.cite("/spec/podSelector", format!("selects {}", pod.subject()));
            model.add(pod.subject(), policy.subject(), Relation::GovernedBy, cited);
        }
    }
    for service in evidence.objects.of_kind("service") {
        let cited = Arc::new(service.cite("/spec/selector", "the selector selects the pod"));
        for pod in model.selected_pods(service).to_vec() {
            model.add(service.subject(), pod.subject(), Relation::ForwardsTo, cited.clone());
        }
    }
    for service in evidence.objects.of_kind("service") {
        model.add_workloads(service);
    }
    for ingress in evidence.objects.of_kind("ingress") {
        model.add_ingress(ingress);
    }
    model.add_names();
    model.add_connections();
    model.add_attempts();
    model.add_resolvers();
    model.connections = connections::of(&model);
    model.add_machines();
    model.add_clusters();
    for edges in model.dependencies.values_mut() {
        edges.sort_by(|a, b| (&a.to, a.relation).cmp(&(&b.to, b.relation)));
        edges.dedup_by(|a, b| a.to == b.to && a.relation == b.relation);
    }
    for (from, edges) in model.dependencies.sorted() {
        for edge in edges {
            model.dependents.at(edge.to.clone()).push((from.clone(), edge.relation));
        }
    }
    model.lacking = lacking(&model);
    model
}

/// The pods that each Service selects and that are not being deleted or done.
fn selected(evidence: &Evidence) -> Lookup<&Subject, Vec<&Object>> {
    let mut selected = Lookup::default();
    for service in evidence.objects.of_kind("service") {
        let mut pods = evidence.objects.selected("pod", service.namespace(), &service.map("/spec/selector"));
        pods.retain(|pod| workload::counts(pod));
        selected.put(service.subject(), pods);
    }
    selected
}

fn now(evidence: &Evidence) -> Option<jiff::Timestamp> {
    let latest = || {
        let events = evidence.objects.of_kind("event").filter_map(event_time);
        let probes = evidence.probes.iter().filter_map(|probe| probe.time);
        events.chain(probes).chain(evidence.traffic.iter().filter_map(|record| record.time)).max()
    };
    evidence.coverage.collected.or_else(latest)
}

impl Model<'_> {
    pub(super) fn add(&mut self, from: &Subject, to: &Subject, relation: Relation, evidence: impl Into<Arc<Citation>>) {
        self.add_edge(from, to, relation, Some(evidence.into()));
    }

    fn add_edge(&mut self, from: &Subject, to: &Subject, relation: Relation, evidence: Option<Arc<Citation>>) {
        if from != to {
            self.dependencies.at(from.clone()).push(Edge { to: to.clone(), relation, evidence });
        }
    }

    fn add_pod(&mut self, pod: &Object) {
        let evidence = self.evidence;
        if let Some(node) = pod.node() {
            let machine = evidence.machine(node);
            self.add_edge(pod.subject(), &machine, Relation::RunsOn, None);
        }
        if let Some(owner) = workload::top_owner(evidence, pod) {
            self.add_edge(pod.subject(), &owner, Relation::OwnedBy, None);
        }
        // Settings that name a Service: http://api.shop/..., api:80
        for (setting, text) in settings(pod, "/spec") {
            for address in addresses_in(text) {
                if let Some(target) = self.resolve(address, Some(pod.namespace())) {
                    let cited = pod.cite(&setting.pointer("/spec"), text);
                    self.add(pod.subject(), &target, Relation::ConnectsTo, cited);
                }
            }
        }
    }

    /// The workloads whose template a Service's selector selects: what it forwards to even while there is no pod.
    fn add_workloads(&mut self, service: &Object) {
        let selector = service.map("/spec/selector");
        for kind in ["daemonset", "deployment", "statefulset"] {
            for workload in self.evidence.objects.selected(kind, service.namespace(), &selector) {
                let cited = service.cite("/spec/selector", format!("selects the pods of {}", workload.subject()));
                self.add(service.subject(), workload.subject(), Relation::ForwardsTo, cited);
            }
        }
    }

    /// Who asks the cluster's DNS: pods whose dnsPolicy says so, and the names that were asked for.
    fn add_resolvers(&mut self) {
        let evidence = self.evidence;
        let Some(dns) = dns::service(&evidence.objects) else { return };
        let cited = Arc::new(dns.cite("/spec/selector", "the cluster's DNS"));
        for pod in evidence.objects.of_kind("pod") {
            if dns::asks(pod, dns) && !self.dependencies(dns.subject()).iter().any(|edge| edge.to == *pod.subject()) {
                self.add(pod.subject(), dns.subject(), Relation::ResolvesBy, cited.clone());
            }
        }
        let asked = evidence.probes.iter().filter_map(|probe| probe.target().host());
        let requested = evidence.traffic.iter().filter(|record| record.hop == "client").filter_map(|record| {
            record.upstream.as_deref().map(|to| to.rsplit_once(':').map_or(to, |(host, _)| host).to_owned())
        });
        let names: BTreeSet<String> =
            asked.chain(requested).filter(|name| name.parse::<std::net::IpAddr>().is_err()).collect();
        for name in names {
            self.add(&Subject::global("name", &name), dns.subject(), Relation::ResolvesBy, cited.clone());
        }
    }

    fn add_ingress(&mut self, ingress: &Object) {
        let default =
            ingress.get("/spec/defaultBackend").map(|backend| (None, backend, "/spec/defaultBackend".to_owned()));
        let rules = ingress.list("/spec/rules").iter().enumerate().flat_map(|(r, rule)| {
            let paths = rule["http"]["paths"].as_array().unwrap_or_default();
            paths.iter().enumerate().map(move |(p, path)| {
                (rule["host"].as_str(), &path["backend"], format!("/spec/rules/{r}/http/paths/{p}/backend"))
            })
        });
        for (host, backend, pointer) in default.into_iter().chain(rules) {
            if let Some(name) = backend["service"]["name"].as_str() {
                let service = Subject::namespaced("service", ingress.namespace(), name);
                self.add(ingress.subject(), &service, Relation::RoutesTo, ingress.cite(&pointer, name));
            }
            if let Some(host) = host {
                let name = Subject::global("name", host);
                self.add(&name, ingress.subject(), Relation::RoutesTo, ingress.cite("/spec/rules", host));
            }
        }
    }

    /// Names resolve to what the probes that used them reached.
    fn add_names(&mut self) {
        let evidence = self.evidence;
        for (index, probe) in evidence.probes.iter().enumerate() {
            let name = match probe.target() {
                Target::Url { host, .. } => host,
                Target::Name(name) if probe.kind == ProbeKind::Dns => name,
                _ => continue,
            };
            if matches!(probe.outcome, Outcome::NameNotFound) {
                continue;
            }
            let text = probe.text.as_deref().filter(|_| probe.kind == ProbeKind::Dns).unwrap_or_default();
            let words = text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
            for address in
                probe.address.as_deref().into_iter().chain(words.filter(|word| word.matches('.').count() == 3))
            {
                if let Some(target) = self.resolve(address, None) {
                    self.add(&Subject::global("name", &name), &target, Relation::RoutesTo, probe.cite(index));
                }
            }
        }
    }

    /// Whom pods tell of having asked in vain.
    fn add_attempts(&mut self) {
        let evidence = self.evidence;
        for pod in evidence.objects.of_kind("pod") {
            for (service, cited) in attempts::services(self, pod) {
                self.add(pod.subject(), &service, Relation::ConnectsTo, cited);
            }
        }
    }

    /// Who was seen connecting to whom, in the logs of the hops.
    fn add_connections(&mut self) {
        let evidence = self.evidence;
        for (index, record) in evidence.traffic.iter().enumerate() {
            let (Some(pod), Some(upstream)) = (record.pod(), record.upstream.as_deref()) else { continue };
            let cited = Citation::line("traffic.jsonl", index + 1, format!("{pod} sent a request to {upstream}"));
            // nginx writes every upstream it tried, separated by commas.
            for address in upstream.split([',', ' ']).filter(|word| !word.is_empty()) {
                if let Some(target) = self.resolve(address, Some(pod.namespace())) {
                    self.add(&pod, &target, Relation::ConnectsTo, cited.clone());
                } else if let Some(name) =
                    address.rsplit_once(':').map(|(host, _)| host).filter(|host| host.contains('.'))
                {
                    let name = Subject::global("name", name);
                    if self.dependencies.get(&name).is_some() {
                        self.add(&pod, &name, Relation::ConnectsTo, cited.clone());
                    }
                }
            }
        }
    }
}

impl Model<'_> {
    /// What machines' connections lead to: the name, the connection itself, and whoever opens it to serve others.
    fn add_machines(&mut self) {
        let connections = std::mem::take(&mut self.connections);
        for connection in &connections {
            let Some(cited) = connection.attempts.last().map(|attempt| attempt.cited.clone()) else { continue };
            let subject = connection.subject();
            for host in connection.hosts(self) {
                self.add(&subject, &host, Relation::RoutesTo, cited.clone());
                if let Some(name) = connection.name() {
                    self.add(&name, &host, Relation::RoutesTo, cited.clone());
                }
            }
            // A client is nobody's server, and what was tried by hand is nobody's need.
            if let Some(from) = connection.from.as_ref().filter(|_| connection.serves) {
                self.add(from, &subject, Relation::ConnectsTo, cited);
            }
        }
        self.connections = connections;
    }
}
