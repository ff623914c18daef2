//! A workload's image does not exist: the registry was asked and has no such repository or tag.
//!
//! # What it looks like
//! New pods stay in ErrImagePull or ImagePullBackOff, and a Service with no other pods has no endpoint: 503 at once. The
//! kubelet's message ends in `not found` or `manifest unknown`: an answer of the registry. A registry that cannot be reached
//! shows the same reasons, with an error of looking up or dialling.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` shows the message; `crictl pull IMAGE` on the node repeats it. Compare the name and tag with
//! those of the template before: `kubectl -n NS rollout history deployment NAME --revision=N`.
//!
//! # Fix
//! Name an image that exists, or go back to the one before: `kubectl -n NS rollout undo deployment NAME`.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Images, "ImagePullBackOff"; OCI distribution specification, error codes MANIFEST_UNKNOWN and NAME_UNKNOWN.

use super::{
    Case, Cause, Finding,
    pulls::{self, Failure},
    stuck,
};

/// See the module's comment.
pub struct ImageTagMissing;

impl Cause for ImageTagMissing {
    fn id(&self) -> &'static str {
        "image-tag-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("image_tag_missing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let look = |pod: &_| pulls::look(case.model, pod, Failure::Absent);
        stuck::findings(case.model, look, |owner, _| {
            let summary = format!("Let {owner} use an image that exists: its registry has none of that name and tag");
            pulls::back_to_the_image_before(case.model, owner, summary)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    /// A pod that waits for its image.
    const WORLD: &str = r#"deployment a/s  app=s
             service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  creating  owner deployment/a/s
             set pod/a/s-1  spec.containers[0].image=reg.test/s:2  status.containerStatuses[0].state.waiting.reason=ImagePullBackOff
             set pod/a/s-1  status.containerStatuses[0].state.waiting.message="Back-off pulling image"
             ingress a/s  s.example.test -> s
             probe http://s.example.test/  503 in 2ms"#;

    #[test]
    fn holds_by_the_answer_of_the_registry() {
        check(&format!(
            "{WORLD}
             event pod/a/s-1  Failed  Failed to pull image \"reg.test/s:2\": failed to resolve reference \"reg.test/s:2\": reg.test/s:2: not found
             => image-tag-missing deployment/a/s"
        ));
    }

    #[test]
    fn twin_registry_does_not_answer() {
        check(&format!(
            "{WORLD}
             event pod/a/s-1  Failed  Failed to pull image \"reg.test/s:2\": failed to do request: Head \"https://reg.test/v2/s/manifests/2\": dial tcp 192.0.2.7:443: i/o timeout
             => image-registry-unreachable deployment/a/s"
        ));
    }

    #[test]
    fn twin_access_is_denied() {
        check(&format!(
            "{WORLD}
             event pod/a/s-1  Failed  Failed to pull image \"reg.test/s:2\": pull access denied, repository does not exist or may require authorization
             => unknown"
        ));
    }

    #[test]
    fn unknown_without_events() {
        check(&format!("{WORLD}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
