//! Ctrl-C, SIGTERM and a terminal that is closed: the exercise ends and nothing of it is kept, and what it had on the disk for
//! kubectl goes. While kubectl runs, Ctrl-C is for kubectl.

use std::{
    fs,
    path::PathBuf,
    process,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::terminal;
use crate::{LabError, exit, report};

/// Whether a program of the trainee's runs in the foreground.
static BUSY: AtomicBool = AtomicBool::new(false);
/// Whether the exercise was asked to end: then the terminal is not taken again.
static ENDED: AtomicBool = AtomicBool::new(false);
/// The folder that goes with the exercise.
static FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Begins to listen; `end` is called when the exercise is to end. Where that cannot be, signals end the program as they do any
/// other.
pub(super) fn watch(end: impl FnMut() + Send + 'static) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let within = runtime.enter();
    // Caught from here on, not from when the thread has begun: the prompt may be there before it.
    let [Ok(interrupt), Ok(terminate), Ok(hangup)] =
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal)
    else {
        return;
    };
    drop(within);
    let work = move || runtime.block_on(wait([interrupt, terminate, hangup], end));
    thread::Builder::new().name("signals".to_owned()).spawn(work).ok();
}

async fn wait([mut interrupt, mut terminate, mut hangup]: [Signal; 3], mut end: impl FnMut()) {
    loop {
        let asked = tokio::select! {
            _ = interrupt.recv() => !BUSY.load(Ordering::SeqCst),
            _ = terminate.recv() => true,
            _ = hangup.recv() => true,
        };
        if asked {
            ENDED.store(true, Ordering::SeqCst);
            end();
        }
    }
}

/// Ends the program: there is nothing to be undone.
pub(super) fn end_the_program() {
    leave_nothing();
    report::say(&format!("\n{}", LabError::Left.render()));
    process::exit(i32::from(exit::INTERRUPTED));
}

/// Whether the exercise was asked to end.
pub(super) fn ended() -> bool {
    ENDED.load(Ordering::SeqCst)
}

/// Runs a program of the trainee's: until it ends, Ctrl-C is for it.
pub(super) fn while_busy<T>(work: impl FnOnce() -> T) -> T {
    BUSY.store(true, Ordering::SeqCst);
    let result = work();
    BUSY.store(false, Ordering::SeqCst);
    result
}

/// This folder goes with the exercise, however that ends.
pub(super) fn goes_with_us(folder: PathBuf) {
    *FOLDER.lock().unwrap_or_else(PoisonError::into_inner) = Some(folder);
}

/// The folder goes, and the terminal is as it was.
pub(super) fn leave_nothing() {
    remove_folder();
    terminal::put_back();
}

/// Removes it.
pub(super) fn remove_folder() {
    if let Some(folder) = FOLDER.lock().unwrap_or_else(PoisonError::into_inner).take() {
        drop(fs::remove_dir_all(folder));
    }
}
