//! `lab generate`: clusters that never were, for measuring and for trying the diagnoser.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args as ClapArgs;

use crate::{
    LabError, exit,
    replay::Files,
    report,
    synthetic::{FAULTS, Order},
};

/// Write the evidence of a synthetic cluster, healthy or with one planted fault
///
/// The cluster has nodes, namespaces, workloads that ask each other, users' names and what was tried of them; and what looks bad in
/// every cluster and harms nobody. The same arguments write the same bytes. What is true of it goes to stdout, as the line that
/// lab suite --truth reads.
#[derive(ClapArgs)]
#[command(after_long_help = "\
Examples:
  lab generate cases/large --pods 10000 --fault image-tag-missing > truth.tsv
  lab diagnose --evidence cases/large
  lab suite --evidence-root cases --truth truth.tsv")]
pub(super) struct Args {
    /// The folder to write, which must not exist yet
    folder: PathBuf,
    /// About how many pods
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pods: u32,
    /// What is wrong, by its cause; all is well without
    #[arg(long, value_name = "CAUSE")]
    fault: Option<String>,
    /// In how many workloads it is wrong
    #[arg(long, value_name = "COUNT", default_value_t = 1, requires = "fault")]
    victims: u32,
    /// What chance is drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, LabError> {
    let fault = match &args.fault {
        None => None,
        Some(cause) => Some(*FAULTS.iter().find(|fault| fault.cause == cause).ok_or_else(|| {
            let known: Vec<&str> = FAULTS.iter().map(|fault| fault.cause).collect();
            LabError::unknown_name(
                "fault to plant",
                cause,
                known.iter().copied(),
                format!("There are {}.", known.join(", ")),
            )
        })?),
    };
    if args.folder.exists() {
        return Err(LabError::BadInput {
            place: args.folder.display().to_string(),
            what: "this exists already".to_owned(),
            next: "Give the name of a new folder.".to_owned(),
        });
    }
    let cluster = Order { pods: args.pods as usize, fault, victims: args.victims as usize, seed: args.seed }.make();
    // Half a cluster would be another one.
    write(&args.folder, &cluster.evidence).inspect_err(|_| drop(fs::remove_dir_all(&args.folder)))?;
    let case = args.folder.file_name().unwrap_or(args.folder.as_os_str()).to_string_lossy();
    report::print(&match cluster.truth.as_slice() {
        [] => format!("{case}\thealthy\n"),
        roots => roots.iter().map(|(cause, subject)| format!("{case}\t{cause}\t{subject}\n")).collect(),
    })?;
    Ok(exit::as_expected(true))
}

fn write(folder: &Path, evidence: &Files) -> Result<(), LabError> {
    for (name, text) in evidence {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|error| LabError::file(parent, error))?;
        fs::write(&path, text).map_err(|error| LabError::file(&path, error))?;
    }
    Ok(())
}
