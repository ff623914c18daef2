//! A workload's image is built for another kind of processor than the nodes have.
//!
//! # What it looks like
//! The registry has the image and none for this platform (`no match for platform in manifest`); or it was pulled, and its
//! program cannot be run: `exec format error`, as the container starts or as the only line of its log.
//!
//! # Confirm by hand
//! `kubectl get nodes -L kubernetes.io/arch`; `docker manifest inspect IMAGE` (or `crane manifest`) lists the platforms. A
//! script without its first line (`#!`) makes the kernel say the same.
//!
//! # Fix
//! Build the image for the nodes' platform too, or send the pods to nodes of its own (`nodeSelector: kubernetes.io/arch`).
//!
//! # Who acts
//! The owner of the image.
//!
//! # Source
//! execve(2), ENOEXEC; containerd, core/images (no match for platform in manifest); OCI image index.

use super::{
    Case, Cause, Finding, State, containers,
    containers::Ended,
    pulls::{self, Failure},
    stuck,
};
use crate::{
    evidence::{Citation, Object},
    model::Model,
    subject::Subject,
};

/// See the module's comment.
pub struct ImageArchitectureMismatch;

impl Cause for ImageArchitectureMismatch {
    fn id(&self) -> &'static str {
        "image-architecture-mismatch"
    }

    fn source(&self) -> &'static str {
        include_str!("image_architecture_mismatch.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let pulled = |pod: &Object| pulls::look(model, pod, Failure::Platform);
        let summary = |owner: &Subject| format!("Let {owner} use an image that is built for its nodes");
        let mut found =
            stuck::findings(model, pulled, |owner, _| pulls::back_to_the_image_before(model, owner, summary(owner)));
        found.extend(containers::examine(model, |workload, pod| {
            let ended = containers::ends(model, pod);
            let end = ended.first()?;
            let said = format_error(model, end)?;
            let fix = pulls::back_to_the_image_before(model, workload, summary(workload));
            Some((State::holds(vec![end.cite(), said], fix), false))
        }));
        found
    }
}

/// The word for a program that is for another kind of machine: of the runtime, or in a log that has nothing else to say.
pub(super) fn format_error(model: &Model<'_>, end: &Ended<'_>) -> Option<Citation> {
    const WORDS: &str = "exec format error";
    if end.message.contains(WORDS) {
        return Some(Citation { says: end.message.trim().to_owned(), ..end.cite() });
    }
    model.evidence.logs.of(end.pod.subject()).iter().find_map(|log| {
        let ran = log.text.lines().any(|line| !line.trim().is_empty() && !line.to_ascii_lowercase().contains(WORDS));
        log.last_line(|line| line.to_ascii_lowercase().contains(WORDS)).filter(|_| !ran)
    })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    use super::super::containers::tests::{POD, ended};

    #[test]
    fn holds_where_the_registry_has_none_for_the_platform() {
        let waits = "set pod/a/p-1  spec.containers[0].image=reg.test/p:2  status.containerStatuses[0].state={\"waiting\":{\"reason\":\"ImagePullBackOff\"}}";
        let told = "event pod/a/p-1  Failed  Failed to pull image \"reg.test/p:2\": failed to unpack image: no match for platform in manifest: not found";
        check(&format!("{POD}\n{waits}\n{told}\n=> image-architecture-mismatch deployment/a/p"));
        let absent = told.replace("no match for platform in manifest", "reg.test/p:2");
        check(&format!("{POD}\n{waits}\n{absent}\n=> image-tag-missing deployment/a/p"));
    }

    #[test]
    fn holds_where_the_kernel_does_not_run_it() {
        let line = "log a/p-1  exec /srv/run: exec format error";
        check(&format!("{POD}\n{}\n{line}\n=> image-architecture-mismatch deployment/a/p", ended(1, "Error")));
        let message = "set pod/a/p-1  status.containerStatuses[0].lastState.terminated.message=\"runc create failed: exec /srv/run: exec format error: unknown\"";
        check(&format!(
            "{POD}\n{}\n{message}\n=> image-architecture-mismatch deployment/a/p",
            ended(128, "StartError")
        ));
    }

    #[test]
    fn twin_it_ran_and_ended() {
        check(&format!("{POD}\n{}\nlog a/p-1  bad format\n=> application-crash deployment/a/p", ended(1, "Error")));
    }

    #[test]
    fn unknown_without_its_log() {
        check(&format!("{POD}\n{}\n=> unknown lacks logs/a_p-1_*.txt", ended(1, "Error")));
    }
}
