//! The controllers of the control plane of which one is enough for a cluster, and whether any runs: as a service of its machine, as
//! a static pod, or by its lease.
//!
//! Source: kubernetes.io, Leases, "Leader election"; component-base/config (leases last fifteen seconds); kubeadm's static pods,
//! which bear the label `component`.

use super::{
    Finding, Lack, State,
    node_services::{self, Unit},
};
use crate::{
    diagnosis::Fix,
    evidence::Citation,
    model::{Model, is_ready},
    propagation::Mode,
    subject::Subject,
    symptoms::{is_control_plane, unit_of},
};

const NAMESPACE: &str = "kube-system";

/// One that was looked at.
struct Instance {
    node: String,
    runs: bool,
    /// Whether it is a service of the machine, and not a static pod.
    unit: bool,
    pod: Option<Subject>,
    cited: Citation,
}

/// What there is to say of a controller by whose absence `effects` would come about, and what shows that somebody waits for it.
pub(super) fn findings(
    model: &Model<'_>,
    name: &str,
    mut effects: Vec<(Subject, Mode)>,
    waits: Option<Citation>,
) -> Vec<Finding> {
    let instances = instances(model, name);
    if effects.is_empty() && !instances.iter().any(|instance| instance.unit) {
        return vec![];
    }
    if let Some(runs) = instances.iter().find(|instance| instance.runs) {
        let subject = Subject::global("node", &runs.node);
        return vec![Finding { subject, effects, state: State::excluded("it runs", vec![runs.cited.clone()]) }];
    }
    let Some(first) = instances.first() else { return blind(model, name, effects) };
    for instance in &instances {
        effects.push((unit_of(&instance.node, name), Mode::Down));
        effects.extend(instance.pod.clone().map(|pod| (pod, Mode::Down)));
    }
    let subject = Subject::global("node", &first.node);
    let fix = match model.object(&subject).filter(|_| first.unit) {
        Some(node) => node_services::start(node, name),
        None => Fix { summary: format!("Let {name} run on {subject} again"), patch: vec![] },
    };
    let evidence = instances.iter().map(|instance| instance.cited.clone()).chain(waits).collect();
    vec![Finding { subject, effects, state: State::holds(evidence, fix) }]
}

fn instances(model: &Model<'_>, name: &str) -> Vec<Instance> {
    let mut found = Vec::new();
    for node in model.evidence.objects.of_kind("node") {
        let (runs, cited) = match node_services::unit(model, node, name) {
            Unit::Runs(cited) => (true, cited),
            Unit::Stopped(cited) | Unit::Fails(cited) => (false, cited),
            Unit::Unseen(_) => continue,
        };
        found.push(Instance { node: node.name().to_owned(), runs, unit: true, pod: None, cited });
    }
    for pod in model.evidence.objects.in_namespace("pod", NAMESPACE) {
        let own = pod.labels().get("component") == Some(&name);
        let Some(node) = pod.node().filter(|_| own) else { continue };
        let runs = is_ready(pod);
        let cited =
            pod.cite("/status/conditions", format!("{} is {}ready", pod.name(), if runs { "" } else { "not " }));
        found.push(Instance { node: node.to_owned(), runs, unit: false, pod: Some(pod.subject().clone()), cited });
    }
    found.extend(in_office(model, name));
    found
}

/// Who holds the lease, and whether it was renewed in time.
fn in_office(model: &Model<'_>, name: &str) -> Option<Instance> {
    let lease = model.object(&Subject::namespaced("lease", NAMESPACE, name))?;
    let age = model.now?.duration_since(lease.time("/spec/renewTime")?);
    let node = lease.text("/spec/holderIdentity")?.rsplit_once('_')?.0.to_owned();
    let cited = lease.cite("/spec/renewTime", format!("renewed {} s before this was taken", age.as_secs()));
    Some(Instance { node, runs: age.as_secs() < 60, unit: false, pod: None, cited })
}

/// Nobody looked at any.
fn blind(model: &Model<'_>, name: &str, effects: Vec<(Subject, Mode)>) -> Vec<Finding> {
    let mut nodes = model.evidence.objects.of_kind("node");
    let Some(node) = nodes.find(|node| is_control_plane(node)) else { return vec![] };
    let why = "not collected".to_owned();
    let lack = Lack::host_fact(node.name(), &format!("systemctl-{name}"), &format!("systemctl status {name}"), why);
    vec![Finding { subject: node.subject().clone(), effects, state: State::Undecided(vec![lack]) }]
}
