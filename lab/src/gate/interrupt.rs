//! Ctrl-C, SIGTERM and a terminal that is closed. The first asks the run to take everything back and end; a second leaves that
//! to `lab gc`.

use tokio::signal::unix::{SignalKind, signal};

use crate::{LabError, exit, report};

/// Completes when the user (or whoever runs the lab) asks it to end.
pub async fn asked() {
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        // Without handlers the default applies: the process ends, and `lab gc` undoes.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

/// Completes when the user insists. A terminal that is closed may say so several times, for itself and by its shell, and nobody
/// insists there.
pub(super) async fn insisted() {
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        },
        _ => std::future::pending().await,
    }
}

/// The work's result, or that the user interrupted it: then it is dropped where it stands.
pub(crate) async fn or<T>(work: impl Future<Output = Result<T, LabError>>) -> Result<T, LabError> {
    tokio::select! {
        // Listened for before the work begins: else what comes at once ends the process.
        biased;
        () = asked() => Err(LabError::Interrupted),
        result = work => result,
    }
}

/// Ends at once: the user was asked to wait and did not want to.
pub(super) fn leave() -> ! {
    report::say("interrupted again: not everything was taken back; lab gc does it");
    std::process::exit(i32::from(exit::INTERRUPTED))
}
