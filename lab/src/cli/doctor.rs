//! `lab doctor`: what this machine has for live runs and what it lacks.

use std::process::ExitCode;

use clap::Args as ClapArgs;

use super::live;
use crate::{LabError, doctor, exit, report, root::Root};

/// Say what this machine has and lacks for live runs, with the command for each
///
/// Nothing is changed. Replays, lab diagnose and lab explain need none of this. Exit code 3 when something is lacking.
#[derive(ClapArgs)]
pub(super) struct Args {}

pub(super) fn run(_: &Args) -> Result<ExitCode, LabError> {
    let report = live::wait_for(doctor::check(&Root::find()?))?;
    report::print(&report.to_string())?;
    Ok(if report.first_lack().is_none() { exit::as_expected(true) } else { ExitCode::from(exit::LACKS) })
}
