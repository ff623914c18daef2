//! One graph of everything the evidence knows: who depends on whom, and by what relation. Built once; every check walks it.

mod address;
mod build;
pub(crate) mod clusters;
mod dns;
mod endpoints;
mod machines;
mod records;
mod settings;
mod taken;
mod workload;

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use dns::{Resolver, resolver};
pub use endpoints::Endpoint;
pub use machines::{Machines, Meaning};
pub(crate) use settings::{addresses_in, settings};
pub(crate) use taken::{Taken, quantity, requests};
pub use workload::{has_just_restarted, is_down, is_ready, is_restarting, is_running, is_steadily_ready};

use crate::{
    connections::Connection,
    evidence::{Citation, Evidence, Fact, Object},
    lookup::Lookup,
    routing::Rule,
    subject::Subject,
    symptoms::Lacking,
};

/// Why one subject depends on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// A name, an Ingress or an address leads to the other.
    RoutesTo,
    /// A Service forwards to a pod it selects, and to the workload whose pods it selects, whether or not there are any.
    ForwardsTo,
    /// A pod, or what serves on a machine, opens connections to the other.
    ConnectsTo,
    /// A server lacks the other, one of its own cluster, and refuses requests for it.
    CountsOn,
    /// A pod runs on a node.
    RunsOn,
    /// A pod is made from the template of the other.
    OwnedBy,
    /// A NetworkPolicy selects the pod.
    GovernedBy,
    /// A pod, or a name that pods ask for, is looked up by the cluster's DNS.
    ResolvesBy,
}

/// One dependency and where the evidence shows it.
#[derive(Clone, Debug)]
pub struct Edge {
    /// What is depended on.
    pub to: Subject,
    /// How.
    pub relation: Relation,
    /// Where it is seen; `None` where the one that depends says it itself, as a pod does of its node and its owner.
    pub evidence: Option<Arc<Citation>>,
}

/// The graph.
pub struct Model<'e> {
    /// What it was built from.
    pub evidence: &'e Evidence,
    dependencies: Lookup<Subject, Vec<Edge>>,
    dependents: Lookup<Subject, Vec<(Subject, Relation)>>,
    /// The pods that each Service selects.
    selected: Lookup<&'e Subject, Vec<&'e Object>>,
    addresses: address::Addresses,
    /// The machines, by their addresses.
    pub machines: Machines,
    /// When the evidence was taken, or the latest time in it.
    pub now: Option<jiff::Timestamp>,
    connections: Vec<Connection>,
    records: records::Records<'e>,
    troubled: Vec<&'e Object>,
    workloads: OnceCell<BTreeSet<Subject>>,
    changed: BTreeMap<&'e Subject, jiff::Timestamp>,
    /// Every rule of every Ingress.
    pub(crate) rules: Vec<Rule<'e>>,
    taken: OnceCell<Lookup<Subject, Taken>>,
    lacking: Fact<Vec<Lacking<'e>>>,
}

impl<'e> Model<'e> {
    /// Builds the graph.
    pub fn new(evidence: &'e Evidence) -> Self {
        build::build(evidence)
    }

    /// Everything that was attempted from machines, each way once.
    pub fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// What a subject depends on, directly.
    pub fn dependencies(&self, subject: &Subject) -> &[Edge] {
        self.dependencies.get(subject).map_or(&[], Vec::as_slice)
    }

    /// What depends on a subject, directly.
    pub fn dependents(&self, subject: &Subject) -> &[(Subject, Relation)] {
        self.dependents.get(subject).map_or(&[], Vec::as_slice)
    }

    /// Everything `from` depends on, itself included, following only edges that `follow` lets pass.
    pub fn closure(
        &self,
        from: impl IntoIterator<Item = Subject>,
        follow: impl Fn(&Subject, &Edge) -> bool,
    ) -> BTreeSet<Subject> {
        let mut found: BTreeSet<Subject> = from.into_iter().collect();
        let mut open: Vec<Subject> = found.iter().cloned().collect();
        while let Some(subject) = open.pop() {
            for edge in self.dependencies(&subject) {
                if follow(&subject, edge) && found.insert(edge.to.clone()) {
                    open.push(edge.to.clone());
                }
            }
        }
        found
    }

    /// The object of a subject.
    pub fn object(&self, subject: &Subject) -> Option<&'e Object> {
        self.evidence.objects.get(subject)
    }

    /// What an address means: `10.96.0.7:80`, `10.244.1.5`, `api.shop:80`, `api.shop.svc.cluster.local`; `near` is the
    /// namespace short names are looked up in.
    pub fn resolve(&self, address: &str, near: Option<&str>) -> Option<Subject> {
        self.addresses.resolve(address, near)
    }

    /// The pods a Service selects and that are not being deleted or done, ready or not.
    pub fn selected_pods(&self, service: &Object) -> &[&'e Object] {
        self.selected.get(service.subject()).map_or(&[], Vec::as_slice)
    }

    /// The ready pods behind a Service, or whatever else forwards to them.
    pub fn ready_behind(&self, service: &Subject) -> impl Iterator<Item = &'e Object> {
        let forwards = self.dependencies(service).iter().filter(|edge| edge.relation == Relation::ForwardsTo);
        forwards.filter_map(|edge| self.object(&edge.to)).filter(|pod| is_ready(pod))
    }

    /// The node a pod runs on.
    pub fn node_of(&self, pod: &Subject) -> Option<&'e str> {
        self.object(pod)?.node()
    }

    /// The pods of a workload, the workload being the pod itself where nothing owns it.
    pub fn pods_of<'m>(&'m self, workload: &Subject) -> impl Iterator<Item = &'e Object> + use<'m, 'e> {
        let itself = self.object(workload).filter(|pod| pod.subject().is("pod"));
        let owned = self.dependents(workload).iter().filter(|(_, relation)| *relation == Relation::OwnedBy);
        owned.filter_map(|(pod, _)| self.object(pod)).chain(itself)
    }

    /// The pod of a workload that shows what it is set up with now: one that is down, where any is, for in the middle of a rollout
    /// the others have the template before.
    pub fn typical_pod(&self, workload: &Subject) -> Option<&'e Object> {
        self.pods_of(workload).find(|pod| is_down(pod)).or_else(|| self.pods_of(workload).next())
    }

    /// The pods that should serve and do not, or that come and go.
    pub fn troubled(&self) -> impl Iterator<Item = &'e Object> + use<'_, 'e> {
        self.troubled.iter().copied()
    }

    /// The pods that should serve and do not.
    pub fn down(&self) -> impl Iterator<Item = &'e Object> + use<'_, 'e> {
        self.troubled().filter(|pod| is_down(pod))
    }

    /// The workloads of all pods.
    pub fn workloads(&self) -> &BTreeSet<Subject> {
        self.workloads.get_or_init(|| {
            let pods = self.evidence.objects.of_kind("pod");
            let mut all: Vec<Subject> = pods.map(|pod| self.workload_of(pod.subject())).collect();
            // Pods of one workload stand together.
            all.dedup();
            all.into_iter().collect()
        })
    }

    /// The workloads that lack pods; missed where the pods were not collected.
    pub(crate) fn lacking(&self) -> &Fact<Vec<Lacking<'e>>> {
        &self.lacking
    }

    /// When an object was last changed, where that is known.
    pub fn changed(&self, subject: &Subject) -> Option<jiff::Timestamp> {
        self.changed.get(subject).copied()
    }

    /// The topmost owner of a pod: its Deployment, StatefulSet, DaemonSet, Job; itself where it has none.
    pub fn workload_of(&self, pod: &Subject) -> Subject {
        self.dependencies(pod)
            .iter()
            .find(|edge| edge.relation == Relation::OwnedBy)
            .map_or_else(|| pod.clone(), |edge| edge.to.clone())
    }
}
