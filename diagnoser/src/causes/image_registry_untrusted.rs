//! A node does not trust the certificate of a workload's registry: it is expired, of another name, or of an authority unknown there.
//!
//! # What it looks like
//! Pods wait in ImagePullBackOff; `x509: certificate ...`, or `server gave HTTP response to HTTPS client` of a registry without
//! TLS. The registry answers.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` has the words; `openssl s_client -connect REGISTRY:443` shows the certificate.
//!
//! # Fix
//! Renew the certificate, or have the nodes' runtime trust its authority (containerd: hosts.toml).
//!
//! # Who acts
//! Whoever runs the registry or the nodes.
//!
//! # Source
//! crypto/x509 (its errors); containerd, Registry Configuration.

use super::{
    Case, Cause, Finding,
    pulls::{self, Failure},
    stuck,
};

/// See the module's comment.
pub struct ImageRegistryUntrusted;

impl Cause for ImageRegistryUntrusted {
    fn id(&self) -> &'static str {
        "image-registry-untrusted"
    }

    fn source(&self) -> &'static str {
        include_str!("image_registry_untrusted.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let look = |pod: &_| pulls::look(case.model, pod, Failure::Untrusted);
        stuck::findings(case.model, look, |owner, _| {
            let summary = format!("Have the nodes trust the registry of {owner}, or let it use an image of another");
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
            "{}\n=> image-registry-untrusted deployment/a/s",
            told("failed to do request: Head: tls: failed to verify certificate: x509: certificate has expired")
        ));
        check(&format!(
            "{}\n=> image-registry-untrusted deployment/a/s",
            told("x509: certificate signed by unknown authority")
        ));
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
