//! A ResourceQuota counts a resource that a workload's containers do not state, so its pods are refused however much room there is.
//!
//! # What it looks like
//! The workload has no pods and nobody is to be seen that fails: the refusal stands at whoever makes them, and names what must
//! be stated. It begins when the quota is made or the values are left out.
//!
//! # Confirm by hand
//! `kubectl -n NS describe rs -l app=NAME` says `failed quota: Q: must specify limits.cpu for: C`; `kubectl -n NS get quota Q
//! -o yaml`.
//!
//! # Fix
//! State the requests and limits in the template, or give the namespace a LimitRange with defaults.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Resource Quotas; apiserver's resourcequota admission (must specify).

use super::{Case, Cause, Finding, refusals};

/// See the module's comment.
pub struct QuotaRequiresResources;

impl Cause for QuotaRequiresResources {
    fn id(&self) -> &'static str {
        "quota-requires-resources"
    }

    fn source(&self) -> &'static str {
        include_str!("quota_requires_resources.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        refusals::findings(case, |lacking, text, evidence| {
            (text.contains("failed quota: ") && text.contains("must specify ")).then_some(())?;
            let summary = format!("State what the quota counts in the containers of {}", lacking.workload.subject());
            Some(refusals::in_template(case.model, lacking, evidence, summary, |field| field.contains("/resources")))
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

    const SAYS: &str = "pods \"s-1-x\" is forbidden: failed quota: q: must specify limits.cpu for: c";

    #[test]
    fn holds() {
        check(&format!("{}\n=> quota-requires-resources deployment/a/s", refused(SAYS)));
    }

    #[test]
    fn twin_the_quota_is_full() {
        let quota = "object ResourceQuota a/q  spec.hard.pods=\"1\"  status.hard.pods=\"1\"  status.used.pods=\"1\"";
        let full = "pods \"s-1-x\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1";
        check(&format!("{}\n{quota}\n=> resource-quota-exceeded resourcequota/a/q", refused(full)));
    }

    #[test]
    fn unknown_without_what_was_said() {
        check(&format!("{WORLD}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
