//! That a live run goes on, on stderr, for somebody who is to find out what is done in it: neither its name nor how long each
//! stage takes, which tells where there was nothing to inject.

use super::spinner::Spinner;
use crate::events::{Event, Listener, Stage, Stamped};

/// Shows when a run begins and when it takes everything back.
pub struct Discreet(Spinner);

impl Default for Discreet {
    fn default() -> Self {
        Self::new()
    }
}

impl Discreet {
    /// For this process's stderr.
    pub fn new() -> Self {
        Self(Spinner::new())
    }
}

impl Listener for Discreet {
    fn on(&self, stamped: &Stamped) {
        match &stamped.event {
            Event::RunStarted { .. } => {
                self.0.line("A system is set up, and perhaps broken; Ctrl-C takes everything back.");
                self.0.says("a minute or two");
            }
            // From here on the terminal is the trainee's.
            Event::StageEnded { stage: Stage::Diagnose, .. } => self.0.end(),
            Event::StageStarted { stage: Stage::TearDown } => self.0.line("Everything is taken back ..."),
            _ => {}
        }
    }
}
