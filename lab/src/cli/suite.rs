//! `lab suite`: every scenario, scored together.

use std::process::ExitCode;

use clap::Args as ClapArgs;

use super::{Format, live};
use crate::{
    LabError, exit,
    report::{self, json},
    root::Root,
    scenario,
    suite::Suite,
};

/// Diagnose every scenario and score the answers
///
/// Without --live every recording is diagnosed anew. A scenario that has no recording, or whose live run was not fit to be
/// judged, counts as unscoreable. Exit code 0 when every diagnosis is exact, else 1.
#[derive(ClapArgs)]
#[command(after_long_help = "\
Examples:
  lab suite
  lab suite --format json | jq .totals")]
pub(super) struct Args {
    /// Run every scenario on a real cluster on this machine
    #[arg(long)]
    live: bool,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, LabError> {
    let root = Root::find()?;
    let scenarios = scenario::list(&root)?;
    let suite = if args.live {
        Suite::run("live", &scenarios, |scenario| {
            live::run(&root, scenario, false).map(|run| (run.outcome, run.diagnosis))
        })?
    } else {
        Suite::replay(&root, &scenarios)?
    };
    report::print(&match args.format {
        Format::Terminal => report::suite::render(&suite, report::stdout_style()),
        Format::Json => json::render(&suite.json()),
    });
    Ok(exit::as_expected(suite.is_exact()))
}
