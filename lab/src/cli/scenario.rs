//! `lab scenario NAME`: one documented failure, from its recording or live, with the diagnosis and its score.

use std::{process::ExitCode, time::Instant};

use clap::{Args as ClapArgs, ValueEnum};

use super::live;
use crate::{
    LabError, doctor, exit,
    recording::Recording,
    replay,
    report::{
        self, Style, html, json, junit,
        terminal::{self, View},
    },
    root::Root,
    scenario,
    score::{Outcome, score},
    suite, variant,
};

/// Replay one documented failure, or run it live, and diagnose it
///
/// Without --live the recording of a real run is diagnosed anew: no cluster is needed and nothing is changed. With --live
/// the failure is made on a cluster of the lab's own on this machine: deploy, assert healthy, inject, assert the symptom,
/// diagnose, apply the diagnosed fix, assert healthy, tear down.
///
/// Exit code 0 when the diagnosis is exact (cause and subject; for a healthy control: healthy), else 1.
#[derive(ClapArgs)]
#[command(after_long_help = "\
Examples:
  lab scenario port-mismatch
  lab scenario port-mismatch --format json | jq .score
  lab scenario port-mismatch --format html > run.html     the same as one file for a browser
  lab scenario conntrack-saturation --live --keep     then look around; lab down removes it all")]
pub(super) struct Args {
    /// The scenario; lab list shows all
    name: String,
    /// Run it on a real cluster on this machine (lab doctor says what that needs)
    #[arg(long)]
    live: bool,
    /// With --live: leave the broken world up, to look around
    #[arg(long, requires = "live")]
    keep: bool,
    /// A variant of the recording: other names, addresses and ports; the same number gives the same
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "live")]
    seed: u64,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Form::Terminal)]
    format: Form,
}

/// The forms of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For a person.
    Terminal,
    /// One JSON document, for a program (docs/formats.md).
    Json,
    /// JUnit XML, for continuous integration.
    Junit,
    /// One file for a browser, as lab report writes it.
    Html,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, LabError> {
    let root = Root::find()?;
    let scenario = scenario::find(&root, &args.name)?;
    let run = if args.live {
        let run = live::run(&root, &scenario, args.keep)?;
        Run {
            mode: "live",
            recording: run.recording,
            diagnosis: run.diagnosis,
            outcome: run.outcome,
            seconds: run.seconds,
        }
    } else {
        replayed(&root, &args.name, args.seed)?
    };
    report::print(&match args.format {
        Form::Terminal => terminal::render(&run.view(&notice(&root, &run)), report::stdout_style()),
        Form::Json => json::render(&run.json()),
        Form::Junit => run.junit(),
        Form::Html => html::render(&run.view(&run.recording.made_with()))?,
    })?;
    Ok(exit::as_expected(run.outcome == Outcome::Exact))
}

/// A run, live or replayed, as reports want it.
struct Run {
    mode: &'static str,
    recording: Recording,
    diagnosis: diagnoser::Diagnosis,
    outcome: Outcome,
    seconds: f64,
}

fn replayed(root: &Root, name: &str, seed: u64) -> Result<Run, LabError> {
    let begun = Instant::now();
    let recording = variant::of(Recording::of(root, name)?, seed);
    let diagnosis = replay::diagnose(recording.evidence.clone(), replay::NOT_RECORDED)?;
    let outcome = score(&recording.scenario.truth, &diagnosis);
    Ok(Run { mode: "replay", recording, diagnosis, outcome, seconds: begun.elapsed().as_secs_f64() })
}

/// Where the evidence is from and, for a recording, how to have it live.
fn notice(root: &Root, run: &Run) -> String {
    if run.mode == "live" {
        return String::new();
    }
    let name = &run.recording.scenario.name;
    let lacks = live::wait_for(doctor::check(root)).ok().and_then(|report| report.first_lack());
    let live = match lacks {
        Some(lack) => format!("To run it here instead: --live ({lack}; `lab doctor` has the steps)."),
        None => "To run it here instead: --live.".to_owned(),
    };
    format!("Replaying recordings/{name}: {}.\n{live}", run.recording.made_with())
}

impl Run {
    fn view<'a>(&'a self, notice: &'a str) -> View<'a> {
        View { notice, seconds: self.seconds, ..View::of(&self.recording, &self.diagnosis, self.outcome) }
    }

    fn junit(&self) -> String {
        let says = if self.outcome == Outcome::Exact { String::new() } else { suite::why(&self.diagnosis) };
        let scored = junit::Scored {
            name: &self.recording.scenario.name,
            outcome: self.outcome,
            says: &says,
            seconds: self.seconds,
            told: &terminal::render(&self.view(""), Style::Plain),
        };
        junit::render(self.mode, [scored], self.seconds)
    }

    fn json(&self) -> json::ScenarioRun<'_> {
        json::ScenarioRun {
            scenario: &self.recording.scenario.name,
            mode: self.mode,
            diagnosis: &self.diagnosis,
            score: json::Score { outcome: self.outcome },
            seconds: json::rounded(self.seconds),
        }
    }
}
