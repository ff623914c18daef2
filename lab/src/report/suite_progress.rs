//! What a live suite is doing, on stderr, while it does it: a line a scenario that ended, and what each place is at.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::{
    events::{Event, Listener, Stamped},
    live_suite::{Done, Watcher},
};

/// Shows a live suite on stderr: moving lines at a terminal, a line a scenario elsewhere.
pub struct SuiteProgress {
    bars: MultiProgress,
    ended: AtomicUsize,
    all: usize,
    lines: Mutex<()>,
}

impl SuiteProgress {
    /// For so many scenarios.
    pub fn new(all: usize) -> Self {
        Self { bars: MultiProgress::new(), ended: AtomicUsize::new(0), all, lines: Mutex::default() }
    }
}

impl Watcher for SuiteProgress {
    fn of_run(&self, scenario: &str) -> Box<dyn Listener> {
        let bar = self.bars.add(ProgressBar::new_spinner());
        let style = ProgressStyle::with_template("{spinner} {prefix:<32} {wide_msg} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_prefix(scenario.to_owned());
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        Box::new(OneRun(bar))
    }

    fn done(&self, done: &Done) {
        let ended = self.ended.fetch_add(1, Ordering::Relaxed) + 1;
        let why = done.result.as_ref().err().map(|error| format!(": {error}")).unwrap_or_default();
        let (name, outcome, all) = (&done.scenario.name, done.outcome(), self.all);
        let line = format!("[{ended:>3}/{all}] {name:<32} {outcome} in {:.0} s{why}", done.seconds);
        let _whole = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        self.bars.suspend(|| super::say(&line));
    }
}

/// The line of one run.
struct OneRun(ProgressBar);

impl Listener for OneRun {
    fn on(&self, stamped: &Stamped) {
        match &stamped.event {
            Event::StageStarted { stage } => self.0.set_message(stage.to_string()),
            Event::Mutation { what, .. } => tracing::info!("change: {what}"),
            _ => {}
        }
    }
}

impl Drop for OneRun {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
