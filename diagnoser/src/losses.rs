//! Whether packets are lost on the way, or held up, as far as queues and counters of TCP tell: what tells the causes apart that
//! make requests late.
//!
//! Who loses a packet sends it again after a while, of 200 ms at least, twice that the next time, and so on for as long as packets are
//! lost. Where packets are held up by the same time each, some are sent again when it begins, and none once the round trip's
//! estimate has followed. Every network namespace counts for itself: what a node counts is not what its pods send.
//!
//! Source: RFC 6298 (the timer and its back-off); Linux `TCP_RTO_MIN`; ip-netns(8), nstat(8), tc-netem(8).

use crate::{
    delays::Measured,
    evidence::{Citation, Fact, Hosts, Qdisc, Route, middle},
    model::Model,
    subject::Subject,
    symptoms::is_control_plane,
};

/// So many segments more are sent again every second than before, at least: less is the noise of every network.
const MORE: f64 = 1.0;
/// The share of a sender's segments that are sent again from which on somebody notices.
const SHARE: f64 = 0.02;
/// A queue that loses this share of packets makes requests later than its delay does.
const MUCH: f64 = 0.05;

/// What becomes of packets at one place, as its queues say.
pub(crate) enum Queue {
    /// Some are dropped, whatever is sent.
    Loses(Citation),
    /// Each waits.
    Delays(Citation),
    /// Neither.
    Passes(Citation),
}

/// What is sent again, at one place.
pub(crate) struct Again<'e> {
    /// The node, or the workload by its name among the measurements.
    pub name: &'e str,
    /// How many segments a second.
    pub rate: f64,
    /// Where it stands.
    pub cited: Citation,
}

/// The queues of a workload's pods, each in its own network; `None` where they were not collected.
pub(crate) fn queue_of_pods(model: &Model<'_>, workload: &Subject) -> Option<Queue> {
    let pods = model.pods_of(workload).filter_map(|pod| {
        let fact = format!("tc-{}_{}", pod.namespace(), pod.name());
        queue(model, pod.node()?, &fact, |_| true)
    });
    pods.min_by_key(rank)
}

/// The queues of a node's interfaces to others. One end of a pod's own link is among its interfaces too: that is the pod's.
pub(crate) fn queue_of_node(model: &Model<'_>, node: &str) -> Option<Queue> {
    let outward = |qdisc: &Qdisc| {
        let routes = model.evidence.hosts.routes(node).seen();
        let default = routes.and_then(|routes| routes.routes.into_iter().find(Route::is_default)?.dev);
        default.is_none_or(|device| device == qdisc.device)
    };
    queue(model, node, "tc", outward)
}

/// The queue of one interface of a machine.
pub(crate) fn queue_of_link(model: &Model<'_>, host: &str, link: &str) -> Option<Queue> {
    queue(model, host, "tc", |qdisc| qdisc.device == link)
}

fn rank(queue: &Queue) -> u8 {
    match queue {
        Queue::Loses(_) => 0,
        Queue::Delays(_) => 1,
        Queue::Passes(_) => 2,
    }
}

fn queue(model: &Model<'_>, host: &str, fact: &str, counts: impl Fn(&Qdisc) -> bool) -> Option<Queue> {
    let Fact::Seen(qdiscs) = model.evidence.hosts.qdiscs(host, fact) else { return None };
    let each = qdiscs.iter().filter(|qdisc| qdisc.device != "lo" && counts(qdisc)).map(|qdisc| {
        let cited =
            Hosts::cite(host, fact, qdisc.line, format!("{}: {} {}", qdisc.device, qdisc.kind, qdisc.parameters));
        match (qdisc.loss.filter(|loss| *loss > 0.0), qdisc.delay.filter(|delay| *delay > 0.0)) {
            (Some(loss), delay) if loss >= MUCH || delay.is_none() => Queue::Loses(cited),
            (_, Some(_)) => Queue::Delays(cited),
            _ => Queue::Passes(cited),
        }
    });
    each.min_by_key(rank)
}

/// The nodes at which more is sent again for as long as requests are late.
pub(crate) fn again_on_nodes<'e>(model: &Model<'e>, all: &[Measured<'_>]) -> Vec<Again<'e>> {
    let nodes = model.evidence.objects.of_kind("node");
    nodes
        .filter_map(|node| {
            let counted = counted(model, node.name(), "nstat");
            again(model, all, node.name()).or(counted.map(|(rate, cited)| Again { name: node.name(), rate, cited }))
        })
        .collect()
}

/// The workloads whose pods send more again for as long as requests are late, by their places in the list.
pub(crate) fn again_of_workloads<'e>(model: &Model<'e>, all: &[Measured<'e>]) -> Vec<(usize, Again<'e>)> {
    let each = all.iter().enumerate().filter_map(|(at, measured)| {
        let series = again(model, all, measured.name);
        let pods = || {
            model.pods_of(&measured.workload).find_map(|pod| {
                let node = pod.node().unwrap_or_default();
                let counted = counted(model, node, &format!("nstat-{}_{}", pod.namespace(), pod.name()));
                again(model, all, pod.name()).or(counted.map(|(rate, cited)| Again {
                    name: measured.name,
                    rate,
                    cited,
                }))
            })
        };
        Some((at, series.or_else(pods)?))
    });
    each.collect()
}

/// Whether what a node sends again was counted.
pub(crate) fn is_counted_on_node(model: &Model<'_>, node: &str) -> bool {
    let series = model.evidence.metrics.about(node).any(|(metric, _)| is_of_retransmissions(metric));
    series || model.evidence.hosts.text(node, "nstat").seen().is_some()
}

/// Whether what the pods of a workload send again was counted.
pub(crate) fn is_counted_of_workload(model: &Model<'_>, measured: &Measured<'_>) -> bool {
    let series = |name: &str| model.evidence.metrics.about(name).any(|(metric, _)| is_of_retransmissions(metric));
    series(measured.name)
        || model.pods_of(&measured.workload).any(|pod| {
            let fact = format!("nstat-{}_{}", pod.namespace(), pod.name());
            let node = pod.node().unwrap_or_default();
            series(pod.name()) || model.evidence.hosts.text(node, &fact).seen().is_some()
        })
}

/// Whether more is sent again as long as anybody is late: as much in the last third of that time as in the first, more or less.
fn again<'n>(model: &Model<'_>, all: &[Measured<'_>], entity: &'n str) -> Option<Again<'n>> {
    let metrics = &model.evidence.metrics;
    let (metric, series) = metrics.about(entity).find(|(metric, _)| is_of_retransmissions(metric))?;
    let rises = all.iter().flat_map(|each| [each.median, each.tail, each.slower]).flatten();
    let (from, until) =
        rises.fold((usize::MAX, 0), |(from, until), rise| (from.min(rise.row), until.max(rise.row + rise.lasted)));
    let since = series.within(from..until);
    let third = since.len().div_ceil(3);
    if since.len() < 4 {
        return None;
    }
    let before = middle(series.within(0..from));
    let (first, last) = (middle(since[..third].to_vec()), middle(since[since.len() - third..].to_vec()));
    let rate = middle(since);
    let stays =
        [first, rate, last].iter().all(|value| *value > 3.0 * before && value - before > MORE) && 2.0 * last >= first;
    let says = format!("{entity} sends {rate:.1} segments a second again, {before:.1} before, to the end");
    stays.then(|| Again { name: entity, rate, cited: metrics.cite(entity, metric, from, says) })
}

/// `tcp_retrans`, `RetransSegs`, `tcp_retransmits`, and as exporters misspell it.
fn is_of_retransmissions(metric: &str) -> bool {
    let metric = metric.to_ascii_lowercase();
    metric.contains("retrans") || metric.contains("retans")
}

/// The share of segments that are sent again, of `nstat`, where it is noticed.
fn counted(model: &Model<'_>, host: &str, fact: &str) -> Option<(f64, Citation)> {
    let text = model.evidence.hosts.text(host, fact).seen()?;
    let counter = |name: &str| {
        text.lines().enumerate().find_map(|(number, line)| {
            let mut words = line.split_whitespace();
            (words.next() == Some(name)).then(|| words.next()?.parse::<f64>().ok().map(|value| (number + 1, value)))?
        })
    };
    let ((_, sent), (line, again)) = (counter("TcpOutSegs")?, counter("TcpRetransSegs")?);
    let says = format!("{again} of {sent} segments were sent again");
    (again > SHARE * sent && sent > 0.0).then(|| (again, Hosts::cite(host, fact, line, says)))
}

/// The node from whose loss it comes that these send again; `None` where several could be. All nodes talk with the control
/// plane, so that a loss there shows at all of them, and that of another at the control plane at most.
pub(crate) fn losing_node<'a, 'e>(model: &Model<'_>, again: &'a [Again<'e>]) -> Option<&'a Again<'e>> {
    let nodes = model.evidence.objects.of_kind("node").filter(|node| is_control_plane(node));
    let plane: Vec<&str> = nodes.map(|node| node.name()).collect();
    let mut others = again.iter().filter(|each| !plane.contains(&each.name));
    others.next().filter(|_| others.next().is_none())
}
