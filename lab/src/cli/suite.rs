//! `lab suite`: every scenario, scored together.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::{Args as ClapArgs, ValueEnum};
use jiff::Timestamp;

use crate::{
    LabError,
    events::Listener,
    exit,
    foreign::{Answered, ForeignSuite},
    live_suite::{self, Done, Watcher},
    report::{
        self, json,
        junit::{self, Scored},
        suite_progress::SuiteProgress,
    },
    root::Root,
    scenario::{self, PLACES, Scenario},
    score::Outcome,
    suite::{Row, Suite},
    suite_log,
};

/// Diagnose every scenario and score the answers
///
/// Without --live every recording is diagnosed anew. With --live every failure is made on a cluster of the lab's own: those
/// that break no node and nothing the whole cluster shares run side by side, the others one by one after them; one that
/// fails does not stop the rest. A scenario that has no recording, or whose live run was not fit to be judged, counts as
/// unscoreable. Exit code 0 when every diagnosis is exact, else 1.
#[derive(ClapArgs)]
#[command(after_long_help = "\
Examples:
  lab suite
  lab suite --tag http-502 --live
  lab suite --live --record            run all, and keep the runs as recordings
  lab suite --format json | jq .totals
  lab suite --format junit > scores.xml
  lab suite --evidence-root cases --truth cases.tsv --vocabulary words.tsv")]
pub(super) struct Args {
    /// Run every scenario on a real cluster on this machine
    #[arg(long)]
    live: bool,
    /// With --live: keep every run that was fit to be judged as recordings/NAME
    #[arg(long, requires = "live")]
    record: bool,
    /// With --live: how many run side by side
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=PLACES as i64), requires = "live")]
    jobs: u8,
    /// Only those with this tag; several times: with all of them
    #[arg(long)]
    tag: Vec<String>,
    /// Score folders of anyone's instead, against a truth of theirs: one evidence folder a case
    #[arg(long, value_name = "DIR", requires = "truth", conflicts_with_all = ["live", "tag", "names"])]
    evidence_root: Option<PathBuf>,
    /// With --evidence-root: what is true, a line a root: folder, cause, subject, separated by tabs
    #[arg(long, value_name = "FILE", requires = "evidence_root")]
    truth: Option<PathBuf>,
    /// With --evidence-root: what their words mean, a line a word: their cause and ours, or app/NAME and our kinds, separated by tabs
    #[arg(long, value_name = "FILE", requires = "evidence_root")]
    vocabulary: Option<PathBuf>,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Form::Terminal)]
    format: Form,
    /// Only these; all without
    names: Vec<String>,
}

/// The forms of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For a person.
    Terminal,
    /// One JSON document, for a program (docs/formats.md).
    Json,
    /// JUnit XML, for continuous integration.
    Junit,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, LabError> {
    if let (Some(root), Some(truth)) = (&args.evidence_root, &args.truth) {
        let suite = ForeignSuite::run(root, truth, args.vocabulary.as_deref())?;
        report::print(&match args.format {
            Form::Terminal => report::foreign::render(&suite, report::stdout_style()),
            Form::Json => json::render(&suite),
            Form::Junit => junit::render("evidence", suite.cases.iter().map(of_folder), suite.seconds),
        })?;
        return Ok(exit::as_expected(suite.count(Outcome::Exact) == suite.cases.len()));
    }
    let root = Root::find()?;
    let named: Vec<Scenario> = if args.names.is_empty() {
        scenario::list(&root)?
    } else {
        args.names.iter().map(|name| scenario::find(&root, name)).collect::<Result<_, _>>()?
    };
    let scenarios = scenario::tagged(named, &args.tag)?;
    let suite = if args.live {
        let begun = Instant::now();
        let folder = args.record.then(|| root.recordings());
        let recorder = Recorder { progress: SuiteProgress::new(scenarios.len()), folder };
        let runs = live_suite::run(&root, &scenarios, usize::from(args.jobs), &recorder)?;
        Suite::of_runs(&runs, begun.elapsed().as_secs_f64())
    } else {
        Suite::replay(&root, &scenarios)
    };
    // A board that was not kept is no reason to hold back what was found.
    if let Err(error) = suite_log::add(&suite_log::file(), &suite, Timestamp::now()) {
        tracing::warn!("this run is not on the score board: {error}");
    }
    report::print(&match args.format {
        Form::Terminal => report::suite::render(&suite, report::stdout_style()),
        Form::Json => json::render(&suite.json()),
        Form::Junit => junit::render(suite.mode, suite.scenarios.iter().map(of_row), suite.seconds),
    })?;
    Ok(exit::as_expected(suite.is_exact()))
}

fn of_row(row: &Row) -> Scored<'_> {
    let Row { name, outcome, says, seconds, .. } = row;
    Scored { name, outcome: *outcome, says, seconds: *seconds, told: "" }
}

fn of_folder(case: &Answered) -> Scored<'_> {
    let Answered { folder, outcome, says, seconds, .. } = case;
    Scored { name: folder, outcome: *outcome, says, seconds: *seconds, told: "" }
}

/// Shows what ends, and keeps it at once where it is to be kept: what comes after may fail.
struct Recorder {
    progress: SuiteProgress,
    folder: Option<PathBuf>,
}

impl Watcher for Recorder {
    fn of_run(&self, scenario: &str) -> Box<dyn Listener> {
        self.progress.of_run(scenario)
    }

    fn done(&self, done: &Done) {
        self.progress.done(done);
        if let (Some(folder), Ok(run)) = (&self.folder, &done.result)
            && let Err(error) = run.recording.save(&folder.join(&done.scenario.name))
        {
            tracing::error!("{} is not recorded: {error}", done.scenario.name);
        }
    }
}
