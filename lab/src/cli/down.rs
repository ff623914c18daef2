//! `lab down`: removes the lab's own cluster.

use std::process::ExitCode;

use clap::Args as ClapArgs;

use super::live;
use crate::{LabError, cluster, exit, root::Root};

/// Remove the lab's own cluster, its network and its kubeconfig
#[derive(ClapArgs)]
pub(super) struct Args {}

pub(super) fn run(_: &Args) -> Result<ExitCode, LabError> {
    live::wait_for(cluster::down(&Root::find()?))??;
    Ok(exit::as_expected(true))
}
