//! A registry gives no more images for now to whoever asks: too many were pulled.
//!
//! # What it looks like
//! Pods wait in ImagePullBackOff on whatever nodes are new or have not got the image; `429 Too Many Requests`,
//! `toomanyrequests`. It passes by itself, until the next burst.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` has the registry's words.
//!
//! # Fix
//! Log in to the registry (`imagePullSecrets`), use a mirror, or keep images on the nodes (`imagePullPolicy: IfNotPresent`).
//!
//! # Who acts
//! Whoever runs the cluster, with the owner of the registry account.
//!
//! # Source
//! docs.docker.com, Docker Hub usage and limits; RFC 6585, 429.

use super::{
    Case, Cause, Finding,
    pulls::{self, Failure},
    stuck,
};

/// See the module's comment.
pub struct ImagePullRateLimited;

impl Cause for ImagePullRateLimited {
    fn id(&self) -> &'static str {
        "image-pull-rate-limited"
    }

    fn source(&self) -> &'static str {
        include_str!("image_pull_rate_limited.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let look = |pod: &_| pulls::look(case.model, pod, Failure::RateLimited);
        stuck::findings(case.model, look, |owner, _| {
            let summary = format!("Let the nodes log in to the registry of {owner}, or let it use an image of another");
            pulls::back_to_the_image_before(case.model, owner, summary)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"deployment a/s  app=s
         pod a/s-1  app=s  creating  owner deployment/a/s
         set pod/a/s-1  spec.containers[0].image=reg.test/s:2  status.containerStatuses[0].state.waiting.reason=ImagePullBackOff
         set pod/a/s-1  status.containerStatuses[0].state.waiting.message="Back-off pulling image""#;

    fn told(words: &str) -> String {
        format!("{WORLD}\nevent pod/a/s-1  Failed  Failed to pull image \"reg.test/s:2\": {words}")
    }

    #[test]
    fn holds() {
        check(&format!(
            "{}\n=> image-pull-rate-limited deployment/a/s",
            told("unexpected status code: 429 Too Many Requests - Server message: toomanyrequests")
        ));
        check(&format!("{}\n=> image-pull-rate-limited deployment/a/s", told("429 Too Many Requests")));
    }

    #[test]
    fn twin_nobody_answers() {
        let silent = told("failed to do request: Head: dial tcp 192.0.2.7:443: i/o timeout");
        check(&format!("{silent}\n=> image-registry-unreachable deployment/a/s"));
    }

    #[test]
    fn unknown_without_events() {
        check(&format!("{WORLD}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
