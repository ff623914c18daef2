//! A live run: deploy, healthy asserted, inject, effect and symptom asserted, observe, diagnose, the diagnosed fix applied,
//! healthy asserted again, tear down. A fault that did not bite is unscoreable, never a pass or a fail.
//!
//! Whatever happens on the way, an interruption included, everything is taken back at the end.

mod checks;
mod deploy;
pub mod interrupt;
mod practice;
mod session;
mod stages;
mod symptom;

use std::{fs, sync::Arc, time::Instant};

use diagnoser::Diagnosis;
use jiff::Timestamp;
pub use practice::{Practice, practise};
pub use session::Session;

use crate::{
    LabError,
    events::{Event, Journal, Stage},
    ledger::Ledger,
    recording::Recording,
    replay::Files,
    rigs::System,
    root,
    scenario::{Placement, Scenario, World},
    score::Outcome,
};

/// Is given the evidence.
pub type Beside = dyn Fn(&Files) + Send + Sync;

/// How a live run is made.
#[derive(Default)]
pub struct LiveOptions {
    /// Leave the broken world up after the diagnosis; `lab gc` removes it.
    pub keep: bool,
    /// What else is done while the evidence is fresh and the world still broken.
    pub beside: Option<Arc<Beside>>,
    /// Where in the cluster the world is set up.
    pub placement: Placement,
}

/// A live run that was fit to be judged.
pub struct LiveRun {
    /// The run as files.
    pub recording: Recording,
    /// What the diagnoser said.
    pub diagnosis: Diagnosis,
    /// How near it came.
    pub outcome: Outcome,
    /// Whether the world was healthy again after the diagnosed fix alone.
    pub healed: bool,
    /// How long it took, tear-down included.
    pub seconds: f64,
}

/// What every stage works with.
struct Run<'a> {
    scenario: Scenario,
    system: System,
    ledger: Ledger,
    journal: &'a Journal,
    begun: Timestamp,
    keep: bool,
    beside: Option<Arc<Beside>>,
}

impl<'a> Run<'a> {
    /// A run of a scenario where it is to be set up; nothing is done yet.
    fn begin(
        session: &Session,
        scenario: &Scenario,
        options: &LiveOptions,
        journal: &'a Journal,
    ) -> Result<Self, LabError> {
        let world = World::load(&session.root, &scenario.world, &options.placement)?;
        let scenario = scenario.placed(&world)?;
        let system = session.system(world, &scenario.with)?;
        let ledger = Ledger::begin(&scenario.name)?;
        journal.record(Event::RunStarted { scenario: scenario.name.clone() });
        let (begun, keep, beside) = (Timestamp::now(), options.keep, options.beside.clone());
        Ok(Self { scenario, system, ledger, journal, begun, keep, beside })
    }

    /// Takes everything back; who asks again meanwhile is let go at once.
    async fn tear_down(&self) {
        let tear_down = self.stage(Stage::TearDown, self.ledger.take_back(&self.system));
        let torn_down = tokio::select! {
            result = tear_down => result,
            () = interrupt::insisted() => interrupt::leave(),
        };
        if let Err(error) = torn_down {
            tracing::error!("tearing down: {error}; lab gc takes back what is left");
        }
    }

    /// Does a stage's work, journalled. In the stages that make a run fit to be judged a failure means that it is not.
    async fn stage<T>(&self, stage: Stage, work: impl Future<Output = Result<T, LabError>>) -> Result<T, LabError> {
        self.journal.record(Event::StageStarted { stage });
        let begun = Instant::now();
        match work.await {
            Ok(done) => {
                self.journal.record(Event::StageEnded { stage, seconds: begun.elapsed().as_secs_f64() });
                Ok(done)
            }
            Err(LabError::Live { what, why, next }) if stage <= Stage::AssertSymptom => {
                Err(LabError::Unscoreable { stage, why: format!("{what}: {why}"), next })
            }
            Err(other) => Err(other),
        }
    }

    /// The recording as far as it has come.
    fn keep_history(&self, recording: &mut Recording) {
        recording.history = self.journal.history();
    }
}

/// Runs a scenario through the whole gate.
///
/// # Errors
/// When the machine lacks something, the run is not fit to be judged, the diagnosed fix does not heal although the diagnosis
/// is exact, or the user interrupts. Everything is taken back before.
pub async fn run(
    session: &Session,
    scenario: &Scenario,
    options: &LiveOptions,
    journal: &Journal,
) -> Result<LiveRun, LabError> {
    let begun = Instant::now();
    let run = Run::begin(session, scenario, options, journal)?;
    let result = interrupt::or(through(&run)).await;
    // A run that went wrong is what one most wants to look around in.
    let kept = options.keep && !matches!(result, Err(LabError::Interrupted));
    if !kept {
        run.tear_down().await;
    }
    let ended = result.as_ref().map_or_else(|error| error.to_string(), |run| run.outcome.to_string());
    journal.record(Event::RunEnded { outcome: ended });
    let mut done = result?;
    run.keep_history(&mut done.recording);
    done.seconds = begun.elapsed().as_secs_f64();
    Ok(done)
}

/// The stages in their order; the types do not allow another.
async fn through(run: &Run<'_>) -> Result<LiveRun, LabError> {
    let healthy = stages::Planned(run).deploy().await?;
    let injected = healthy.inject().await?;
    let mut observed = injected.observe().await?;
    run.keep_history(&mut observed.recording);
    // What happened is on the disk before anyone thinks about it; then with the answers to what was asked.
    let folder = root::cache().join("runs");
    fs::create_dir_all(&folder).map_err(|error| LabError::file(&folder, error))?;
    observed.recording.save(&folder.join(&run.scenario.name))?;
    let diagnosed = observed.diagnose().await?;
    diagnosed.recording.save(&folder.join(&run.scenario.name))?;
    diagnosed.heal().await
}
