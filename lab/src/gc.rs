//! `lab gc`: takes back what a killed run left, by its ledger and by the lab's label.

use std::fs;

use diagnoser::Subject;

use crate::{
    LabError,
    ledger::{self, LeftOver},
    rigs::{Action, Engine, Kind, KindCluster, OWNED, is_owned, kinds, raze_all},
    root::Root,
    scenario::first_place,
};

/// Takes back what is left and says what was done, a line each. A whole cluster stays; a half-made one goes.
///
/// # Errors
/// When a run is going on, no engine answers, or something cannot be taken back.
pub async fn collect(_: &Root) -> Result<Vec<String>, LabError> {
    let _lock = ledger::lock()?;
    let engine = Engine::connect().await?;
    let mut done = sweep_machines(&engine).await?;
    // The cluster is the first lab's of an engine.
    if first_place() > 0 {
        return Ok(done);
    }
    match KindCluster::connect(&engine).await {
        Ok(rig) => {
            done.extend(sweep(&rig).await?);
            Ok(done)
        }
        Err(LabError::Lacks { .. }) => {
            // Without a cluster there is nothing left to take back in it.
            done.extend(KindCluster::remove(&engine).await?);
            for LeftOver { path, .. } in ledger::left_over() {
                fs::remove_file(&path).map_err(|error| LabError::file(&path, error))?;
                done.push(format!("forgot {}: its cluster is gone", path.display()));
            }
            Ok(done)
        }
        Err(other) => Err(other),
    }
}

/// Removes all machines and their networks, and forgets the ledgers that made them. Only for who holds the lock.
///
/// # Errors
/// When the engine refuses.
pub async fn sweep_machines(engine: &Engine) -> Result<Vec<String>, LabError> {
    let done = raze_all(engine).await?;
    for left in ledger::left_over().iter().filter(|left| left.is_of_machines()) {
        fs::remove_file(&left.path).map_err(|error| LabError::file(&left.path, error))?;
    }
    Ok(done)
}

/// Takes back what ledgers say, then whatever else of the lab's is in the cluster. Only for who holds the lock.
///
/// # Errors
/// When something cannot be taken back.
pub async fn sweep(rig: &KindCluster) -> Result<Vec<String>, LabError> {
    let mut done = vec![];
    for LeftOver { path, undos } in ledger::left_over() {
        rig.take_back(&undos).await?;
        fs::remove_file(&path).map_err(|error| LabError::file(&path, error))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        done.push(format!("took back {} changes of the run {name}", undos.len()));
    }
    let mut left: Vec<Subject> = vec![];
    // Nodes are the cluster's own, and so are definitions, which worlds share.
    let removable = |kind: &&Kind| !kind.namespaced && !matches!(kind.kind, "CustomResourceDefinition" | "Node");
    for kind in kinds().filter(removable) {
        let objects = rig.api.list(kind, None, OWNED).await?;
        let names =
            objects.iter().filter(|object| is_owned(object)).filter_map(|object| object["metadata"]["name"].as_str());
        left.extend(names.map(|name| kind.subject(None, name)));
    }
    done.extend(left.iter().map(|subject| format!("deleted {subject}")));
    let deletions: Vec<Action> = left.into_iter().map(Action::Delete).collect();
    rig.take_back(&deletions).await?;
    Ok(done)
}
