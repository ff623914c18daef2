//! A volume that one node may have at a time is still attached to another, so pods wait for it.
//!
//! # What it looks like
//! Pods of one workload are bound to a node and stay in ContainerCreating; often a rollout with `RollingUpdate` over a
//! ReadWriteOnce volume, or after a node was lost with the volume on it.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` says `Multi-Attach error for volume`; `kubectl get volumeattachments` names the node that
//! has it; `kubectl -n NS get pods -o wide` the pod that uses it there.
//!
//! # Fix
//! Let the pod that has it end first (`strategy: Recreate`); of a lost node, take it out of service or delete its
//! VolumeAttachment.
//!
//! # Who acts
//! The owner of the workload; whoever runs the storage where a node was lost.
//!
//! # Source
//! kubernetes/pkg/controller/volume/attachdetach (Multi-Attach error); kubernetes.io, Persistent Volumes, "Access Modes",
//! Non-Graceful Node Shutdown.

use super::{
    Case, Cause, Finding, Lack,
    stuck::{self, Look},
};
use crate::evidence::{Fact, Object};

/// See the module's comment.
pub struct VolumeAttachedElsewhere;

impl Cause for VolumeAttachedElsewhere {
    fn id(&self) -> &'static str {
        "volume-attached-elsewhere"
    }

    fn source(&self) -> &'static str {
        include_str!("volume_attached_elsewhere.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let look = |pod: &Object| {
            let volumes = pod.list("/spec/volumes");
            let at = volumes.iter().position(|volume| !volume["persistentVolumeClaim"].is_null())?;
            let says =
                |text: &str| text.contains("Multi-Attach error") || text.contains("already exclusively attached");
            let told = stuck::events_of(model.evidence, pod.subject());
            let Some((event, text)) = told.into_iter().find(|(_, text)| says(text)) else {
                return match model.evidence.listed("event", "events") {
                    Fact::Missed(why) if pod.node().is_some() => {
                        Some(Look::Unclear(vec![Lack::objects("events", Some(pod.namespace()), why)]))
                    }
                    _ => None,
                };
            };
            let claim = volumes[at]["persistentVolumeClaim"]["claimName"].as_str().unwrap_or_default();
            let wants = pod.cite(&format!("/spec/volumes/{at}"), format!("{} mounts {claim}", pod.subject()));
            Some(Look::Yes(vec![wants, event.cite("/message", text)]))
        };
        stuck::findings(model, look, |owner, _| {
            let summary = format!("Let the pod that has the volume end before {owner} starts another");
            stuck::put_back(model, owner, summary, |field| field.starts_with("/spec/volumes"))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const POD: &str = "deployment a/s  app=s
         pod a/s-1  app=s  creating  owner deployment/a/s
         set pod/a/s-1  spec.volumes[0].persistentVolumeClaim.claimName=data";

    #[test]
    fn holds() {
        let says = "Multi-Attach error for volume \"v\" Volume is already exclusively attached to one node and can't be attached to another";
        check(&format!(
            "{POD}\nevent pod/a/s-1  FailedAttachVolume  {says}\n=> volume-attached-elsewhere deployment/a/s"
        ));
    }

    #[test]
    fn twin_it_cannot_be_mounted() {
        let says = "MountVolume.SetUp failed for volume \"v\" : mount failed: exit status 32";
        check(&format!("{POD}\nevent pod/a/s-1  FailedMount  {says}\n=> volume-mount-failed deployment/a/s"));
    }

    #[test]
    fn unknown_without_events() {
        check(&format!("{POD}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
