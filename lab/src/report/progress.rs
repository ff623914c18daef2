//! What a live run is doing, on stderr, while it does it.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::events::{Event, Listener, Stamped};

/// Shows a run's events on stderr: a moving line at a terminal, a line a stage elsewhere.
pub struct Progress {
    spinner: Option<ProgressBar>,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// For this process's stderr.
    pub fn new() -> Self {
        let spinner = io::stderr().is_terminal().then(|| {
            let spinner = ProgressBar::new_spinner();
            // The template is a constant; should it ever be wrong, the default one does as well.
            let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}");
            spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            spinner.enable_steady_tick(Duration::from_millis(120));
            spinner
        });
        Self { spinner }
    }

    fn line(&self, text: &str) {
        match &self.spinner {
            Some(spinner) => spinner.println(text),
            None => eprintln!("{text}"),
        }
    }
}

impl Listener for Progress {
    fn on(&self, stamped: &Stamped) {
        match &stamped.event {
            Event::RunStarted { scenario } => self.line(&format!("running {scenario} live")),
            Event::StageStarted { stage } => {
                if let Some(spinner) = &self.spinner {
                    spinner.set_message(stage.to_string());
                }
            }
            Event::StageEnded { stage, seconds } => self.line(&format!("  {:<15} {seconds:>5.1} s", stage.to_string())),
            Event::Mutation { what, .. } => tracing::info!("change: {what}"),
            Event::Checked { what, outcome, of, passed, .. } => tracing::info!("{what}: {outcome}, {passed} of {of}"),
            Event::EffectSeen { fault, says } => self.line(&format!("    {fault}: {says}")),
            Event::SymptomSeen { says } | Event::FixApplied { says } | Event::Verified { says } => {
                self.line(&format!("    {says}"));
            }
            Event::Asked { file, answered } => {
                self.line(&format!("    asked for {file}: {}", if *answered { "answered" } else { "not to be had" }));
            }
            Event::RunEnded { .. } => {
                if let Some(spinner) = &self.spinner {
                    spinner.finish_and_clear();
                }
            }
        }
    }
}

impl Drop for Progress {
    /// A run that fails does not end its line itself.
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
