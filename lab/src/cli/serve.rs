//! `lab serve`: a recording as a cluster that can be looked at, or all of them as a page to work on.

use std::{
    path::{Path, PathBuf},
    pin::pin,
    process::ExitCode,
};

use clap::Args as ClapArgs;

use super::live;
use crate::{
    LabError, evidence_folder, exit, gate::interrupt, recording::Recording, report, root::Root, scenario, serve, web,
};

/// Serve a recording as a read-only Kubernetes API
///
/// kubectl, k9s and other programs look at the recorded cluster as they would at a live one: objects, tables, events, logs,
/// lists and watches. Nothing can be changed, and nothing runs: exec, port-forward and every write are refused. What was not
/// recorded is refused with the reason, never shown as absent. Ages in tables are those at the time of the recording;
/// ages that a client reckons itself (kubectl describe, kubectl events) count from today.
///
/// With --web it is a page instead: every incident by what the pager says, to work on alone or in class, with a facilitator
/// whose own address is printed beside the participants'; the score board of lab suite; a live run as it happens.
#[derive(ClapArgs)]
#[command(group(clap::ArgGroup::new("of").required(true).args(["name", "evidence", "web"])))]
#[command(after_long_help = "\
It listens on 127.0.0.1 only, until Ctrl-C, which also removes the kubeconfig. Your own kubeconfig is never changed.

Examples:
  lab serve port-mismatch --kubeconfig /tmp/recording
  kubectl --kubeconfig /tmp/recording get pods -A -o wide     (in another terminal)
  lab serve --evidence ./incident --kubeconfig /tmp/incident
  lab serve --web                                             and open what it prints")]
pub(super) struct Args {
    /// The scenario whose recording is served; lab list shows all
    name: Option<String>,
    /// An evidence folder of your own instead
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// The kubeconfig to write
    #[arg(long, value_name = "FILE", required_unless_present = "web")]
    kubeconfig: Option<PathBuf>,
    /// The page in a browser instead
    #[arg(long, conflicts_with = "kubeconfig")]
    web: bool,
    /// The port to listen on; a free one without it (of the page: 7070)
    #[arg(long, value_name = "N")]
    port: Option<u16>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, LabError> {
    match &args.kubeconfig {
        Some(kubeconfig) => cluster(args, kubeconfig),
        None => page(args.port.unwrap_or(web::PORT)),
    }
}

fn page(port: u16) -> Result<ExitCode, LabError> {
    let root = Root::find()?;
    live::wait_for(async {
        let served = web::Served::begin(&web::Options { root, port }).await?;
        let mut end = pin!(interrupt::asked());
        let _ = futures::poll!(end.as_mut());
        report::print(&format!(
            "ready: {}\n       {}   for the facilitator of a class; Ctrl-C ends it\n",
            served.address(),
            served.lead_address(),
        ))?;
        tokio::select! {
            served = served.serve() => served,
            () = end => Ok(()),
        }
    })??;
    Ok(ExitCode::from(exit::INTERRUPTED))
}

fn cluster(args: &Args, kubeconfig: &Path) -> Result<ExitCode, LabError> {
    let (evidence, folder) = match (&args.evidence, &args.name) {
        (Some(folder), _) => (evidence_folder::read(folder)?.files, folder.clone()),
        (None, name) => {
            let root = Root::find()?;
            let scenario = scenario::find(&root, name.as_deref().unwrap_or_default())?;
            let folder = root.recordings().join(&scenario.name).join("evidence");
            (Recording::of(&root, &scenario.name)?.evidence, folder)
        }
    };
    let served = serve::start(&evidence, args.port).map_err(|error| error.inside(&folder))?;
    let ended = live::wait_for(async {
        // Polled once, it catches signals: whoever reads the ready line may send one at once.
        let mut end = pin!(interrupt::asked());
        let _ = futures::poll!(end.as_mut());
        served.write_kubeconfig(kubeconfig)?;
        report::print(&format!(
            "ready: kubectl --kubeconfig {} get pods -A\n       http://{}, read-only, as it was on {:.0}; Ctrl-C ends it\n",
            kubeconfig.display(),
            served.address(),
            served.now(),
        ))?;
        end.await;
        Ok::<(), LabError>(())
    })?;
    served.remove_kubeconfig(kubeconfig);
    ended?;
    report::say(&format!("ended; {} is removed", kubeconfig.display()));
    Ok(ExitCode::from(exit::INTERRUPTED))
}
