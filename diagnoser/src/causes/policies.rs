//! What the causes that blame a NetworkPolicy share: which connections in use a policy stops, in which way, what that
//! produces, and the rule that would let them pass.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
};

use crate::json::{Value, json};

use super::{
    Case, Finding, Lack, State,
    flows::{Flow, Flows, Seen},
    lookups,
};
use crate::{
    diagnosis::Change,
    evidence::{Citation, Fact, Object, Objects, Outcome},
    model::{Model, Relation},
    policy::{self, Direction, Peer, Protocol},
    propagation::Mode,
    subject::Subject,
};

/// How a policy comes to stop a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// No rule of it is meant for the other end.
    NoRule,
    /// This rule is, and lets through only ports that nobody uses.
    OtherPort(usize),
    /// Whom its rules are meant for is not known.
    Unclear,
}

/// A connection in use that a policy stops.
pub(super) struct Stopped<'m> {
    pub flow: Flow<'m>,
    pub seen: Citation,
    pub how: How,
}

/// What a policy does to the connections in use, in one direction.
pub(super) struct Judged<'m, 'e> {
    pub policy: &'e Object,
    pub direction: Direction,
    /// The pods it isolates.
    pub governed: Vec<Subject>,
    pub connections: Ways<'m>,
    pub lookups: Ways<'m>,
}

/// Ways of one kind, in and out of the pods that a policy governs.
#[derive(Default)]
pub(super) struct Ways<'m> {
    pub stopped: Vec<Stopped<'m>>,
    /// How many are let through.
    pub passing: usize,
    /// How many are stopped for which another policy is to blame.
    others: usize,
    pub lacks: BTreeSet<Lack>,
}

impl Ways<'_> {
    pub(super) fn none(&self) -> bool {
        self.stopped.is_empty() && self.passing + self.others == 0 && self.lacks.is_empty()
    }
}

/// Every policy in the directions in which it isolates pods, and the connections that it was judged by.
pub(super) struct Judgement<'m, 'e> {
    pub flows: Flows<'m>,
    all: Vec<Judged<'m, 'e>>,
}

impl<'m, 'e> Judgement<'m, 'e> {
    pub(super) fn of(model: &'m Model<'e>) -> Self {
        let directions = [Direction::Ingress, Direction::Egress];
        let reaches = directions.map(|direction| Reach::all(&model.evidence.objects, direction));
        let governed = reaches.iter().flatten().flat_map(|reach| &reach.governed).collect();
        let flows = Flows::of(model, &governed);
        let mut all = Vec::new();
        for (direction, reaches) in directions.into_iter().zip(reaches) {
            let mut over: BTreeMap<&Subject, Vec<&Reach<'e>>> = BTreeMap::new();
            for (pod, reach) in reaches.iter().flat_map(|reach| reach.governed.iter().map(move |pod| (pod, reach))) {
                over.entry(pod).or_default().push(reach);
            }
            let judge = Judge { model, direction, flows: &flows, over };
            let ways = |reach| (judge.ways(reach, &flows.connections), judge.ways(reach, &flows.lookups));
            let ways: Vec<_> = reaches.iter().map(ways).collect();
            all.extend(reaches.into_iter().zip(ways).map(
                |(Reach { policy, governed, .. }, (connections, lookups))| Judged {
                    policy,
                    direction,
                    governed,
                    connections,
                    lookups,
                },
            ));
        }
        all.sort_by_key(|judged| (judged.policy.subject(), judged.direction));
        Self { flows, all }
    }

    /// The policies in a direction.
    pub(super) fn towards(&self, direction: Direction) -> impl Iterator<Item = &Judged<'m, 'e>> {
        self.all.iter().filter(move |judged| judged.direction == direction)
    }

    /// The policies in both.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Judged<'m, 'e>> {
        self.all.iter()
    }
}

/// A policy and the pods that it isolates in a direction.
struct Reach<'e> {
    policy: &'e Object,
    governed: Vec<Subject>,
    /// Of each of its rules, whether nothing in use goes through it.
    idle: OnceCell<Vec<bool>>,
}

impl<'e> Reach<'e> {
    fn all(objects: &'e Objects, direction: Direction) -> Vec<Self> {
        let reach = |policy: &'e Object| {
            let governed = policy::isolated(policy, objects, direction).map(|pod| pod.subject().clone()).collect();
            Self { policy, governed, idle: OnceCell::new() }
        };
        objects.of_kind("networkpolicy").map(reach).filter(|reach| !reach.governed.is_empty()).collect()
    }
}

/// What judging the policies in one direction looks at.
struct Judge<'j, 'm, 'e> {
    model: &'m Model<'e>,
    direction: Direction,
    flows: &'j Flows<'m>,
    /// The policies that isolate a pod.
    over: BTreeMap<&'j Subject, Vec<&'j Reach<'e>>>,
}

impl<'m, 'e> Judge<'_, 'm, 'e> {
    fn ways(&self, reach: &Reach<'e>, flows: &Seen<'m>) -> Ways<'m> {
        let policy = reach.policy;
        let mut ways = Ways::default();
        for (flow, seen) in flows.at(&reach.governed, self.direction == Direction::Ingress) {
            let (Some(from), Some(to)) = (self.model.object(flow.from), self.model.object(flow.to)) else { continue };
            let policies = self.over(flow).map(|reach| reach.policy);
            let objects = &self.model.evidence.objects;
            let stopped = |how| Stopped { flow, seen: seen.clone(), how };
            match policy::passes_end(policies, objects, &Peer::of(from), &Peer::of(to), flow.port, self.direction) {
                Fact::Missed(why) => ways.lacks.extend([lack(why)]),
                Fact::Seen(false) if !self.passes_in_fact(flow) => {
                    let blamed = self.blamed(flow, from, to);
                    match blamed.iter().find(|(other, _)| other.subject() == policy.subject()) {
                        Some((_, How::Unclear)) => {
                            ways.lacks.extend([lack("whom its rules mean is not known".to_owned())])
                        }
                        Some((_, how)) => ways.stopped.push(stopped(*how)),
                        None => ways.others += 1,
                    }
                }
                Fact::Seen(_) => ways.passing += 1,
            }
        }
        ways
    }

    /// The policies that isolate the end of a flow which they govern.
    fn over(&self, flow: Flow<'_>) -> impl Iterator<Item = &Reach<'e>> {
        let governed = if self.direction == Direction::Ingress { flow.to } else { flow.from };
        self.over.get(governed).into_iter().flatten().copied()
    }

    /// Whether it was seen to pass in spite of the policies: not every network enforces them.
    fn passes_in_fact(&self, flow: Flow<'_>) -> bool {
        let tried = self.flows.tried(self.model, flow);
        tried.is_some_and(|(outcome, _)| matches!(outcome, Outcome::Connected | Outcome::Answered))
    }

    /// Of the policies that isolate the governed end, those to blame: one that means the other end and errs in the port; else
    /// one that was changed last; else those that are made for just these pods, before one that denies everything to all.
    fn blamed(&self, flow: Flow<'_>, from: &'e Object, to: &'e Object) -> Vec<(&'e Object, How)> {
        let (pod, other) = if self.direction == Direction::Ingress { (to, from) } else { (from, to) };
        let how = |reach: &Reach<'e>| (reach.policy, self.how(reach, pod, &Peer::of(other), flow));
        let mut found: Vec<(&Object, How)> = self.over(flow).map(how).collect();
        if found.iter().any(|(_, how)| *how != How::NoRule) {
            found.retain(|(_, how)| *how != How::NoRule);
            return found;
        }
        if let Some(last) = self.changed_last(&found) {
            return vec![(last, How::NoRule)];
        }
        let care = |policy: &Object| {
            let made_for_them = !policy.get("/spec/podSelector").is_none_or(|selector| selector == &json!({}));
            (!policy.list(self.direction.rules()).is_empty(), made_for_them)
        };
        let most = found.iter().map(|(policy, _)| care(policy)).max();
        found.retain(|(policy, _)| Some(care(policy)) == most);
        found
    }

    fn how(&self, reach: &Reach<'e>, pod: &'e Object, other: &Peer<'e>, flow: Flow<'_>) -> How {
        let policy = reach.policy;
        let destination = policy::destination(pod, other, self.direction);
        let objects = &self.model.evidence.objects;
        let mut how = How::NoRule;
        for (index, rule) in policy.list(self.direction.rules()).iter().enumerate() {
            if policy::ports_match(rule, destination, flow.port) || !self.idle(reach)[index] {
                continue;
            }
            match policy::peers_match(rule, policy, objects, other, self.direction) {
                Fact::Seen(true) => return How::OtherPort(index),
                Fact::Seen(false) => {}
                Fact::Missed(_) => how = How::Unclear,
            }
        }
        how
    }

    fn idle<'r>(&self, reach: &'r Reach<'e>) -> &'r [bool] {
        let rules = reach.policy.list(self.direction.rules());
        reach.idle.get_or_init(|| rules.iter().map(|rule| self.is_idle(reach, rule)).collect())
    }

    /// Whether nothing in use goes through a rule. What lets look-ups of names through has its purpose, seen or not.
    fn is_idle(&self, reach: &Reach<'e>, rule: &Value) -> bool {
        const DOMAIN: u64 = 53;
        let ports = rule["ports"].as_array().into_iter().flatten();
        let names = ports.into_iter().any(|entry| entry["port"] == DOMAIN);
        let objects = &self.model.evidence.objects;
        let goes_through = |flow: Flow<'_>| {
            let (Some(from), Some(to)) = (objects.get(flow.from), objects.get(flow.to)) else { return false };
            let (pod, other) = if self.direction == Direction::Ingress { (to, from) } else { (from, to) };
            let other = Peer::of(other);
            policy::ports_match(rule, policy::destination(pod, &other, self.direction), flow.port)
                && policy::peers_match(rule, reach.policy, objects, &other, self.direction) == Fact::Seen(true)
        };
        let end = self.direction == Direction::Ingress;
        let mut used = [&self.flows.connections, &self.flows.lookups].into_iter();
        !names && !used.any(|flows| flows.at(&reach.governed, end).any(|(flow, _)| goes_through(flow)))
    }

    /// The policy that was changed well after all others.
    fn changed_last(&self, policies: &[(&'e Object, How)]) -> Option<&'e Object> {
        const WELL: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);
        let mut times: Vec<(jiff::Timestamp, &Object)> = policies
            .iter()
            .map(|(policy, _)| changed(self.model, policy).map(|time| (time, *policy)))
            .collect::<Option<_>>()?;
        times.sort_by_key(|(time, policy)| (*time, policy.subject().clone()));
        match times[..] {
            [] => None,
            [(_, only)] => Some(only),
            [.., (before, _), (last, policy)] => (last.duration_since(before) >= WELL).then_some(policy),
        }
    }
}

/// What decides whom a rule is meant for.
fn lack(why: String) -> Lack {
    Lack::objects("namespaces", None, why)
}

/// When a policy was last changed.
pub(super) fn changed(model: &Model<'_>, policy: &Object) -> Option<jiff::Timestamp> {
    model.changed(policy.subject()).or_else(|| policy.time("/metadata/creationTimestamp"))
}

/// What stopped connections produce: silence where they go; where others still get there, only who is stopped fails. Of a
/// client that nobody asks, that shows in its own symptoms alone, which are about what it asks.
pub(super) fn silence(case: &Case<'_, '_>, stopped: &[&Stopped<'_>], flows: &Flows<'_>) -> Vec<(Subject, Mode)> {
    let ways: BTreeSet<Flow<'_>> = stopped.iter().map(|stopped| stopped.flow).collect();
    let ends: BTreeSet<&Subject> = ways.iter().map(|flow| flow.to).collect();
    let others_get_to = |end: &&Subject| flows.connections.to(end).any(|other| !ways.contains(&other));
    let open: BTreeSet<&Subject> = ends.into_iter().filter(others_get_to).collect();
    let mut effects = BTreeSet::new();
    for Stopped { flow, .. } in stopped {
        let others = open.contains(flow.to);
        let dependents = case.model.dependents(flow.from);
        let someone_asks_it = dependents.iter().any(|(_, relation)| *relation == Relation::ForwardsTo);
        effects.insert(if others && (someone_asks_it || !case.in_scope(flow.from)) {
            (flow.from.clone(), Mode::RelaysSilent)
        } else {
            (flow.to.clone(), Mode::Silent)
        });
    }
    effects.into_iter().collect()
}

/// What pods produce whose look-ups are stopped.
pub(super) fn nameless<'a>(model: &Model<'_>, pods: impl IntoIterator<Item = &'a Subject>) -> Vec<(Subject, Mode)> {
    let pods: BTreeSet<&Subject> = pods.into_iter().collect();
    let pods: Vec<&Object> = pods.into_iter().filter_map(|pod| model.object(pod)).collect();
    lookups::effects(model, &pods, |_| true)
}

/// Stopped look-ups of pods that the policy lets out to nobody they connect to: there it is not the names that were forgotten.
pub(super) fn lookups_of_the_cut_off<'j, 'm>(judged: &'j Judged<'m, '_>, flows: &Flows<'_>) -> Vec<&'j Stopped<'m>> {
    let stopped: BTreeSet<Flow<'_>> = judged.connections.stopped.iter().map(|stopped| stopped.flow).collect();
    let cut_off = |pod: &Subject| {
        let mut own = flows.connections.from(pod).peekable();
        own.peek().is_some() && own.all(|flow| stopped.contains(&flow))
    };
    let lookups = judged.lookups.stopped.iter();
    lookups.filter(|s| judged.direction == Direction::Egress && cut_off(s.flow.from)).collect()
}

/// The readings that show what is stopped: the rules, who goes that way, and attempts that met the silence.
pub(super) fn readings(case: &Case<'_, '_>, judged: &Judged<'_, '_>, stopped: &[&Stopped<'_>]) -> Vec<Citation> {
    let (policy, direction) = (judged.policy, judged.direction);
    let isolated = stopped.iter().map(|s| if direction == Direction::Ingress { s.flow.to } else { s.flow.from });
    let mut evidence = vec![policy.cite("/spec/podSelector", format!("isolates {}", list(isolated)))];
    let mut ways = BTreeSet::new();
    ways.extend(stopped.iter().map(|s| s.seen.clone()));
    evidence.extend(ways.into_iter().take(2));
    let met: BTreeSet<Citation> = stopped
        .iter()
        .filter_map(|s| case.judgement().flows.tried(case.model, s.flow))
        .filter(|(outcome, _)| *outcome == Outcome::Timeout)
        .map(|(_, cited)| cited)
        .collect();
    evidence.extend(met.into_iter().take(2));
    evidence
}

/// The change that adds a rule for each of these ways. Answers to look-ups that are too long for UDP come over TCP, so both
/// are let through.
pub(super) fn let_pass(model: &Model<'_>, judged: &Judged<'_, '_>, stopped: &[&Stopped<'_>]) -> Change {
    let Judged { policy, direction, .. } = judged;
    let mut ports: BTreeMap<String, (Value, BTreeSet<policy::Port>)> = BTreeMap::new();
    for Stopped { flow, .. } in stopped {
        let other = if *direction == Direction::Ingress { flow.from } else { flow.to };
        if let Some(pod) = model.object(other) {
            let term = meaning(model, pod);
            let entry = ports.entry(term.to_string()).or_insert_with(|| (term, BTreeSet::new()));
            entry.1.insert(flow.port);
            if flow.port.protocol == Protocol::Udp {
                entry.1.insert(policy::Port::tcp(flow.port.number));
            }
        }
    }
    let mut rules: Vec<Value> = policy.list(direction.rules()).to_vec();
    rules.extend(ports.into_values().map(|(term, ports)| json!({direction.peers(): [term], "ports": written(ports)})));
    Change::Set {
        object: policy.subject().clone(),
        path: direction.rules().to_owned(),
        from: policy.get(direction.rules()).cloned().unwrap_or(Value::Null),
        to: rules.into(),
    }
}

/// Ports as a rule writes them.
pub(super) fn written(ports: impl IntoIterator<Item = policy::Port>) -> Vec<Value> {
    ports.into_iter().map(|port| json!({"protocol": port.protocol.as_str(), "port": port.number})).collect()
}

/// A pod as a rule means it: its namespace and the labels of its workload; in its node's network, the node's address.
fn meaning(model: &Model<'_>, pod: &Object) -> Value {
    if let (true, Some(address)) = (policy::in_host_network(pod), pod.text("/status/podIP")) {
        let length = if address.contains(':') { 128 } else { 32 };
        return json!({"ipBlock": {"cidr": format!("{address}/{length}")}});
    }
    json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": pod.namespace()}},
           "podSelector": {"matchLabels": identity(model, pod)}})
}

/// The labels that tell a pod's workload from others: those its owner selects it by, else all that do not change.
fn identity<'e>(model: &Model<'e>, pod: &'e Object) -> BTreeMap<&'e str, &'e str> {
    let owner = model.object(&model.workload_of(pod.subject()));
    let selected_by = owner.map(|owner| owner.map("/spec/selector/matchLabels")).filter(|labels| !labels.is_empty());
    selected_by.unwrap_or_else(|| {
        let passing = ["pod-template-hash", "controller-revision-hash"];
        pod.labels().into_iter().filter(|(key, _)| !passing.contains(key)).collect()
    })
}

/// Namespaces with pods that somebody asks, whose policies nobody listed: what a policy there would produce is undecided.
pub(super) fn blind(model: &Model<'_>, modes: &[Mode]) -> Vec<Finding> {
    let Fact::Missed(why) = model.evidence.listed("networkpolicy", "networkpolicies") else { return vec![] };
    let objects = &model.evidence.objects;
    let namespaces: BTreeSet<&str> =
        objects.of_kind("service").chain(objects.of_kind("pod")).map(Object::namespace).collect();
    let finding = |namespace: &str| {
        let pods = objects.in_namespace("pod", namespace);
        Finding {
            subject: Subject::global("namespace", namespace),
            effects: pods.flat_map(|pod| modes.iter().map(|mode| (pod.subject().clone(), *mode))).collect(),
            state: State::Undecided(vec![Lack::objects("networkpolicies", Some(namespace), why.clone())]),
        }
    };
    namespaces.into_iter().map(finding).collect()
}

/// Nothing shows who goes the ways that a policy governs.
pub(super) fn nobody_seen(policy: &Object) -> State {
    State::Undecided(vec![Lack {
        what: "traffic.jsonl".to_owned(),
        why: format!("nothing shows who connects to the pods of {}", policy.subject()),
        how: "the access logs of what calls them, one request a line with its upstream".to_owned(),
        request: None,
    }])
}

/// Subjects in words.
pub(super) fn list<'a>(subjects: impl IntoIterator<Item = &'a Subject>) -> String {
    let all: BTreeSet<String> = subjects.into_iter().map(ToString::to_string).collect();
    all.into_iter().collect::<Vec<_>>().join(", ")
}
