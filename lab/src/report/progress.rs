//! What a live run is doing, on stderr, while it does it.

use super::spinner::Spinner;
use crate::events::{Event, Listener, Stamped};

/// Shows a run's events on stderr: a moving line at a terminal, a line a stage elsewhere.
pub struct Progress(Spinner);

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// For this process's stderr.
    pub fn new() -> Self {
        Self(Spinner::new())
    }
}

impl Listener for Progress {
    fn on(&self, stamped: &Stamped) {
        match &stamped.event {
            Event::RunStarted { scenario } => self.0.line(&format!("running {scenario} live")),
            Event::StageStarted { stage } => self.0.says(stage),
            Event::StageEnded { stage, seconds } => {
                self.0.line(&format!("  {:<15} {seconds:>5.1} s", stage.to_string()))
            }
            Event::Mutation { what, .. } => tracing::info!("change: {what}"),
            Event::Checked { what, outcome, of, passed, .. } => tracing::info!("{what}: {outcome}, {passed} of {of}"),
            Event::EffectSeen { fault, says } => self.0.line(&format!("    {fault}: {says}")),
            Event::SymptomSeen { says } | Event::FixApplied { says } | Event::Verified { says } => {
                self.0.line(&format!("    {says}"));
            }
            Event::Asked { file, answered } => {
                self.0.line(&format!("    asked for {file}: {}", if *answered { "answered" } else { "not to be had" }));
            }
            Event::RunEnded { .. } => self.0.end(),
        }
    }
}
