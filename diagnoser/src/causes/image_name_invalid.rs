//! A workload's image is named by something that is no name of an image.
//!
//! # What it looks like
//! Pods wait with InvalidImageName from the start and no registry was asked; a Service has no endpoint, which an ingress
//! controller answers with 503 at once.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` says `couldn't parse image name` (or reference): capital letters in the path, two slashes,
//! two tags, a space.
//!
//! # Fix
//! Write the name as `[registry/]path[:tag]`, the path in lower case.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! distribution/reference (the grammar of names); kubernetes/pkg/kubelet/images (ErrInvalidImageName).

use super::{Case, Cause, Finding, stuck};
use crate::evidence::Object;

/// See the module's comment.
pub struct ImageNameInvalid;

impl Cause for ImageNameInvalid {
    fn id(&self) -> &'static str {
        "image-name-invalid"
    }

    fn source(&self) -> &'static str {
        include_str!("image_name_invalid.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let look = |pod: &Object| {
            stuck::waits_for(pod, |reason, message| {
                reason == "InvalidImageName" || message.contains("invalid reference format")
            })
        };
        stuck::findings(case.model, look, |owner, _| {
            stuck::put_back(case.model, owner, format!("Correct the name of the image of {owner}"), |field| {
                field.ends_with("/image")
            })
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
        let says = "couldn't parse image name: invalid reference format: repository name must be lowercase";
        check(&format!("{}\n=> image-name-invalid deployment/a/s", waits("InvalidImageName", says)));
        check(&format!("{}\n=> image-name-invalid deployment/a/s", waits("InspectFailed", says)));
    }

    #[test]
    fn twin_a_name_that_nothing_is_called_by() {
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
