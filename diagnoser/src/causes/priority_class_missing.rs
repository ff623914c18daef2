//! A workload's pods are to have a PriorityClass that does not exist, so none can be made.
//!
//! # What it looks like
//! The workload has no pods and nobody is to be seen that fails: the refusal stands at whoever makes them.
//!
//! # Confirm by hand
//! `kubectl -n NS describe rs -l app=NAME` says `no PriorityClass with name X was found`; `kubectl get priorityclass` agrees.
//!
//! # Fix
//! Name a class that exists (`spec.template.spec.priorityClassName`), or create this one.
//!
//! # Who acts
//! The owner of the workload; whoever runs the cluster makes classes.
//!
//! # Source
//! kubernetes.io, Pod Priority and Preemption; kubernetes/plugin/pkg/admission/priority.

use super::{Case, Cause, Finding, refusals};

/// See the module's comment.
pub struct PriorityClassMissing;

impl Cause for PriorityClassMissing {
    fn id(&self) -> &'static str {
        "priority-class-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("priority_class_missing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        refusals::findings(case, |lacking, text, evidence| {
            let class = text.split_once("no PriorityClass with name ")?.1.split(' ').next()?;
            let summary =
                format!("Let {} name a PriorityClass that exists: there is no {class}", lacking.workload.subject());
            Some(refusals::in_template(case.model, lacking, evidence, summary, |field| {
                field.ends_with("/priorityClassName")
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

    const SAYS: &str = "pods \"s-1-x\" is forbidden: no PriorityClass with name high was found";

    #[test]
    fn holds() {
        check(&format!("{}\n=> priority-class-missing deployment/a/s", refused(SAYS)));
    }

    #[test]
    fn twin_another_class_is_missing() {
        let runtime = "pods \"s-1-x\" is forbidden: pod rejected: RuntimeClass \"gvisor\" not found";
        check(&format!("{}\n=> runtime-class-missing deployment/a/s", refused(runtime)));
    }

    #[test]
    fn unknown_without_what_was_said() {
        check(&format!("{WORLD}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
