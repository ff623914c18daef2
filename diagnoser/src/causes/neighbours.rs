//! What a pod requires of the pods beside it: inter-pod affinity and anti-affinity, worked out again from labels and nodes.
//!
//! Source: kubernetes.io, Assigning Pods to Nodes, "Inter-pod affinity and anti-affinity"; kube-scheduler's plugin InterPodAffinity
//! (filtering.go: nodes without the topology key pass anti-affinity and fail affinity; the first pod of a group that wants to be
//! beside its own kind may go anywhere).

use std::collections::BTreeMap;

use crate::json::Value;

use super::{
    Case, Finding, Lack,
    candidates::{Candidate, Candidates},
    scheduling::Stage,
    stuck::{self, Look, put_back},
};
use crate::{
    evidence::Object,
    model::Model,
    policy::{label_selector, selected_pods},
    subject::Subject,
};

/// Which rule of a pod keeps it from a node.
pub(super) enum Against<'e> {
    /// It does not want to be where this pod is: the place of the rule in its list, and the pod.
    Apart(usize, &'e Object),
    /// It wants to be where pods are that are not there: the place of the rule.
    Beside(usize),
}

impl Against<'_> {
    /// Whether it is anti-affinity.
    pub fn is_apart(&self) -> bool {
        matches!(self, Self::Apart(..))
    }
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// The list of a pod's required rules of one kind.
fn rules<'e>(pod: &'e Object, kind: &str) -> &'e [Value] {
    pod.list(&format!("/spec/affinity/{kind}/{REQUIRED}"))
}

/// What a pod requires of the pods beside it.
pub(super) struct Wishes<'e> {
    apart: Vec<Rule<'e>>,
    beside: Vec<Rule<'e>>,
}

/// One rule, and where the pods are that it means.
struct Rule<'e> {
    key: Option<&'e str>,
    /// The first of them in each domain of the key.
    there: BTreeMap<&'e str, &'e Object>,
    /// Whether there is none yet and the pod is one itself: then it may go anywhere.
    first_of_its_kind: bool,
}

impl<'e> Wishes<'e> {
    pub(super) fn new(model: &Model<'e>, nodes: &Candidates<'_, 'e>, pod: &'e Object) -> Self {
        let rule = |rule: &'e Value| {
            let key = rule["topologyKey"].as_str();
            let (mut there, mut any) = (BTreeMap::new(), false);
            for other in meant(model, pod, rule) {
                any = true;
                if let Some(domain) = nodes.of(other).and_then(|node| node.labels.get(key?)) {
                    there.entry(*domain).or_insert(other);
                }
            }
            Rule { key, there, first_of_its_kind: !any && means(model, pod, rule, pod) }
        };
        let all = |kind: &str| rules(pod, kind).iter().map(rule).collect();
        Self { apart: all("podAntiAffinity"), beside: all("podAffinity") }
    }

    /// The first rule that keeps the pod from a node, as far as the pods there are known.
    pub(super) fn against(&self, node: &Candidate<'_, 'e>) -> Option<Against<'e>> {
        let domain = |rule: &Rule<'e>| node.labels.get(rule.key?);
        let apart = self.apart.iter().enumerate().find_map(|(place, rule)| {
            let other = rule.there.get(domain(rule)?)?;
            Some(Against::Apart(place, other))
        });
        let unmet = |rule: &Rule<'e>| {
            domain(rule).is_none_or(|domain| !rule.first_of_its_kind && !rule.there.contains_key(domain))
        };
        apart.or_else(|| self.beside.iter().position(unmet).map(Against::Beside))
    }
}

/// The pods on nodes that a rule means.
fn meant<'e>(model: &Model<'e>, pod: &Object, rule: &'e Value) -> impl Iterator<Item = &'e Object> {
    let objects = &model.evidence.objects;
    let own = rule["namespaceSelector"].is_null() && rule["namespaces"].is_null();
    let others: Vec<&Object> = match own {
        true => selected_pods(objects, pod.namespace(), &rule["labelSelector"]).collect(),
        false => objects.of_kind("pod").collect(),
    };
    let others = others.into_iter().filter(|other| other.node().is_some() && !other.is_finished());
    others.filter(move |other| means(model, pod, rule, other))
}

/// Whether a rule of a pod means another pod, by namespace and labels. No selector means none, an empty one all.
fn means(model: &Model<'_>, pod: &Object, rule: &Value, other: &Object) -> bool {
    let (selector, labels) = (&rule["labelSelector"], other.labels());
    let own = pod.labels();
    let list = |key: &str| rule[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    let alike = list("matchLabelKeys").all(|key| own.get(key).is_none_or(|value| labels.get(key) == Some(value)))
        && list("mismatchLabelKeys").all(|key| own.get(key).is_none_or(|value| labels.get(key) != Some(value)));
    let of_namespace = || {
        let named = list("namespaces").any(|namespace| namespace == other.namespace());
        let selector = &rule["namespaceSelector"];
        if !selector.is_object() {
            return named || list("namespaces").next().is_none() && other.namespace() == pod.namespace();
        }
        let object = model.object(&Subject::global("namespace", other.namespace()));
        let labels: BTreeMap<&str, &str> = object.map(Object::labels).unwrap_or_default();
        named || label_selector(selector, &labels)
    };
    selector.is_object() && label_selector(selector, &labels) && alike && of_namespace()
}

/// What both causes do: the pods that get no node because of their rules of one kind.
pub(super) fn findings(case: &Case<'_, '_>, kind: &str, stage: Stage, summary: &str) -> Vec<Finding> {
    stuck::findings(
        case.model,
        |pod| look(case, pod, kind, stage),
        |owner, _| {
            put_back(case.model, owner, summary.replace("OWNER", &owner.to_string()), |field| {
                field.starts_with("/spec/affinity") || field.starts_with("/spec/topologySpreadConstraints")
            })
        },
    )
}

fn look(case: &Case<'_, '_>, pod: &Object, kind: &str, stage: Stage) -> Option<Look> {
    let first = rules(pod, kind).first()?;
    let placement = match case.placements().of(pod)? {
        Err(lacks) => return Some(Look::Unclear(lacks)),
        Ok(placement) => placement,
    };
    if placement.stage != stage {
        return Some(Look::No("other nodes would do, as far as its neighbours go".to_owned(), placement.readings()));
    }
    let Some((_, said)) = &placement.said else {
        // Only the scheduler knows of all pods.
        let why = "the scheduler's word is not in it".to_owned();
        return Some(Look::Unclear(vec![Lack::objects("events", Some(pod.namespace()), why)]));
    };
    let against: Vec<&Against<'_>> = placement.fits.iter().filter_map(|fit| fit.neighbours.as_deref()).collect();
    let place = against.first().map_or(0, |(Against::Apart(place, _) | Against::Beside(place))| *place);
    let rule = rules(pod, kind).get(place).unwrap_or(first);
    let by = rule["topologyKey"].as_str().unwrap_or_default();
    let says = format!("{} requires it of each {by}: {}", pod.subject(), rule["labelSelector"]);
    let mut evidence = vec![pod.cite(&format!("/spec/affinity/{kind}/{REQUIRED}/{place}"), says)];
    evidence.extend(against.iter().take(3).filter_map(|against| match against {
        Against::Apart(_, other) => {
            let at = other.node().unwrap_or_default();
            Some(other.cite("/metadata/labels", format!("{} runs on {at}", other.subject())))
        }
        Against::Beside(_) => None,
    }));
    evidence.push(said.clone());
    Some(Look::Yes(evidence))
}
