//! `lab score`: how well another diagnoser does on the recordings.

use std::{num::NonZero, process::ExitCode, thread, time::Duration};

use clap::Args as ClapArgs;

use super::{Format, live};
use crate::{
    LabError, exit,
    gate::interrupt,
    other_diagnoser::OtherDiagnoser,
    report::{self, json},
    root::Root,
    scenario,
    suite::Suite,
};

/// Score another diagnoser on every recording
///
/// The command is run by sh for each recording, with an evidence folder as last argument, in a folder of its own whose name
/// gives nothing away. It prints a diagnosis of format 1 (docs/formats.md): `format`, `verdict` and, for each of
/// `root_causes`, `cause` and `subject` are enough. One that fails, hangs or prints anything else gave no answer, and the
/// report has the last line of its stderr. Exit code 0 when every diagnosis is exact, else 1.
#[derive(ClapArgs)]
#[command(after_long_help = "\
Examples:
  lab score --diagnoser /opt/mine/diagnose
  lab score --diagnoser 'lab diagnose --format json --evidence' --tag http-502
  lab score --diagnoser 'python3 /opt/mine.py' --timeout 10 --format json | jq .totals")]
pub(super) struct Args {
    /// The command line; the folder is appended to it
    #[arg(long, value_name = "CMD")]
    diagnoser: String,
    /// How many seconds it may take for one recording
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Only those with this tag; several times: with all of them
    #[arg(long)]
    tag: Vec<String>,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    /// Only these; all that are recorded without
    names: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, LabError> {
    let root = Root::find()?;
    let named = if args.names.is_empty() {
        let mut all = scenario::list(&root)?;
        all.retain(|scenario| root.recordings().join(&scenario.name).is_dir());
        all
    } else {
        args.names.iter().map(|name| scenario::find(&root, name)).collect::<Result<_, _>>()?
    };
    let scenarios = scenario::tagged(named, &args.tag)?;
    let other = OtherDiagnoser { command: args.diagnoser.clone(), patience: Duration::from_secs(args.timeout) };
    let at_once = thread::available_parallelism().map_or(1, NonZero::get);
    let suite = live::wait_for(interrupt::or(Suite::of_other(&root, &scenarios, &other, at_once)))??;
    report::print(&match args.format {
        Format::Terminal => report::suite::table(&suite, report::stdout_style()),
        Format::Json => json::render(&suite.json()),
    })?;
    Ok(exit::as_expected(suite.is_exact()))
}
