//! A claim on storage names a storage class that does not exist, and no volume is there for it: nobody will ever provide one.
//!
//! # What it looks like
//! Pods stay Pending (`pod has unbound immediate PersistentVolumeClaims`), and so does their claim, with the event
//! `storageclass.storage.k8s.io "X" not found`. A Service with no other pods has no endpoint: 503 at once. A claim of a class
//! that waits for its first consumer is Pending too, and that is no fault.
//!
//! # Confirm by hand
//! `kubectl -n NS get pvc` shows Pending and the class; `kubectl get storageclass` does not list it; `kubectl get pv` shows no
//! free volume of that class.
//!
//! # Fix
//! Claim storage of a class that exists; a claim's class cannot be changed, so the claim is made anew. Or create the class.
//!
//! # Who acts
//! The owner of the workload; whoever provides storage where the class should exist.
//!
//! # Source
//! kubernetes.io, Persistent Volumes, "Class" under PersistentVolumeClaims; Storage Classes.

use crate::json::json;

use super::{
    Case, Cause, Finding, State,
    claims::{self, Class, Waiting, default_class, misfit},
    stuck::not_listed,
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Fact, Object},
    model::Model,
    subject::Subject,
};

/// See the module's comment.
pub struct StorageClassMissing;

impl Cause for StorageClassMissing {
    fn id(&self) -> &'static str {
        "storage-class-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("storage_class_missing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let waiting = claims::waiting(case.model);
        waiting.iter().filter_map(|waiting| Some(waiting.finding(examine(case.model, waiting)?))).collect()
    }
}

fn examine(model: &Model<'_>, waiting: &Waiting<'_>) -> Option<State> {
    let claim = waiting.claim;
    let Fact::Seen(Class::Named(class)) = claims::class(model, claim) else { return None };
    if class.is_empty() {
        return None;
    }
    let asks = claim.cite("/spec/storageClassName", format!("{} asks for class {class}", claim.subject()));
    if let Some(object) = model.object(&Subject::global("storageclass", class)) {
        return Some(State::excluded("its class exists", vec![object.cite("/metadata/name", class)]));
    }
    let lacks = claims::lacks(model);
    if !lacks.is_empty() {
        return Some(State::Undecided(lacks));
    }
    // Volumes made by hand serve a class that has no object of its own.
    let mut volumes = model.evidence.objects.of_kind("persistentvolume");
    if let Some(volume) =
        volumes.find(|volume| volume.text("/spec/storageClassName") == Some(class) && misfit(claim, volume).is_none())
    {
        let because = format!("{} serves it", volume.subject());
        return Some(State::excluded(because, vec![volume.cite("/spec/storageClassName", class)]));
    }
    let absent =
        not_listed("storageclasses", format!("there is no storageclass/{class}, and no volume of that class is free"));
    Some(waiting.holds(model, vec![asks, absent], fix(model, waiting, class)))
}

/// A claim of a class that can serve it, beside the old one, and the workloads pointed to it.
fn fix(model: &Model<'_>, waiting: &Waiting<'_>, class: &str) -> Fix {
    let claim = waiting.claim;
    let Some(right) = right_class(model, claim) else {
        let summary = format!("Let {} ask for a storage class that exists, or create {class}", claim.subject());
        return Fix { summary, patch: vec![] };
    };
    let name = format!("{}-{right}", claim.name());
    let made = Subject::namespaced("persistentvolumeclaim", claim.namespace(), &name);
    let mut spec = claim.get("/spec").map(serde_json::Value::from).unwrap_or_default();
    spec["storageClassName"] = right.into();
    let manifest = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": claim.namespace()}, "spec": spec});
    let mut patch = vec![Change::Create { object: made, manifest }];
    // A StatefulSet's claims come from its own templates, which cannot be changed: there a person has to make it anew.
    let workloads = waiting.workloads(model);
    let pointed = workloads.iter().filter_map(|(workload, volume)| {
        let path = format!("/spec/template/spec/volumes/{volume}/persistentVolumeClaim/claimName");
        model.object(workload)?.text(&path).filter(|now| *now == claim.name())?;
        Some(Change::Set { object: workload.clone(), path, from: json!(claim.name()), to: json!(name) })
    });
    let pointed: Vec<Change> = pointed.collect();
    let whole = pointed.len() == workloads.len();
    patch.extend(pointed);
    Fix {
        summary: format!(
            "Claim storage of class {right} in place of {}, whose class {class} does not exist",
            claim.subject()
        ),
        patch: if whole { patch } else { vec![] },
    }
}

/// The class that claims without one are given, else the class of a free volume that fits.
fn right_class<'e>(model: &Model<'e>, claim: &Object) -> Option<&'e str> {
    let volumes = model.evidence.objects.of_kind("persistentvolume").filter(|volume| misfit(claim, volume).is_none());
    let mut classes =
        volumes.filter_map(|volume| volume.text("/spec/storageClassName")).filter(|class| !class.is_empty());
    default_class(model).map(Object::name).or_else(|| classes.next())
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             pod a/s-1  app=s  creating  owner deployment/a/s
             set pod/a/s-1  spec.nodeName=null  status.containerStatuses=null  spec.volumes[0].persistentVolumeClaim.claimName=data
             event pod/a/s-1  FailedScheduling  0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.
             object StorageClass slow  provisioner=disks.example.test
             object PersistentVolumeClaim a/data  spec.storageClassName=fast  spec.resources.requests.storage=1Gi  spec.accessModes[0]=ReadWriteOnce
             set persistentvolumeclaim/a/data  status.phase=Pending
             ingress a/s  s.example.test -> s
             probe http://s.example.test/  503 in 2ms"#;

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n=> storage-class-missing persistentvolumeclaim/a/data"));
    }

    #[test]
    fn twin_a_volume_by_hand_serves_a_class_without_an_object() {
        check(&format!(
            "{WORLD}
             object PersistentVolume v1  spec.storageClassName=fast  spec.capacity.storage=1Gi  spec.accessModes[0]=ReadWriteOnce  status.phase=Available
             => unknown"
        ));
    }

    #[test]
    fn twin_a_class_whose_only_volume_is_too_small() {
        check(&format!(
            "{WORLD}
             object StorageClass fast  provisioner=kubernetes.io/no-provisioner
             object PersistentVolume v1  spec.storageClassName=fast  spec.capacity.storage=500Mi  spec.accessModes[0]=ReadWriteOnce  status.phase=Available
             => volume-claim-unmatched persistentvolumeclaim/a/data"
        ));
    }

    #[test]
    fn twin_a_claim_that_waits_for_its_first_consumer_is_no_fault() {
        check(
            "service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  listens 0.0.0.0:80
             object PersistentVolumeClaim a/data  spec.storageClassName=fast  status.phase=Pending
             probe service/a/s:80  connected in 1ms
             => healthy",
        );
    }

    #[test]
    fn unknown_without_classes_or_volumes() {
        check(&format!("{WORLD}\nmissed storageclasses forbidden\n=> unknown lacks storageclasses"));
        check(&format!("{WORLD}\nmissed persistentvolumes forbidden\n=> unknown lacks persistentvolumes"));
    }
}
