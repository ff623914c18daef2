//! A live run for a trainee: the world is broken and seen to be, and is theirs until they are done; then everything is taken
//! back. No fix is applied: what heals is for them to find out.

use std::path::PathBuf;

use super::{LiveOptions, Run, Session, interrupt, stages};
use crate::{
    LabError,
    events::{Event, Journal},
    recording::Recording,
    rigs::{Node, System, kubeconfig},
    scenario::Scenario,
};

/// A world that is broken, and what one works on it with. It outlives its run only as words: whatever is asked of it then fails.
pub struct Practice {
    /// The run as far as it has come, with everything that the diagnoser asked for.
    pub recording: Recording,
    /// The kubeconfig of the cluster, where there is one.
    pub kubeconfig: Option<PathBuf>,
    /// Every node and machine.
    pub nodes: Vec<Node>,
}

/// Breaks a world, has somebody work on it, and takes everything back.
///
/// # Errors
/// When the machine lacks something, the fault does not bite, the user interrupts, or the work fails.
pub async fn practise<T>(
    session: &Session,
    scenario: &Scenario,
    journal: &Journal,
    work: impl AsyncFnOnce(Practice) -> Result<T, LabError>,
) -> Result<T, LabError> {
    let run = Run::begin(session, scenario, &LiveOptions::default(), journal)?;
    let result = match interrupt::or(broken(&run)).await {
        // Whoever works says themselves when they want to end: Ctrl-C may be meant for a program of theirs.
        Ok(practice) => work(practice).await,
        Err(error) => Err(error),
    };
    run.tear_down().await;
    journal.record(Event::RunEnded { outcome: "it was practised on".to_owned() });
    result
}

/// The gate up to the diagnosis, by which answers are judged.
async fn broken(run: &Run<'_>) -> Result<Practice, LabError> {
    let injected = stages::Planned(run).deploy().await?.inject().await?;
    let mut recording = injected.observe().await?.diagnose().await?.recording;
    run.keep_history(&mut recording);
    let (kubeconfig, nodes) = match &run.system {
        System::Cluster(live) => (Some(kubeconfig()), live.rig.nodes().to_vec()),
        System::Machines(machines) => (None, machines.nodes()),
    };
    Ok(Practice { recording, kubeconfig, nodes })
}
