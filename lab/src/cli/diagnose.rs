//! `lab diagnose`: what is wrong with a system of anyone's, from its evidence.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::{Args as ClapArgs, ValueEnum};
use diagnoser::Verdict;

use super::live;
use crate::{
    LabError,
    collect::{self, ClusterReader, OF_MACHINES},
    evidence_folder::{self, Evidence},
    exit, probe, replay,
    report::{
        self, html, json,
        terminal::{self, View},
    },
};

/// Find the root cause in an evidence folder, or in a cluster of yours
///
/// Reads a folder of ordinary command output and exports, or a cluster through its API; every part is optional, and where
/// something that would decide is missing, the answer says what it is and how to collect it. Nothing is changed anywhere,
/// unless --probe asks for it: a cluster is asked to get, list and show logs (docs/diagnose-role.yaml), and never for the
/// value of a secret.
#[derive(ClapArgs)]
#[command(group(clap::ArgGroup::new("of").required(true).args(["evidence", "context"])))]
#[command(after_long_help = "\
The folder may hold objects.json (kubectl get ... -A -o json), probes.json, traffic.jsonl,
coverage.json, logs/<namespace>_<pod>_<container>.txt and hosts/<host>/<command>.txt;
docs/formats.md describes each. Read as well, and recognised by themselves: any files of
kubectl get -o yaml or json, kubectl cluster-info dump, support bundles of troubleshoot.sh and
must-gathers, also as .tar or .tar.gz (docs/evidence.md).

Examples:
  mkdir incident; kubectl get pods,services,endpointslices,events -A -o json > incident/objects.json
  lab diagnose --evidence ./incident
  lab diagnose --evidence ./must-gather.tar.gz
  lab diagnose --context production -n shop
  lab diagnose --context production -n shop --probe
  lab diagnose --evidence ./incident --format html > incident.html
  lab diagnose --evidence ./incident --format json --exit-code || echo broken")]
pub(super) struct Args {
    /// The folder, or an archive of one
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// The cluster of this context of your kubeconfig, read-only
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// With --context: only what lies in this namespace, and what belongs to the whole cluster
    #[arg(short, long, value_name = "NS", requires = "context")]
    namespace: Option<String>,
    /// With --context: also try what the cluster's users do (connections, names, requests), from a pod of the lab's own in the
    /// namespace of the fault, or the one named with -n; it is removed at the end (docs/probe-role.yaml)
    #[arg(long, requires = "context", conflicts_with = "evidence")]
    probe: bool,
    /// With --probe: the image of that pod; it needs sh, /agnhost, dig and curl
    #[arg(long, value_name = "IMAGE", default_value = probe::IMAGE, requires = "probe")]
    probe_image: String,
    /// Exit with 1 when something is wrong or cannot be decided
    #[arg(long)]
    exit_code: bool,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Form::Terminal)]
    format: Form,
}

/// The forms of a diagnosis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For a person.
    Terminal,
    /// One JSON document, for a program (docs/formats.md).
    Json,
    /// One file for a browser, with what was measured as charts.
    Html,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, LabError> {
    let begun = Instant::now();
    let (evidence, why_not) = match (&args.evidence, &args.context) {
        (Some(folder), _) => (evidence_folder::read(folder)?, "not in the evidence folder"),
        (None, context) => {
            let files = live::wait_for(of_context(args, context.as_deref().unwrap_or_default()))??;
            (Evidence { files, ..Evidence::default() }, OF_MACHINES)
        }
    };
    let (mut diagnosis, files) = replay::investigate(evidence.files, &mut |_| Err(why_not.to_owned()))
        .map_err(|error| args.evidence.iter().fold(error, |error, folder| error.inside(folder)))?;
    evidence.origins.restore(&mut diagnosis);
    let view = View {
        notice: &evidence.notice,
        title: "",
        diagnosis: &diagnosis,
        evidence: &files,
        origins: Some(&evidence.origins),
        history: &[],
        judged: None,
        narrowed: "",
        seconds: begun.elapsed().as_secs_f64(),
    };
    report::print(&match args.format {
        Form::Terminal => terminal::render(&view, report::stdout_style()),
        Form::Json => json::render(&diagnosis),
        Form::Html => html::render(&view)?,
    })?;
    Ok(exit::as_expected(!args.exit_code || diagnosis.verdict == Verdict::Healthy))
}

async fn of_context(args: &Args, context: &str) -> Result<replay::Files, LabError> {
    let reader = ClusterReader::connect(context).await?;
    let mut files = collect::of_cluster(&reader, args.namespace.as_deref()).await?;
    tracing::info!("{} requests", reader.asked());
    if args.probe {
        let before = replay::diagnose(files.clone(), OF_MACHINES)?;
        let namespace =
            args.namespace.as_deref().or_else(|| probe::namespace_of(&before)).ok_or_else(|| LabError::BadInput {
                place: "--probe".to_owned(),
                what: "nothing that was read points to a namespace".to_owned(),
                next: "Name the one to probe from: -n NAMESPACE".to_owned(),
            })?;
        probe::run(reader.client(), context, namespace, &args.probe_image, &mut files).await?;
    }
    Ok(files)
}
