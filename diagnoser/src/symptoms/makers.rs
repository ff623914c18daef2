//! Workloads that have fewer pods than they want, and what whoever makes these was answered.
//!
//! Source: kubernetes/pkg/controller/replicaset (condition ReplicaFailure, event FailedCreate), which pass on what the API
//! server's admission answered.

use super::{Observation, Scope, Symptom, events_of};
use crate::{
    evidence::{Citation, Fact, Object},
    model::{Model, is_down, is_ready},
    subject::Subject,
};

/// A workload that lacks pods.
pub(crate) struct Lacking<'e> {
    /// The workload, whose template the pods would be made from.
    pub workload: &'e Object,
    /// How many pods it lacks.
    pub missing: i64,
    /// Whether it has none at all.
    pub none: bool,
    /// Where it stands how many it wants.
    pub cited: Citation,
    /// What its maker was answered last, and where that stands.
    pub refusal: Option<(&'e str, Citation)>,
}

/// Every workload that lacks pods; missed where the pods were not collected.
pub(crate) fn lacking<'e>(model: &Model<'e>) -> Fact<Vec<Lacking<'e>>> {
    let objects = &model.evidence.objects;
    let kinds = ["daemonset", "deployment", "job", "statefulset", "replicaset"];
    let workloads = kinds.into_iter().flat_map(|kind| objects.of_kind(kind));
    let wants = |workload: &&Object| match workload.subject().kind.as_str() {
        "replicaset" => workload.controller().is_none(),
        "job" => is_under_way(workload),
        _ => true,
    };
    let wanting: Vec<_> = workloads.filter(wants).collect();
    match model.evidence.listed("pod", "pods") {
        Fact::Missed(why) => Fact::Missed(why),
        Fact::Seen(()) => Fact::Seen(wanting.into_iter().filter_map(|workload| look(model, workload)).collect()),
    }
}

/// Workloads whose pods are refused: fewer of them run than are wanted, whether or not anybody suffers yet.
pub(super) fn refused(model: &Model<'_>) -> Vec<Symptom> {
    let Fact::Seen(lacking) = model.lacking() else { return vec![] };
    let refused = lacking.iter().filter_map(|lacking| Some((lacking.refusal.as_ref()?, lacking)));
    let symptoms = refused.enumerate().map(|(index, ((_, refusal), Lacking { workload, cited, .. }))| Symptom {
        id: format!("refused-{}", index + 1),
        subject: workload.subject().clone(),
        seen: Observation::PodDown,
        says: format!("{}, and more are refused", cited.says),
        since: None,
        evidence: vec![cited.clone(), refusal.clone()],
        scope: Scope::Everything,
        origin: None,
        user: false,
        connection: None,
    });
    symptoms.collect()
}

fn look<'e>(model: &Model<'e>, workload: &'e Object) -> Option<Lacking<'e>> {
    // A Deployment makes its pods through ReplicaSets; where none was collected it is judged itself.
    let own: Vec<&Object> = match workload.subject().is("deployment") {
        true => {
            let controlled = model.evidence.objects.controlled_by(workload.subject());
            controlled.filter(|object| object.subject().is("replicaset")).collect()
        }
        false => vec![],
    };
    let makers = if own.is_empty() { vec![workload] } else { own };
    let (maker, wanted, has) = makers.into_iter().find_map(|maker| {
        let daemons = maker.number("/status/desiredNumberScheduled");
        let at_once = maker.number("/spec/parallelism").map(|most| most.min(left_to_do(maker)));
        let wanted = daemons.or_else(|| maker.number("/spec/replicas")).or(at_once).unwrap_or(1);
        let has = i64::try_from(pods_of(model, maker.subject()).count()).unwrap_or(i64::MAX);
        (has < wanted).then_some((maker, wanted, has))
    })?;
    let wish = if maker.subject().is("job") { "/spec/parallelism" } else { "/spec/replicas" };
    let failure = [maker, workload].into_iter().find_map(|object| {
        let conditions = object.list("/status/conditions").iter().enumerate();
        let mut failing = conditions.filter(|(_, c)| c["type"] == "ReplicaFailure" && c["status"] == "True");
        let (i, condition) = failing.next()?;
        let message = condition["message"].as_str()?;
        Some((message, object.cite(&format!("/status/conditions/{i}/message"), message)))
    });
    let event = || {
        let mut told = events_of(model.evidence, maker.subject()).into_iter();
        let (event, text) = told.find(|(event, _)| event.text("/reason") == Some("FailedCreate"))?;
        Some((text, event.cite("/message", text)))
    };
    Some(Lacking {
        workload,
        missing: wanted - has,
        none: pods_of(model, workload.subject()).next().is_none(),
        cited: maker.cite(wish, format!("{} has {has} of {wanted} pods", maker.subject())),
        refusal: failure.or_else(event),
    })
}

/// Whether a Job is neither done nor given up nor told to wait.
fn is_under_way(job: &Object) -> bool {
    let ended = |kind: &str| job.list("/status/conditions").iter().any(|c| c["type"] == kind && c["status"] == "True");
    let waits = job.get("/spec/suspend").is_some_and(|suspended| suspended == true);
    !waits && left_to_do(job) > 0 && !["Complete", "Failed", "Suspended"].into_iter().any(ended)
}

/// How many pods of a Job have yet to end well.
fn left_to_do(job: &Object) -> i64 {
    let done = job.number("/status/succeeded").unwrap_or_default();
    let all = job.number("/spec/completions").or_else(|| job.number("/spec/parallelism")).unwrap_or(1);
    all - done
}

/// The pods that a maker, or the workload behind it, has.
pub(crate) fn pods_of<'m, 'e>(model: &'m Model<'e>, maker: &'m Subject) -> impl Iterator<Item = &'e Object> + 'm {
    // What stands between a workload and its pods has those that it controls itself.
    let between = model.object(maker).is_some_and(|object| object.controller().is_some());
    let direct =
        between.then(|| model.evidence.objects.controlled_by(maker).filter(|object| object.subject().is("pod")));
    let all = (!between).then(|| model.pods_of(maker));
    let pods = direct.into_iter().flatten().chain(all.into_iter().flatten());
    pods.filter(|pod| is_down(pod) || is_ready(pod))
}
