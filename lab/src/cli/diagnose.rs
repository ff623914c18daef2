//! `lab diagnose`: what is wrong with a system of anyone's, from its evidence.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Args as ClapArgs;
use diagnoser::Verdict;

use super::Format;
use crate::{
    LabError, evidence_folder, exit, replay,
    report::{self, json, terminal},
};

/// Find the root cause in an evidence folder
///
/// Reads a folder of ordinary command output and exports; every part is optional, and where something that would decide is
/// missing, the answer says what it is and how to collect it. Nothing is changed anywhere.
#[derive(ClapArgs)]
#[command(after_long_help = "\
The folder may hold objects.json (kubectl get ... -A -o json), probes.json, traffic.jsonl, coverage.json,
logs/<namespace>_<pod>_<container>.txt and hosts/<host>/<command>.txt; docs/formats.md describes each.

Examples:
  mkdir incident; kubectl get pods,services,endpointslices,events -A -o json > incident/objects.json
  lab diagnose --evidence ./incident
  lab diagnose --evidence ./incident --format json --exit-code || echo broken")]
pub(super) struct Args {
    /// The folder
    #[arg(long, value_name = "DIR")]
    evidence: PathBuf,
    /// Exit with 1 when something is wrong or cannot be decided
    #[arg(long)]
    exit_code: bool,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, LabError> {
    let begun = Instant::now();
    let evidence = evidence_folder::read(&args.evidence)?;
    let diagnosis = replay::diagnose(evidence.clone(), "not in the evidence folder")
        .map_err(|error| error.inside(&args.evidence))?;
    report::print(&match args.format {
        Format::Json => json::render(&diagnosis),
        Format::Terminal => {
            let view = terminal::View {
                notice: "",
                title: "",
                diagnosis: &diagnosis,
                evidence: &evidence,
                history: &[],
                judged: None,
                seconds: begun.elapsed().as_secs_f64(),
            };
            terminal::render(&view, report::stdout_style())
        }
    });
    Ok(exit::as_expected(!args.exit_code || diagnosis.verdict == Verdict::Healthy))
}
