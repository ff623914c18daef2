//! `lab train`: an exercise at the terminal.

use std::{path::PathBuf, process::ExitCode};

use clap::Args as ClapArgs;

use super::live;
use crate::{
    LabError,
    events::Journal,
    exit,
    follow::{self, Followed},
    gate::{self, Session},
    report::{self, discreet::Discreet},
    root::Root,
    scenario,
    train::{self, Choice, Course, Ending, Exercise, Lesson, progress},
    trainer::{self, Live},
};

/// Find out yourself why a system is broken
///
/// The pager says what a user complains of; kubectl and the readings of the recorded run are there to find out why. Nothing needs
/// a cluster. With --live the system is set up and broken for real on this machine, and kubectl and commands on its machines are
/// the real ones; afterwards everything is taken back. An answer names a cause and an object (answer disk full, host/store-9); a debrief tells how an expert
/// would have narrowed it, beside your own steps. Hints and wrong answers cost points.
///
/// What was finished is kept in chaos-replay-lab/progress.json in XDG_DATA_HOME (~/.local/share). Exit code 0 when the cause
/// was found, 1 when not, 130 when interrupted, and then nothing is kept.
#[derive(ClapArgs)]
#[command(group(clap::ArgGroup::new("which").args(["name", "next", "random", "progress"])))]
#[command(after_long_help = "\
Examples:
  lab train                         the exercise that helps most now
  lab train --random --tag http-503
  lab train 12                      number 12 of the course (docs/course.md)
  lab train 12 --seed 3             the same under other names, addresses and ports
  lab train 12 --live               the same in a system that runs
  lab train --progress              how you stand")]
pub(super) struct Args {
    /// A number of the course, or the name of a scenario, which gives the truth away
    name: Option<String>,
    /// What was weakest, or else the next of the course; this is meant where nothing is said
    #[arg(long)]
    next: bool,
    /// Any exercise
    #[arg(long)]
    random: bool,
    /// Only those with this tag; several times: with all of them
    #[arg(long, conflicts_with_all = ["name", "progress"])]
    tag: Vec<String>,
    /// The variant: other names, addresses and ports. 0 is as it was recorded; without it, how often you did it before
    #[arg(long, value_name = "N", conflicts_with = "progress")]
    seed: Option<u64>,
    /// In a real system on this machine, which is broken for you (lab doctor says what that needs)
    #[arg(long, conflicts_with_all = ["seed", "progress"])]
    live: bool,
    /// Show how you stand at every tag
    #[arg(long)]
    progress: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, LabError> {
    let root = Root::find()?;
    let file = progress::file();
    let done = progress::Progress::load(&file)?;
    let scenarios = scenario::list(&root)?;
    let course = Course::of(&scenarios);
    if args.progress {
        let trained = course.lessons.iter().filter(|lesson| done.times(&lesson.name) > 0).count();
        report::print(&report::training::standings(&train::standings(&course, &done), trained, course.lessons.len()))?;
        return Ok(exit::as_expected(true));
    }
    let (name, seed) = match &args.name {
        Some(name) => {
            let lesson = course.find(name)?;
            (lesson.name.clone(), done.times(&lesson.name) as u64)
        }
        None => {
            let wanted = scenario::tagged(scenarios, &args.tag)?;
            let may: Vec<&Lesson> = course
                .lessons
                .iter()
                .filter(|lesson| wanted.iter().any(|scenario| scenario.name == lesson.name))
                .filter(|lesson| args.live || root.recordings().join(&lesson.name).is_dir())
                .collect();
            let choice = if args.random { any(&may, &done) } else { train::next(&course, &done, &may) };
            let Choice { lesson, seed, why } = choice.ok_or_else(|| LabError::BadInput {
                place: format!("--tag {}", args.tag.join(" --tag ")),
                what: "nothing to train on has all of these tags".to_owned(),
                next: "lab list --tag TAG shows what a tag has.".to_owned(),
            })?;
            report::say(&format!("Chosen: {why}."));
            (lesson.name.clone(), seed)
        }
    };
    let ending = if args.live {
        in_a_live_system(&root, &course, &name, file)?
    } else {
        trainer::work_on(Exercise::load(&root, &course, &name, args.seed.unwrap_or(seed))?, &file)?
    };
    Ok(exit::as_expected(ending == Some(Ending::Found)))
}

fn in_a_live_system(root: &Root, course: &Course, name: &str, file: PathBuf) -> Result<Option<Ending>, LabError> {
    let scenario = scenario::find(root, name)?;
    let journal = Journal::new(vec![Box::new(Discreet::new()), Box::new(Followed::begin(&follow::file()))]);
    live::wait_for(async {
        let session = Session::begin(root, std::slice::from_ref(&scenario)).await?;
        gate::practise(&session, &scenario, &journal, async |practice| {
            let live = Live::of(&practice);
            trainer::work_live(Exercise::of(root, course, practice.recording, 0)?, live, file).await
        })
        .await
    })?
}

fn any<'a>(may: &[&'a Lesson], done: &progress::Progress) -> Option<Choice<'a>> {
    let lesson = fastrand::choice(may)?;
    Some(Choice { lesson, seed: done.times(&lesson.name) as u64, why: "any".to_owned() })
}
