//! A ConfigMap, or a key of one, that a workload's pods cannot start without does not exist.
//!
//! # What it looks like
//! New pods are scheduled, their image is there, and no container is made: CreateContainerConfigError where environment
//! variables come from it, ContainerCreating with FailedMount events where a volume does. A Service with no other pods has no
//! endpoint. References marked `optional` do no harm.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD` says `configmap "NAME" not found`; `kubectl -n NS get configmap NAME` agrees. A key:
//! `kubectl -n NS get configmap NAME -o jsonpath={.data}`.
//!
//! # Fix
//! Create it, or take the reference out: `kubectl -n NS rollout undo deployment NAME`.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, ConfigMaps, "ConfigMaps and Pods" and "Optional references".

use super::{
    Case, Cause, Finding,
    settings::{self, Kind},
    stuck,
};

/// See the module's comment.
pub struct ConfigmapMissing;

const CONFIG_MAP: Kind = Kind {
    kind: "configmap",
    resource: "configmaps",
    volume: ("configMap", "name"),
    projected: "configMap",
    all: "configMapRef",
    one: "configMapKeyRef",
};

impl Cause for ConfigmapMissing {
    fn id(&self) -> &'static str {
        "configmap-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("configmap_missing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        stuck::findings(
            case.model,
            |pod| settings::look(case.model, pod, &CONFIG_MAP),
            |owner, pod| settings::fix(case.model, owner, pod, &CONFIG_MAP),
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "deployment a/s  app=s
             service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  creating  owner deployment/a/s
             set pod/a/s-1  status.containerStatuses[0].state.waiting.reason=CreateContainerConfigError
             set pod/a/s-1  spec.containers[0].envFrom[0].configMapRef.name=tuning
             ingress a/s  s.example.test -> s
             probe http://s.example.test/  503 in 2ms";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n=> configmap-missing deployment/a/s"));
    }

    #[test]
    fn holds_for_a_key_that_a_volume_needs() {
        check(
            "pod a/s-1  app=s  creating
             set pod/a/s-1  spec.volumes[0].configMap.name=tuning  spec.volumes[0].configMap.items[0].key=b
             object ConfigMap a/tuning  data.a=1
             event pod/a/s-1  FailedMount  configmap references non-existent config key: b
             => configmap-missing pod/a/s-1",
        );
    }

    #[test]
    fn holds_where_it_ended_for_another_reason_long_ago() {
        check(&format!(
            "{WORLD}
             set pod/a/s-1  spec.containers[0].resources.limits.memory=64Mi  status.containerStatuses[0].lastState.terminated.exitCode=137  status.containerStatuses[0].lastState.terminated.reason=OOMKilled
             => configmap-missing deployment/a/s"
        ));
    }

    #[test]
    fn twin_a_secret() {
        check(&format!(
            "{WORLD}
             object ConfigMap a/tuning  data.a=1
             set pod/a/s-1  spec.containers[0].env[0].valueFrom.secretKeyRef.name=token
             => secret-missing deployment/a/s"
        ));
    }

    #[test]
    fn twin_it_exists_and_an_optional_one_may_be_missing() {
        check(&format!(
            "{WORLD}
             object ConfigMap a/tuning  data.a=1
             set pod/a/s-1  spec.containers[0].envFrom[1].configMapRef.name=more  spec.containers[0].envFrom[1].configMapRef.optional=true
             => unknown"
        ));
    }

    #[test]
    fn unknown_without_the_list_and_without_the_kubelet_s_word() {
        check(&format!("{WORLD}\nmissed configmaps forbidden\n=> unknown lacks configmaps of namespace a"));
    }

    #[test]
    fn holds_by_the_kubelet_s_word_where_the_list_is_forbidden() {
        check(&format!(
            "{WORLD}
             missed configmaps forbidden
             event pod/a/s-1  Failed  Error: configmap \"tuning\" not found
             => configmap-missing deployment/a/s"
        ));
    }
}
