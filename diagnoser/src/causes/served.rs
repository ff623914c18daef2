//! Who answered a kind of request: the one question that decides between the causes of a 404, asked hop by hop.

use std::collections::{BTreeMap, BTreeSet};

use super::routing::{Rule, fitting};
use crate::{
    evidence::{Citation, RequestRecord},
    model::{Model, Relation},
    subject::Subject,
    symptoms::{Asked, Symptom, alike, observation},
};

/// Whose answer failing requests get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The edge's own: it sent them nowhere. Its pods.
    Edge(Citation, BTreeSet<Subject>),
    /// The ingress controller's own. Its pods.
    Controller(Citation, BTreeSet<Subject>),
    /// That of an application, in these pods.
    Application(BTreeSet<Subject>),
    /// That of somebody else: the hops that log requests did not see them.
    Elsewhere(Citation),
    /// Nobody's log tells, and why.
    Nobody(String),
}

/// Who served a kind of request when it was served well.
#[derive(Clone, Debug)]
pub(super) struct Served {
    /// The Service.
    pub service: Subject,
    /// Whether an ingress controller sent it there.
    pub through_ingress: bool,
    /// The records.
    pub evidence: Vec<Citation>,
}

/// A record and its line.
type Line<'e> = (usize, &'e RequestRecord);

/// One request: as its client saw it, and as every hop behind did, from the outside in.
struct Trace<'e> {
    client: Line<'e>,
    hops: Vec<Line<'e>>,
}

/// How many of the last failing requests are asked who answered them.
const WINDOW: usize = 10;

/// The requests of one kind, by time.
fn traces<'e>(model: &Model<'e>, wanted: impl Fn(&Asked) -> bool) -> Vec<Trace<'e>> {
    let traffic = &model.evidence.traffic;
    let mut by_id: BTreeMap<&str, Vec<Line<'e>>> = BTreeMap::new();
    for (index, record) in traffic.iter().enumerate() {
        if let Some(id) = record.id.as_deref() {
            by_id.entry(id).or_default().push((index, record));
        }
    }
    let asked = |record: &RequestRecord| Asked::from_record(record).is_some_and(|asked| wanted(&asked));
    let outermost = crate::symptoms::outermost(model).into_iter().filter(|(_, record)| asked(record));
    let mut found: Vec<Trace<'e>> = outermost
        .map(|client| {
            let same = client.1.id.as_deref().and_then(|id| by_id.get(id)).map_or(&[][..], Vec::as_slice);
            let mut hops: Vec<Line<'e>> = same.iter().filter(|(index, _)| *index != client.0).copied().collect();
            // Who waits for another takes longer.
            hops.sort_by(|(_, a), (_, b)| {
                let seconds = |record: &RequestRecord| -record.seconds.unwrap_or_default();
                rank(a).cmp(&rank(b)).then(seconds(a).total_cmp(&seconds(b)))
            });
            // Where clients log nothing the outermost hop is one of those behind them.
            if client.1.hop != "client" {
                hops.insert(0, client);
            }
            Trace { client, hops }
        })
        .collect();
    found.sort_by_key(|trace| (trace.client.1.time, trace.client.0));
    found
}

fn rank(record: &RequestRecord) -> u8 {
    match record.hop.as_str() {
        "client" => 0,
        "edge" => 1,
        "ingress" => 2,
        _ => 3,
    }
}

/// Where a proxy sent a request, unless it answered by itself or by what runs beside it.
fn sent_to(record: &RequestRecord) -> Option<&str> {
    let upstream = record.upstream.as_deref().filter(|upstream| !upstream.is_empty())?;
    let host = upstream.rsplit_once(':').map_or(upstream, |(host, _)| host);
    let here = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    (!here).then_some(upstream)
}

fn cite((index, record): Line<'_>) -> Citation {
    let status = record.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let sent = match record.upstream.as_deref() {
        Some(upstream) => format!(", sent to {upstream}"),
        None if rank(record) < 3 => ", sent nowhere".to_owned(),
        None => String::new(),
    };
    Citation::line("traffic.jsonl", index + 1, format!("{} logged {}: {status}{sent}", record.hop, record.what()))
}

/// Who answers the requests that fail now.
pub(super) fn word(model: &Model<'_>, symptom: &Symptom) -> Word {
    let Some(asked) = symptom.asked() else { return Word::Nobody("it goes by no name".to_owned()) };
    let failing = traces(model, |other| *other == asked);
    let fails = |record: &RequestRecord| record.failed() && alike(observation(record), symptom.seen);
    let failing: Vec<&Trace<'_>> = failing.iter().rev().filter(|t| fails(t.client.1)).take(WINDOW).collect();
    if failing.is_empty() {
        return Word::Nobody("no hop's access log shows these requests".to_owned());
    }
    let mut words: Vec<(usize, Word)> = Vec::new();
    for trace in &failing {
        let word = word_of(model, trace);
        let same = |other: &Word| std::mem::discriminant(other) == std::mem::discriminant(&word);
        match words.iter_mut().find(|(_, known)| same(known)) {
            Some((count, Word::Application(pods) | Word::Edge(_, pods) | Word::Controller(_, pods))) => {
                *count += 1;
                if let Word::Application(more) | Word::Edge(_, more) | Word::Controller(_, more) = word {
                    pods.extend(more);
                }
            }
            Some((count, _)) => *count += 1,
            None => words.push((1, word)),
        }
    }
    // The latest come first, so of equally many the latest is taken.
    let most = words.iter().map(|(count, _)| *count).max();
    let first = words.into_iter().find(|(count, _)| Some(*count) == most);
    first.map_or_else(|| Word::Nobody("no request fails".to_owned()), |(_, word)| word)
}

fn word_of(model: &Model<'_>, trace: &Trace<'_>) -> Word {
    let application = trace.hops.iter().find(|(_, record)| rank(record) == 3);
    if let Some(pod) = application.and_then(|(_, record)| record.pod()) {
        // Applications have their own logs; one that the edge did not pass it to is somewhere else.
        let through_proxy = trace.hops.iter().any(|(_, record)| (1..3).contains(&rank(record)));
        return if through_proxy || !proxies_log(model) {
            Word::Application(BTreeSet::from([pod]))
        } else {
            Word::Elsewhere(application.map_or_else(|| cite(trace.client), |line| cite(*line)))
        };
    }
    match trace.hops.iter().rfind(|(_, record)| (1..3).contains(&rank(record))) {
        Some(line) if sent_to(line.1).is_none() => {
            let pods = line.1.pod().into_iter().collect();
            if line.1.hop == "ingress" { Word::Controller(cite(*line), pods) } else { Word::Edge(cite(*line), pods) }
        }
        Some((_, record)) if record.hop == "ingress" => {
            let to = sent_to(record).and_then(|upstream| model.resolve(upstream, None));
            match to {
                Some(pod) if pod.is("pod") => Word::Application(BTreeSet::from([pod])),
                Some(service) => Word::Application(pods_of(model, &service)),
                None => Word::Nobody("the ingress controller sent it to an address that nobody has".to_owned()),
            }
        }
        Some((_, record)) => Word::Nobody(format!(
            "the log of {} was not collected",
            record.upstream.as_deref().unwrap_or("the next hop")
        )),
        None if proxies_log(model) => Word::Elsewhere(cite(trace.client)),
        None => Word::Nobody("only the client's own log shows these requests".to_owned()),
    }
}

/// Whether some client's request can be found in a proxy's log, so that one that cannot did not come there.
fn proxies_log(model: &Model<'_>) -> bool {
    let traffic = &model.evidence.traffic;
    let ids = |wanted: &dyn Fn(u8) -> bool| -> BTreeSet<&str> {
        traffic.iter().filter(|record| wanted(rank(record))).filter_map(|record| record.id.as_deref()).collect()
    };
    !ids(&|rank| rank == 0).is_disjoint(&ids(&|rank| (1..3).contains(&rank)))
}

fn pods_of(model: &Model<'_>, service: &Subject) -> BTreeSet<Subject> {
    let edges = model.dependencies(service).iter();
    edges
        .filter(|edge| edge.relation == Relation::ForwardsTo && edge.to.is("pod"))
        .map(|edge| edge.to.clone())
        .collect()
}

/// The Services that forward to any of these pods.
pub(super) fn services_of(model: &Model<'_>, pods: &BTreeSet<Subject>) -> BTreeSet<Subject> {
    let dependents = pods.iter().flat_map(|pod| model.dependents(pod));
    dependents.filter(|(_, relation)| *relation == Relation::ForwardsTo).map(|(service, _)| service.clone()).collect()
}

/// The Service that served this kind of request when it was last served well.
pub(super) fn served_before(model: &Model<'_>, asked: &Asked) -> Option<Served> {
    let good = traces(model, |other| other == asked);
    good.iter().rev().filter(|trace| trace.client.1.succeeded()).take(5 * WINDOW).find_map(|trace| {
        let ingress = trace.hops.iter().find(|(_, record)| record.hop == "ingress");
        let sent = ingress.and_then(|(_, record)| model.resolve(sent_to(record)?, None));
        let application = trace.hops.iter().find(|(_, record)| rank(record) == 3);
        let pod = sent.or_else(|| application?.1.pod())?;
        let services =
            if pod.is("service") { BTreeSet::from([pod]) } else { services_of(model, &BTreeSet::from([pod])) };
        // Of several that select the pod, one that an Ingress names.
        let named = |service: &&Subject| model.dependents(service).iter().any(|(other, _)| other.is("ingress"));
        let service = services.iter().find(named).or_else(|| services.first())?.clone();
        let evidence = [ingress, application].into_iter().flatten().map(|line| cite(*line)).collect();
        Some(Served { service, through_ingress: ingress.is_some(), evidence })
    })
}

/// The Service that requests for a name come to first.
pub(super) struct Front {
    /// The Service.
    pub service: Subject,
    /// A record that shows it.
    pub evidence: Citation,
}

/// Where requests for this name came to when they were last served well: by the address their client saw, or by the first
/// hop that logged them.
pub(super) fn front(model: &Model<'_>, asked: &Asked) -> Option<Front> {
    let good = traces(model, |other| other.host == asked.host);
    good.iter().rev().filter(|trace| trace.client.1.succeeded()).take(5 * WINDOW).find_map(|trace| {
        let by_address = trace.client.1.address.as_deref().and_then(|address| model.resolve(address, None));
        let first = || trace.hops.first().map_or(trace.client, |line| *line);
        let by_hop = || services_of(model, &first().1.pod().into_iter().collect()).into_iter().next();
        match by_address.filter(|service| service.is("service")) {
            Some(service) => {
                let says = format!("{} was answered by {service}", trace.client.1.what());
                Some(Front { service, evidence: Citation::line("traffic.jsonl", trace.client.0 + 1, says) })
            }
            None => Some(Front { service: by_hop()?, evidence: cite(first()) }),
        }
    })
}

/// A record of this kind of request being served well.
pub(super) fn was_served(model: &Model<'_>, asked: &Asked) -> Option<Citation> {
    let good = traces(model, |other| other == asked);
    good.iter().rfind(|trace| trace.client.1.succeeded()).map(|trace| cite(trace.client))
}

/// Whether requests of another kind go by this rule and are served well since the failing began.
pub(super) fn in_use(
    model: &Model<'_>,
    rules: &[Rule<'_>],
    rule: &Rule<'_>,
    asked: &Asked,
    since: Option<jiff::Timestamp>,
) -> bool {
    let same = |other: &Rule<'_>| (other.ingress.subject(), &other.pointer) == (rule.ingress.subject(), &rule.pointer);
    let by_it = traces(model, |other| other != asked && fitting(rules, other).first().is_some_and(|first| same(first)));
    by_it.iter().any(|trace| trace.client.1.succeeded() && (since.is_none() || trace.client.1.time >= since))
}

/// Whether anybody asks for what a rule is for.
pub(super) fn is_asked_for(model: &Model<'_>, rule: &Rule<'_>) -> bool {
    let fits = |asked: Asked| rule.covers(&asked.host) && rule.takes(&asked.path);
    model.evidence.traffic.iter().filter_map(Asked::from_record).any(fits)
        || model.evidence.probes.iter().filter_map(Asked::from_probe).any(fits)
}
