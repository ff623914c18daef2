//! `lab report`: one run told whole, as one file.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args as ClapArgs, ValueEnum};

use crate::{
    LabError, exit,
    recording::Recording,
    replay,
    report::{self, html, terminal::View},
    root::Root,
    scenario,
    score::score,
};

/// Tell one run whole, as one file for a browser
///
/// What was wrong, the readings that prove it, how it was narrowed down, the system with the way of the requests, traffic, a
/// timeline, and the lines that decide. The file needs nothing but itself. It is of the recording of a scenario, or of any
/// folder of that form, as live runs leave them.
#[derive(ClapArgs)]
#[command(after_long_help = "\
Examples:
  lab report port-mismatch --format html > port-mismatch.html
  lab report --run ~/.cache/chaos-replay-lab/runs/port-mismatch > run.html     the newest live run of it")]
pub(super) struct Args {
    /// The scenario whose recording is told; lab list shows all
    #[arg(required_unless_present = "run", conflicts_with = "run")]
    name: Option<String>,
    /// A run kept in a folder instead
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Form::Html)]
    format: Form,
}

/// The forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// One file for a browser.
    Html,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, LabError> {
    let recording = match &args.run {
        Some(folder) => Recording::load(folder)?,
        None => {
            let root = Root::find()?;
            let scenario = scenario::find(&root, args.name.as_deref().unwrap_or_default())?;
            Recording::of(&root, &scenario.name)?
        }
    };
    let diagnosis = replay::diagnose(recording.evidence.clone(), replay::NOT_RECORDED)?;
    let outcome = score(&recording.scenario.truth, &diagnosis);
    let notice = recording.made_with();
    let view = View { notice: &notice, ..View::of(&recording, &diagnosis, outcome) };
    report::print(&match args.format {
        Form::Html => html::render(&view)?,
    })?;
    Ok(exit::as_expected(true))
}
