//! `lab list`: what scenarios there are.

use std::{collections::BTreeMap, process::ExitCode};

use clap::Args as ClapArgs;

use super::Format;
use crate::{
    LabError, cluster, exit,
    report::{self, json, list::Entry},
    root::Root,
    scenario::{self, Rig},
    train::Course,
};

/// List the scenarios, with how hard each is to find out (docs/course.md)
#[derive(ClapArgs)]
#[command(after_long_help = "\
Examples:
  lab list --tag http-502
  lab list --format json | jq -r '.[].name'")]
pub(super) struct Args {
    /// Only those with this tag; several times: with all of them
    #[arg(long)]
    tag: Vec<String>,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, LabError> {
    let root = Root::find()?;
    let scenarios = scenario::list(&root)?;
    let course = Course::of(&scenarios);
    let chosen = scenario::tagged(scenarios, &args.tag)?;
    let rigs: BTreeMap<String, Rig> =
        cluster::worlds(&root)?.into_iter().map(|world| (world.name, world.rig)).collect();
    let entries: Vec<Entry> = chosen
        .into_iter()
        .filter_map(|scenario| course.find(&scenario.name).ok().map(|lesson| (scenario, lesson)))
        .map(|(scenario, lesson)| Entry {
            number: lesson.number,
            difficulty: lesson.difficulty.total(),
            recorded: root.recordings().join(&scenario.name).is_dir(),
            rig: rigs.get(&scenario.world).copied().unwrap_or_default().id(),
            name: scenario.name,
            title: scenario.title,
            tags: scenario.tags,
        })
        .collect();
    report::print(&match args.format {
        Format::Terminal => report::list::render(&entries, report::stdout_style()),
        Format::Json => json::render(&entries),
    })?;
    Ok(exit::as_expected(true))
}
