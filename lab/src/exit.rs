//! The exit codes of `lab`. Programs depend on them: numbers are never given another meaning.

use std::process::ExitCode;

/// Done, and as expected.
pub const DONE: u8 = 0;
/// Done, and the answer differs from the truth; for `diagnose --exit-code`, a problem was found. Also a run that failed for
/// a reason that is neither of the user's input nor of the machine.
pub const DIFFERS: u8 = 1;
/// Bad usage or bad input.
pub const BAD_INPUT: u8 = 2;
/// The machine lacks something; the message names it and the command that provides it.
pub const LACKS: u8 = 3;
/// The fault did not bite or the symptom did not show: neither pass nor fail.
pub const UNSCOREABLE: u8 = 4;
/// Interrupted, after undoing.
pub const INTERRUPTED: u8 = 130;

/// [`DONE`] or [`DIFFERS`].
pub fn as_expected(expected: bool) -> ExitCode {
    ExitCode::from(if expected { DONE } else { DIFFERS })
}
