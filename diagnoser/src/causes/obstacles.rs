//! What else keeps a pod from a node that has the labels and the room: ports of the node's own that are taken, a volume that
//! cannot be had there, and rules of how evenly its kind is spread. Worked out again from pods, volumes and nodes.
//!
//! Source: kube-scheduler's plugins NodePorts, VolumeBinding (nodevolumelimits aside) and PodTopologySpread, and their `ErrReason`
//! constants; core/v1 TopologySpreadConstraint.

use std::collections::BTreeMap;

use crate::json::Value;

use super::{
    Finding, Lack,
    scheduling::{self, Placement, Stage},
    stuck::{self, Look, put_back},
};
use crate::{
    evidence::{Citation, Object},
    model::{Model, Relation},
    policy::label_selector,
    subject::Subject,
};

/// What keeps a pod from a node, and what shows it.
pub(super) enum Obstacle {
    /// Another pod has a port of the node's own that this one wants.
    Port(Citation),
    /// A volume is for other nodes.
    Volume(Citation),
    /// The node has not the label by which the pod's kind is to be spread, or too many of the kind are there.
    Spread(Citation),
}

impl Obstacle {
    /// The filter that it is.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Port(_) => Stage::Ports,
            Self::Volume(_) => Stage::Volume,
            Self::Spread(_) => Stage::Spread,
        }
    }

    fn cited(&self) -> &Citation {
        match self {
            Self::Port(cited) | Self::Volume(cited) | Self::Spread(cited) => cited,
        }
    }
}

/// The first of them, in the scheduler's order.
pub(super) fn of(model: &Model<'_>, pod: &Object, node: &Object) -> Option<Obstacle> {
    port(model, pod, node)
        .map(Obstacle::Port)
        .or_else(|| volume(model, pod, node).map(Obstacle::Volume))
        .or_else(|| spread(model, pod, node).map(Obstacle::Spread))
}

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
fn ports(pod: &Object) -> Vec<(i64, &str)> {
    let ports = pod.list("/spec/containers").iter().flat_map(|c| c["ports"].as_array().unwrap_or_default());
    let own = pod.get("/spec/hostNetwork").is_some_and(|own| own == true);
    let numbers = ports.filter_map(|port| {
        let number = port["hostPort"].as_i64().or_else(|| port["containerPort"].as_i64().filter(|_| own))?;
        Some((number, if port["protocol"] == "UDP" { "UDP" } else { "TCP" }))
    });
    numbers.filter(|(number, _)| *number > 0).collect()
}

fn port(model: &Model<'_>, pod: &Object, node: &Object) -> Option<Citation> {
    let wanted = ports(pod);
    if wanted.is_empty() {
        return None;
    }
    let there = model.dependents(node.subject()).iter().filter(|(_, relation)| *relation == Relation::RunsOn);
    let mut there = there.filter_map(|(other, _)| model.object(other)).filter(|other| {
        other.subject() != pod.subject() && !matches!(other.text("/status/phase"), Some("Succeeded" | "Failed"))
    });
    there.find_map(|other| {
        let (number, _) = ports(other).into_iter().find(|port| wanted.contains(port))?;
        Some(other.cite("/spec/containers", format!("{} has port {number} of {}", other.subject(), node.subject())))
    })
}

/// The volumes that a pod's claims are bound to.
fn volumes<'e>(model: &Model<'e>, pod: &'e Object) -> impl Iterator<Item = &'e Object> {
    let claims = pod.list("/spec/volumes").iter().filter_map(|v| v["persistentVolumeClaim"]["claimName"].as_str());
    let claims =
        claims.filter_map(|claim| model.object(&Subject::namespaced("persistentvolumeclaim", pod.namespace(), claim)));
    claims.filter_map(|claim| model.object(&Subject::global("persistentvolume", claim.text("/spec/volumeName")?)))
}

fn volume(model: &Model<'_>, pod: &Object, node: &Object) -> Option<Citation> {
    let labels = node.labels();
    volumes(model, pod).find_map(|volume| {
        let terms = volume.get("/spec/nodeAffinity/required/nodeSelectorTerms")?;
        let says = || format!("{} can be had on nodes with {terms} only", volume.subject());
        (!terms.as_array()?.iter().any(|term| scheduling::matches(term, node, &labels)))
            .then(|| volume.cite("/spec/nodeAffinity", says()))
    })
}

/// The constraints that a pod insists on, with their places.
fn constraints(pod: &Object) -> Vec<(usize, &Value)> {
    let all = pod.list("/spec/topologySpreadConstraints").iter().enumerate();
    all.filter(|(_, constraint)| constraint["whenUnsatisfiable"] != "ScheduleAnyway").collect()
}

fn spread(model: &Model<'_>, pod: &Object, node: &Object) -> Option<Citation> {
    constraints(pod).into_iter().find_map(|(place, constraint)| {
        let key = constraint["topologyKey"].as_str()?;
        let cite = |says| pod.cite(&format!("/spec/topologySpreadConstraints/{place}"), says);
        let labels = node.labels();
        let Some(here) = labels.get(key) else {
            return Some(cite(format!("its kind is to be spread by {key}, which {} has not", node.subject())));
        };
        // Of each domain of the nodes that the pod asks for, how many of its kind are there.
        let nodes = model.evidence.objects.of_kind("node").filter(|node| scheduling::selected(pod, node));
        let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
        for node in nodes {
            if let Some(domain) = node.labels().get(key) {
                let of_kind = model.dependents(node.subject()).iter().filter_map(|(other, _)| model.object(other));
                let of_kind = of_kind.filter(|other| {
                    other.subject().is("pod")
                        && other.namespace() == pod.namespace()
                        && label_selector(&constraint["labelSelector"], &other.labels())
                });
                *counts.entry(domain).or_default() += i64::try_from(of_kind.count()).unwrap_or(i64::MAX);
            }
        }
        let least = counts.values().min().copied().unwrap_or_default();
        let own = i64::from(label_selector(&constraint["labelSelector"], &pod.labels()));
        let most = constraint["maxSkew"].as_i64().unwrap_or(1);
        let there = counts.get(here).copied().unwrap_or_default();
        (there + own - least > most).then(|| {
            cite(format!("{there} of its kind in {key} {here}, {least} where they are fewest, {most} more at most"))
        })
    })
}

/// Pods whose search for a node ends at one of these filters: the pods' own wish, and what stands against it.
pub(super) fn findings(model: &Model<'_>, stage: Stage, summary: &str, field: &str) -> Vec<Finding> {
    stuck::findings(
        model,
        |pod| look(model, pod, stage),
        |owner, _| {
            let summary = summary.replace("OWNER", &owner.to_string());
            put_back(model, owner, summary, |changed| changed.starts_with(field))
        },
    )
}

fn look(model: &Model<'_>, pod: &Object, stage: Stage) -> Option<Look> {
    let wants = match stage {
        Stage::Ports => !ports(pod).is_empty(),
        Stage::Spread => !constraints(pod).is_empty(),
        _ => pod.list("/spec/volumes").iter().any(|volume| !volume["persistentVolumeClaim"].is_null()),
    };
    if !wants {
        return None;
    }
    let placement = match scheduling::place(model, pod)? {
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
    Some(Look::Yes(shown(pod, &placement, stage).into_iter().chain([said]).collect()))
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
    let against = placement.fits.iter().filter_map(|fit| fit.obstacle.as_ref()).filter(|o| o.stage() == stage);
    wish.into_iter().chain(against.map(|obstacle| obstacle.cited().clone()).take(3)).collect()
}
