//! What else keeps a pod from a node that has the labels and the room: ports of the node's own that are taken, a volume that
//! cannot be had there, and rules of how evenly its kind is spread. Worked out again from pods, volumes and nodes.
//!
//! Source: kube-scheduler's plugins NodePorts, VolumeBinding (nodevolumelimits aside) and PodTopologySpread, and their `ErrReason`
//! constants; core/v1 TopologySpreadConstraint.

use std::collections::BTreeMap;

use crate::json::Value;

use super::{
    Case, Finding, Lack,
    candidates::Candidate,
    scheduling::{self, Placement, Stage},
    stuck::{self, Look, put_back},
};
use crate::{
    evidence::{Citation, Object},
    model::Model,
    policy::{label_selector, selected_pods},
    subject::Subject,
};

/// What keeps a pod from a node.
pub(super) enum Obstacle<'e> {
    /// Another pod has a port of the node's own that this one wants.
    Port(&'e Object, i64),
    /// A volume is for other nodes.
    Volume(&'e Object),
    /// The node has not the label by which the pod's kind is to be spread, or too many of the kind are there: the place of the
    /// constraint, and in words.
    Spread(usize, String),
}

impl Obstacle<'_> {
    /// The filter that it is.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Port(..) => Stage::Ports,
            Self::Volume(_) => Stage::Volume,
            Self::Spread(..) => Stage::Spread,
        }
    }

    /// What shows it, of a pod and a node.
    fn cite(&self, pod: &Object, node: &Object) -> Citation {
        match self {
            Self::Port(other, number) => {
                let says = format!("{} has port {number} of {}", other.subject(), node.subject());
                other.cite("/spec/containers", says)
            }
            Self::Volume(volume) => {
                let terms = volume.get(TERMS).unwrap_or(&Value::Null);
                let says = format!("{} can be had on nodes with {terms} only", volume.subject());
                volume.cite("/spec/nodeAffinity", says)
            }
            Self::Spread(place, says) => pod.cite(&format!("/spec/topologySpreadConstraints/{place}"), says),
        }
    }
}

/// What a pod asks of the nodes beside labels and room.
#[derive(Default)]
pub(super) struct Wishes<'e> {
    ports: Vec<(i64, &'e str)>,
    volumes: Vec<&'e Object>,
    spread: Vec<Spread<'e>>,
}

/// A constraint that a pod insists on, and how many of its kind are where.
struct Spread<'e> {
    place: usize,
    key: &'e str,
    /// Of each domain of the nodes that the pod asks for.
    counts: BTreeMap<&'e str, i64>,
    /// How many of them it is itself.
    own: i64,
    /// By how many a domain may have more than the one that has fewest.
    most: i64,
}

impl<'e> Wishes<'e> {
    /// Of a pod that asks for these nodes.
    pub(super) fn new<'m, 'c>(
        model: &Model<'e>,
        nodes: impl Iterator<Item = &'c Candidate<'m, 'e>>,
        pod: &'e Object,
    ) -> Self
    where
        'e: 'm,
        'm: 'c,
    {
        let constraints = constraints(pod);
        let nodes: BTreeMap<&str, &Candidate<'_, 'e>> = match constraints.is_empty() {
            true => BTreeMap::new(),
            false => nodes.map(|candidate| (candidate.node.name(), candidate)).collect(),
        };
        let spread = constraints.into_iter().filter_map(|(place, constraint)| {
            let (key, selector) = (constraint["topologyKey"].as_str()?, &constraint["labelSelector"]);
            let domain = |candidate: &&Candidate<'_, 'e>| candidate.labels.get(key).copied();
            let mut counts: BTreeMap<&str, i64> = nodes.values().filter_map(domain).map(|domain| (domain, 0)).collect();
            for other in selected_pods(&model.evidence.objects, pod.namespace(), selector) {
                let node = other.node().and_then(|node| nodes.get(node));
                if let Some(count) = node.and_then(domain).and_then(|domain| counts.get_mut(domain)) {
                    *count += 1;
                }
            }
            let own = i64::from(label_selector(selector, &pod.labels()));
            Some(Spread { place, key, counts, own, most: constraint["maxSkew"].as_i64().unwrap_or(1) })
        });
        Self { ports: ports(pod), volumes: volumes(model, pod).collect(), spread: spread.collect() }
    }

    /// The first obstacle at a node, in the scheduler's order.
    pub(super) fn first(&self, candidate: &Candidate<'_, 'e>) -> Option<Obstacle<'e>> {
        self.port(candidate).or_else(|| self.volume(candidate)).or_else(|| self.spread(candidate))
    }

    fn port(&self, candidate: &Candidate<'_, 'e>) -> Option<Obstacle<'e>> {
        candidate.ports.iter().find_map(|(other, ports)| {
            let (number, _) = ports.iter().find(|port| self.ports.contains(port))?;
            Some(Obstacle::Port(other, *number))
        })
    }

    fn volume(&self, candidate: &Candidate<'_, 'e>) -> Option<Obstacle<'e>> {
        let elsewhere = |volume: &&&'e Object| {
            let terms = volume.get(TERMS).and_then(Value::as_array);
            let here = |term| scheduling::matches(term, candidate.node, &candidate.labels);
            terms.is_some_and(|terms| !terms.iter().any(here))
        };
        self.volumes.iter().find(elsewhere).map(|volume| Obstacle::Volume(volume))
    }

    fn spread(&self, candidate: &Candidate<'_, 'e>) -> Option<Obstacle<'e>> {
        self.spread.iter().find_map(|Spread { place, key, counts, own, most }| {
            let Some(here) = candidate.labels.get(key) else {
                let says = format!("its kind is to be spread by {key}, which {} has not", candidate.node.subject());
                return Some(Obstacle::Spread(*place, says));
            };
            let least = counts.values().min().copied().unwrap_or_default();
            let there = counts.get(here).copied().unwrap_or_default();
            let says =
                || format!("{there} of its kind in {key} {here}, {least} where they are fewest, {most} more at most");
            (there + own - least > *most).then(|| Obstacle::Spread(*place, says()))
        })
    }
}

/// The terms by which a volume says on which nodes it can be had.
const TERMS: &str = "/spec/nodeAffinity/required/nodeSelectorTerms";

/// The stage, where the scheduler says that it ends at one of these. Of ports and of the pods of other namespaces it knows more
/// than was collected.
pub(super) fn told(pod: &Object, stage: Stage, said: &str) -> Option<Stage> {
    let words = [
        (Stage::Ports, "free ports for the requested pod ports", !ports(pod).is_empty()),
        (Stage::Volume, "volume node affinity conflict", stage == Stage::Volume),
        (Stage::Spread, "topology spread constraints", !constraints(pod).is_empty()),
    ];
    let fits = |of: Stage| stage == of || stage == Stage::Elsewhere && !said.contains("Insufficient ");
    words.into_iter().find(|(of, words, wants)| fits(*of) && *wants && said.contains(words)).map(|(of, ..)| of)
}

/// The ports of a node that a pod wants for itself, by protocol and address.
pub(super) fn ports(pod: &Object) -> Vec<(i64, &str)> {
    let ports = pod.list("/spec/containers").iter().flat_map(|c| c["ports"].as_array().unwrap_or_default());
    let own = pod.get("/spec/hostNetwork").is_some_and(|own| own == true);
    let numbers = ports.filter_map(|port| {
        let number = port["hostPort"].as_i64().or_else(|| port["containerPort"].as_i64().filter(|_| own))?;
        Some((number, if port["protocol"] == "UDP" { "UDP" } else { "TCP" }))
    });
    numbers.filter(|(number, _)| *number > 0).collect()
}

/// The volumes that a pod's claims are bound to.
fn volumes<'e>(model: &Model<'e>, pod: &'e Object) -> impl Iterator<Item = &'e Object> {
    let claims = pod.list("/spec/volumes").iter().filter_map(|v| v["persistentVolumeClaim"]["claimName"].as_str());
    let claims =
        claims.filter_map(|claim| model.object(&Subject::namespaced("persistentvolumeclaim", pod.namespace(), claim)));
    claims.filter_map(|claim| model.object(&Subject::global("persistentvolume", claim.text("/spec/volumeName")?)))
}

/// The constraints that a pod insists on, with their places.
fn constraints(pod: &Object) -> Vec<(usize, &Value)> {
    let all = pod.list("/spec/topologySpreadConstraints").iter().enumerate();
    all.filter(|(_, constraint)| constraint["whenUnsatisfiable"] != "ScheduleAnyway").collect()
}

/// Pods whose search for a node ends at one of these filters: the pods' own wish, and what stands against it.
pub(super) fn findings(case: &Case<'_, '_>, stage: Stage, summary: &str, field: &str) -> Vec<Finding> {
    stuck::findings(
        case.model,
        |pod| look(case, pod, stage),
        |owner, _| {
            let summary = summary.replace("OWNER", &owner.to_string());
            put_back(case.model, owner, summary, |changed| changed.starts_with(field))
        },
    )
}

fn look(case: &Case<'_, '_>, pod: &Object, stage: Stage) -> Option<Look> {
    let wants = match stage {
        Stage::Ports => !ports(pod).is_empty(),
        Stage::Spread => !constraints(pod).is_empty(),
        _ => pod.list("/spec/volumes").iter().any(|volume| !volume["persistentVolumeClaim"].is_null()),
    };
    if !wants {
        return None;
    }
    let placement = match case.placements().of(pod)? {
        Err(lacks) => return Some(Look::Unclear(lacks)),
        Ok(placement) => placement,
    };
    if placement.stage != stage {
        return Some(Look::No("nothing of the kind keeps it from the last node".to_owned(), placement.readings()));
    }
    let Some((_, said)) = placement.said.clone() else {
        // Only the scheduler knows of all pods.
        let why = "the scheduler's word is not in it".to_owned();
        return Some(Look::Unclear(vec![Lack::objects("events", Some(pod.namespace()), why)]));
    };
    Some(Look::Yes(shown(pod, placement, stage).into_iter().chain([said]).collect()))
}

/// The pod's wish, and what stands against it on the first nodes.
fn shown(pod: &Object, placement: &Placement<'_>, stage: Stage) -> Vec<Citation> {
    let wish = match stage {
        Stage::Ports => {
            let numbers: Vec<String> = ports(pod).iter().map(|(number, _)| number.to_string()).collect();
            Some(pod.cite("/spec/containers", format!("{} wants {} of its node", pod.subject(), numbers.join(", "))))
        }
        Stage::Spread => constraints(pod).first().map(|(place, constraint)| {
            let by = constraint["topologyKey"].as_str().unwrap_or_default();
            let says = format!("{} is to be spread evenly by {by}", pod.subject());
            pod.cite(&format!("/spec/topologySpreadConstraints/{place}"), says)
        }),
        _ => None,
    };
    let against = placement.fits.iter().filter_map(|fit| Some((fit.node, fit.obstacle.as_deref()?)));
    let against = against.filter(|(_, obstacle)| obstacle.stage() == stage);
    wish.into_iter().chain(against.map(|(node, obstacle)| obstacle.cite(pod, node)).take(3)).collect()
}
