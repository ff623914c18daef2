//! The namespace takes only pods of a Pod Security level, and a workload's pods ask for more, so none can be made.
//!
//! # What it looks like
//! The workload has no pods and nobody is to be seen that fails: the refusal stands at whoever makes them. Pods made before the
//! namespace was labelled keep running.
//!
//! # Confirm by hand
//! `kubectl -n NS describe rs -l app=NAME` says `violates PodSecurity "LEVEL:VERSION"` and which fields; `kubectl get ns NS
//! --show-labels` has `pod-security.kubernetes.io/enforce`.
//!
//! # Fix
//! Let the template ask for no more than the level allows (the refusal names the fields), or have the namespace enforce the
//! level that its workloads need.
//!
//! # Who acts
//! The owner of the workload, with whoever answers for the namespace's security.
//!
//! # Source
//! kubernetes.io, Pod Security Admission, Pod Security Standards.

use super::{Case, Cause, Finding, refusals};

/// See the module's comment.
pub struct PodSecurityViolated;

impl Cause for PodSecurityViolated {
    fn id(&self) -> &'static str {
        "pod-security-violated"
    }

    fn source(&self) -> &'static str {
        include_str!("pod_security_violated.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        refusals::findings(case, |lacking, text, evidence| {
            text.contains("violates PodSecurity").then_some(())?;
            let summary = format!(
                "Let {} ask for no more than its namespace's Pod Security level allows",
                lacking.workload.subject()
            );
            Some(refusals::in_template(case.model, lacking, evidence, summary, |field| {
                field.contains("ecurityContext")
                    || field.contains("/host")
                    || field.contains("/volumes")
                    || field.contains("/ports")
            }))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service a/s  selector app=s  80 -> 80
         deployment a/s  app=s
         object ServiceAccount a/default
         object ReplicaSet a/s-1  spec.replicas=1  metadata.ownerReferences[0].kind=Deployment  metadata.ownerReferences[0].name=s
         ingress a/s  s.example.test -> s
         probe http://s.example.test/  503 in 2ms";

    fn refused(words: &str) -> String {
        format!("{WORLD}\nevent replicaset/a/s-1  FailedCreate  Error creating: {words}")
    }

    const SAYS: &str = "pods \"s-1-x\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true";

    #[test]
    fn holds() {
        check(&format!("{}\n=> pod-security-violated deployment/a/s", refused(SAYS)));
    }

    #[test]
    fn twin_a_quota_and_twin_only_a_warning() {
        let quota = "object ResourceQuota a/q  spec.hard.pods=\"1\"  status.hard.pods=\"1\"  status.used.pods=\"1\"";
        let full = "pods \"s-1-x\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1";
        check(&format!("{}\n{quota}\n=> resource-quota-exceeded resourcequota/a/q", refused(full)));
        check(&format!("{WORLD}\nevent namespace/a  Warned  would violate PodSecurity\n=> unknown"));
    }

    #[test]
    fn unknown_without_what_was_said() {
        check(&format!("{WORLD}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
