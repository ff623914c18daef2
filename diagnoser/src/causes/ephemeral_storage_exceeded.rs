//! The pods of a workload write more to their node's disk than they may, and the kubelet throws them out for it.
//!
//! # What it looks like
//! Pods end one after another as Failed with the reason Evicted; new ones take their place and end the same way. The node has no
//! pressure: the limit is the pod's own, of its containers' ephemeral storage or of an emptyDir.
//!
//! # Confirm by hand
//! `kubectl -n NS get pods` shows Evicted; `kubectl -n NS get pod POD -o jsonpath={.status.message}` says which limit was
//! exceeded.
//!
//! # Fix
//! Raise the limit (`resources.limits.ephemeral-storage`, `emptyDir.sizeLimit`), or keep what is written elsewhere: logs to
//! stdout, data on a volume.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Local ephemeral storage; kubernetes/pkg/kubelet/eviction (localStorageEviction).

use std::collections::BTreeMap;

use super::{Case, Cause, Finding, State, stuck::put_back};
use crate::{
    evidence::{Citation, Object},
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct EphemeralStorageExceeded;

/// What the kubelet says of a limit of the pod's own; of a node that is short it says `The node was low on resource`.
const WORDS: [&str; 3] =
    ["exceeds the limit", "exceeded its local ephemeral storage limit", "exceeds the total limit of containers"];

impl Cause for EphemeralStorageExceeded {
    fn id(&self) -> &'static str {
        "ephemeral-storage-exceeded"
    }

    fn source(&self) -> &'static str {
        include_str!("ephemeral_storage_exceeded.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let mut thrown_out: BTreeMap<Subject, Vec<Citation>> = BTreeMap::new();
        for pod in model.evidence.objects.of_kind("pod") {
            if let Some(cited) = exceeded(pod) {
                thrown_out.entry(model.workload_of(pod.subject())).or_default().push(cited);
            }
        }
        let finding = |(workload, evidence): (Subject, Vec<Citation>)| {
            // What keeps those from starting that are made in their place is another matter.
            let effects = vec![(workload.clone(), Mode::Down)];
            let summary = format!("Raise the limit on what {workload} writes to its node, or have it write less");
            let fix =
                put_back(model, &workload, summary, |field| field.contains("/resources") || field.contains("/volumes"));
            Finding { subject: workload, effects, state: State::holds(evidence.into_iter().take(3).collect(), fix) }
        };
        thrown_out.into_iter().map(finding).collect()
    }
}

fn exceeded(pod: &Object) -> Option<Citation> {
    let message = pod.text("/status/message").filter(|_| pod.text("/status/reason") == Some("Evicted"))?;
    WORDS.iter().any(|words| message.contains(words)).then(|| pod.cite("/status/message", message))
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "deployment a/s  app=s
             service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  unready  on n1  owner deployment/a/s
             pod a/s-2  app=s  creating  on n1  owner deployment/a/s
             set pod/a/s-1  status.phase=Failed  status.reason=Evicted
             probe service/a/s:80  refused in 1ms\n";

    fn says(words: &str) -> String {
        format!("{WORLD}set pod/a/s-1  status.message=\"{words}\"\n")
    }

    #[test]
    fn holds_for_a_limit_of_its_own() {
        for words in [
            "Usage of EmptyDir volume \'tmp\' exceeds the limit \'10Mi\'. ",
            "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ",
            "Container c exceeded its local ephemeral storage limit 10Mi. ",
        ] {
            check(&format!("{}=> ephemeral-storage-exceeded deployment/a/s", says(words)));
        }
    }

    #[test]
    fn twin_the_node_was_short() {
        let low = "The node was low on resource: ephemeral-storage. Threshold quantity: 1, available: 0. ";
        check(&format!("{}=> unknown", says(low)));
    }

    #[test]
    fn twin_one_that_has_its_pods_again() {
        let again = says("Container c exceeded its local ephemeral storage limit 10Mi. ")
            .replace("s-2  app=s  creating", "s-2  app=s  ready  listens 0.0.0.0:80")
            .replace("refused", "connected");
        check(&format!("{again}=> healthy"));
    }

    #[test]
    fn unknown_without_the_words() {
        check(&format!("{WORLD}=> unknown"));
    }
}
