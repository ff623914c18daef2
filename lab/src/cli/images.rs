//! `lab images build`: the container images, where no registry is reached.

use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};

use super::live;
use crate::{LabError, build_images, exit, root::Root};

/// Build the container images of the live runs on this machine
#[derive(ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build every image that is not there yet, from packages
    ///
    /// The first time takes a quarter of an hour, most of it the Kubernetes node; after that only what changed is built.
    /// Needs a container engine (lab doctor).
    Build,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, LabError> {
    match args.command {
        Command::Build => live::wait_for(build_images::build(&Root::find()?))??,
    }
    Ok(exit::as_expected(true))
}
