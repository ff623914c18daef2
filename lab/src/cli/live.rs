//! What every command that touches a live system needs: a runtime, and progress on stderr.

use crate::{
    LabError,
    events::Journal,
    follow::{self, Followed},
    gate::{self, LiveOptions, LiveRun, Session},
    report::progress::Progress,
    root::Root,
    scenario::Scenario,
};

/// Runs a future to its end.
pub(super) fn wait_for<T>(work: impl Future<Output = T>) -> Result<T, LabError> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| LabError::Live {
        what: "starting the program's own threads".to_owned(),
        why: error.to_string(),
        next: "Is the limit of processes (ulimit -u) reached?".to_owned(),
    })?;
    Ok(runtime.block_on(work))
}

/// Runs a scenario on a live system, through the whole gate.
pub(super) fn run(root: &Root, scenario: &Scenario, keep: bool) -> Result<LiveRun, LabError> {
    let journal = Journal::new(vec![Box::new(Progress::new()), Box::new(Followed::begin(&follow::file()))]);
    let options = LiveOptions { keep, ..LiveOptions::default() };
    wait_for(async {
        gate::run(&Session::begin(root, std::slice::from_ref(scenario)).await?, scenario, &options, &journal).await
    })?
}
