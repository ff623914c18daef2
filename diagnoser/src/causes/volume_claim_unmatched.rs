//! A claim on storage that only existing volumes could serve, and none does: too small, of another access mode or class, or
//! taken by another claim.
//!
//! # What it looks like
//! Pods stay Pending (`pod has unbound immediate PersistentVolumeClaims`, `didn't find available persistent volumes to bind`),
//! and so does their claim. A Service with no other pods has no endpoint: 503 at once. Nothing makes volumes for this claim: it
//! asks for no class, or for one without a provisioner.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pvc NAME` beside `kubectl get pv`: compare class, capacity, access modes and CLAIM of each volume.
//!
//! # Fix
//! Provide a volume that fits, free the one that is taken, or make the claim anew for one that there is.
//!
//! # Who acts
//! Whoever provides storage, with the owner of the workload.
//!
//! # Source
//! kubernetes.io, Persistent Volumes, "Binding"; Storage Classes, "Provisioner".

use super::{
    Case, Cause, Finding, State,
    claims::{self, Class, Waiting, misfit},
    stuck::not_listed,
};
use crate::{
    diagnosis::Fix,
    evidence::{Citation, Fact},
    model::Model,
    subject::Subject,
};

/// See the module's comment.
pub struct VolumeClaimUnmatched;

impl Cause for VolumeClaimUnmatched {
    fn id(&self) -> &'static str {
        "volume-claim-unmatched"
    }

    fn source(&self) -> &'static str {
        include_str!("volume_claim_unmatched.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let waiting = claims::waiting(case.model);
        waiting.iter().filter_map(|waiting| Some(waiting.finding(examine(case.model, waiting)?))).collect()
    }
}

fn examine(model: &Model<'_>, waiting: &Waiting<'_>) -> Option<State> {
    let claim = waiting.claim;
    let lacks = claims::lacks(model);
    if !lacks.is_empty() {
        return Some(State::Undecided(lacks));
    }
    let Fact::Seen(class) = claims::class(model, claim) else { return None };
    let class = match class {
        Class::NoDefault => "",
        Class::Named("") => "",
        Class::Named(name) => {
            // A class that does not exist is another cause; one with a provisioner makes what is missing.
            let object = model.object(&Subject::global("storageclass", name))?;
            let by = object.text("/provisioner").unwrap_or_default();
            if by != "kubernetes.io/no-provisioner" {
                return Some(State::excluded(
                    format!("{by} makes volumes for it"),
                    vec![object.cite("/provisioner", by)],
                ));
            }
            name
        }
    };
    let mut why: Vec<Citation> = Vec::new();
    for volume in model.evidence.objects.of_kind("persistentvolume") {
        let of_class = volume.text("/spec/storageClassName").unwrap_or_default() == class;
        match misfit(claim, volume).or((!of_class).then_some("is of another class")) {
            Some(misfit) => why.push(volume.cite("/spec", format!("{} {misfit}", volume.subject()))),
            None => {
                let because = format!("{} serves it", volume.subject());
                return Some(State::excluded(because, vec![volume.cite("/spec", "fits")]));
            }
        }
    }
    if why.is_empty() {
        why.push(not_listed("persistentvolumes", "there is no volume"));
    }
    why.truncate(2);
    let asks = claim.cite("/spec", format!("{} asks for {}", claim.subject(), asked(waiting)));
    let summary = format!("Provide a volume that fits {}, or let it ask for one that there is", claim.subject());
    let fix = Fix { summary, patch: vec![] };
    Some(waiting.holds(model, [asks].into_iter().chain(why).collect(), fix))
}

/// Size and access modes of a claim.
fn asked(waiting: &Waiting<'_>) -> String {
    let size = waiting.claim.text("/spec/resources/requests/storage").unwrap_or("storage");
    let modes = waiting.claim.list("/spec/accessModes").iter().filter_map(|mode| mode.as_str());
    [size].into_iter().chain(modes).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             pod a/s-1  app=s  creating  owner deployment/a/s
             set pod/a/s-1  spec.nodeName=null  status.containerStatuses=null  spec.volumes[0].persistentVolumeClaim.claimName=data
             event pod/a/s-1  FailedScheduling  0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.
             object PersistentVolume v1  spec.capacity.storage=1Gi  spec.accessModes[0]=ReadWriteOnce  status.phase=Available
             object PersistentVolumeClaim a/data  spec.resources.requests.storage=1Gi  spec.accessModes[0]=ReadWriteOnce
             set persistentvolumeclaim/a/data  status.phase=Pending  spec.storageClassName="""#;

    #[test]
    fn holds_for_each_way_not_to_fit() {
        for unfit in [
            "set persistentvolumeclaim/a/data  spec.resources.requests.storage=2Gi",
            "set persistentvolumeclaim/a/data  spec.accessModes[0]=ReadWriteMany",
            "set persistentvolume/v1  spec.claimRef.namespace=a  spec.claimRef.name=other  status.phase=Bound",
            "set persistentvolume/v1  spec.storageClassName=slow",
            "set persistentvolume/v1  status.phase=Released",
        ] {
            check(&format!("{WORLD}\n{unfit}\n=> volume-claim-unmatched persistentvolumeclaim/a/data"));
        }
    }

    #[test]
    fn twin_a_volume_fits() {
        check(&format!("{WORLD}\n=> unknown"));
    }

    #[test]
    fn twin_the_class_does_not_exist() {
        check(&format!(
            "{WORLD}
             set persistentvolumeclaim/a/data  spec.storageClassName=fast
             => storage-class-missing persistentvolumeclaim/a/data"
        ));
    }

    #[test]
    fn twin_somebody_makes_volumes() {
        check(&format!(
            "{WORLD}
             object StorageClass fast  provisioner=disks.example.test
             set persistentvolumeclaim/a/data  spec.storageClassName=fast
             => unknown"
        ));
    }

    #[test]
    fn unknown_without_volumes() {
        check(&format!("{WORLD}\nmissed persistentvolumes forbidden\n=> unknown lacks persistentvolumes"));
    }
}
