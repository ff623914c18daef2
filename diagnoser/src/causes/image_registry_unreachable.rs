//! The registry of a workload's image cannot be asked: its name does not resolve, or nobody answers.
//!
//! # What it looks like
//! New pods stay in ErrImagePull or ImagePullBackOff; pods on nodes that have the image run. The kubelet's message speaks of
//! looking up (`no such host`) or dialling (`i/o timeout`, `connection refused`); nobody said that the image is missing.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` shows the message; on the node, `getent hosts REGISTRY` and
//! `curl -v https://REGISTRY/v2/` show whether the name resolves and who answers. The node's resolver and proxy count, not the
//! cluster's DNS.
//!
//! # Fix
//! Correct the registry's name, or make it reachable from the nodes; until then, go back to an image that the nodes have.
//!
//! # Who acts
//! The owner of the workload where the name is new; whoever runs the nodes' network, name servers or the registry otherwise.
//!
//! # Source
//! kubernetes.io, Images, "ImagePullBackOff"; Go's net package (DNSError, OpError).

use super::{
    Case, Cause, Finding,
    pulls::{self, Failure},
    stuck,
};

/// See the module's comment.
pub struct ImageRegistryUnreachable;

impl Cause for ImageRegistryUnreachable {
    fn id(&self) -> &'static str {
        "image-registry-unreachable"
    }

    fn source(&self) -> &'static str {
        include_str!("image_registry_unreachable.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let look = |pod: &_| pulls::look(case.model, pod, Failure::Unreachable);
        stuck::findings(case.model, look, |owner, _| {
            let summary = format!("Let {owner} pull from a registry that its nodes reach, or make this one reachable");
            pulls::back_to_the_image_before(case.model, owner, summary)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const POD: &str = r#"deployment a/s  app=s
             pod a/s-1  app=s  creating  owner deployment/a/s
             set pod/a/s-1  spec.containers[0].image=not-found.test/s:2  status.containerStatuses[0].state.waiting.reason=ErrImagePull"#;

    #[test]
    fn holds_by_the_state_of_the_container_alone_whatever_the_image_is_called() {
        check(&format!(
            "{POD}
             set pod/a/s-1  status.containerStatuses[0].state.waiting.message=\"failed to do request: dial tcp: lookup not-found.test on 192.0.2.53:53: no such host\"
             missed events forbidden
             => image-registry-unreachable deployment/a/s"
        ));
    }

    #[test]
    fn twin_no_such_image() {
        check(&format!(
            "{POD}
             set pod/a/s-1  status.containerStatuses[0].state.waiting.message=\"not-found.test/s:2: not found\"
             => image-tag-missing deployment/a/s"
        ));
    }

    #[test]
    fn unknown_where_nobody_says_why() {
        check(&format!("{POD}\n=> unknown lacks events of namespace a"));
    }

    #[test]
    fn twin_an_instance_that_waits_beside_ready_ones_empties_nothing() {
        check(
            r#"service a/s  selector app=s  80 -> 8080
             deployment a/s  app=s
             pod a/s-0  app=s  ready  listens 0.0.0.0:80
             pod a/s-1  app=s  creating  owner deployment/a/s
             set pod/a/s-1  spec.containers[0].image=r.test/s:2  status.containerStatuses[0].state.waiting.reason=ErrImagePull
             set pod/a/s-1  status.containerStatuses[0].state.waiting.message="dial tcp: i/o timeout"
             probe service/a/s:80  refused in 1ms
             => image-registry-unreachable deployment/a/s service-port-mismatch service/a/s"#,
        );
    }
}
