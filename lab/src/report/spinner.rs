//! The moving line while a live run works; nothing where stderr is no terminal.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

/// A line that moves until it goes.
pub(super) struct Spinner(Option<ProgressBar>);

impl Spinner {
    /// On this process's stderr.
    pub fn new() -> Self {
        Self(io::stderr().is_terminal().then(|| {
            let spinner = ProgressBar::new_spinner();
            // The template is a constant; should it ever be wrong, the default one does as well.
            let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}");
            spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            spinner.enable_steady_tick(Duration::from_millis(120));
            spinner
        }))
    }

    /// What it says while it moves.
    pub fn says(&self, what: impl ToString) {
        if let Some(spinner) = &self.0 {
            spinner.set_message(what.to_string());
        }
    }

    /// A line above it, which stays.
    pub fn line(&self, text: &str) {
        match &self.0 {
            Some(spinner) => spinner.println(text),
            None => super::say(text),
        }
    }

    /// It goes.
    pub fn end(&self) {
        if let Some(spinner) = &self.0 {
            spinner.finish_and_clear();
        }
    }
}

impl Drop for Spinner {
    /// A run that fails does not end its line itself.
    fn drop(&mut self) {
        self.end();
    }
}
