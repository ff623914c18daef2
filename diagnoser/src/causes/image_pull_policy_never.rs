//! A workload's image may not be pulled (imagePullPolicy: Never) and is not on the node.
//!
//! # What it looks like
//! Pods wait with ErrImageNeverPull, on the nodes that have not got the image; on others they may run. No registry was asked.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` says `is not present with pull policy of Never`; `crictl images` on the node does not list
//! it.
//!
//! # Fix
//! Let it be pulled (`imagePullPolicy: IfNotPresent`), or load the image on every node the pods may run on.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Images, "Image pull policy"; kubernetes/pkg/kubelet/images (ErrImageNeverPull).

use super::{Case, Cause, Finding, stuck};
use crate::evidence::Object;

/// See the module's comment.
pub struct ImagePullPolicyNever;

impl Cause for ImagePullPolicyNever {
    fn id(&self) -> &'static str {
        "image-pull-policy-never"
    }

    fn source(&self) -> &'static str {
        include_str!("image_pull_policy_never.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let look = |pod: &Object| {
            stuck::waits_for(pod, |reason, message| {
                reason == "ErrImageNeverPull" || message.contains("with pull policy of Never")
            })
        };
        stuck::findings(case.model, look, |owner, _| {
            stuck::put_back(
                case.model,
                owner,
                format!("Let the image of {owner} be pulled, or load it on the nodes"),
                |field| field.ends_with("/imagePullPolicy") || field.ends_with("/image"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"deployment a/s  app=s
         service a/s  selector app=s  80 -> 80
         pod a/s-1  app=s  creating  owner deployment/a/s
         set pod/a/s-1  spec.containers[0].image=reg.test/s:2
         ingress a/s  s.example.test -> s
         probe http://s.example.test/  503 in 2ms"#;

    fn waits(reason: &str, message: &str) -> String {
        const STATE: &str = "status.containerStatuses[0].state.waiting";
        format!("{WORLD}\nset pod/a/s-1  {STATE}.reason={reason}  {STATE}.message=\"{message}\"")
    }

    #[test]
    fn holds() {
        let says = "Container image reg.test/s:2 is not present with pull policy of Never";
        check(&format!("{}\n=> image-pull-policy-never deployment/a/s", waits("ErrImageNeverPull", says)));
    }

    #[test]
    fn twin_it_is_pulled_and_not_there() {
        let told = "event pod/a/s-1  Failed  Failed to pull image \"reg.test/s:2\": reg.test/s:2: not found";
        check(&format!(
            "{}\n{told}\n=> image-tag-missing deployment/a/s",
            waits("ErrImagePull", "Back-off pulling image")
        ));
    }

    #[test]
    fn unknown_while_it_is_being_made() {
        check(&format!("{}\n=> unknown", waits("ContainerCreating", "")));
    }
}
