//! Why a sidecar has no one to send a request to: the route of the mesh that it takes, and where that leads. One decision for
//! the causes of routes, so that no two of them can hold for one request.

use std::collections::BTreeMap;

use crate::json::{Value, json};

use super::{
    Case, Finding, Lack, State,
    mesh::{self, Way},
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Object, RequestRecord},
    model::Model,
    propagation::Mode,
    subject::Subject,
};

/// What is wrong with the route of a request.
pub(super) enum Fault<'e> {
    /// A destination's host is not known to the mesh.
    Host(Destination<'e>),
    /// A destination's subset is not declared by the rule of the host.
    Subset(Destination<'e>, Option<&'e Object>),
    /// The labels of a declared subset (by its place) are on no pod behind the host.
    Labels(Destination<'e>, &'e Object, usize),
}

/// A destination of a route.
#[derive(Clone)]
pub(super) struct Destination<'e> {
    /// The VirtualService.
    pub routing: &'e Object,
    /// The pointer of the destination.
    pub pointer: String,
    /// The whole name of its host.
    pub host: String,
    /// Its subset.
    pub subset: Option<&'e str>,
}

/// A cause's proof for one way.
pub(super) struct Held {
    /// Where the fault sits.
    pub subject: Subject,
    /// The readings beside the sidecar's word.
    pub evidence: Vec<Citation>,
    /// What restores health.
    pub summary: String,
    /// The changes.
    pub patch: Vec<Change>,
}

/// The findings of one cause of the family: `hold` takes the faults that are its own.
pub(super) fn findings<'e>(case: &Case<'_, 'e>, hold: impl Fn(&Model<'e>, &Fault<'e>) -> Option<Held>) -> Vec<Finding> {
    let mut held: BTreeMap<Subject, Finding> = BTreeMap::new();
    let mut rest = Vec::new();
    for way in mesh::ways(case).iter().filter(|way| way.says(&["NC", "NR", "UH"])) {
        let effect = (way.suffers.clone(), Mode::RelaysEmpty);
        let (subject, state) = match judge(case.model, way) {
            Ok(None) => continue,
            Ok(Some(fault)) => {
                let Some(one) = hold(case.model, &fault) else { continue };
                if let Some(known) = held.get_mut(&one.subject) {
                    known.effects.push(effect);
                    continue;
                }
                let evidence = way.cite().into_iter().chain(one.evidence).collect();
                let fix = Fix { summary: one.summary, patch: one.patch };
                let state = match way.turned {
                    Some(_) => State::holds(evidence, fix),
                    None => State::Undecided(vec![way.lack()]),
                };
                held.insert(one.subject.clone(), Finding { subject: one.subject, effects: vec![effect], state });
                continue;
            }
            Err(lack) => (Subject::global("name", &way.host), State::Undecided(vec![*lack])),
        };
        rest.push(Finding { subject, effects: vec![effect], state });
    }
    held.into_values().chain(rest).collect()
}

/// Judges one way; `None` where its route leads to someone, ready or not.
fn judge<'e>(model: &Model<'e>, way: &Way<'e>) -> Result<Option<Fault<'e>>, Box<Lack>> {
    let Some(routing) = seen(mesh::routing(model, &way.host), "virtualservices", way.namespace())? else {
        return Ok(None);
    };
    for destination in destinations(routing, way.turned.map(|(_, record)| record)) {
        match mesh::known(model, &destination.host) {
            Fact::Missed(why) => return Err(Box::new(mesh::lack_known(&destination.host, &why))),
            Fact::Seen(false) => return Ok(Some(Fault::Host(destination))),
            Fact::Seen(true) => {}
        }
        let Some(subset) = destination.subset else { continue };
        let rule = seen(mesh::rule(model, &destination.host), "destinationrules", way.namespace())?;
        let subsets = rule.map_or(&[][..], |rule| rule.list("/spec/subsets"));
        let declared = rule.zip(subsets.iter().position(|own| own["name"] == subset));
        let Some((rule, index)) = declared else { return Ok(Some(Fault::Subset(destination, rule))) };
        let Some(service) = mesh::service(model, &destination.host) else { continue };
        let pods = seen(model.evidence.listed("pod", "pods"), "pods", way.namespace())
            .map(|()| model.selected_pods(service))?;
        if !pods.is_empty() && !pods.iter().any(|pod| mesh::carries(&subsets[index]["labels"], pod)) {
            return Ok(Some(Fault::Labels(destination, rule, index)));
        }
    }
    Ok(None)
}

fn seen<T>(fact: Fact<T>, resource: &str, namespace: &str) -> Result<T, Box<Lack>> {
    match fact {
        Fact::Seen(value) => Ok(value),
        Fact::Missed(why) => Err(Box::new(Lack::objects(resource, Some(namespace), why))),
    }
}

/// The destinations of the rule that a request goes by: the one its sidecar names, else the first that matches; all where
/// nobody saw the request.
fn destinations<'e>(routing: &'e Object, record: Option<&RequestRecord>) -> Vec<Destination<'e>> {
    let rules = routing.list("/spec/http").iter().enumerate();
    let taken = record.and_then(|record| {
        let named = |rule: &Value| rule["name"].is_string() && rule["name"].as_str() == record.route.as_deref();
        rules.clone().find(|(_, rule)| named(rule)).or_else(|| rules.clone().find(|(_, rule)| matches(rule, record)))
    });
    let chosen: Vec<(usize, &Value)> = match (record, taken) {
        (Some(_), taken) => taken.into_iter().collect(),
        (None, _) => rules.collect(),
    };
    chosen
        .into_iter()
        .flat_map(|(r, rule)| {
            let routes = rule["route"].as_array().unwrap_or_default().iter().enumerate();
            routes.filter_map(move |(d, route)| {
                let destination = &route["destination"];
                Some(Destination {
                    routing,
                    pointer: format!("/spec/http/{r}/route/{d}/destination"),
                    host: mesh::whole(destination["host"].as_str()?, routing.namespace()),
                    subset: destination["subset"].as_str(),
                })
            })
        })
        .collect()
}

/// Whether a rule takes a request, as far as method and path tell.
fn matches(rule: &Value, record: &RequestRecord) -> bool {
    let Some(all) = rule["match"].as_array() else { return true };
    all.iter().any(|one| {
        let fits = |condition: &Value, text: &str| {
            condition["exact"].as_str().is_none_or(|exact| exact == text)
                && condition["prefix"].as_str().is_none_or(|prefix| text.starts_with(prefix))
                && condition["regex"].is_null()
        };
        let only =
            one.as_object().is_some_and(|map| map.keys().all(|key| matches!(key.as_str(), "uri" | "method" | "name")));
        only && fits(&one["uri"], &record.path) && fits(&one["method"], &record.method)
    })
}

impl<'e> Destination<'e> {
    /// Every destination of the same VirtualService.
    pub fn all(&self) -> Vec<Destination<'e>> {
        destinations(self.routing, None)
    }

    /// A change of one of its fields; nothing where there is no value to set.
    pub fn set(&self, key: &str, to: Option<&str>) -> Vec<Change> {
        let path = format!("{}/{key}", self.pointer);
        let from = self.routing.get(&path).cloned().unwrap_or(Value::Null);
        let change = to.map(|to| Change::Set { object: self.routing.subject().clone(), path, from, to: json!(to) });
        change.into_iter().collect()
    }

    /// A citation of one of its fields.
    pub fn cite(&self, key: &str, says: String) -> Citation {
        self.routing.cite(&format!("{}/{key}", self.pointer), says)
    }
}
