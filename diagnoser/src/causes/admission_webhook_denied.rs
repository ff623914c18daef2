//! An admission webhook refuses a workload's pods: they break a policy of the cluster.
//!
//! # What it looks like
//! The workload has no pods and nobody is to be seen that fails: the refusal stands at whoever makes them, with the policy's
//! own words. Pods made before keep running.
//!
//! # Confirm by hand
//! `kubectl -n NS describe rs -l app=NAME` says `admission webhook "X" denied the request: ...`.
//!
//! # Fix
//! Change the template so that the policy is met; the policy's words say how.
//!
//! # Who acts
//! The owner of the workload, with the owner of the policy.
//!
//! # Source
//! kubernetes.io, Dynamic Admission Control; apiserver's webhook errors; Validating Admission Policy.

use super::{Case, Cause, Finding, refusals};

/// See the module's comment.
pub struct AdmissionWebhookDenied;

impl Cause for AdmissionWebhookDenied {
    fn id(&self) -> &'static str {
        "admission-webhook-denied"
    }

    fn source(&self) -> &'static str {
        include_str!("admission_webhook_denied.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        refusals::findings(case, |lacking, text, evidence| {
            let by = [" denied the request", " denied request: "].iter().any(|words| text.contains(words));
            by.then_some(())?;
            let summary =
                format!("Change {} so that the policy that refuses its pods is met", lacking.workload.subject());
            Some(refusals::in_template(case.model, lacking, evidence, summary, |field| !field.is_empty()))
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

    const SAYS: &str = "admission webhook \"images.policy.test\" denied the request: only images of reg.test";

    #[test]
    fn holds() {
        check(&format!("{}\n=> admission-webhook-denied deployment/a/s", refused(SAYS)));
        let policy =
            "pods \"s-1-x\" is forbidden: ValidatingAdmissionPolicy \"p\" with binding \"b\" denied request: no";
        check(&format!("{}\n=> admission-webhook-denied deployment/a/s", refused(policy)));
    }

    #[test]
    fn twin_the_webhook_does_not_answer() {
        let away = "Internal error occurred: failed calling webhook \"images.policy.test\": failed to call webhook: Post \"https://policy.tools.svc:443/v?timeout=10s\": context deadline exceeded";
        check(&format!("{}\n=> admission-webhook-unavailable service/tools/policy", refused(away)));
    }

    #[test]
    fn unknown_without_what_was_said() {
        check(&format!("{WORLD}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
