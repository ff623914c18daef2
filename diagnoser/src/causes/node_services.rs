//! What the two causes share by which a node that is there drops out of its cluster: a service of its own does not run.

use std::collections::BTreeSet;

use super::{Case, Finding, Lack, State};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Active, Citation, Fact, Object},
    model::Model,
    propagation::Mode,
    symptoms::{missed_units, readiness, unit_of},
};

pub(super) use crate::symptoms::runtime_unit as runtime;

/// A node that is not ready.
pub(super) struct NotReady<'e> {
    pub node: &'e Object,
    /// Whether its kubelet says so itself (`False`), or nobody says anything (`Unknown`).
    pub told: bool,
    pub evidence: Citation,
}

/// Looks at every node that is not ready, or will not be: one that falls silent is given a while before it is missed.
pub(super) fn of_each(case: &Case<'_, '_>, look: impl Fn(&Model<'_>, &NotReady<'_>) -> State) -> Vec<Finding> {
    let model = case.model;
    let units = ["kubelet", "containerd", "crio", "docker"];
    let nodes = |unit| missed_units(model, unit).into_iter().map(move |(node, ..)| (unit, node.name()));
    let missed: BTreeSet<(&str, &str)> = units.into_iter().flat_map(nodes).collect();
    let stopped = |node: &Object, unit: &str| missed.contains(&(unit, node.name()));
    let nodes = model.evidence.objects.of_kind("node");
    let down = nodes.filter_map(|node| Some((node, readiness(node)?))).filter_map(|(node, ready)| {
        let told = if ready.status == "True" {
            let silent = stopped(node, "kubelet");
            (silent || stopped(node, runtime(node))).then_some(!silent)?
        } else {
            ready.status == "False"
        };
        Some(NotReady { node, told, evidence: ready.evidence })
    });
    down.map(|down| {
        let units = ["kubelet", runtime(down.node)].map(|unit| unit_of(down.node.name(), unit));
        Finding {
            subject: down.node.subject().clone(),
            effects: units.into_iter().chain([down.node.subject().clone()]).map(|it| (it, Mode::Down)).collect(),
            state: look(model, &down),
        }
    })
    .collect()
}

/// A service of a node as systemd sees it.
pub(super) enum Unit {
    /// It runs.
    Runs(Citation),
    /// It was stopped: somebody or something told systemd to.
    Stopped(Citation),
    /// It ends by itself, for good or between attempts to start it.
    Fails(Citation),
    /// Nobody looked.
    Unseen(Lack),
}

/// The state of a unit of a node.
pub(super) fn unit(model: &Model<'_>, node: &Object, unit: &str) -> Unit {
    match model.evidence.hosts.unit(node.name(), unit) {
        Fact::Seen((found, cited)) => match found.active {
            Active::Inactive => Unit::Stopped(cited),
            Active::Failed | Active::Activating | Active::Deactivating => Unit::Fails(cited),
            Active::Active | Active::Reloading | Active::Maintenance => Unit::Runs(cited),
        },
        Fact::Missed(why) => Unit::Unseen(Lack::host_fact(
            node.name(),
            &format!("systemctl-{unit}"),
            &format!("systemctl status {unit}"),
            why,
        )),
    }
}

/// Starts a unit on a node.
pub(super) fn start(node: &Object, unit: &str) -> Fix {
    Fix {
        summary: format!("Start {unit} on {}", node.subject()),
        patch: vec![Change::Run {
            host: node.name().to_owned(),
            command: ["systemctl", "start", unit].map(str::to_owned).to_vec(),
        }],
    }
}
