//! A workload's pods are to be run by a RuntimeClass that does not exist, or that nodes know no handler of.
//!
//! # What it looks like
//! The workload has no pods, as the API server refuses them; or its pods wait in ContainerCreating, as their node has no such
//! handler.
//!
//! # Confirm by hand
//! `kubectl -n NS describe rs -l app=NAME` says `RuntimeClass "X" not found`; or `kubectl -n NS describe pod POD` says `no
//! runtime for "X" is configured`. `kubectl get runtimeclass`.
//!
//! # Fix
//! Name a class that exists (`spec.template.spec.runtimeClassName`), or have the nodes know it.
//!
//! # Who acts
//! The owner of the workload; whoever runs the nodes configures handlers.
//!
//! # Source
//! kubernetes.io, Runtime Class; containerd, CRI config (no runtime for handler is configured).

use super::{
    Case, Cause, Finding, refusals,
    stuck::{self, Look},
};
use crate::evidence::Object;

/// See the module's comment.
pub struct RuntimeClassMissing;

impl Cause for RuntimeClassMissing {
    fn id(&self) -> &'static str {
        "runtime-class-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("runtime_class_missing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let summary = |of: &dyn std::fmt::Display| format!("Let {of} name a RuntimeClass that exists");
        let mine = |field: &str| field.ends_with("/runtimeClassName");
        let mut found = refusals::findings(case, |lacking, text, evidence| {
            (text.contains("RuntimeClass \"") && text.contains("not found")).then_some(())?;
            Some(refusals::in_template(model, lacking, evidence, summary(lacking.workload.subject()), mine))
        });
        let look = |pod: &Object| {
            let class = pod.text("/spec/runtimeClassName")?;
            let says = |(_, text): &(&Object, &str)| text.contains("no runtime for") && text.contains("is configured");
            let (event, text) = stuck::events_of(model.evidence, pod.subject()).into_iter().find(says)?;
            Some(Look::Yes(vec![pod.cite("/spec/runtimeClassName", class), event.cite("/message", text)]))
        };
        found.extend(stuck::findings(model, look, |owner, _| stuck::put_back(model, owner, summary(owner), mine)));
        found
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

    #[test]
    fn holds_where_the_api_server_refuses() {
        let says = "pods \"s-1-x\" is forbidden: pod rejected: RuntimeClass \"gvisor\" not found";
        check(&format!("{}\n=> runtime-class-missing deployment/a/s", refused(says)));
    }

    #[test]
    fn holds_where_the_node_knows_no_handler() {
        let pod = "pod a/s-1-x  app=s  creating  owner deployment/a/s\nset pod/a/s-1-x  spec.runtimeClassName=gvisor
             event pod/a/s-1-x  FailedCreatePodSandBox  Failed to create pod sandbox: rpc error: no runtime for \"runsc\" is configured";
        check(&format!("{WORLD}\n{pod}\n=> runtime-class-missing deployment/a/s"));
        check(&format!("{WORLD}\n{}\n=> unknown", pod.replace("no runtime for", "no address for")));
    }

    #[test]
    fn unknown_without_what_was_said() {
        check(&format!("{WORLD}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
