//! `lab record NAME`: a live run, kept as files.

use std::process::ExitCode;

use clap::Args as ClapArgs;

use super::live;
use crate::{LabError, exit, report, root::Root, scenario, score::Outcome};

/// Run a scenario live and keep the run as recordings/NAME
///
/// The run goes through the whole gate first. It is kept when it was fit to be judged, whether or not the diagnosis was
/// exact: a recording is what happened, and being there makes it a test. An older recording is replaced whole.
#[derive(ClapArgs)]
pub(super) struct Args {
    /// The scenario; lab list shows all
    name: String,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, LabError> {
    let root = Root::find()?;
    let scenario = scenario::find(&root, &args.name)?;
    let run = live::run(&root, &scenario, false)?;
    let folder = root.recordings().join(&args.name);
    run.recording.save(&folder)?;
    let files = run.recording.evidence.len();
    report::print(&format!("recordings/{}: {files} files of evidence; {}\n", args.name, run.outcome))?;
    Ok(exit::as_expected(run.outcome == Outcome::Exact))
}
