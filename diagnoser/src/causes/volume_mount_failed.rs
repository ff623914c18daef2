//! A volume of pods cannot be mounted on their node: what it names is not there, or its server does not answer.
//!
//! # What it looks like
//! Pods are bound to a node and stay in ContainerCreating with FailedMount (or FailedAttachVolume) again and again: a hostPath
//! that does not exist or is of another type, an NFS server that does not answer, a driver that is not on the node.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` has the words of mount(8), of the kubelet or of the driver.
//!
//! # Fix
//! Correct what the volume names, or bring its server or driver back.
//!
//! # Who acts
//! The owner of the workload; whoever runs the storage where the server is what fails.
//!
//! # Source
//! kubernetes/pkg/kubelet/volumemanager and pkg/volume (MountVolume.SetUp failed, hostPath type check failed); mount(8);
//! kubernetes-csi, driver name not found in the list of registered CSI drivers.

use super::{
    Case, Cause, Finding, Lack,
    stuck::{self, Look},
};
use crate::evidence::{Fact, Object};

/// See the module's comment.
pub struct VolumeMountFailed;

impl Cause for VolumeMountFailed {
    fn id(&self) -> &'static str {
        "volume-mount-failed"
    }

    fn source(&self) -> &'static str {
        include_str!("volume_mount_failed.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let look = |pod: &Object| {
            let told = stuck::events_of(model.evidence, pod.subject()).into_iter();
            let mut failed = told.filter(|(event, _)| {
                matches!(event.text("/reason"), Some("FailedMount" | "FailedAttachVolume" | "FailedMapVolume"))
            });
            let Some((event, text)) = failed.find(|(_, text)| tells_why(text) && can_fail(pod, text)) else {
                return match model.evidence.listed("event", "events") {
                    Fact::Missed(why) if is_waiting(pod) => {
                        Some(Look::Unclear(vec![Lack::objects("events", Some(pod.namespace()), why)]))
                    }
                    _ => None,
                };
            };
            let (volume, at) = named(pod, text);
            let mounts =
                at.map(|at| pod.cite(&format!("/spec/volumes/{at}"), format!("{} mounts {volume}", pod.subject())));
            Some(Look::Yes(mounts.into_iter().chain([event.cite("/message", text)]).collect()))
        };
        stuck::findings(model, look, |owner, _| {
            let summary = format!("Correct what the volume of {owner} names, or bring its server back");
            stuck::put_back(model, owner, summary, |field| field.contains("/volumes"))
        })
    }
}

/// Whether a message says why a volume is not mounted, and that it is the volume's own fault: not an object that is missing, not
/// space, not another node that has it, all of which are causes of their own; and not only that it takes long.
fn tells_why(text: &str) -> bool {
    const OF_ITS_OWN: [&str; 8] = [
        "configmap",
        "secret",
        "serviceaccount",
        "object \"",
        "references non-existent",
        "no space left on device",
        "Multi-Attach",
        "timed out waiting for the condition",
    ];
    (text.contains("MountVolume.") || text.contains("AttachVolume.") || text.contains("MapVolume."))
        && text.contains(" failed")
        && !OF_ITS_OWN.iter().any(|words| text.contains(words))
}

/// The volume that a message is about, and its place in the pod's spec; a claim's volume goes by a name of its own.
fn named<'t>(pod: &Object, text: &'t str) -> (&'t str, Option<usize>) {
    let name = text.split_once("for volume \"").and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default();
    (name, pod.list("/spec/volumes").iter().position(|volume| volume["name"] == name))
}

/// Whether the volume that a message is about is one that is mounted from somewhere, not made of objects of the API.
fn can_fail(pod: &Object, text: &str) -> bool {
    const OF_OBJECTS: [&str; 4] = ["configMap", "secret", "projected", "downwardAPI"];
    let volumes = pod.list("/spec/volumes");
    match named(pod, text).1 {
        Some(at) => OF_OBJECTS.iter().all(|kind| volumes[at][*kind].is_null()),
        None => volumes.iter().any(|volume| !volume["persistentVolumeClaim"].is_null()),
    }
}

/// Whether a pod has a node and its containers have not been made yet.
fn is_waiting(pod: &Object) -> bool {
    pod.node().is_some() && stuck::waiting(pod).any(|(_, _, reason, _)| reason == "ContainerCreating")
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const POD: &str = "deployment a/s  app=s
         pod a/s-1  app=s  creating  owner deployment/a/s
         set pod/a/s-1  spec.volumes[0].name=v  spec.volumes[0].hostPath.path=/srv/none";

    #[test]
    fn holds() {
        for says in [
            "MountVolume.SetUp failed for volume \"v\" : hostPath type check failed: /srv/none is not a directory",
            "MountVolume.SetUp failed for volume \"v\" : mount failed: exit status 32 Output: mount.nfs: Connection timed out",
            "MountVolume.MountDevice failed for volume \"v\" : driver name d.test not found in the list of registered CSI drivers",
        ] {
            check(&format!("{POD}\nevent pod/a/s-1  FailedMount  {says}\n=> volume-mount-failed deployment/a/s"));
        }
    }

    #[test]
    fn twin_a_configmap_is_missing() {
        let from = "set pod/a/s-1  spec.volumes[0].configMap.name=conf";
        let says = "MountVolume.SetUp failed for volume \"v\" : configmap \"conf\" not found";
        check(&format!("{POD}\n{from}\nevent pod/a/s-1  FailedMount  {says}\n=> configmap-missing deployment/a/s"));
    }

    #[test]
    fn unknown_where_only_that_it_waits_was_said_or_nothing_was_collected() {
        let says = "Unable to attach or mount volumes: unmounted volumes=[v]: timed out waiting for the condition";
        check(&format!("{POD}\nevent pod/a/s-1  FailedMount  {says}\n=> unknown"));
        check(&format!("{POD}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
