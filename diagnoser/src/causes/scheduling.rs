//! Why no node takes a pod: the scheduler's filters worked out again from nodes and pods, and compared with what it said.
//!
//! Source: kube-scheduler's plugins NodeAffinity, TaintToleration, NodeUnschedulable, NodeResourcesFit and InterPodAffinity; core/v1 types.go on
//! node selector terms, taints and tolerations. Its messages are those of the plugins' `ErrReason` constants.

use std::{collections::BTreeMap, rc::Rc};

use crate::json::Value;

use super::{
    Lack,
    candidates::{Candidate, Candidates},
    neighbours::{self, Against},
    obstacles::{self, Obstacle},
};
use crate::{
    evidence::{Citation, Fact, Object},
    model::Model,
    subject::Subject,
    symptoms::events_of,
};

pub(super) use crate::model::requests;

/// A node beside a pod.
pub(super) struct Fit<'e> {
    /// The node.
    pub node: &'e Object,
    /// Whether the pod's node selector and required node affinity match it.
    pub matches: bool,
    /// The places in `spec.taints` of taints that the pod does not tolerate; its keys.
    pub taints: Vec<(usize, String)>,
    /// Resources of which it has too little left, as far as is known who uses it.
    pub short: Vec<String>,
    /// Which of the pod's own required rules about other pods keeps it away.
    pub neighbours: Option<Box<Against<'e>>>,
    /// What else there keeps it away.
    pub obstacle: Option<Box<Obstacle<'e>>>,
}

/// At which filter the last node is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// No node has the labels that are asked for.
    Selector,
    /// Those that do are tainted or cordoned.
    Taints,
    /// Those that are neither have too little left.
    Resources,
    /// The pod does not want to be beside the pods on those that have enough.
    Apart,
    /// It wants to be beside pods that are on none of them.
    Beside,
    /// The ports of their own that it wants are taken on those that have enough.
    Ports,
    /// Its volume cannot be had there.
    Volume,
    /// Its kind would not be spread as evenly as it wants.
    Spread,
    /// A node that would do is not ready: that is the node's fault.
    NotReady,
    /// Some node passes: something else holds the pod up.
    Elsewhere,
}

/// A pod that waits for a node, and all there are.
pub(super) struct Placement<'e> {
    /// Every node; the same for pods that ask for the same.
    pub fits: Rc<[Fit<'e>]>,
    /// What the scheduler said last.
    pub said: Option<(&'e str, Citation)>,
    /// Where the search ends.
    pub stage: Stage,
}

impl Placement<'_> {
    /// What the scheduler said, else the nodes: what rules a cause out.
    pub fn readings(&self) -> Vec<Citation> {
        match &self.said {
            Some((_, cited)) => vec![cited.clone()],
            None => self
                .fits
                .iter()
                .take(1)
                .map(|fit| fit.node.cite("/spec", "takes the pod as far as this goes"))
                .collect(),
        }
    }
}

/// Taints that the control plane puts on nodes for their state; who made that state is to blame, not the taint.
/// `node.kubernetes.io/unschedulable` is a cordon, which is somebody's wish.
fn tells_a_state(key: &str) -> bool {
    key.starts_with("node.kubernetes.io/") && key != CORDON || key.starts_with("node.cloudprovider.kubernetes.io/")
}

/// The taint of a cordoned node.
pub(super) const CORDON: &str = "node.kubernetes.io/unschedulable";

/// Taints that control-plane nodes carry by default.
pub(super) fn is_of_the_control_plane(key: &str) -> bool {
    key.starts_with("node-role.kubernetes.io/")
}

/// Where the search ends for every pod that waits for a node.
pub(super) struct Placements<'e> {
    of: BTreeMap<&'e Subject, Placement<'e>>,
    lacks: Vec<Lack>,
}

impl<'e> Placements<'e> {
    /// Looks for a node for every pod that has none. Pods of one template are tried once.
    pub(super) fn new(model: &Model<'e>) -> Self {
        let lacking = |why: String| Self { of: BTreeMap::new(), lacks: vec![Lack::objects("nodes", None, why)] };
        let waiting: Vec<&Object> = model.down().filter(|pod| waits(pod)).collect();
        if waiting.is_empty() {
            return Self { of: BTreeMap::new(), lacks: vec![] };
        }
        if let Fact::Missed(why) = model.evidence.listed("node", "nodes") {
            return lacking(why);
        }
        let nodes = Candidates::new(model);
        // A node without any label was not collected whole: every node has its name as one.
        if nodes.iter().len() == 0 || nodes.iter().any(|candidate| candidate.labels.is_empty()) {
            return lacking("their labels were not collected".to_owned());
        }
        let mut tried: BTreeMap<String, Rc<[Fit<'e>]>> = BTreeMap::new();
        let place = |pod: &'e Object| {
            let fits = tried.entry(asks(pod)).or_insert_with(|| {
                let wishes = Wishes::new(model, &nodes, pod);
                nodes.iter().map(|candidate| wishes.fit(candidate)).collect()
            });
            (pod.subject(), placement(model, pod, Rc::clone(fits)))
        };
        Self { of: waiting.into_iter().map(place).collect(), lacks: vec![] }
    }

    /// Where the search ends for a pod; `None` where it does not wait for a node.
    pub(super) fn of(&self, pod: &Object) -> Option<Result<&Placement<'e>, Vec<Lack>>> {
        match self.of.get(pod.subject()) {
            Some(placement) => Some(Ok(placement)),
            None => (waits(pod) && !self.lacks.is_empty()).then(|| Err(self.lacks.clone())),
        }
    }
}

fn waits(pod: &Object) -> bool {
    let free = pod.node().is_none() && pod.list("/spec/schedulingGates").is_empty();
    free && pod.text("/status/phase").is_none_or(|phase| phase == "Pending")
}

fn placement<'e>(model: &Model<'e>, pod: &'e Object, fits: Rc<[Fit<'e>]>) -> Placement<'e> {
    let said = said(model, pod);
    let (lost, text) = (stage(&fits), said.as_ref().map(|(text, _)| *text));
    let stage = text.and_then(|text| obstacles::told(pod, lost, text)).unwrap_or_else(|| agreed(lost, text));
    Placement { fits, said, stage }
}

/// All of a pod that decides which nodes take it, as text.
fn asks(pod: &Object) -> String {
    let mut text = pod.namespace().to_owned();
    let mut add = |value: &Value| text.extend([" ", &value.to_string()]);
    let of_other_pods = ["/spec/affinity", "/spec/topologySpreadConstraints"];
    for field in of_other_pods.into_iter().chain(["/spec/hostNetwork", "/spec/nodeSelector", "/spec/tolerations"]) {
        add(pod.get(field).unwrap_or(&Value::Null));
    }
    // Which pods are of its kind.
    if of_other_pods.iter().any(|field| pod.get(field).is_some()) {
        add(pod.get("/metadata/labels").unwrap_or(&Value::Null));
    }
    for list in ["/spec/containers", "/spec/initContainers"] {
        add(&list.into());
        for container in pod.list(list) {
            add(&container["ports"]);
            add(&container["resources"]);
        }
    }
    pod.list("/spec/volumes").iter().for_each(|volume| add(&volume["persistentVolumeClaim"]));
    text
}

fn stage(fits: &[Fit<'_>]) -> Stage {
    let matching: Vec<&Fit<'_>> = fits.iter().filter(|fit| fit.matches).collect();
    let open: Vec<&&Fit<'_>> = matching.iter().filter(|fit| fit.taints.is_empty()).collect();
    let not_ready = matching.iter().any(|fit| {
        fit.short.is_empty() && !fit.taints.is_empty() && fit.taints.iter().all(|(_, key)| tells_a_state(key))
    });
    if matching.is_empty() {
        Stage::Selector
    } else if open.iter().any(|fit| fit.short.is_empty() && fit.neighbours.is_none() && fit.obstacle.is_none()) {
        Stage::Elsewhere
    } else if not_ready {
        Stage::NotReady
    } else if open.is_empty() {
        Stage::Taints
    } else {
        // The rules about other pods are looked at last.
        let last = open.iter().filter(|fit| fit.short.is_empty());
        let mut kinds = last.map(|fit| match (&fit.obstacle, &fit.neighbours) {
            (Some(obstacle), _) => obstacle.stage(),
            (None, Some(against)) if against.is_apart() => Stage::Apart,
            (None, _) => Stage::Beside,
        });
        let first = kinds.next().unwrap_or(Stage::Resources);
        if kinds.all(|kind| kind == first) { first } else { Stage::Elsewhere }
    }
}

/// The stage, where the scheduler says the same. It knows of pods that were not collected, so its word that nodes lack a
/// resource is taken where all that is known would still fit.
fn agreed(stage: Stage, said: Option<&str>) -> Stage {
    let Some(said) = said else { return stage };
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let short = says(&["Insufficient ", "Too many pods"]);
    // "pod affinity rules", before 1.20 "pod affinity/anti-affinity"; of a rule of pods that are there already it says so.
    let apart = says(&["match pod anti-affinity rules", "match pod affinity/anti-affinity"]);
    let beside = says(&["match pod affinity rules", "match pod affinity/anti-affinity"]);
    match stage {
        Stage::Selector if says(&["node affinity", "node selector", "affinity/selector"]) => stage,
        Stage::Taints if says(&["taint", "were unschedulable"]) => stage,
        Stage::Resources if short => stage,
        Stage::Elsewhere if short && !apart && !beside => Stage::Resources,
        Stage::Apart if apart => stage,
        Stage::Beside if beside => stage,
        Stage::NotReady => stage,
        _ => Stage::Elsewhere,
    }
}

/// What the scheduler said last of a pod: its condition, else its last event.
fn said<'e>(model: &Model<'e>, pod: &'e Object) -> Option<(&'e str, Citation)> {
    let conditions = pod.list("/status/conditions").iter().enumerate();
    let condition =
        conditions.filter(|(_, c)| c["type"] == "PodScheduled" && c["status"] == "False").find_map(|(i, c)| {
            let text = c["message"].as_str()?;
            Some((text, pod.cite(&format!("/status/conditions/{i}/message"), text)))
        });
    condition.or_else(|| {
        let mut events = events_of(model.evidence, pod.subject()).into_iter();
        let (event, text) = events.find(|(event, _)| event.text("/reason") == Some("FailedScheduling"))?;
        Some((text, event.cite("/message", text)))
    })
}

/// What a pod asks of a node, and of what is there.
struct Wishes<'e> {
    tolerations: &'e [Value],
    selector: BTreeMap<&'e str, &'e str>,
    terms: Option<&'e [Value]>,
    requests: BTreeMap<String, f64>,
    neighbours: neighbours::Wishes<'e>,
    obstacles: obstacles::Wishes<'e>,
}

impl<'e> Wishes<'e> {
    fn new(model: &Model<'e>, nodes: &Candidates<'_, 'e>, pod: &'e Object) -> Self {
        const TERMS: &str =
            "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
        let mut wishes = Self {
            tolerations: pod.list("/spec/tolerations"),
            selector: pod.map("/spec/nodeSelector"),
            terms: pod.get(TERMS).and_then(Value::as_array),
            requests: requests(pod),
            neighbours: neighbours::Wishes::new(model, nodes, pod),
            obstacles: obstacles::Wishes::default(),
        };
        let asked_for = nodes.iter().filter(|candidate| wishes.selects(candidate));
        wishes.obstacles = obstacles::Wishes::new(model, asked_for, pod);
        wishes
    }

    /// Whether a node has what the pod's node selector and required node affinity ask for.
    fn selects(&self, candidate: &Candidate<'_, '_>) -> bool {
        let Candidate { node, labels, .. } = candidate;
        self.selector.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.terms.is_none_or(|terms| terms.iter().any(|term| matches(term, node, labels)))
    }

    fn fit(&self, candidate: &Candidate<'_, 'e>) -> Fit<'e> {
        Fit {
            node: candidate.node,
            matches: self.selects(candidate),
            taints: self.taints(candidate.node),
            short: self.short(candidate),
            neighbours: self.neighbours.against(candidate).map(Box::new),
            obstacle: self.obstacles.first(candidate).map(Box::new),
        }
    }

    /// The taints that are not tolerated, with their places.
    fn taints(&self, node: &Object) -> Vec<(usize, String)> {
        let tolerated = |taint: &Value| self.tolerations.iter().any(|toleration| tolerates(toleration, taint));
        let taints = node.list("/spec/taints").iter().enumerate().filter(|(_, taint)| {
            matches!(taint["effect"].as_str(), Some("NoSchedule" | "NoExecute")) && !tolerated(taint)
        });
        let mut taints: Vec<(usize, String)> =
            taints.map(|(i, taint)| (i, taint["key"].as_str().unwrap_or_default().to_owned())).collect();
        let cordoned = node.get("/spec/unschedulable").is_some_and(|value| value == true);
        let wish = || crate::json::json!({"key": CORDON, "effect": "NoSchedule"});
        if cordoned && !taints.iter().any(|(_, key)| key == CORDON) && !tolerated(&wish()) {
            taints.push((usize::MAX, CORDON.to_owned()));
        }
        taints
    }

    /// The resources of which a node has too little left. Of the pods on it those that were collected count, so that it may have
    /// less than this says, never more.
    fn short(&self, candidate: &Candidate<'_, '_>) -> Vec<String> {
        let Some(allocatable) = &candidate.allocatable else { return vec![] };
        let taken = candidate.taken;
        let mut short: Vec<String> = Vec::new();
        for (resource, needed) in &self.requests {
            let has = allocatable.get(resource.as_str()).copied().unwrap_or_default();
            let used = taken.and_then(|taken| taken.requests.get(resource)).copied().unwrap_or_default();
            // A resource that is asked for at nothing is asked for by nobody.
            if *needed > 0.0 && used + needed > has {
                short.push(resource.clone());
            }
        }
        let pods = taken.map_or(0, |taken| taken.pods);
        if allocatable.get("pods").is_some_and(|most| pods as f64 + 1.0 > *most) {
            short.push("pods".to_owned());
        }
        short
    }
}

/// Whether a toleration covers a taint. An empty key with `Exists` covers all, an empty effect every effect.
fn tolerates(toleration: &Value, taint: &Value) -> bool {
    fn text<'v>(value: &'v Value, key: &str) -> &'v str {
        value[key].as_str().unwrap_or_default()
    }
    let (key, effect) = (text(toleration, "key"), text(toleration, "effect"));
    let exists = toleration["operator"] == "Exists";
    (effect.is_empty() || effect == text(taint, "effect"))
        && (key == text(taint, "key") || key.is_empty() && exists)
        && (exists || text(toleration, "value") == text(taint, "value"))
}

/// Whether a term matches: all of its expressions and fields. One without any matches nothing.
pub(super) fn matches(term: &Value, node: &Object, labels: &BTreeMap<&str, &str>) -> bool {
    let list = |key: &str| term[key].as_array().unwrap_or_default();
    let (expressions, fields) = (list("matchExpressions"), list("matchFields"));
    let name = BTreeMap::from([("metadata.name", node.name())]);
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|expression| expressed(expression, labels))
        && fields.iter().all(|field| expressed(field, &name))
}

pub(super) fn expressed(expression: &Value, labels: &BTreeMap<&str, &str>) -> bool {
    let value = expression["key"].as_str().and_then(|key| labels.get(key).copied());
    let values: Vec<&str> = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let compare = || Some((value?.parse::<i64>().ok()?, values.first()?.parse::<i64>().ok()?));
    match expression["operator"].as_str() {
        Some("In") => value.is_some_and(|value| values.contains(&value)),
        Some("NotIn") => value.is_none_or(|value| !values.contains(&value)),
        Some("Exists") => value.is_some(),
        Some("DoesNotExist") => value.is_none(),
        Some("Gt") => compare().is_some_and(|(value, than)| value > than),
        Some("Lt") => compare().is_some_and(|(value, than)| value < than),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::json::json;

    use super::*;

    #[test]
    fn tolerations_by_key_value_and_effect() {
        let taint = json!({"key": "k", "value": "v", "effect": "NoSchedule"});
        let covers = |toleration: Value| tolerates(&toleration, &taint);
        assert!(covers(json!({"operator": "Exists"})));
        assert!(covers(json!({"key": "k", "operator": "Exists"})));
        assert!(covers(json!({"key": "k", "value": "v"})));
        assert!(!covers(json!({"key": "k", "value": "w"})));
        assert!(!covers(json!({"key": "k", "value": "v", "effect": "NoExecute"})));
        assert!(!covers(json!({"key": "", "value": ""})));
    }

    #[test]
    fn expressions_on_labels() {
        let labels = BTreeMap::from([("zone", "b"), ("disks", "4")]);
        let holds = |key: &str, operator: &str, values: &[&str]| {
            expressed(&json!({"key": key, "operator": operator, "values": values}), &labels)
        };
        assert!(holds("zone", "In", &["a", "b"]) && !holds("zone", "In", &["a"]) && !holds("x", "In", &["a"]));
        assert!(holds("zone", "NotIn", &["a"]) && holds("x", "NotIn", &["a"]) && !holds("zone", "NotIn", &["b"]));
        assert!(holds("zone", "Exists", &[]) && holds("x", "DoesNotExist", &[]) && !holds("zone", "DoesNotExist", &[]));
        assert!(holds("disks", "Gt", &["3"]) && !holds("disks", "Gt", &["4"]) && holds("disks", "Lt", &["5"]));
    }

    #[test]
    fn the_scheduler_s_word_counts_where_it_knows_more_and_stops_where_it_says_otherwise() {
        assert_eq!(agreed(Stage::Elsewhere, Some("0/2 nodes are available: 2 Insufficient cpu.")), Stage::Resources);
        assert_eq!(agreed(Stage::Selector, Some("0/2 nodes are available: 2 Insufficient cpu.")), Stage::Elsewhere);
        assert_eq!(
            agreed(Stage::Taints, Some("0/1 nodes are available: 1 node(s) had untolerated taint {a: b}.")),
            Stage::Taints
        );
        assert_eq!(agreed(Stage::Selector, None), Stage::Selector);
    }
}
