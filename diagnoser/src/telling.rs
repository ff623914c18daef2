//! Telling: the transcript in six steps, and the way of the failing request hop by hop. A person should be able to follow
//! it by hand with ordinary commands.

mod path;
mod steps;
mod way;

use crate::{diagnosis::Diagnosis, model::Model, narrowing::Narrowed, symptoms::Symptom};

/// Adds path and steps to a diagnosis.
pub(crate) fn tell(model: &Model<'_>, symptoms: &[Symptom], narrowed: &[Option<Narrowed>], diagnosis: &mut Diagnosis) {
    diagnosis.path = path::path(model, symptoms, diagnosis);
    diagnosis.steps = steps::steps(model, symptoms, narrowed, diagnosis);
}
