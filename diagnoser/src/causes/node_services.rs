//! What the two causes share by which a node that is there drops out of its cluster: a service of its own does not run.

use super::{Case, Finding, Lack, State};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Active, Citation, Fact, Object},
    model::Model,
    propagation::Mode,
    symptoms::readiness,
};

/// A node that is not ready.
pub(super) struct NotReady<'e> {
    pub node: &'e Object,
    /// Whether its kubelet says so itself (`False`), or nobody says anything (`Unknown`).
    pub told: bool,
    pub evidence: Citation,
}

/// Looks at every node that is not ready.
pub(super) fn of_each(case: &Case<'_, '_>, look: impl Fn(&Model<'_>, &NotReady<'_>) -> State) -> Vec<Finding> {
    let nodes = case.model.evidence.objects.of_kind("node");
    let down = nodes.filter_map(|node| Some((node, readiness(node)?))).filter(|(_, ready)| ready.status != "True");
    down.map(|(node, ready)| Finding {
        subject: node.subject().clone(),
        effects: vec![(node.subject().clone(), Mode::Down)],
        state: look(case.model, &NotReady { node, told: ready.status == "False", evidence: ready.evidence }),
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

/// The unit of a node's container runtime, by what the node says of it (`containerd://2.1`, `cri-o://1.34`).
pub(super) fn runtime(node: &Object) -> &'static str {
    let version = node.text("/status/nodeInfo/containerRuntimeVersion").unwrap_or_default();
    match version.split("://").next() {
        Some("cri-o") => "crio",
        Some("docker") => "docker",
        _ => "containerd",
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
