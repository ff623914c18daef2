//! Claims on storage that pods without a node wait for, and the volumes that could serve them.
//!
//! Source: core/v1 types.go (PersistentVolumeClaimSpec: no class means the default one, an empty class none);
//! kubernetes/pkg/controller/volume/persistentvolume (findMatchingVolume).

use std::collections::BTreeSet;

use super::{Finding, Lack, State};
use crate::{
    diagnosis::Fix,
    evidence::{Citation, Fact, Object, Quantity},
    model::{Model, is_down},
    policy::label_selector,
    propagation::Mode,
    subject::Subject,
    symptoms::events_of,
};

/// A claim that is not bound, and the pods that wait for it.
pub(super) struct Waiting<'e> {
    /// The claim.
    pub claim: &'e Object,
    /// Pods, each with the place of the volume in its spec.
    pub pods: Vec<(&'e Object, usize)>,
}

/// The class a claim asks for.
pub(super) enum Class<'e> {
    /// This one; empty is none: a volume without a class.
    Named(&'e str),
    /// None is named and none is the default.
    NoDefault,
}

/// Every claim that is not bound and for which pods wait that are not on a node yet.
pub(super) fn waiting<'e>(model: &Model<'e>) -> Vec<Waiting<'e>> {
    let objects = &model.evidence.objects;
    let unbound = objects.of_kind("persistentvolumeclaim").filter(|claim| claim.text("/status/phase") != Some("Bound"));
    let waiting = unbound.filter_map(|claim| {
        let pods = objects.in_namespace("pod", claim.namespace());
        let pods = pods.filter(|pod| is_down(pod) && pod.node().is_none()).filter_map(|pod| {
            let mut volumes = pod.list("/spec/volumes").iter();
            Some((pod, volumes.position(|v| v["persistentVolumeClaim"]["claimName"] == claim.name())?))
        });
        let pods: Vec<_> = pods.collect();
        (!pods.is_empty()).then_some(Waiting { claim, pods })
    });
    waiting.collect()
}

const BETA: &str = "/metadata/annotations/volume.beta.kubernetes.io~1storage-class";

/// The class a claim asks for; missed where the default is not known.
pub(super) fn class<'e>(model: &Model<'e>, claim: &'e Object) -> Fact<Class<'e>> {
    if let Some(class) = claim.text("/spec/storageClassName").or_else(|| claim.text(BETA)) {
        return Fact::Seen(Class::Named(class));
    }
    match model.evidence.listed("storageclass", "storageclasses") {
        Fact::Missed(why) => Fact::Missed(why),
        Fact::Seen(()) => Fact::Seen(default_class(model).map_or(Class::NoDefault, |class| Class::Named(class.name()))),
    }
}

/// The class that claims without one are given.
pub(super) fn default_class<'e>(model: &Model<'e>) -> Option<&'e Object> {
    let mut classes = model.evidence.objects.of_kind("storageclass");
    classes.find(|class| {
        class.map("/metadata/annotations").get("storageclass.kubernetes.io/is-default-class") == Some(&"true")
    })
}

/// Why a volume does not serve a claim, its class aside; `None` where it does.
pub(super) fn misfit(claim: &Object, volume: &Object) -> Option<&'static str> {
    let modes = |object: &Object| -> BTreeSet<String> {
        object.list("/spec/accessModes").iter().filter_map(|mode| mode.as_str().map(str::to_owned)).collect()
    };
    let size = |object: &Object, pointer: &str| Quantity::parse(object.text(pointer)?).map(|size| size.value);
    let owner = (volume.text("/spec/claimRef/namespace"), volume.text("/spec/claimRef/name"));
    let mode = |object: &Object| object.text("/spec/volumeMode").unwrap_or("Filesystem").to_owned();
    if owner.1.is_some() && owner != (Some(claim.namespace()), Some(claim.name())) {
        return Some("belongs to another claim");
    }
    if volume.text("/status/phase").is_some_and(|phase| !matches!(phase, "Available" | "Pending" | "Bound")) {
        return Some("was used before and not made free");
    }
    if size(volume, "/spec/capacity/storage")? < size(claim, "/spec/resources/requests/storage")? {
        return Some("is too small");
    }
    if !modes(claim).is_subset(&modes(volume)) {
        return Some("has another access mode");
    }
    if mode(claim) != mode(volume) {
        return Some("has another volume mode");
    }
    if claim.text("/spec/volumeName").is_some_and(|name| name != volume.name()) {
        return Some("is not the one that is named");
    }
    let selector = claim.get("/spec/selector").is_some_and(|selector| !label_selector(selector, &volume.labels()));
    selector.then_some("does not have the labels that are asked for")
}

/// The lists that decide about claims, where one is missing.
pub(super) fn lacks(model: &Model<'_>) -> Vec<Lack> {
    let lists = [("storageclass", "storageclasses"), ("persistentvolume", "persistentvolumes")];
    let missing = lists.into_iter().filter_map(|(kind, resource)| match model.evidence.listed(kind, resource) {
        Fact::Missed(why) => Some(Lack::objects(resource, None, why)),
        Fact::Seen(()) => None,
    });
    missing.collect()
}

impl Waiting<'_> {
    /// A finding in the claim; what it produces are the pods that wait.
    pub fn finding(&self, state: State) -> Finding {
        let effects = self.pods.iter().map(|(pod, _)| (pod.subject().clone(), Mode::Down)).collect();
        Finding { subject: self.claim.subject().clone(), effects, state }
    }

    /// The proof: who waits, what `decides`, and what was said about it.
    pub fn holds(&self, model: &Model<'_>, decides: Vec<Citation>, fix: Fix) -> State {
        let (pod, volume) = self.pods[0];
        let waits = format!("{} waits for {}", pod.subject(), self.claim.subject());
        let mut evidence = vec![pod.cite(&format!("/spec/volumes/{volume}/persistentVolumeClaim"), waits)];
        evidence.extend(decides);
        let told = events_of(model.evidence, self.claim.subject()).into_iter();
        let mut warnings = told.filter(|(event, _)| event.text("/type") == Some("Warning"));
        evidence.extend(warnings.next().map(|(event, text)| event.cite("/message", text)));
        State::holds(evidence, fix)
    }

    /// The workloads of the pods that wait, each with the place of the volume.
    pub fn workloads(&self, model: &Model<'_>) -> BTreeSet<(Subject, usize)> {
        self.pods.iter().map(|(pod, volume)| (model.workload_of(pod.subject()), *volume)).collect()
    }
}
