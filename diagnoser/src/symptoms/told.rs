//! Pods that run and whose logs tell that the database they write to turns every write down. Nothing restarts and no probe fails;
//! it is said nowhere else.

use super::{Observation, Symptom};
use crate::{
    drivers::{self, Told},
    model::{Model, is_down},
};

/// One symptom for each pod that tells.
pub(super) fn symptoms(model: &Model<'_>) -> Vec<Symptom> {
    let pods = model.evidence.objects.of_kind("pod").filter(|pod| !is_down(pod));
    let told = pods.filter_map(|pod| Some((pod, drivers::last(model, pod.subject(), Told::ReadOnly)?)));
    let symptoms = told.enumerate().map(|(index, (pod, line))| Symptom {
        id: format!("told-{}", index + 1),
        subject: pod.subject().clone(),
        seen: Observation::RefusedInWords,
        says: format!("{} tells that its writes are turned down", pod.subject()),
        since: None,
        evidence: vec![line],
        scope: model.closure([pod.subject().clone()], |_, _| true),
        origin: None,
        user: false,
        connection: None,
    });
    symptoms.collect()
}
