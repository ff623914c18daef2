//! The terminal as it was before the prompt. The line editor puts it back at the end of every line, but not when the program is
//! ended in the middle of one.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use nix::{
    sys::termios::{SetArg, Termios, tcgetattr, tcsetattr},
    unistd::{getpgrp, tcgetpgrp, write},
};

static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
/// Pasted text stands between marks no more.
const NO_MARKS: &[u8] = b"\x1b[?2004l";

/// Remembers how it is.
pub(super) fn remember() {
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = tcgetattr(io::stdin()).ok();
}

/// Makes it as it was, where it was remembered. If it is gone, nobody misses that.
pub(super) fn put_back() {
    let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    // From the background it is the shell's by now, and who changes it is stopped.
    if tcgetpgrp(io::stdin()).is_ok_and(|foreground| foreground != getpgrp()) {
        return;
    }
    tcsetattr(io::stdin(), SetArg::TCSANOW, &before).ok();
    // Past the lock of stdout, which may be held by whoever is interrupted.
    write(io::stdout(), NO_MARKS).ok();
}
