//! The packets of a workload's pods are held up on their way, each by much the same time.
//!
//! # What it looks like
//! The median of one workload's requests goes up by a constant, from milliseconds to seconds, at one moment; with it those of
//! whoever calls it. Nothing fails, nothing restarts, its CPU is not busier and not throttled: it waits. Of those it calls, the
//! median is where it was.
//!
//! # Confirm by hand
//! From the pod and to the pod every answer takes the same time more: `kubectl -n NS exec POD -- ping -c 5 ADDRESS`; on its node
//! `nsenter -n -t PID tc -s qdisc show` shows a qdisc that delays (netem, tbf), or that has a queue. Where packets are lost some
//! requests wait for several times as long as most, and more is sent again to the end (`nstat TcpRetransSegs`).
//!
//! # Fix
//! Take the delay away (`tc qdisc del dev eth0 root` in the pod's network), or delete the pod: another gets a new interface.
//!
//! # Who acts
//! Whoever owns the network of the pods; the owner of the workload can move it.
//!
//! # Source
//! tc-netem(8); Istio, Standard Metrics.

use std::collections::BTreeSet;

use super::{Case, Cause, Finding, Lack, State, databases};
use crate::{
    delays::{self, Fit, Measured, Part},
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Object},
    losses::{self, Queue},
    model::Model,
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct PodNetworkDelay;

impl Cause for PodNetworkDelay {
    fn id(&self) -> &'static str {
        "pod-network-delay"
    }

    fn source(&self) -> &'static str {
        include_str!("pod_network_delay.rs")
    }

    fn owner(&self) -> &'static str {
        "network"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let all = delays::measured(case.model);
        if !all.iter().any(Measured::is_late) {
            return vec![];
        }
        let (fit, parts) = delays::best(&all, Measured::is_late);
        let one = match (fit, parts.as_slice()) {
            (Fit::Not, _) => delays::deepest(&all),
            (Fit::Called, [Part::Workload(at)]) => Some(*at),
            // Who calls others and is late may be slow by himself; who is not late himself, and all who call him are, is not.
            (Fit::Callers, [Part::Workload(at)]) if all[*at].calls.is_empty() => Some(*at),
            _ => None,
        };
        let finding = |at: usize, state: State| {
            let subject = all[at].workload.clone();
            Finding { effects: effects(&all, &subject), subject, state }
        };
        let told = |at: &usize| {
            let queue = losses::queue_of_pods(case.model, &all[*at].workload);
            all[*at].onset().is_some() && matches!(queue, Some(Queue::Delays(_)))
        };
        if let Some(at) = (0..all.len()).find(told).or(one) {
            return vec![finding(at, state(case.model, &all, at))];
        }
        let open = parts.iter().filter_map(|part| match part {
            Part::Workload(at) => Some(*at),
            Part::Node(_) => None,
        });
        let open: BTreeSet<usize> = open.chain((0..all.len()).filter(|at| all[*at].median.is_some())).collect();
        open.into_iter().map(|at| finding(at, State::Undecided(lacks(case.model, &all[at])))).collect()
    }
}

/// All who became late, with the one from whom it comes.
pub(super) fn effects(all: &[Measured<'_>], from: &Subject) -> Vec<(Subject, Mode)> {
    let late = all.iter().filter(|measured| measured.onset().is_some() || measured.strained.is_some());
    let late = late.flat_map(|measured| [measured.subject().clone(), measured.workload.clone()]);
    std::iter::once(from.clone()).chain(late).map(|subject| (subject, Mode::Slow)).collect()
}

/// What must have been collected to tell.
fn uncollected(model: &Model<'_>, late: &Measured<'_>) -> Option<Vec<Lack>> {
    let lists = [("pod", "pods"), ("service", "services"), ("deployment", "deployments")];
    for (kind, resource) in lists {
        if let Fact::Missed(why) = model.evidence.listed(kind, resource) {
            return Some(vec![Lack::objects(resource, late.workload.namespace.as_deref(), why)]);
        }
    }
    if late.is_late() && model.evidence.metrics.of(late.name, "cpu").is_none() {
        return Some(vec![Lack {
            what: format!("the CPU of {}", late.name),
            why: "not in metrics.csv, and a busy one would be late as well".to_owned(),
            how: "export it from the monitoring system".to_owned(),
            request: None,
        }]);
    }
    let unread = model.pods_of(&late.workload).next().map(|pod| databases::unread(model, pod));
    unread.filter(|lacks| !lacks.is_empty())
}

/// That a workload was not measured.
pub(super) fn lack_measurements(workload: &Object) -> Lack {
    Lack {
        what: format!("the measurements of {}", workload.subject()),
        why: "not in metrics.csv, and it could be the one the others wait for".to_owned(),
        how: "export them from the monitoring system".to_owned(),
        request: None,
    }
}

/// That its packets are lost: then they are not held up.
fn lost(model: &Model<'_>, all: &[Measured<'_>], at: usize) -> Option<Citation> {
    let workloads = losses::again_of_workloads(model, all);
    let own = workloads.into_iter().find(|(other, _)| *other == at).map(|(_, again)| again);
    let nodes = losses::again_on_nodes(model, all);
    own.or_else(|| nodes.into_iter().find(|again| all[at].nodes.contains(again.name))).map(|again| again.cited)
}

fn undecided(model: &Model<'_>, late: &Measured<'_>, why: &str) -> State {
    State::Undecided(lacks(model, late).into_iter().map(|lack| Lack { why: why.to_owned(), ..lack }).collect())
}

pub(super) fn lacks(model: &Model<'_>, measured: &Measured<'_>) -> Vec<Lack> {
    let lack = model.pods_of(&measured.workload).next().map(|pod| {
        let node = pod.node().unwrap_or_default();
        let why = "several could be the one from whom the others' lateness comes".to_owned();
        Lack { request: None, ..Lack::pod_fact(pod.subject(), node, "tc", "tc -s qdisc", why) }
    });
    lack.into_iter().collect()
}

fn state(model: &Model<'_>, all: &[Measured<'_>], at: usize) -> State {
    let late = &all[at];
    if let Some(busy) = busy(model, late) {
        return State::excluded("it is busier than before, or throttled", vec![busy]);
    }
    let node = delays::saturated(model).into_iter().find(|node| late.nodes.contains(node.as_str()));
    if let Some(cited) = node.and_then(|node| delays::cite_saturated(model, &node)) {
        return State::excluded("its node has no processor left", vec![cited]);
    }
    if let Some(fault) = told_to_wait(model) {
        return State::excluded("the mesh is told to hold requests up", vec![fault]);
    }
    match losses::queue_of_pods(model, &late.workload) {
        Some(Queue::Delays(queue)) => {
            return State::holds(late.cite(model).into_iter().chain([queue]).collect(), fix(model, late));
        }
        Some(Queue::Loses(queue)) => return State::excluded("its packets are lost, and not held up", vec![queue]),
        Some(Queue::Passes(queue)) => return State::excluded("nothing holds up what its pods send", vec![queue]),
        None => {}
    }
    if let Some(again) = lost(model, all, at) {
        return State::excluded("packets are lost, and not held up", vec![again]);
    }
    if late.is_spread() {
        return undecided(model, late, "some wait several times as long as most, as where packets are lost");
    }
    if let Some(lacks) = uncollected(model, late) {
        return State::Undecided(lacks);
    }
    if let Some(other) = delays::unmeasured(model, all) {
        return State::Undecided(vec![lack_measurements(other)]);
    }
    let beside = match beside(model, all, at) {
        Ok(beside) => beside,
        Err(because) => return undecided(model, late, because),
    };
    let own = late.cite(model);
    let others = all.iter().enumerate().filter(|(other, each)| *other != at && each.onset().is_some());
    let others = others.filter_map(|(_, each)| each.cite(model)).take(3);
    let evidence: Vec<Citation> = own.into_iter().chain(others).chain(beside).chain(calm(model, late)).collect();
    State::holds(evidence, fix(model, late))
}

fn fix(model: &Model<'_>, late: &Measured<'_>) -> Fix {
    Fix {
        summary: format!("Take away what delays the packets of {}, or let its pods be made anew", late.workload),
        patch: anew(model, &late.workload),
    }
}

/// That the pods of a workload are made anew, each with an interface of its own.
pub(super) fn anew(model: &Model<'_>, workload: &Subject) -> Vec<Change> {
    model.pods_of(workload).map(|pod| Change::Delete { object: pod.subject().clone() }).collect()
}

/// Others that are as fast as ever and show that it is neither the node nor the database, where these could be it.
fn beside(model: &Model<'_>, all: &[Measured<'_>], at: usize) -> Result<Vec<Citation>, &'static str> {
    let late = &all[at];
    if late.nodes.len() != 1 {
        return Err("it is not known on which node it runs");
    }
    // Who is known to call others was told from the node by whom it calls.
    if all.iter().any(|measured| !measured.calls.is_empty()) {
        return Ok(vec![]);
    }
    let used = |measured: &Measured<'_>| -> BTreeSet<Subject> {
        model
            .pods_of(&measured.workload)
            .flat_map(|pod| databases::of(model, pod))
            .map(|database| database.service)
            .collect()
    };
    let others: Vec<(&Measured<'_>, BTreeSet<Subject>)> = all
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != at)
        .map(|(_, measured)| (measured, used(measured)))
        .collect();
    let own = used(late);
    let served = |service: &Subject| {
        others.iter().find(|(other, used)| used.contains(service) && other.is_quiet()).map(|(other, _)| other.name)
    };
    let mut shown = Vec::new();
    for service in &own {
        let name = served(service).ok_or("nobody else shows that the database it uses answers in time")?;
        shown.push(format!("{name} uses {service} as well and is as fast as ever"));
    }
    // On the same node, of those that wait for something elsewhere as far as is known.
    let mut same: Vec<_> = others.iter().filter(|(other, _)| other.nodes == late.nodes).collect();
    if same.iter().any(|(_, used)| !used.is_empty()) {
        same.retain(|(_, used)| !used.is_empty());
    }
    let quiet = same.iter().filter(|(other, _)| other.is_quiet()).count();
    if same.len() > 1 && 2 * quiet < same.len() || same.len() == 1 && quiet == 0 {
        return Err("others on its node are late as well: it could be the node");
    }
    let beside = same.iter().find(|(other, _)| other.is_quiet());
    shown.extend(beside.map(|(other, _)| format!("{} is on the same node and is as fast as ever", other.name)));
    Ok(shown.into_iter().map(|says| Citation::new("metrics.csv", "", says)).collect())
}

/// A series that says that the workload works more since it is late, or is throttled more.
pub(super) fn busy(model: &Model<'_>, late: &Measured<'_>) -> Option<Citation> {
    let onset = late.onset()?;
    let metrics = &model.evidence.metrics;
    for (metric, least) in [("cpu", 0.05), ("cpu_cfs", 0.1)] {
        let Some(series) = metrics.of(late.name, metric) else { continue };
        let before = crate::evidence::middle(series.within(0..onset));
        let since = crate::evidence::middle(series.within(onset..onset + 12));
        if since > 1.5 * before && since - before > least {
            return Some(metrics.cite(late.name, metric, onset, format!("{metric} from {before} to {since}")));
        }
    }
    None
}

/// That its CPU is not busier.
fn calm(model: &Model<'_>, late: &Measured<'_>) -> Option<Citation> {
    let onset = late.onset()?;
    let series = model.evidence.metrics.of(late.name, "cpu")?;
    let before = crate::evidence::middle(series.within(0..onset));
    let since = crate::evidence::middle(series.within(onset..onset + 12));
    let says = format!("its CPU is not busier: {before} before, {since} since");
    Some(model.evidence.metrics.cite(late.name, "cpu", onset, says))
}

/// A VirtualService that delays requests on purpose.
pub(super) fn told_to_wait(model: &Model<'_>) -> Option<Citation> {
    let mut services = model.evidence.objects.of_kind("virtualservice");
    services.find_map(|service| {
        let at = service.list("/spec/http").iter().position(|route| !route["fault"]["delay"].is_null())?;
        Some(service.cite(&format!("/spec/http/{at}/fault/delay"), "requests are held up on purpose"))
    })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    /// Three workloads; in each row of the table the medians of `a`, `b`, `c`, and the CPU of `b`.
    fn world(calls: &str, rows: &str) -> String {
        let workload = |name: &str, calls: &str| {
            format!(
                "service n/{name}  selector app={name}  80 -> 80
                 deployment n/{name}  app={name}
                 pod n/{name}-1  app={name}  ready  on n{name}  owner deployment/n/{name} {calls}\n"
            )
        };
        let table: Vec<String> = rows
            .split(", ")
            .enumerate()
            .map(|(at, row)| {
                let cells: Vec<&str> = row.split(' ').collect();
                let pairs: Vec<String> = cells[..3].iter().map(|cell| format!("{cell},{cell}")).collect();
                format!("{at},{},{}", pairs.join(","), cells[3])
            })
            .collect();
        format!(
            "{}{}{}probe service/n/a:80  connected in 1ms
             file metrics.csv | time,a-p50latency,a-p90latency,b-p50latency,b-p90latency,c-p50latency,c-p90latency,b-cpu | {}\n",
            workload("a", calls),
            workload("b", ""),
            workload("c", ""),
            table.join(" | ")
        )
    }
    const WELL: &str = "30 10 5 0.1, 30 10 5 0.1, 30 10 5 0.1, 30 10 5 0.1";

    fn late(row: &str) -> String {
        format!("{WELL}, {row}, {row}, {row}, {row}, {row}")
    }

    #[test]
    fn holds_in_the_one_who_waits_least() {
        check(&format!("{}=> pod-network-delay deployment/n/b", world("", &late("4000 2000 5 0.1"))));
    }

    #[test]
    fn holds_in_the_one_who_serves_nothing_while_those_he_asks_have_late_requests() {
        let table = |b: &str, tails: &str, sent: &str| {
            let row = |rps: &str, tail: &str, sent: &str| format!("5,{tail},5,{tail},10,12,{rps},0.1,{sent}");
            let well = vec![row("3", "9", "20"); 6].join(" | ");
            let since = vec![row(b, tails, sent); 8].join(" | ");
            let (world, _) = world("", WELL)
                .split_once("file metrics.csv")
                .map(|(w, m)| (w.to_owned(), m.len()))
                .unwrap_or_default();
            let heads = "time,a-p50latency,a-p90latency,c-p50latency,c-p90latency,b-p50latency,b-p90latency,b-rps,b-cpu,b-network_transmit";
            let rows: Vec<String> =
                format!("{well} | {since}").split(" | ").enumerate().map(|(at, row)| format!("{at},{row}")).collect();
            format!("{world}file metrics.csv | {heads} | {}", rows.join(" | "))
        };
        check(&format!("{}\n=> pod-network-delay deployment/n/b", table("0", "900", "22")));
        // Nobody whom he would ask is late: he may be dead, or not be asked.
        check(&format!("{}\n=> unknown", table("0", "9", "22")));
        // He sends nothing: he hangs, and those who are late wait for him.
        check(&format!("{}\n=> unknown", table("0", "900", "1")));
    }

    #[test]
    fn twins_that_are_busy_or_late_alone() {
        check(&format!("{}=> unknown", world("", &late("4000 2000 5 0.9"))));
        check(&format!("{}=> unknown", world("", &late("30 2000 5 0.1"))));
    }

    #[test]
    fn twins_all_that_use_the_database_or_run_on_the_node_are_late() {
        let uses = |name: &str| {
            format!(
                "set pod/n/{name}-1 spec.containers[0].env=[{{\"name\":\"DB_HOST\",\"value\":\"db\"}},{{\"name\":\"DB_PORT\",\"value\":\"5432\"}}]\n"
            )
        };
        let db = "service n/db  selector app=db  5432 -> 5432\n";
        let well = world("", &late("4000 2000 5 0.1"));
        check(&format!("{well}{db}{}{}=> pod-network-delay deployment/n/b", uses("b"), uses("c")));
        check(&format!("{well}{db}{}{}=> unknown lacks hosts/nb/tc-n_b-1.txt", uses("b"), uses("a")));
        let node = well.replace("on na ", "on nb ");
        check(&format!("{node}=> unknown lacks hosts/nb/tc-n_b-1.txt"));
    }

    #[test]
    fn unknown_without_its_cpu_or_the_pods() {
        let table = world("", &late("4000 2000 5 0.1"));
        check(&format!("{}=> unknown lacks the CPU of b", table.replace("b-cpu", "a-cpu")));
        check(&format!("{table}missed pods forbidden\n=> unknown lacks pods of namespace n"));
    }

    #[test]
    fn unknown_where_one_was_not_measured() {
        let other = "service n/d  selector app=d  80 -> 80\ndeployment n/d  app=d\npod n/d-1  app=d  ready";
        check(&format!(
            "{}{other}\n=> unknown lacks the measurements of deployment/n/d",
            world("", &late("4000 2000 5 0.1"))
        ));
    }

    #[test]
    fn twin_the_mesh_is_told_to_wait() {
        let fault = "object VirtualService n/v spec.http=[{\"fault\":{\"delay\":{\"fixedDelay\":\"2s\"}}}]";
        check(&format!("{}{fault}\n=> unknown", world("", &late("4000 2000 5 0.1"))));
    }

    #[test]
    fn unknown_where_one_is_late_who_calls_another_that_may_be_the_one() {
        check(&format!(
            "{}=> unknown lacks hosts/na/tc-n_a-1.txt",
            world("calls http://c:80/", &late("4000 2000 5 0.1"))
        ));
    }
}
