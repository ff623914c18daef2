//! The diagnoser: evidence in, diagnosis out.
//!
//! This room is pure: no I/O, no clock, no randomness, no async; `clippy.toml` bans them. The lab depends on it,
//! never the other way round. Reading order: [`evidence`] (what was seen), `model` (one graph of it), `symptoms` (what is
//! wrong, for whom), [`narrowing`] (which requests fail and which do not), [`causes`] (one cause, one file), `propagation` (what a cause would produce), `choice` (the smallest
//! set that explains all), [`investigation`] (asking for more; the whole method), [`diagnosis`] (the answer).

mod attempts;
pub mod causes;
pub mod choice;
pub mod connections;
mod delays;
pub mod diagnosis;
mod drivers;
pub mod evidence;
pub mod investigation;
pub mod json;
mod lookup;
mod losses;
pub mod model;
pub mod narrowing;
pub mod policy;
pub mod propagation;
pub mod request;
mod routing;
#[cfg(test)]
mod sketch;
pub mod subject;
pub mod symptoms;
mod telling;
pub mod ways;
#[cfg(test)]
mod worlds;

pub use diagnosis::{Diagnosis, Next, Verdict};
pub use evidence::{Evidence, EvidenceError};
pub use investigation::Investigation;
pub use request::Request;
pub use subject::Subject;
