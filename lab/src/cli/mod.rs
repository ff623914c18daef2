//! The commands: one command, one file. This room reads arguments, calls the other rooms and shows what they say.
//!
//! stdout carries the answer and nothing else; progress, logs and errors go to stderr.

mod diagnose;
mod doctor;
mod down;
mod explain;
mod gc;
mod generate;
mod images;
mod list;
mod live;
mod record;
mod report;
mod scenario;
mod score;
mod serve;
mod suite;
mod train;
mod up;

use std::{io, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::LabError;

/// Breaks real systems in documented ways, and finds out why they are broken.
///
/// A scenario is one documented failure: a healthy system, the change that breaks it, what a user sees, and the root cause.
/// Every scenario has a recording of a real run, so all of this works without a cluster. Where a container engine is at
/// hand, the same scenarios run live. The same diagnosis is there for a broken system of your own: lab diagnose.
#[derive(Parser)]
#[command(name = "lab", version, max_term_width = 100, after_long_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Say more on stderr: -v what is done, -vv every detail (RUST_LOG says it more finely)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

const EXAMPLES: &str = "\
Examples:
  lab list                             what there is
  lab scenario port-mismatch           one failure, from its recording, with the diagnosis
  lab scenario port-mismatch --live    the same on a real cluster on this machine
  lab train                            find out yourself why a system is broken
  lab diagnose --evidence ./incident   what is wrong with a system of yours
  lab diagnose --context production    what is wrong with a cluster of yours, read-only
  lab explain service-port-mismatch    what a cause is and how to confirm it by hand
  lab serve port-mismatch --kubeconfig FILE    look at a recorded cluster with kubectl

Exit codes:
  0 done and as expected   1 the answer differs from the truth   2 bad usage or input
  3 the machine lacks something   4 unscoreable   130 interrupted, after undoing";

/// The table of contents.
#[derive(Subcommand)]
enum Command {
    Scenario(scenario::Args),
    List(list::Args),
    Suite(suite::Args),
    Score(score::Args),
    Train(train::Args),
    Record(record::Args),
    Report(report::Args),
    Diagnose(diagnose::Args),
    Explain(explain::Args),
    Serve(serve::Args),
    Doctor(doctor::Args),
    Images(images::Args),
    Up(up::Args),
    Down(down::Args),
    Gc(gc::Args),
    Generate(generate::Args),
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person.
    Terminal,
    /// One JSON document, for a program (docs/formats.md).
    Json,
}

/// The program: reads the arguments, does what they say, and answers with one of the codes of [`crate::exit`].
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.verbose);
    let done = match cli.command {
        Command::Scenario(args) => scenario::run(&args),
        Command::List(args) => list::run(&args),
        Command::Suite(args) => suite::run(&args),
        Command::Score(args) => score::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Diagnose(args) => diagnose::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Images(args) => images::run(&args),
        Command::Up(args) => up::run(&args),
        Command::Down(args) => down::run(&args),
        Command::Gc(args) => gc::run(&args),
        Command::Generate(args) => generate::run(&args),
    };
    done.unwrap_or_else(|error: LabError| {
        crate::report::say(&error.render());
        error.exit_code()
    })
}

/// The reference of the commands, docs/cli.md.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Commands\n\nGenerated from the program's own help by `just docs`; change it in lab/src/cli/.\n",
    );
    let command = Cli::command().term_width(96);
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let mut help = |title: &str, mut command: clap::Command| {
        let text = command.render_long_help().to_string();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        out.push_str(&format!("\n## {title}\n\n```\n{}\n```\n", lines.join("\n").trim_end()));
    };
    help("lab", command.clone());
    for name in names {
        let mut whole = command.clone();
        whole.build();
        if let Some(sub) = whole.find_subcommand(&name) {
            help(&format!("lab {name}"), sub.clone());
        }
    }
    out
}

fn start_log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "lab=info,warn",
        _ => "lab=debug,info",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colour =
        std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && io::IsTerminal::is_terminal(&io::stderr());
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colour).with_target(false);
    // Where stderr cannot be written (a terminal that was closed) it would panic to say so.
    let log = log.log_internal_errors(false);
    // A program that embeds the lab may have its own; then this one is not wanted.
    drop(log.without_time().try_init());
}
