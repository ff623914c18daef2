//! `lab diagnose`: what is wrong with a system of anyone's, from its evidence.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Args as ClapArgs;
use diagnoser::Verdict;

use super::{Format, live};
use crate::{
    LabError,
    collect::{self, ClusterReader, OF_MACHINES},
    evidence_folder::{self, Evidence},
    exit, replay,
    report::{self, json, terminal},
};

/// Find the root cause in an evidence folder, or in a cluster of yours
///
/// Reads a folder of ordinary command output and exports, or a cluster through its API; every part is optional, and where
/// something that would decide is missing, the answer says what it is and how to collect it. Nothing is changed anywhere: a
/// cluster is asked to get, list and show logs (docs/diagnose-role.yaml), and never for the value of a secret.
#[derive(ClapArgs)]
#[command(group(clap::ArgGroup::new("of").required(true).args(["evidence", "context"])))]
#[command(after_long_help = "\
The folder may hold objects.json (kubectl get ... -A -o json), probes.json, traffic.jsonl, coverage.json,
logs/<namespace>_<pod>_<container>.txt and hosts/<host>/<command>.txt; docs/formats.md describes each.

Examples:
  mkdir incident; kubectl get pods,services,endpointslices,events -A -o json > incident/objects.json
  lab diagnose --evidence ./incident
  lab diagnose --context production -n shop
  lab diagnose --evidence ./incident --format json --exit-code || echo broken")]
pub(super) struct Args {
    /// The folder
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// The cluster of this context of your kubeconfig, read-only
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// With --context: only what lies in this namespace, and what belongs to the whole cluster
    #[arg(short, long, value_name = "NS", requires = "context")]
    namespace: Option<String>,
    /// Exit with 1 when something is wrong or cannot be decided
    #[arg(long)]
    exit_code: bool,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, LabError> {
    let begun = Instant::now();
    let (evidence, why_not) = match (&args.evidence, &args.context) {
        (Some(folder), _) => (evidence_folder::read(folder)?, "not in the evidence folder"),
        (None, context) => {
            let files = of_context(context.as_deref().unwrap_or_default(), args.namespace.as_deref())?;
            (Evidence { files, ..Evidence::default() }, OF_MACHINES)
        }
    };
    let mut diagnosis = replay::diagnose(evidence.files.clone(), why_not)
        .map_err(|error| args.evidence.iter().fold(error, |error, folder| error.inside(folder)))?;
    evidence.origins.restore(&mut diagnosis);
    report::print(&match args.format {
        Format::Json => json::render(&diagnosis),
        Format::Terminal => {
            let view = terminal::View {
                notice: &evidence.notice,
                title: "",
                diagnosis: &diagnosis,
                evidence: &evidence.files,
                origins: Some(&evidence.origins),
                history: &[],
                judged: None,
                seconds: begun.elapsed().as_secs_f64(),
            };
            terminal::render(&view, report::stdout_style())
        }
    });
    Ok(exit::as_expected(!args.exit_code || diagnosis.verdict == Verdict::Healthy))
}

fn of_context(context: &str, namespace: Option<&str>) -> Result<replay::Files, LabError> {
    live::wait_for(async {
        let reader = ClusterReader::connect(context).await?;
        let files = collect::of_cluster(&reader, namespace).await?;
        tracing::info!("{} requests", reader.asked());
        Ok(files)
    })?
}
