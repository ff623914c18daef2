//! A container may not run as root, and its image would have it do so.
//!
//! # What it looks like
//! Pods wait with CreateContainerConfigError; the image was pulled and no process was started.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` says `container has runAsNonRoot and image will run as root` (or `image has non-numeric
//! user`).
//!
//! # Fix
//! Name a user that is not root (`securityContext.runAsUser`), or build the image with a numeric USER; leave `runAsNonRoot` out
//! only where root is meant.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Configure a Security Context; kubernetes/pkg/kubelet/kuberuntime/security_context.go (verifyRunAsNonRoot).

use super::{Case, Cause, Finding, stuck};
use crate::evidence::Object;

/// See the module's comment.
pub struct RunAsNonRootViolated;

impl Cause for RunAsNonRootViolated {
    fn id(&self) -> &'static str {
        "run-as-non-root-violated"
    }

    fn source(&self) -> &'static str {
        include_str!("run_as_non_root_violated.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let look = |pod: &Object| {
            stuck::waits_for(pod, |reason, message| !reason.is_empty() && message.contains("has runAsNonRoot and "))
        };
        stuck::findings(case.model, look, |owner, _| {
            stuck::put_back(
                case.model,
                owner,
                format!("Let the containers of {owner} run as a user that is not root"),
                |field| field.contains("ecurityContext") || field.ends_with("/image"),
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
        let says = "container has runAsNonRoot and image will run as root";
        check(&format!("{}\n=> run-as-non-root-violated deployment/a/s", waits("CreateContainerConfigError", says)));
    }

    #[test]
    fn twin_a_secret_is_missing() {
        let missing = waits("CreateContainerConfigError", "secret pass not found");
        let from = "set pod/a/s-1  spec.containers[0].envFrom[0].secretRef.name=pass";
        check(&format!("{missing}\n{from}\n=> secret-missing deployment/a/s"));
    }

    #[test]
    fn unknown_while_it_is_being_made() {
        check(&format!("{}\n=> unknown", waits("ContainerCreating", "")));
    }
}
