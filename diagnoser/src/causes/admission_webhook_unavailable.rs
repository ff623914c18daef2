//! An admission webhook that has to be asked about new pods cannot be asked, so none can be made.
//!
//! # What it looks like
//! Nothing new starts, in one namespace or in all, while everything that runs goes on. The refusal stands at whoever makes the
//! pods: `failed calling webhook`, with the address and what became of the attempt.
//!
//! # Confirm by hand
//! `kubectl -n NS describe rs -l app=NAME` names the webhook and its Service; `kubectl get
//! mutatingwebhookconfigurations,validatingwebhookconfigurations` has it with `failurePolicy: Fail`; `kubectl -n NS get
//! endpoints SERVICE`.
//!
//! # Fix
//! Bring the webhook's server back. If its policy can be done without meanwhile, `failurePolicy: Ignore` or delete the configuration.
//!
//! # Who acts
//! Whoever runs the webhook.
//!
//! # Source
//! kubernetes.io, Dynamic Admission Control, "Failure policy"; apiserver's webhook client (failed calling webhook).

use super::{Case, Cause, Finding, State, refusals};
use crate::{attempts, diagnosis::Fix, subject::Subject};

/// See the module's comment.
pub struct AdmissionWebhookUnavailable;

impl Cause for AdmissionWebhookUnavailable {
    fn id(&self) -> &'static str {
        "admission-webhook-unavailable"
    }

    fn source(&self) -> &'static str {
        include_str!("admission_webhook_unavailable.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        refusals::findings(case, |lacking, text, evidence| {
            let name = text.split_once("failed calling webhook \"")?.1.split('"').next()?;
            if attempts::tells_of_expiry(text) {
                // It is there, and what it shows is too old.
                return None;
            }
            let kinds = ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"];
            let configurations = kinds.into_iter().flat_map(|kind| model.evidence.objects.of_kind(kind));
            let configured = configurations.filter_map(|configuration| {
                let at = configuration.list("/webhooks").iter().position(|webhook| webhook["name"] == name)?;
                Some(configuration.cite(&format!("/webhooks/{at}"), format!("{name} has to be asked")))
            });
            let subject = service(text).unwrap_or_else(|| lacking.workload.subject().clone());
            let summary = format!("Bring the server of the webhook {name} back ({subject})");
            let evidence = evidence.into_iter().chain(configured).collect();
            Some((subject, State::holds(evidence, Fix { summary, patch: vec![] })))
        })
    }
}

/// The Service that the API server asked: `Post "https://policy.tools.svc:443/v?timeout=10s": ...`.
pub(super) fn service(text: &str) -> Option<Subject> {
    let host = text.split_once("https://")?.1.split([':', '/']).next()?;
    let mut labels = host.split('.');
    let (name, namespace, svc) = (labels.next()?, labels.next()?, labels.next()?);
    (svc == "svc").then(|| Subject::namespaced("service", namespace, name))
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

    const SAYS: &str = "Internal error occurred: failed calling webhook \"w.tools.test\": failed to call webhook: Post \"https://policy.tools.svc:443/v?timeout=10s\": dial tcp 10.96.0.9:443: connect: connection refused";

    #[test]
    fn holds_in_its_service() {
        check(&format!("{}\n=> admission-webhook-unavailable service/tools/policy", refused(SAYS)));
    }

    #[test]
    fn twin_it_answers_and_refuses() {
        let denied = "admission webhook \"w.tools.test\" denied the request: no";
        check(&format!("{}\n=> admission-webhook-denied deployment/a/s", refused(denied)));
    }

    #[test]
    fn twin_an_old_word_of_a_workload_that_has_its_pods() {
        let has = "pod a/s-1-x  app=s  unready  owner deployment/a/s";
        let says = refused(SAYS).replace("replicaset/a/s-1", "deployment/a/s");
        let alone: Vec<&str> = says.lines().filter(|line| !line.contains("object ReplicaSet")).collect();
        check(&format!("{}\n{has}\n=> unknown", alone.join("\n")));
    }

    #[test]
    fn unknown_without_what_was_said() {
        check(&format!("{WORLD}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
