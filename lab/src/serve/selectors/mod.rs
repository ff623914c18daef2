//! What a list is narrowed by: labels and fields.

mod field;
mod label;

pub(super) use field::FieldSelector;
pub(super) use label::{LabelSelector, shown};
