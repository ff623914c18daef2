//! Jobs that were given up. Nobody but who waits for what they were to do suffers, so they count where nothing else is wrong.
//!
//! Source: kubernetes.io, Jobs, "Job termination and cleanup" (condition Failed: BackoffLimitExceeded, DeadlineExceeded).

use super::{Observation, Symptom};
use crate::{
    evidence::{Citation, Object},
    model::Model,
};

/// One symptom for each Job that was given up and that no later one of its kind has replaced.
pub(super) fn given_up(model: &Model<'_>) -> Vec<Symptom> {
    let jobs = model.evidence.objects.of_kind("job");
    let failed = jobs.filter_map(|job| Some((job, why_given_up(job).filter(|_| is_latest(model, job))?)));
    let symptoms = failed.enumerate().map(|(index, (job, cited))| Symptom {
        id: format!("failed-{}", index + 1),
        subject: job.subject().clone(),
        seen: Observation::PodDown,
        says: format!("{} was given up: {}", job.subject(), cited.says),
        since: job.time("/status/startTime"),
        evidence: vec![cited],
        scope: model.closure([job.subject().clone()], |_, _| true),
        origin: None,
        user: false,
        connection: None,
    });
    symptoms.collect()
}

/// Why a Job was given up, if it was.
pub(crate) fn why_given_up(job: &Object) -> Option<Citation> {
    let conditions = job.list("/status/conditions");
    let at = conditions.iter().position(|condition| condition["type"] == "Failed" && condition["status"] == "True")?;
    let reason = conditions[at]["reason"].as_str().unwrap_or("Failed");
    Some(job.cite(&format!("/status/conditions/{at}"), reason))
}

/// Whether its CronJob, if it has one, has made none since.
fn is_latest(model: &Model<'_>, job: &Object) -> bool {
    let made = |job: &Object| job.time("/status/startTime").or_else(|| job.time("/metadata/creationTimestamp"));
    job.controller().is_none_or(|controller| {
        let mut others = model.evidence.objects.in_namespace("job", job.namespace());
        !others.any(|other| other.controller() == Some(controller) && made(other) > made(job))
    })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const JOB: &str = r#"object Job a/j-1  spec.completions=1  status.startTime=2026-01-01T11:50:00Z  metadata.ownerReferences[0].kind=CronJob  metadata.ownerReferences[0].name=j
         set job/a/j-1  status.conditions[0].type=Failed  status.conditions[0].status="True"  status.conditions[0].reason=BackoffLimitExceeded
         pod a/j-1-x  app=j  unready  owner job/a/j-1
         set pod/a/j-1-x  status.phase=Failed  status.containerStatuses[0].state.running=null
         set pod/a/j-1-x  status.containerStatuses[0].state.terminated.exitCode=2  status.containerStatuses[0].state.terminated.reason=Error
         log a/j-1-x  error: no such table
         service a/s  selector app=s  80 -> 80
         pod a/s-1  app=s  ready  listens 0.0.0.0:80
         probe service/a/s:80  connected in 1ms"#;

    #[test]
    fn a_job_that_was_given_up_is_explained_by_how_its_pods_ended() {
        check(&format!("{JOB}\n=> application-crash job/a/j-1"));
        check(&format!("{}\n=> unknown", JOB.replace("exitCode=2", "exitCode=0")));
    }

    #[test]
    fn a_later_run_and_anybody_who_suffers_count_for_more() {
        let later = "object Job a/j-2  spec.completions=1  status.succeeded=1  status.startTime=2026-01-01T11:55:00Z  metadata.ownerReferences[0].kind=CronJob  metadata.ownerReferences[0].name=j";
        check(&format!("{JOB}\n{later}\n=> healthy"));
        let empty = "deployment a/t  app=t\nset deployment/a/t spec.replicas=0\nservice a/t  selector app=t  80 -> 80\nprobe service/a/t:80  refused in 1ms";
        check(&format!("{JOB}\n{empty}\n=> scaled-to-zero deployment/a/t"));
    }
}
