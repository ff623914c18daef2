//! Many scenarios live: those that need nothing of the cluster for themselves side by side, each in a world with names of its
//! own; then, one by one, those that break nodes or what the whole cluster shares.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use tokio::runtime::Runtime;

use crate::{
    LabError,
    events::{Journal, Listener},
    follow::{self, Followed},
    gate::{self, LiveOptions, LiveRun, Session},
    root::Root,
    scenario::{PLACES, Placement, Scenario},
    score::Outcome,
};

/// One scenario's run, or why there is none, and how long it took in seconds.
pub struct Done {
    /// The scenario.
    pub scenario: Scenario,
    /// What came of it.
    pub result: Result<LiveRun, LabError>,
    /// From its beginning to the end of its tear-down; of the last attempt where there were two.
    pub seconds: f64,
}

/// What the suite tells while it runs.
pub trait Watcher: Sync {
    /// Someone who listens to the events of one run.
    fn of_run(&self, scenario: &str) -> Box<dyn Listener>;
    /// A run ended.
    fn done(&self, done: &Done);
}

/// Runs every scenario; one that fails does not stop the others, and one that was not fit to be judged is tried once more.
///
/// # Errors
/// When the machine lacks something, or the user interrupts.
pub fn run(root: &Root, scenarios: &[Scenario], jobs: usize, watcher: &dyn Watcher) -> Result<Vec<Done>, LabError> {
    let runtime = runtime()?;
    let session = runtime.block_on(Session::begin(root, scenarios))?;
    let (exclusive, shared): (Vec<Scenario>, Vec<Scenario>) =
        scenarios.iter().cloned().partition(Scenario::is_exclusive);
    let work =
        Work { queue: Mutex::new(shared.into()), done: Mutex::default(), interrupted: AtomicBool::new(false), watcher };
    std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..jobs.clamp(1, PLACES)).map(|place| (place, &session, &work)).collect();
        for (place, session, work) in sessions {
            scope.spawn(move || work.all_at(place, session));
        }
    });
    if !work.interrupted.load(Ordering::Relaxed) {
        *lock(&work.queue) = exclusive.into();
        work.all_at(0, &session);
    }
    if work.interrupted.load(Ordering::Relaxed) {
        return Err(LabError::Interrupted);
    }
    let mut done = work.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by(|a, b| a.scenario.name.cmp(&b.scenario.name));
    Ok(done)
}

fn runtime() -> Result<Runtime, LabError> {
    Runtime::new().map_err(|error| LabError::Live {
        what: "starting the program's own threads".to_owned(),
        why: error.to_string(),
        next: "Is the limit of processes (ulimit -u) reached?".to_owned(),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is still to be run, and what came of the rest.
struct Work<'a> {
    queue: Mutex<VecDeque<Scenario>>,
    done: Mutex<Vec<Done>>,
    interrupted: AtomicBool,
    watcher: &'a dyn Watcher,
}

impl Work<'_> {
    /// Runs what is in the queue in one place, until there is nothing left.
    fn all_at(&self, place: usize, session: &Session) {
        let here = runtime().and_then(|runtime| Ok((runtime.block_on(session.beside())?, runtime)));
        let options = LiveOptions { placement: Placement::number(place), ..LiveOptions::default() };
        loop {
            let Some(scenario) = lock(&self.queue).pop_front() else { return };
            let begun = Instant::now();
            let once = || match &here {
                Ok((session, runtime)) => {
                    let followed = Box::new(Followed::begin(&follow::file()));
                    let journal = Journal::new(vec![self.watcher.of_run(&scenario.name), followed]);
                    runtime.block_on(gate::run(session, &scenario, &options, &journal))
                }
                Err(error) => Err(LabError::Live {
                    what: "beginning".to_owned(),
                    why: error.to_string(),
                    next: "lab doctor says what is missing.".to_owned(),
                }),
            };
            let mut result = once();
            if matches!(result, Err(LabError::Unscoreable { .. })) {
                result = once();
            }
            if matches!(result, Err(LabError::Interrupted)) {
                self.interrupted.store(true, Ordering::Relaxed);
                lock(&self.queue).clear();
            }
            let done = Done { scenario, result, seconds: begun.elapsed().as_secs_f64() };
            self.watcher.done(&done);
            lock(&self.done).push(done);
        }
    }
}

impl Done {
    /// Its outcome; a run that failed is unscoreable.
    pub fn outcome(&self) -> Outcome {
        self.result.as_ref().map_or(Outcome::Unscoreable, |run| run.outcome)
    }
}
