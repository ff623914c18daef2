//! A Secret, or a key of one, that a workload's pods cannot start without does not exist.
//!
//! # What it looks like
//! New pods are scheduled, their image is there, and no container is made: CreateContainerConfigError where environment
//! variables come from it, ContainerCreating with FailedMount events where a volume does. A Service with no other pods has no
//! endpoint. References marked `optional` do no harm.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` says `secret "NAME" not found`; `kubectl -n NS get secret NAME` agrees. The names of its keys:
//! `kubectl -n NS describe secret NAME`.
//!
//! # Fix
//! Create it (whoever holds the value does), or take the reference out: `kubectl -n NS rollout undo deployment NAME`.
//!
//! # Who acts
//! The owner of the workload, with whoever keeps the secrets.
//!
//! # Source
//! kubernetes.io, Secrets, "Using Secrets" and "Optional Secrets".

use super::{
    Case, Cause, Finding,
    settings::{self, Kind},
    stuck,
};

/// See the module's comment.
pub struct SecretMissing;

const SECRET: Kind = Kind {
    kind: "secret",
    resource: "secrets",
    volume: ("secret", "secretName"),
    projected: "secret",
    all: "secretRef",
    one: "secretKeyRef",
};

impl Cause for SecretMissing {
    fn id(&self) -> &'static str {
        "secret-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("secret_missing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        stuck::findings(
            case.model,
            |pod| settings::look(case.model, pod, &SECRET),
            |owner, pod| settings::fix(case.model, owner, pod, &SECRET),
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "deployment a/s  app=s
             service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  creating  owner deployment/a/s
             set pod/a/s-1  spec.volumes[0].secret.secretName=keys
             event pod/a/s-1  FailedMount  MountVolume.SetUp failed for volume keys : it is not there
             probe service/a/s:80  refused in 1ms";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n=> secret-missing deployment/a/s"));
    }

    #[test]
    fn twin_a_configmap() {
        check(&format!(
            "{WORLD}
             object Secret a/keys  data.k=redacted
             set pod/a/s-1  spec.volumes[1].projected.sources[0].configMap.name=ca
             => configmap-missing deployment/a/s"
        ));
    }

    #[test]
    fn twin_a_container_that_runs_has_its_settings() {
        check(
            "pod a/s-1  app=s  unready
             set pod/a/s-1  spec.containers[0].envFrom[0].secretRef.name=gone
             => unknown",
        );
    }

    #[test]
    fn unknown_without_the_list() {
        check(&format!("{WORLD}\nmissed secrets forbidden\n=> unknown lacks secrets of namespace a"));
    }
}
