//! The hop at which failing requests end: the deepest one that logged them. What lies behind it never saw them, what lies
//! before it only passed the answer on, so the fault sits at that hop or between it and the next.

use std::collections::{BTreeMap, BTreeSet};

use super::{Asked, Observation};
use crate::{
    evidence::{RequestRecord, deepest_first},
    model::{Model, Relation, is_running},
    routing::PassedBy,
    subject::Subject,
};

/// The last hop that saw the failing requests.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Its name in the traffic records.
    pub hop: String,
    /// The pods of that hop that logged them.
    pub pods: BTreeSet<Subject>,
    /// What they sent the requests to, where they say.
    pub upstreams: BTreeSet<String>,
    /// The ids of the failing requests that end there.
    pub ids: BTreeSet<String>,
    /// Whether every one of those records names an upstream.
    upstream_known: bool,
    /// Whether those records speak of names that do not resolve; `None` where they do not say what went wrong.
    of_names: Option<bool>,
    /// Whether that hop gave up waiting: the next one may have got the requests and wait itself, and logs them when it ends.
    waited: bool,
    /// How long the requests took that hop, in seconds, where it says.
    seconds: Option<f64>,
    /// The share of the requests that end there, and not at other hops.
    pub(super) share: f64,
}

impl Origin {
    /// The origin of failing requests, by majority over their ids; `wrong` says whether a hop saw one fail.
    pub(super) fn of<'a>(
        model: &Model<'a>,
        failing: impl Iterator<Item = &'a RequestRecord>,
        wrong: impl Fn(&RequestRecord) -> bool,
    ) -> Option<Self> {
        let ids: BTreeSet<&str> = failing.filter_map(|record| record.id.as_deref()).collect();
        let by_id = ids.into_iter().map(|id| model.records_with(id).collect::<Vec<_>>());
        let mut by_hop: BTreeMap<&str, Vec<&RequestRecord>> = BTreeMap::new();
        for mut records in by_id {
            deepest_first(&mut records);
            if let Some(deepest) = records.iter().find(|record| wrong(record)) {
                by_hop.entry(&deepest.hop).or_default().push(deepest);
            }
        }
        let all: usize = by_hop.values().map(Vec::len).sum();
        let (hop, records) = by_hop.into_iter().max_by_key(|(_, records)| records.len())?;
        #[allow(clippy::cast_precision_loss)]
        let share = records.len() as f64 / all as f64;
        let upstreams = records.iter().filter_map(|record| record.upstream.clone()).filter(|u| !u.is_empty());
        let upstreams: BTreeSet<String> = upstreams.collect();
        let upstream_known = records.iter().all(|record| record.upstream.as_deref().is_some_and(|u| !u.is_empty()));
        let pods = records.iter().filter_map(|record| record.pod()).collect();
        let ids = records.iter().filter_map(|record| record.id.clone()).collect();
        let errors: Vec<&str> = records.iter().filter_map(|record| record.error.as_deref()).collect();
        let names = errors.iter().filter(|error| error.starts_with("dns") || error.contains("resolve")).count();
        // Who sends on to addresses has looked no name up.
        let by_address = upstream_known && upstreams.iter().all(|upstream| is_address(upstream));
        let of_names = if by_address { Some(false) } else { (!errors.is_empty()).then_some(2 * names > errors.len()) };
        let waited = 2 * records.iter().filter(|record| gave_up_waiting(record)).count() > records.len();
        let mut seconds: Vec<f64> = records.iter().filter_map(|record| record.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        // Who comes while others wait for a connection shares what is left of its time: the longest tells.
        let seconds = if waited { seconds.last() } else { seconds.get(seconds.len() / 2) }.copied();
        Some(Self { hop: hop.to_owned(), pods, upstreams, ids, upstream_known, of_names, waited, seconds, share })
    }

    /// What was seen, with the time that it took where it came to be: what came at once may come to a busy client late.
    pub(super) fn timed(&self, seen: Observation) -> Observation {
        match seen {
            Observation::Status(status, seconds) => Observation::Status(status, self.seconds.or(seconds)),
            other => other,
        }
    }
}

fn gave_up_waiting(record: &RequestRecord) -> bool {
    matches!(record.status, Some(499 | 504))
        || record.error.as_deref().is_some_and(|error| error.starts_with("timeout"))
        || record.details.as_deref().is_some_and(|details| details.contains("timeout"))
}

/// Whether this is `10.0.0.1:80` and not `api.shop:80`.
fn is_address(upstream: &str) -> bool {
    upstream.parse::<std::net::SocketAddr>().is_ok() || upstream.parse::<std::net::IpAddr>().is_ok()
}

/// Where the fault behind failing requests to `subject` can sit. Without an origin, or where the next hop's logs were not
/// collected (so that its silence says nothing), that is everything the subject and the client depend on.
pub(super) fn scope(
    model: &Model<'_>,
    subject: &Subject,
    origin: Option<&Origin>,
    client: Option<&Subject>,
    asked: Option<&Asked>,
) -> BTreeSet<Subject> {
    // Ingresses of the same name that this request has nothing to do with.
    let others = PassedBy::of(model, asked);
    let everything = || {
        // The client's own connections lead to other systems; only what carries it counts.
        model.closure(client.cloned().into_iter().chain([subject.clone()]), |from, edge| {
            !others.has(&edge.to) && (edge.relation != Relation::ConnectsTo || client != Some(from))
        })
    };
    let Some(origin) = origin.filter(|origin| !origin.pods.is_empty()) else { return everything() };
    let behind = behind(model, subject, origin, &others);
    let next_hop_is_silent_unseen = behind.iter().filter(|s| s.is("pod") && !origin.pods.contains(s)).any(|pod| {
        let running = model.object(pod).is_some_and(is_running);
        let logs = !model.evidence.logs.of(pod).is_empty();
        let records = || model.records_of(pod).next().is_some();
        running && !logs && !records()
    });
    if next_hop_is_silent_unseen { everything() } else { behind }
}

/// The origin's pods and what they depend on, up to and including the next hop's pods.
fn behind(model: &Model<'_>, subject: &Subject, origin: &Origin, others: &PassedBy<'_>) -> BTreeSet<Subject> {
    let named: Vec<Subject> = origin
        .upstreams
        .iter()
        .filter_map(|upstream| model.resolve(upstream, origin.pods.first().map(Subject::namespace)))
        .collect();
    let only_named = origin.upstream_known && named.len() == origin.upstreams.len();
    let mut seeds: BTreeSet<Subject> = origin.pods.clone();
    if origin.hop == "client" {
        seeds.insert(subject.clone());
    }
    let mut routed = BTreeSet::new();
    if origin.hop == "ingress" {
        // The controller routes by Ingress objects; which ones the name leads to stands in the graph.
        let leads = model.closure([subject.clone()], |_, edge| edge.relation == Relation::RoutesTo);
        let own: Vec<Subject> = leads.into_iter().filter(|s| s.is("ingress") && !others.has(s)).collect();
        routed =
            model.closure(own.clone(), |_, edge| matches!(edge.relation, Relation::RoutesTo | Relation::ForwardsTo));
        seeds.extend(own);
    }
    // Where it is known which Ingress the request goes to, the controller's other connections are none of its.
    let elsewhere = |to: &Subject| others.any() && !routed.is_empty() && !routed.contains(to);
    for pod in origin.pods.clone() {
        for edge in model.dependencies(&pod).iter().filter(|edge| edge.relation == Relation::ConnectsTo) {
            if only_named && !named.contains(&edge.to) || elsewhere(&edge.to) {
                continue;
            }
            seeds.insert(edge.to.clone());
            // A connection to a pod's own address was chosen from the endpoints of a Service.
            let services = model.dependents(&edge.to).iter().filter(|(_, relation)| *relation == Relation::ForwardsTo);
            seeds.extend(services.map(|(service, _)| service.clone()).filter(|service| !elsewhere(service)));
        }
    }
    // Look-ups of names matter unless the hop says that something else went wrong.
    let names = origin.of_names != Some(false);
    let mut behind = model.closure(seeds, |_, edge| match edge.relation {
        Relation::ConnectsTo => false,
        Relation::ResolvesBy => names,
        _ => true,
    });
    if origin.waited {
        let next = behind.iter().filter(|s| s.is("pod") && !origin.pods.contains(s)).cloned().collect::<Vec<_>>();
        behind.extend(model.closure(next, |_, edge| edge.relation != Relation::ResolvesBy));
    }
    // What answers for the name itself: rules by which the name is routed are not behind any pod.
    if subject.is("name") {
        behind.insert(subject.clone());
    }
    behind
}
