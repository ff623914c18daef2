//! `lab images build`: runs `images/<name>/build.sh` for every image; each does nothing where it is up to date.

use std::{process::Stdio, time::Instant};

use tokio::process::Command;

use crate::{LabError, report, rigs::Engine, root::Root};

/// The images; the script of one that is made from another runs that one's first.
const IMAGES: [&str; 13] = [
    "agnhost",
    "elasticsearch-host",
    "envoy",
    "host",
    "kafka-host",
    "kind-node",
    "mongodb-host",
    "nginx",
    "postgres",
    "postgres-host",
    "registry",
    "traefik",
    "workload",
];

/// Builds what is not up to date; the scripts say on stderr what they do.
///
/// # Errors
/// When no engine answers, or a script fails.
pub async fn build(root: &Root) -> Result<(), LabError> {
    Engine::connect().await?;
    for name in IMAGES {
        let begun = Instant::now();
        let script = root.images().join(name).join("build.sh");
        let mut command = Command::new("bash");
        command.arg(&script).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let status = command.status().await.map_err(|error| LabError::file(&script, error))?;
        if !status.success() {
            return Err(LabError::Live {
                what: format!("building the image {name}"),
                why: format!("{}: {status}", script.display()),
                next: format!("See more: bash -x {}", script.display()),
            });
        }
        report::say(&format!("{name}: up to date ({:.0} s)", begun.elapsed().as_secs_f64()));
    }
    Ok(())
}
