//! Pods ask for a scheduler that does not run, so nobody looks for a node for them.
//!
//! # What it looks like
//! Pods stay Pending, and nothing is said of why: no event, no condition PodScheduled, while others are given nodes as ever.
//!
//! # Confirm by hand
//! `kubectl -n NS get pod POD -o jsonpath={.spec.schedulerName}` is another than `default-scheduler`; no pod of the cluster
//! runs a scheduler of that name.
//!
//! # Fix
//! Leave `schedulerName` out, or run the scheduler that it names.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Configure Multiple Schedulers.

use super::{
    Case, Cause, Finding, Lack,
    stuck::{self, Look},
};
use crate::evidence::{Citation, Fact, Object};

/// See the module's comment.
pub struct SchedulerNameUnknown;

impl Cause for SchedulerNameUnknown {
    fn id(&self) -> &'static str {
        "scheduler-name-unknown"
    }

    fn source(&self) -> &'static str {
        include_str!("scheduler_name_unknown.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let look = |pod: &Object| {
            let name = pod.text("/spec/schedulerName").filter(|name| *name != "default-scheduler")?;
            let waits = pod.node().is_none() && pod.list("/spec/schedulingGates").is_empty();
            waits.then_some(())?;
            let told = stuck::events_of(model.evidence, pod.subject());
            let spoken = told.iter().find(|(event, _)| event.text("/reason") == Some("FailedScheduling"));
            if let Some((event, text)) = spoken {
                return Some(Look::No("a scheduler looked for a node".to_owned(), vec![event.cite("/message", *text)]));
            }
            if let Fact::Missed(why) = model.evidence.listed("event", "events") {
                return Some(Look::Unclear(vec![Lack::objects("events", Some(pod.namespace()), why)]));
            }
            Some(Look::Yes(vec![
                pod.cite("/spec/schedulerName", name),
                Citation::new(
                    "coverage.json",
                    "/listed/events",
                    format!("no scheduler said anything of {}", pod.subject()),
                ),
            ]))
        };
        stuck::findings(model, look, |owner, _| {
            let summary = format!("Let {owner} ask for a scheduler that runs");
            stuck::put_back(model, owner, summary, |field| field.ends_with("/schedulerName"))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const POD: &str = "object Node n1  metadata.labels.host=n1
         deployment a/s  app=s
         pod a/s-1  app=s  creating  owner deployment/a/s
         set pod/a/s-1  spec.nodeName=null  status.containerStatuses=null  spec.schedulerName=mine";

    #[test]
    fn holds() {
        check(&format!("{POD}\n=> scheduler-name-unknown deployment/a/s"));
    }

    #[test]
    fn twin_a_scheduler_looked_for_a_node() {
        check(&format!("{POD}\nevent pod/a/s-1  FailedScheduling  0/1 nodes are available: 1 x.\n=> unknown"));
    }

    #[test]
    fn unknown_without_events() {
        check(&format!("{POD}\nmissed events forbidden\n=> unknown lacks events of namespace a"));
    }
}
