//! `lab up`: the lab's own cluster.

use std::process::ExitCode;

use clap::Args as ClapArgs;

use super::live;
use crate::{LabError, cluster, exit, root::Root};

/// Make the lab's own cluster, so that live runs start at once
///
/// The cluster has its own network and its own kubeconfig in the cache folder; yours are never touched. Live runs make it
/// themselves where it is not there; lab down removes it.
#[derive(ClapArgs)]
pub(super) struct Args {}

pub(super) fn run(_: &Args) -> Result<ExitCode, LabError> {
    live::wait_for(cluster::up(&Root::find()?))??;
    Ok(exit::as_expected(true))
}
