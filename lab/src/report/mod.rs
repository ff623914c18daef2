//! What a person or a program reads: one form, one file. Reports only show; they decide nothing.

pub mod course;
pub mod debrief;
pub mod discreet;
pub mod foreign;
pub mod html;
pub mod json;
pub mod junit;
mod layout;
pub mod list;
mod path;
pub(crate) mod place;
pub mod progress;
pub mod reference;
mod spinner;
pub mod suite;
pub mod suite_progress;
pub mod terminal;
pub mod training;
pub mod trees;
mod unknown;

use std::{
    env,
    io::{self, IsTerminal, Write},
    path::Path,
};

pub use layout::Style;
pub(crate) use layout::harmless;

use crate::LabError;

/// Writes an answer to stdout. A reader that has gone away (`lab list | head`) is not an error.
///
/// # Errors
/// When it cannot be written to its end, as on a full disk.
pub fn print(text: &str) -> Result<(), LabError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(LabError::file(Path::new("stdout"), error)),
        _ => Ok(()),
    }
}

/// Writes a line to stderr. Where nobody reads it any more, as at a terminal that was closed, the work goes on all the same:
/// there may be something to take back.
pub fn say(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}

/// The style that stdout deserves: colour where a person looks at a terminal and has not said no to it, or asked for it
/// (CLICOLOR_FORCE, as for `less -R`).
pub fn stdout_style() -> Style {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is = |name, value: &str| env::var_os(name).is_some_and(|set| set == value);
    let looked_at = io::stdout().is_terminal() && !is("TERM", "dumb");
    let forced = set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0");
    if (looked_at || forced) && !set("NO_COLOR") { Style::Colour } else { Style::Plain }
}
