//! Builds the graph out of the evidence.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
};

use crate::json::Value;

use super::{
    Edge, Machines, Model, Relation, address::Addresses, dns, is_down, is_restarting, records::Records, workload,
};
use crate::{
    attempts, connections,
    evidence::{Citation, Evidence, Object, Outcome, ProbeKind, Target},
    policy::{self, Direction},
    routing,
    subject::Subject,
    symptoms::event_time,
};

/// Builds the graph.
pub(super) fn build(evidence: &Evidence) -> Model<'_> {
    let (machines, now) = (Machines::new(evidence), now(evidence));
    let mut model = Model {
        evidence,
        dependencies: BTreeMap::new(),
        dependents: BTreeMap::new(),
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
        ready: OnceCell::new(),
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
        for pod in model.selected_pods(service) {
            let cited = service.cite("/spec/selector", "the selector selects the pod");
            model.add(service.subject(), pod.subject(), Relation::ForwardsTo, cited);
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
    for (from, edges) in &model.dependencies {
        for edge in edges {
            model.dependents.entry(edge.to.clone()).or_default().push((from.clone(), edge.relation));
        }
    }
    model
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
    pub(super) fn add(&mut self, from: &Subject, to: &Subject, relation: Relation, evidence: Citation) {
        if from != to {
            self.dependencies.entry(from.clone()).or_default().push(Edge { to: to.clone(), relation, evidence });
        }
    }

    fn add_pod(&mut self, pod: &Object) {
        let evidence = self.evidence;
        if let Some(node) = pod.text("/spec/nodeName") {
            let machine = evidence.machine(node);
            self.add(pod.subject(), &machine, Relation::RunsOn, pod.cite("/spec/nodeName", node));
        }
        if let Some(owner) = workload::top_owner(evidence, pod) {
            let cited = pod.cite("/metadata/ownerReferences", format!("made by {owner}"));
            self.add(pod.subject(), &owner, Relation::OwnedBy, cited);
        }
        // Settings that name a Service: http://api.shop/..., api:80
        for (pointer, text) in settings(pod, "/spec") {
            for address in addresses_in(text) {
                if let Some(target) = self.resolve(address, Some(pod.namespace())) {
                    self.add(pod.subject(), &target, Relation::ConnectsTo, pod.cite(&pointer, text));
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
        let cited = dns.cite("/spec/selector", "the cluster's DNS");
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
                    if self.dependencies.contains_key(&name) {
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

/// The values of environment, command and arguments of the containers in a pod's specification, with their places.
pub(crate) fn settings<'a>(object: &'a Object, spec: &str) -> Vec<(String, &'a str)> {
    let mut found = Vec::new();
    for (c, container) in object.list(&format!("{spec}/containers")).iter().enumerate() {
        for (e, variable) in container["env"].as_array().into_iter().flatten().enumerate() {
            if let Some(text) = variable["value"].as_str() {
                found.push((format!("{spec}/containers/{c}/env/{e}/value"), text));
            }
        }
        for key in ["command", "args"] {
            for (a, argument) in container[key].as_array().into_iter().flatten().enumerate() {
                if let Some(text) = Value::as_str(argument) {
                    found.push((format!("{spec}/containers/{c}/{key}/{a}"), text));
                }
            }
        }
    }
    found
}

/// Words of a setting that are written like addresses: after `://`, or `host:port`. A bare word is no address.
pub(crate) fn addresses_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\'' | '=' | '@')).filter_map(|word| {
        if let Some((_, rest)) = word.split_once("://") {
            return rest.split(['/', '?', '#']).next();
        }
        let authority = word.split('/').next()?;
        let (host, port) = authority.rsplit_once(':')?;
        (port.parse::<u16>().is_ok() && !host.is_empty()).then_some(authority)
    })
}
