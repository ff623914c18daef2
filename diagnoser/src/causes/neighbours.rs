//! What a pod requires of the pods beside it: inter-pod affinity and anti-affinity, worked out again from labels and nodes.
//!
//! Source: kubernetes.io, Assigning Pods to Nodes, "Inter-pod affinity and anti-affinity"; kube-scheduler's plugin InterPodAffinity
//! (filtering.go: nodes without the topology key pass anti-affinity and fail affinity; the first pod of a group that wants to be
//! beside its own kind may go anywhere).

use std::collections::BTreeMap;

use crate::json::Value;

use super::{
    Finding, Lack,
    scheduling::{self, Stage},
    stuck::{self, Look, put_back},
};
use crate::{
    evidence::{Citation, Object},
    model::Model,
    policy::label_selector,
};

/// Which rule of a pod keeps it from a node.
pub(super) enum Against {
    /// It does not want to be where this pod is: the place of the rule in its list, and the pod.
    Apart(usize, Citation),
    /// It wants to be where pods are that are not there: the place of the rule.
    Beside(usize),
}

impl Against {
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

/// The first rule of a pod that keeps it from a node, as far as the pods there are known.
pub(super) fn against(model: &Model<'_>, pod: &Object, node: &Object) -> Option<Against> {
    let apart = rules(pod, "podAntiAffinity").iter().enumerate().find_map(|(place, rule)| {
        let other = meant(model, pod, rule).find(|other| together(model, rule, other, node))?;
        let at = other.text("/spec/nodeName").unwrap_or_default();
        Some(Against::Apart(place, other.cite("/metadata/labels", format!("{} runs on {at}", other.subject()))))
    });
    apart.or_else(|| {
        let mut wants = rules(pod, "podAffinity").iter().enumerate();
        let unmet = wants.find(|(_, rule)| {
            let mut others = meant(model, pod, rule).peekable();
            let first_of_its_kind = others.peek().is_none() && means(model, pod, rule, pod);
            domain(rule, node).is_none()
                || !first_of_its_kind && !others.any(|other| together(model, rule, other, node))
        });
        unmet.map(|(place, _)| Against::Beside(place))
    })
}

/// The pods on nodes that a rule means.
fn meant<'m>(model: &'m Model<'_>, pod: &'m Object, rule: &'m Value) -> impl Iterator<Item = &'m Object> {
    let others = model.evidence.objects.of_kind("pod").filter(|other| {
        other.text("/spec/nodeName").is_some() && !matches!(other.text("/status/phase"), Some("Succeeded" | "Failed"))
    });
    others.filter(|other| means(model, pod, rule, other))
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
        let object = model.object(&crate::subject::Subject::global("namespace", other.namespace()));
        let labels: BTreeMap<&str, &str> = object.map(Object::labels).unwrap_or_default();
        named || label_selector(selector, &labels)
    };
    selector.is_object() && label_selector(selector, &labels) && alike && of_namespace()
}

/// The value of a rule's topology key on a node.
fn domain<'e>(rule: &Value, node: &'e Object) -> Option<&'e str> {
    node.labels().get(rule["topologyKey"].as_str()?).copied()
}

/// Whether a pod is in the same domain as a node.
fn together(model: &Model<'_>, rule: &Value, other: &Object, node: &Object) -> bool {
    let here = domain(rule, node);
    let nodes = &model.evidence.objects;
    let of_other = other.text("/spec/nodeName").map(|name| crate::subject::Subject::global("node", name));
    here.is_some() && of_other.and_then(|of| nodes.get(&of)).and_then(|node| domain(rule, node)) == here
}

/// What both causes do: the pods that get no node because of their rules of one kind.
pub(super) fn findings(model: &Model<'_>, kind: &str, stage: Stage, summary: &str) -> Vec<Finding> {
    stuck::findings(
        model,
        |pod| look(model, pod, kind, stage),
        |owner, _| {
            put_back(model, owner, summary.replace("OWNER", &owner.to_string()), |field| {
                field.starts_with("/spec/affinity") || field.starts_with("/spec/topologySpreadConstraints")
            })
        },
    )
}

fn look(model: &Model<'_>, pod: &Object, kind: &str, stage: Stage) -> Option<Look> {
    let first = rules(pod, kind).first()?;
    let placement = match scheduling::place(model, pod)? {
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
    let against: Vec<&Against> = placement.fits.iter().filter_map(|fit| fit.neighbours.as_ref()).collect();
    let place = against.first().map_or(0, |(Against::Apart(place, _) | Against::Beside(place))| *place);
    let rule = rules(pod, kind).get(place).unwrap_or(first);
    let by = rule["topologyKey"].as_str().unwrap_or_default();
    let says = format!("{} requires it of each {by}: {}", pod.subject(), rule["labelSelector"]);
    let mut evidence = vec![pod.cite(&format!("/spec/affinity/{kind}/{REQUIRED}/{place}"), says)];
    evidence.extend(against.iter().take(3).filter_map(|against| match against {
        Against::Apart(_, other) => Some(other.clone()),
        Against::Beside(_) => None,
    }));
    evidence.push(said.clone());
    Some(Look::Yes(evidence))
}
