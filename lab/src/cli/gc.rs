//! `lab gc`: removes what a killed run left.

use std::process::ExitCode;

use clap::Args as ClapArgs;

use super::live;
use crate::{LabError, exit, gc, report, root::Root};

/// Undo and remove whatever a killed run left behind
///
/// Every change of a live run is written down before it is made; this undoes what was not undone, and removes what carries
/// the lab's label. A cluster that is whole stays; lab down removes it.
#[derive(ClapArgs)]
pub(super) struct Args {}

pub(super) fn run(_: &Args) -> Result<ExitCode, LabError> {
    let undone = live::wait_for(gc::collect(&Root::find()?))??;
    let text: String = undone.iter().map(|line| format!("{line}\n")).collect();
    report::print(if text.is_empty() { "nothing was left\n" } else { &text })?;
    Ok(exit::as_expected(true))
}
