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

use tokio::signal::unix::{SignalKind, signal};

use crate::{LabError, exit};

/// Whether a program of the trainee's runs in the foreground.
static BUSY: AtomicBool = AtomicBool::new(false);
/// The folder that goes with the exercise.
static FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Begins to listen; `end` is called when the exercise is to end. Where that cannot be, signals end the program as they do any
/// other.
pub(super) fn watch(end: impl FnMut() + Send + 'static) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let work = move || runtime.block_on(wait(end));
    thread::Builder::new().name("signals".to_owned()).spawn(work).ok();
}

async fn wait(mut end: impl FnMut()) {
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return;
    };
    loop {
        let asked = tokio::select! {
            _ = interrupt.recv() => !BUSY.load(Ordering::SeqCst),
            _ = terminate.recv() => true,
            _ = hangup.recv() => true,
        };
        if asked {
            end();
        }
    }
}

/// Ends the program: there is nothing to be undone.
pub(super) fn end_the_program() {
    remove_folder();
    eprintln!("\n{}", LabError::Left.render());
    process::exit(i32::from(exit::INTERRUPTED));
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

/// Removes it.
pub(super) fn remove_folder() {
    if let Some(folder) = FOLDER.lock().unwrap_or_else(PoisonError::into_inner).take() {
        drop(fs::remove_dir_all(folder));
    }
}
