//! kube-proxy does not run on a node, so that the addresses of Services lead from there to what was behind them once.
//!
//! # What it looks like
//! Connections to a Service fail from that node, silently or at once, though its pods are ready and answer when asked by their
//! own addresses. It begins with the next change of the Service's pods, not when kube-proxy ended; other Services go on working.
//!
//! # Confirm by hand
//! `kubectl -n kube-system get pods -o wide -l k8s-app=kube-proxy` lacks a pod on the caller's node (or `systemctl status
//! kube-proxy` there says inactive); `iptables-save -t nat | grep SERVICE-IP` and the chains behind it end in addresses that
//! `kubectl get endpointslices -l kubernetes.io/service-name=NAME` does not have.
//!
//! # Fix
//! Let kube-proxy run on every node again: its DaemonSet must select all nodes and tolerate their taints.
//!
//! # Who acts
//! Whoever runs the cluster.
//!
//! # Source
//! kubernetes.io, Virtual IPs and Service Proxies; Debug Services, "Is the kube-proxy working?"; pkg/proxy/iptables/proxier.go.

use std::collections::{BTreeMap, BTreeSet};

use crate::json::json;

use super::{Case, Cause, Finding, Lack, Proof, State, rollout, ways};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Active, Citation, Fact, Hosts, Object, Outcome, Packet, Rule, Target, Verdict},
    model::{Model, Relation, is_ready},
    propagation::Mode,
    subject::Subject,
    symptoms::{missed_units, unit_of},
};

/// See the module's comment.
pub struct KubeProxyDown;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "kube-proxy";

impl Cause for KubeProxyDown {
    fn id(&self) -> &'static str {
        "kube-proxy-down"
    }

    fn source(&self) -> &'static str {
        include_str!("kube_proxy_down.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let mut found: BTreeMap<Subject, Looked> = BTreeMap::new();
        let pods = case.model.evidence.objects.of_kind("pod");
        let nodes: BTreeSet<&str> = pods.filter_map(|pod| pod.node()).collect();
        let mut doubtful: BTreeMap<&str, Runs> = BTreeMap::new();
        for node in nodes {
            match runs(case.model, node) {
                Some(Runs::Yes(subject, cited)) => found.entry(subject).or_default().runs.push(cited),
                Some(runs) => drop(doubtful.insert(node, runs)),
                None => {}
            }
        }
        let services = case.model.evidence.objects.of_kind("service");
        for service in services.filter(|_| !doubtful.is_empty()) {
            let callers = ways::callers(case.model, service.subject());
            let nodes: BTreeSet<&str> = callers.iter().filter_map(|pod| case.model.node_of(pod)).collect();
            for (node, runs) in nodes.into_iter().filter_map(|node| doubtful.get_key_value(node)) {
                look(case.model, service, (node, runs), &callers, &mut found);
            }
        }
        for (node, _, cited) in missed_units(case.model, NAME) {
            let looked = found.entry(node.subject().clone()).or_default();
            looked.missed = Some((unit_of(node.name(), NAME), cited));
            looked.nodes.insert(node.name().to_owned());
        }
        found.into_iter().map(|(subject, looked)| looked.finding(case.model, subject)).collect()
    }
}

/// What was found out about kube-proxy in one subject.
#[derive(Default)]
struct Looked {
    services: BTreeSet<Subject>,
    /// Those of which it is not known where they lead.
    unseen: BTreeSet<Subject>,
    /// The service of the machine that does not run, though others run it.
    missed: Option<(Subject, Citation)>,
    proof: Vec<Citation>,
    runs: Vec<Citation>,
    lacks: BTreeSet<Lack>,
    nodes: BTreeSet<String>,
}

/// Whether kube-proxy runs on a node, where that would sit, and where it stands.
enum Runs {
    Yes(Subject, Citation),
    No(Subject, Citation),
    Unseen(Subject, Lack),
}

fn look(
    model: &Model<'_>,
    service: &Object,
    (node, runs): (&str, &Runs),
    callers: &BTreeSet<Subject>,
    found: &mut BTreeMap<Subject, Looked>,
) {
    let (Runs::Yes(subject, _) | Runs::No(subject, _) | Runs::Unseen(subject, _)) = runs;
    let looked = found.entry(subject.clone()).or_default();
    match (leads_astray(model, service, node, callers), runs) {
        (Astray::No, _) => return,
        (Astray::Yes(readings), Runs::No(_, cited)) => {
            looked.proof.push(cited.clone());
            looked.proof.extend(readings);
            looked.nodes.insert(node.to_owned());
        }
        (Astray::Yes(_), Runs::Unseen(_, lack)) => {
            looked.lacks.insert(lack.clone());
        }
        (Astray::Unseen(lack), Runs::No(..)) => {
            looked.lacks.insert(*lack);
            looked.unseen.insert(service.subject().clone());
            return;
        }
        // Nothing hints at it.
        _ => return,
    }
    looked.services.insert(service.subject().clone());
}

impl Looked {
    fn finding(mut self, model: &Model<'_>, subject: Subject) -> Finding {
        let stopped = self.missed.map(|(unit, cited)| {
            if self.proof.is_empty() {
                self.proof.push(cited);
            }
            (unit, Mode::Down)
        });
        if self.proof.is_empty() {
            self.services.append(&mut self.unseen);
        }
        // Where the old addresses lead, something may answer, refuse, or nobody be.
        let modes = [Mode::Silent, Mode::Refused];
        let services = self.services.iter().flat_map(|service| modes.map(|mode| (service.clone(), mode)));
        let effects = services.chain(stopped).collect();
        let state = if !self.proof.is_empty() {
            let fix = fix(model, &subject, &self.nodes);
            State::Holds(Box::new(Proof { evidence: self.proof, fix, wants: vec![], changed: None }))
        } else if self.lacks.is_empty() {
            State::excluded("it runs where connections come from, or its rules lead where they should", self.runs)
        } else {
            State::Undecided(self.lacks.into_iter().collect())
        };
        Finding { subject, effects, state }
    }
}

/// `None` where this cluster has no kube-proxy.
fn runs(model: &Model<'_>, node: &str) -> Option<Runs> {
    let evidence = model.evidence;
    if let Fact::Seen((unit, cited)) = evidence.hosts.unit(node, NAME) {
        let machine = evidence.machine(node);
        let stopped = matches!(unit.active, Active::Inactive | Active::Failed);
        return Some(if stopped { Runs::No(machine, cited) } else { Runs::Yes(machine, cited) });
    }
    let of_it = |labels: BTreeMap<&str, &str>| labels.get("k8s-app") == Some(&NAME);
    let set =
        evidence.objects.in_namespace("daemonset", NAMESPACE).find(|set| set.name() == NAME || of_it(set.labels()));
    let subject = set.map_or_else(|| Subject::namespaced("daemonset", NAMESPACE, NAME), |set| set.subject().clone());
    let on_it = model.dependents(&evidence.machine(node)).iter().filter(|(_, relation)| *relation == Relation::RunsOn);
    let mut pods = on_it.filter(|(pod, _)| pod.namespace() == NAMESPACE).filter_map(|(pod, _)| model.object(pod));
    let pod = pods.find(|pod| of_it(pod.labels()) || model.workload_of(pod.subject()) == subject);
    if let Some(pod) = pod {
        let cited =
            pod.cite("/status/conditions", format!("{} {}ready", pod.name(), if is_ready(pod) { "" } else { "not " }));
        return Some(if is_ready(pod) { Runs::Yes(subject, cited) } else { Runs::No(subject, cited) });
    }
    let lack = |resource: &str, why: String| Lack::objects(resource, Some(NAMESPACE), why);
    match (set, evidence.listed("daemonset", "daemonsets"), evidence.listed("pod", "pods")) {
        (None, Fact::Missed(why), _) => Some(Runs::Unseen(subject, lack("daemonsets", why))),
        (None, Fact::Seen(()), _) => None,
        (Some(_), _, Fact::Missed(why)) => Some(Runs::Unseen(subject, lack("pods", why))),
        (Some(set), _, Fact::Seen(())) => {
            let says = format!("it has no pod on {node}");
            Some(Runs::No(subject, set.cite("/spec/template/spec/nodeSelector", says)))
        }
    }
}

/// Whether the address of a Service leads elsewhere than to its endpoints, as seen from a node.
enum Astray {
    Yes(Vec<Citation>),
    No,
    Unseen(Box<Lack>),
}

fn leads_astray(model: &Model<'_>, service: &Object, node: &str, callers: &BTreeSet<Subject>) -> Astray {
    let Fact::Seen((endpoints, mut places)) = model.endpoints(service) else { return Astray::No };
    let now: BTreeSet<String> = endpoints
        .iter()
        .filter(|endpoint| endpoint.ready)
        .filter_map(|endpoint| Some(format!("{}:{}", endpoint.address.as_deref()?, endpoint.port?)))
        .collect();
    if now.is_empty() {
        return Astray::No;
    }
    let rules = match model.evidence.hosts.rules(node) {
        Fact::Seen(rules) if rules.iter().any(|rule| rule.chain == "KUBE-SERVICES") => rules,
        Fact::Seen(_) => {
            return contrast(model, service, node, callers, "it has no rules of kube-proxy's iptables mode");
        }
        Fact::Missed(why) => return contrast(model, service, node, callers, &why),
    };
    for port in service.list("/spec/ports").iter().filter_map(|port| port["port"].as_u64()?.try_into().ok()) {
        let Some(destination) = service.text("/spec/clusterIP").and_then(|ip| ip.parse().ok()) else { continue };
        let packet = Packet::tcp(None, destination, port);
        let mut first = rules
            .iter()
            .filter(|rule| rule.table.ends_with(" nat") && rule.chain == "KUBE-SERVICES" && rule.names(destination));
        let Some(rule) = first.find(|rule| rule.meets(packet) == Some(true)) else {
            let says = format!("no rule leads from {destination}:{port} to an endpoint");
            places.insert(0, Citation::new(Hosts::file(node, "nft"), "", says));
            return Astray::Yes(places);
        };
        let Verdict::Jump(chain) = &rule.verdict else { continue };
        if let Some(old) = destinations(&rules, chain).into_iter().find(|(to, _)| !now.contains(*to)) {
            places.insert(0, Hosts::cite_rule(node, old.1));
            return Astray::Yes(places);
        }
    }
    Astray::No
}

/// Where a chain of a Service rewrites destinations to, in its own rules and in the chains of its endpoints.
fn destinations<'r>(rules: &'r [Rule], chain: &str) -> Vec<(&'r str, &'r Rule)> {
    let of = |chain: &str| rules.iter().filter(|rule| rule.chain == chain).collect::<Vec<_>>();
    let deeper = of(chain).into_iter().filter_map(|rule| match &rule.verdict {
        Verdict::Jump(to) => Some(of(to)),
        _ => None,
    });
    let all = deeper.flatten().chain(of(chain));
    all.filter_map(|rule| match &rule.verdict {
        Verdict::Dnat(to) => Some((to.as_str(), rule)),
        _ => None,
    })
    .collect()
}

/// Without the rules: whether the Service does not answer here, and its pods do when asked by their own addresses, or the
/// Service does from other nodes.
fn contrast(model: &Model<'_>, service: &Object, node: &str, callers: &BTreeSet<Subject>, why: &str) -> Astray {
    let pods: BTreeSet<&Subject> = model.selected_pods(service).iter().copied().map(Object::subject).collect();
    let machine = model.evidence.machine(node);
    let (mut fails, mut answers) = (None, None);
    for (index, probe) in model.evidence.probes.iter().enumerate() {
        let (Some(from), Target::Object(to, _)) = (&probe.from, probe.target()) else { continue };
        let here = *from == machine || callers.contains(from) && model.node_of(from) == Some(node);
        let to_service = to == *service.subject();
        match probe.outcome {
            Outcome::Timeout | Outcome::Refused | Outcome::Unreachable | Outcome::Failed if here && to_service => {
                fails = Some(probe.cite(index));
            }
            Outcome::Connected | Outcome::Answered if here && pods.contains(&to) || !here && to_service => {
                answers = Some(probe.cite(index));
            }
            _ => {}
        }
    }
    match fails.zip(answers) {
        Some((fails, answers)) => Astray::Yes(vec![fails, answers]),
        None => Astray::Unseen(Box::new(Lack::host_fact(node, "nft", "nft list ruleset", why.to_owned()))),
    }
}

fn fix(model: &Model<'_>, subject: &Subject, nodes: &BTreeSet<String>) -> Fix {
    if !subject.is("daemonset") {
        let start = |node: &String| Change::Run {
            host: node.clone(),
            command: ["systemctl", "start", NAME].map(str::to_owned).to_vec(),
        };
        return Fix { summary: format!("Start {NAME} on {subject}"), patch: nodes.iter().map(start).collect() };
    }
    // A label that its nodes do not have keeps it away from them.
    let path = "/spec/template/spec/nodeSelector";
    let selector = model.object(subject).map(|set| set.map(path)).unwrap_or_default();
    let has = |node: &String, key: &str, value: &str| {
        let node = model.object(&Subject::global("node", node));
        node.is_some_and(|node| node.labels().get(key) == Some(&value))
    };
    let met: BTreeMap<&str, &str> = selector
        .iter()
        .filter(|(key, value)| nodes.iter().all(|node| has(node, key, value)))
        .map(|(k, v)| (*k, *v))
        .collect();
    if met.len() == selector.len() {
        return rollout::back(model, subject, format!("Let {subject} run on every node"), |_| true).0;
    }
    let change = Change::Set { object: subject.clone(), path: path.to_owned(), from: json!(selector), to: json!(met) };
    Fix { summary: format!("Let {subject} run on every node: no label that they lack"), patch: vec![change] }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/s  selector app=s  80 -> 80
             set service/a/s  spec.clusterIP=10.96.9.9
             pod a/s-1  app=s  ready  listens 0.0.0.0:80  on n1
             set pod/a/s-1  status.podIP=10.244.0.77
             pod b/c-1  app=c  ready  calls s.a:80  on n2
             conntrack n1  900 of 262144  drop 0 -> 0
             conntrack n2  900 of 262144  drop 0 -> 0
             file hosts/n1/nft.txt | table ip filter { | }
             probe pod/b/c-1 -> service/a/s:80  timeout in 3s";
    const SET: &str = "object DaemonSet kube-system/kube-proxy  spec.template.spec.nodeSelector.pool=special";

    fn rules(to: &str) -> String {
        format!(
            "{WORLD}\nfile hosts/n2/nft.txt | table ip nat {{ | chain KUBE-SERVICES {{ | ip daddr 10.96.9.9 ip protocol tcp  tcp dport 80 counter packets 4 bytes 240 jump KUBE-SVC-A | }} | chain KUBE-SVC-A {{ | counter packets 4 bytes 240 jump KUBE-SEP-B | }} | chain KUBE-SEP-B {{ | meta l4proto tcp counter packets 4 bytes 240 dnat to {to}:80 | }} | }}"
        )
    }

    #[test]
    fn holds() {
        check(&format!("{}\n{SET}\n=> kube-proxy-down daemonset/kube-system/kube-proxy", rules("10.244.0.66")));
    }

    #[test]
    fn holds_where_it_is_a_service_of_the_node() {
        check(&format!(
            "{}\nfile hosts/n2/systemctl-kube-proxy.txt | Active: inactive (dead)\n=> kube-proxy-down node/n2",
            rules("10.244.0.66")
        ));
    }

    #[test]
    fn holds_by_contrast_where_the_rules_are_of_another_kind() {
        check(&format!(
            "{WORLD}\n{SET}\nfile hosts/n2/nft.txt | table ip kube-proxy {{ | }}
             probe pod/b/c-1 -> pod/a/s-1:80  connected in 1ms
             => kube-proxy-down daemonset/kube-system/kube-proxy"
        ));
    }

    #[test]
    fn holds_by_contrast_with_another_node() {
        let sketch = WORLD.replace("pod/b/c-1 -> service", "node/n2 -> service");
        check(&format!(
            "{sketch}\nfile hosts/n2/systemctl-kube-proxy.txt | Active: inactive (dead)
             probe node/n1 -> service/a/s:80  connected in 1ms
             => kube-proxy-down node/n2"
        ));
    }

    const UNITS: &str = "object Node n1  metadata.labels.a=b
             object Node n2  metadata.labels.a=b
             service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  listens 0.0.0.0:80
             probe service/a/s:80  connected in 1ms
             unit n2 kube-proxy inactive (dead)";

    #[test]
    fn holds_where_it_was_stopped_on_one_node_of_those_that_run_it() {
        check(&format!("{UNITS}\nunit n1 kube-proxy active (running)\n=> kube-proxy-down node/n2"));
        // Where no node runs it, something else does its work.
        check(&format!("{UNITS}\nunit n1 kube-proxy inactive (dead)\n=> healthy"));
    }

    #[test]
    fn twins_its_rules_are_right_or_it_runs() {
        check(&format!("{}\n{SET}\n=> unknown", rules("10.244.0.77")));
        check(&format!(
            "{}\n{SET}\npod kube-system/kube-proxy-1  k8s-app=kube-proxy  ready  on n2\n=> unknown",
            rules("10.244.0.66")
        ));
    }

    #[test]
    fn unknown_without_the_rules_or_the_set() {
        check(&format!("{WORLD}\n{SET}\n=> unknown lacks hosts/n2/nft.txt"));
        check(&format!(
            "{}\nmissed daemonsets forbidden\n=> unknown lacks daemonsets of namespace kube-system",
            rules("10.244.0.66")
        ));
    }
}
