//! Who became late, and who calls whom, as far as series of measurements and settings tell: what the symptom of lateness and the
//! causes that put a delay on the way share.
//!
//! Durations are measured where requests are served, so a delay on the way of a pod's packets shows in what the pod asks others
//! for and in those who ask it: a caller's median moves by what it waits. Where packets that leave are held up, requests reach
//! those it calls in pieces, so that their slowest tenth is late and their median is not.
//!
//! Source: tc-netem(8) (delays what leaves an interface); Istio, Standard Metrics, `istio_request_duration_milliseconds`.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    evidence::{Citation, Object, Rise},
    model::{Model, Relation},
    subject::Subject,
};

const MEDIAN: [&str; 4] = ["p50latency", "p50_latency", "latency_p50", "p50"];
const TAIL: [&str; 8] =
    ["p90latency", "p95latency", "p99latency", "p90_latency", "p95_latency", "p99_latency", "latency_p90", "p90"];
const THROTTLED: [&str; 3] = ["cpu_cfs", "cpu_throttled", "cfs_throttled"];
const RATE: [&str; 3] = ["rps", "qps", "requests"];
const SENT: [&str; 3] = ["network_transmit", "network_transmit_packets", "tx_packets"];

/// Late is so many times what it was, and by so many milliseconds.
const TIMES: f64 = 10.0;
const LEAST: f64 = 200.0;
/// How many rows after a change are looked at.
const WHILE: usize = 12;
/// Spread out is a slowest tenth of so many times the median.
const SPREAD: f64 = 4.0;

/// A workload that was measured serving requests.
pub(crate) struct Measured<'e> {
    /// Its name among the measurements.
    pub name: &'e str,
    /// The workload.
    pub workload: Subject,
    /// The Service that stands for it, if one does.
    pub service: Option<Subject>,
    /// The nodes its pods run on.
    pub nodes: BTreeSet<&'e str>,
    /// Where its median rose.
    pub median: Option<Rise>,
    /// Where its slowest tenth became late.
    pub tail: Option<Rise>,
    /// Where it rose less sharply, but clearly.
    pub slower: Option<Rise>,
    /// Where it became late by a little, which is something only together with why it would.
    pub strained: Option<Rise>,
    /// Where the time that it was throttled rose, in seconds a second.
    pub throttled: Option<Rise>,
    /// The row from which nothing was served any more.
    pub stopped: Option<usize>,
    /// Whether it sends as much as before since nothing was served any more: it works on, and none of it is done.
    pub works_on: bool,
    /// Whether what it served before took much the same time each.
    pub alike: bool,
    /// Those it is known to call, by their place in the list.
    pub calls: BTreeSet<usize>,
    median_metric: &'static str,
    tail_metric: &'static str,
}

impl Measured<'_> {
    /// Who suffers, by the name that it is asked by.
    pub fn subject(&self) -> &Subject {
        self.service.as_ref().unwrap_or(&self.workload)
    }

    /// Whether its median is late, or nothing is served any more.
    pub fn is_late(&self) -> bool {
        self.median.is_some() || self.stopped.is_some()
    }

    /// Whether nothing shows that it is later than it was.
    pub fn is_quiet(&self) -> bool {
        !self.is_late() && self.tail.is_none()
    }

    /// Whether most of its requests are not late by much the same, as when all of them are held up, but some by several times as
    /// much as most: the waits of whoever sends again what was lost double every time (RFC 6298).
    pub fn is_spread(&self) -> bool {
        self.alike && self.median.zip(self.tail).is_some_and(|(median, tail)| tail.since > SPREAD * median.since)
    }

    /// Whether it is late as one is whose packets are lost: some of its requests are, or most and some by several times as much.
    pub fn is_uneven(&self) -> bool {
        self.is_spread() || self.median.is_none() && self.tail.is_some()
    }

    /// The first row at which it shows.
    pub fn onset(&self) -> Option<usize> {
        let rises = [self.median, self.tail, self.slower].into_iter().flatten().map(|rise| rise.row);
        rises.chain(self.stopped).min()
    }

    /// What shows it.
    pub fn cite(&self, model: &Model<'_>) -> Option<Citation> {
        let metrics = &model.evidence.metrics;
        let of = |rise: Rise, metric: &str, what: &str| {
            let says = format!(
                "{what} of {} from {:.0} ms to {:.0} ms at {}",
                self.name,
                rise.before,
                rise.since,
                metrics.time(rise.row)
            );
            metrics.cite(self.name, metric, rise.row, says)
        };
        if let Some(rise) = self.median {
            return Some(of(rise, self.median_metric, "the median"));
        }
        if let Some(row) = self.stopped {
            let metric = metric(model, self.name, &RATE)?;
            return Some(metrics.cite(
                self.name,
                metric,
                row,
                format!("{} serves nothing from {}", self.name, metrics.time(row)),
            ));
        }
        self.cite_tail(model)
    }

    /// What shows that it is late by a little.
    pub fn cite_strained(&self, model: &Model<'_>) -> Option<Citation> {
        let metrics = &model.evidence.metrics;
        let rise = self.strained?;
        let says =
            format!("{} from {:.0} ms to {:.0} ms at {}", self.name, rise.before, rise.since, metrics.time(rise.row));
        Some(metrics.cite(self.name, self.tail_metric, rise.row, says))
    }

    /// What shows that it is throttled.
    pub fn cite_throttled(&self, model: &Model<'_>) -> Option<Citation> {
        let metrics = &model.evidence.metrics;
        let rise = self.throttled?;
        let says = format!(
            "{} throttled for {:.2} s a second, {:.2} before, from {}",
            self.name,
            rise.since,
            rise.before,
            metrics.time(rise.row)
        );
        Some(metrics.cite(self.name, metric(model, self.name, &THROTTLED)?, rise.row, says))
    }

    /// What shows that its slowest tenth is late.
    pub fn cite_tail(&self, model: &Model<'_>) -> Option<Citation> {
        let metrics = &model.evidence.metrics;
        let rise = self.tail.or(self.slower)?;
        let says = format!(
            "the slowest tenth of {} from {:.0} ms to {:.0} ms at {}",
            self.name,
            rise.before,
            rise.since,
            metrics.time(rise.row)
        );
        Some(metrics.cite(self.name, self.tail_metric, rise.row, says))
    }
}

fn metric(model: &Model<'_>, entity: &str, names: &[&'static str]) -> Option<&'static str> {
    names.iter().copied().find(|name| model.evidence.metrics.of(entity, name).is_some())
}

/// Every workload that was measured serving requests.
pub(crate) fn measured<'e>(model: &Model<'e>) -> Vec<Measured<'e>> {
    let metrics = &model.evidence.metrics;
    let mut found: Vec<Measured<'e>> = Vec::new();
    for name in metrics.entities() {
        let Some(median_metric) = metric(model, name, &MEDIAN) else { continue };
        // Without a tail of its own the median stands for it.
        let tail_metric = metric(model, name, &TAIL).unwrap_or(median_metric);
        let (Some(median), Some(tail)) = (metrics.of(name, median_metric), metrics.of(name, tail_metric)) else {
            continue;
        };
        if !median.values.iter().flatten().any(|value| *value > 0.0) {
            continue;
        }
        let (workload, service) = stands_for(model, name).unwrap_or_else(|| (Subject::global("name", name), None));
        let nodes = model.pods_of(&workload).filter_map(|pod| pod.node()).collect();
        let (rise, slow) = (median.rise(TIMES, LEAST), tail.rise(TIMES, LEAST));
        let usual = |series: &crate::evidence::Series, until: usize| {
            let before = series.within(0..until).into_iter().filter(|value| *value > 0.0).collect();
            crate::evidence::middle(before)
        };
        let until = [rise, slow].into_iter().flatten().map(|rise| rise.row).min().unwrap_or(usize::MAX);
        let stopped = metric(model, name, &RATE).and_then(|rate| metrics.of(name, rate)?.stop());
        let sent = metric(model, name, &SENT).and_then(|metric| metrics.of(name, metric));
        let works_on = stopped.zip(sent).is_some_and(|(row, sent)| {
            let (before, since) = (sent.within(0..row), sent.within(row..row + WHILE));
            !since.is_empty() && crate::evidence::middle(since) > 0.5 * crate::evidence::middle(before)
        });
        found.push(Measured {
            name,
            workload,
            service,
            nodes,
            alike: tail_metric != median_metric && usual(tail, until) <= 2.0 * usual(median, until),
            median: rise,
            tail: slow,
            slower: tail.rise(3.0, 500.0).or_else(|| median.rise(3.0, 500.0)),
            strained: tail.rise(2.0, 20.0),
            throttled: metric(model, name, &THROTTLED)
                .and_then(|metric| metrics.of(name, metric)?.rise_from_zero(3.0, 0.2)),
            stopped,
            works_on,
            calls: BTreeSet::new(),
            median_metric,
            tail_metric,
        });
    }
    let at: BTreeMap<Subject, usize> =
        found.iter().enumerate().map(|(index, measured)| (measured.workload.clone(), index)).collect();
    let calls = |(index, measured): (usize, &Measured<'_>)| {
        let edges = model.pods_of(&measured.workload).flat_map(|pod| model.dependencies(pod.subject()));
        let asked = edges.filter(|edge| edge.relation == Relation::ConnectsTo);
        let behind = asked.flat_map(|edge| model.dependencies(&edge.to));
        let behind = behind.filter(|edge| edge.relation == Relation::ForwardsTo).filter_map(|edge| at.get(&edge.to));
        behind.copied().filter(|to| *to != index).collect()
    };
    let calls: Vec<BTreeSet<usize>> = found.iter().enumerate().map(calls).collect();
    for (measured, calls) in found.iter_mut().zip(calls) {
        measured.calls = calls;
    }
    found
}

/// The nodes whose processors came to be nearly used up, in percent or as a share.
pub(crate) fn saturated(model: &Model<'_>) -> Vec<String> {
    let nodes = model.evidence.objects.of_kind("node").map(|node| node.name().to_owned());
    nodes.filter(|node| busy_node(model, node).is_some()).collect()
}

fn busy_node(model: &Model<'_>, node: &str) -> Option<Rise> {
    let cpu = model.evidence.metrics.of(node, "cpu")?;
    let whole = if cpu.values.iter().flatten().any(|value| *value > 1.0) { 100.0 } else { 1.0 };
    cpu.rise(1.3, 0.2 * whole).filter(|rise| rise.since > 0.85 * whole)
}

/// What shows that a node's processors are used up.
pub(crate) fn cite_saturated(model: &Model<'_>, node: &str) -> Option<Citation> {
    let rise = busy_node(model, node)?;
    let metrics = &model.evidence.metrics;
    let says = format!("CPU of {node} from {:.2} to {:.2} at {}", rise.before, rise.since, metrics.time(rise.row));
    Some(metrics.cite(node, "cpu", rise.row, says))
}

/// A Deployment that others can ask and that was not measured: it could be the one the others wait for. What keeps data is asked
/// by protocols of its own, which are not measured so.
pub(crate) fn unmeasured<'e>(model: &Model<'e>, all: &[Measured<'_>]) -> Option<&'e Object> {
    let spaces: BTreeSet<&str> = all.iter().map(|measured| measured.workload.namespace()).collect();
    let deployments =
        model.evidence.objects.of_kind("deployment").filter(|deployment| spaces.contains(deployment.namespace()));
    let asked = |workload: &&Object| {
        model.dependents(workload.subject()).iter().any(|(_, relation)| *relation == Relation::ForwardsTo)
    };
    let measured = |workload: &Object| {
        let known = |service: &Subject| metric(model, &service.name, &MEDIAN).is_some();
        let services =
            model.dependents(workload.subject()).iter().filter(|(_, relation)| *relation == Relation::ForwardsTo);
        known(workload.subject()) || services.map(|(service, _)| service).any(known)
    };
    deployments.filter(asked).find(|workload| workload.number("/spec/replicas") != Some(0) && !measured(workload))
}

/// The workload that a name among measurements stands for, and its Service; none where several could be meant.
fn stands_for(model: &Model<'_>, name: &str) -> Option<(Subject, Option<Subject>)> {
    let objects = &model.evidence.objects;
    let kinds = ["daemonset", "deployment", "statefulset"];
    let mut named = kinds.iter().flat_map(|kind| objects.of_kind(kind)).filter(|workload| workload.name() == name);
    let mut services = objects.of_kind("service").filter(|service| service.name() == name);
    let forwards = |service: &Subject| {
        let edges = model.dependencies(service).iter().filter(|edge| edge.relation == Relation::ForwardsTo);
        let of = |to: &Subject| if to.is("pod") { model.workload_of(to) } else { to.clone() };
        let to: BTreeSet<Subject> = edges.map(|edge| of(&edge.to)).collect();
        (to.len() == 1).then(|| to.into_iter().next()).flatten()
    };
    match (named.next(), named.next()) {
        (Some(workload), None) => {
            let of =
                model.dependents(workload.subject()).iter().filter(|(_, relation)| *relation == Relation::ForwardsTo);
            let mut of: Vec<&Subject> = of.map(|(service, _)| service).collect();
            of.sort_by_key(|service| (service.name != name, (*service).clone()));
            Some((workload.subject().clone(), of.first().map(|service| (*service).clone())))
        }
        (None, _) => {
            let service = services.next().filter(|_| services.next().is_none())?;
            Some((forwards(service.subject())?, Some(service.subject().clone())))
        }
        _ => None,
    }
}

/// Who calls any of `called`, directly or through others, themselves included.
pub(crate) fn upstream(all: &[Measured<'_>], called: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut found = called.clone();
    loop {
        let more: Vec<usize> =
            (0..all.len()).filter(|at| !found.contains(at) && !all[*at].calls.is_disjoint(&found)).collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// How well a delay on every way over the border of a part of the system fits what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// Nothing goes over the border, or somebody is late, or is not, who should be otherwise.
    Not,
    /// Who calls over the border is late and nobody else but their callers; others' borders may fit as well.
    Callers,
    /// The slowest tenth of those called from inside is late as well, which a delay of others would not bring about.
    Called,
}

/// How well something on every way over the border of the workloads `inside` fits, by which those are late that `shows`.
fn fit<'e>(all: &[Measured<'e>], inside: &BTreeSet<usize>, shows: impl Fn(&Measured<'e>) -> bool) -> Fit {
    let over = |from: usize| all[from].calls.iter().filter(move |to| inside.contains(*to) != inside.contains(&from));
    let crossing: BTreeSet<usize> = (0..all.len()).filter(|from| over(*from).next().is_some()).collect();
    let late: BTreeSet<usize> = (0..all.len()).filter(|at| shows(&all[*at])).collect();
    let all_late = crossing.iter().all(|at| late.contains(at) || all[*at].tail.is_some());
    let called: BTreeSet<usize> = inside.iter().flat_map(|from| over(*from)).copied().collect();
    let in_pieces: BTreeSet<usize> =
        called.iter().copied().filter(|at| all[*at].tail.is_some() && !all[*at].is_late()).collect();
    let accounted: BTreeSet<usize> = upstream(all, &crossing).union(&in_pieces).copied().collect();
    if crossing.is_disjoint(&late) || !all_late || !late.is_subset(&accounted) {
        return Fit::Not;
    }
    let tails = called.iter().filter(|at| all[**at].tail.is_some() && all[**at].median.is_none()).count();
    if called.is_empty() {
        // Who calls nobody that is measured is late by himself, or by somebody who is not measured.
        if crossing.len() > 1 && inside.is_disjoint(&late) { Fit::Callers } else { Fit::Not }
    } else if called.len() > 1 && 2 * tails >= called.len() {
        Fit::Called
    } else {
        Fit::Callers
    }
}

/// The parts of the system around which what makes those late that `shows` fits best: each workload, and each node with all
/// that runs on it alone.
pub(crate) fn best<'e>(all: &[Measured<'e>], shows: impl Fn(&Measured<'e>) -> bool) -> (Fit, Vec<Part<'e>>) {
    let nodes: BTreeSet<&str> = all.iter().flat_map(|measured| measured.nodes.iter().copied()).collect();
    let mut parts: Vec<(Part<'e>, BTreeSet<usize>)> =
        (0..all.len()).map(|at| (Part::Workload(at), BTreeSet::from([at]))).collect();
    for node in nodes {
        let on = (0..all.len()).filter(|at| all[*at].nodes.iter().eq([&node])).collect();
        parts.push((Part::Node(node), on));
    }
    let fits: Vec<(Fit, Part<'e>)> =
        parts.into_iter().map(|(part, inside)| (fit(all, &inside, &shows), part)).collect();
    let best = fits.iter().map(|(fit, _)| *fit).max().unwrap_or(Fit::Not);
    (best, fits.into_iter().filter(|(fit, _)| *fit == best && best != Fit::Not).map(|(_, part)| part).collect())
}

/// A part of the system that a delay may lie around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'e> {
    /// A workload, by its place in the list.
    Workload(usize),
    /// A node.
    Node(&'e str),
}

/// Where it is known of nobody late whom they call: the one who became late first and waits least, as whoever waits for another
/// ends later and takes longer; whose requests took much the same time before, so that a median that moved means all of them; and
/// from whom others suffer.
pub(crate) fn deepest(all: &[Measured<'_>]) -> Option<usize> {
    let late: Vec<usize> = (0..all.len()).filter(|at| all[*at].median.is_some()).collect();
    if late.is_empty() {
        return silenced(all);
    }
    if late.iter().any(|at| !all[*at].calls.is_empty())
        || all.iter().any(|measured| measured.stopped.is_some() && measured.median.is_none())
    {
        return None;
    }
    let wait = |at: usize| all[at].median.map_or(f64::MAX, |rise| rise.since - rise.before);
    let deepest = late.iter().copied().min_by(|a, b| wait(*a).total_cmp(&wait(*b)))?;
    let onset = all[deepest].onset()?;
    // Measurements are taken every few rows.
    let first = late.iter().all(|at| all[*at].onset().is_none_or(|other| onset <= other + 1));
    let others = all.iter().enumerate().any(|(at, other)| {
        at != deepest
            && [other.median, other.tail, other.slower].into_iter().flatten().any(|rise| rise.row + 1 >= onset)
    });
    (all[deepest].alike && first && others).then_some(deepest)
}

/// The only one who serves nothing any more and sends as much as before, where several others have their slowest requests late
/// since, and them alone: his requests reach them in pieces, so he is alive and asks, and none of what he asks for is done in time.
/// Who is not asked any more makes nobody late, and who hangs sends nothing.
fn silenced(all: &[Measured<'_>]) -> Option<usize> {
    let mut stopped = (0..all.len()).filter(|at| all[*at].stopped.is_some());
    let one = stopped.next().filter(|_| stopped.next().is_none())?;
    let since = all[one].stopped.filter(|_| all[one].works_on)?;
    let in_pieces = |other: &&Measured<'_>| other.tail.is_some_and(|tail| tail.row + 1 >= since);
    let knows = all.iter().any(|measured| !measured.calls.is_empty());
    (!knows && all.iter().filter(in_pieces).count() > 1).then_some(one)
}
