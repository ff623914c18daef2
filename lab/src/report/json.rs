//! One JSON document, for programs. The forms are versioned in docs/formats.md: fields may be added, never changed.

use diagnoser::Diagnosis;
use serde::Serialize;

use crate::score::Outcome;

/// The answer of `lab scenario NAME --format json`.
#[derive(Debug, Serialize)]
pub struct ScenarioRun<'a> {
    /// The scenario's name.
    pub scenario: &'a str,
    /// `replay` or `live`.
    pub mode: &'static str,
    /// The diagnosis, as `lab diagnose` gives it.
    pub diagnosis: &'a Diagnosis,
    /// How near it came.
    pub score: Score,
    /// How long it took.
    pub seconds: f64,
}

/// A score, as an object so that it can grow.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Score {
    /// How near the diagnosis came.
    pub outcome: Outcome,
}

/// Any answer as JSON text, with a final newline.
pub fn render(value: &impl Serialize) -> String {
    // Only maps with keys that are not text can fail, and no answer has one.
    serde_json::to_string_pretty(value).expect("an answer is always JSON") + "\n"
}

/// Seconds to the millisecond: more digits are noise.
pub fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
