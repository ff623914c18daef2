//! `lab up` and `lab down`: the lab's own cluster, ready for its worlds.

use std::{collections::BTreeMap, fs, path::PathBuf};

use diagnoser::Subject;

use crate::{
    LabError, ledger, report,
    rigs::{Engine, KindCluster},
    root::Root,
    scenario::{PLACES, Placement, Rig, World},
};

/// Makes the cluster where it is not there, and gets it ready for every world.
///
/// # Errors
/// When the machine lacks something, or the cluster does not come up.
pub async fn up(root: &Root) -> Result<(), LabError> {
    let _lock = ledger::lock()?;
    ready(root).await.map(drop)
}

/// The cluster, made where it was not there: with the images of every world loaded and their names answered. Only for who
/// holds the lock: no other run may be going on.
///
/// # Errors
/// As [`up`].
pub async fn ready(root: &Root) -> Result<KindCluster, LabError> {
    let engine = Engine::connect().await?;
    let worlds = of_clusters(root)?;
    let config = config(root, &worlds);
    let why = match KindCluster::connect(&engine).await {
        Ok(rig) if !rig.is_outdated(&config).await? => return equip(root, rig, &worlds).await,
        Ok(_) => "the lab's cluster is outdated".to_owned(),
        Err(LabError::Lacks { what, .. }) => what,
        Err(other) => return Err(other),
    };
    report::say(&format!("{why}; making it (about two minutes)"));
    KindCluster::remove(&engine).await?;
    equip(root, KindCluster::create(&engine, &config).await?, &worlds).await
}

/// Gets a cluster ready for every world.
async fn equip(root: &Root, rig: KindCluster, worlds: &[World]) -> Result<KindCluster, LabError> {
    let images: BTreeMap<String, String> = worlds.iter().flat_map(|world| world.images.clone()).collect();
    rig.load(&images).await?;
    rig.answer_names(&names(root, worlds)?).await?;
    rig.define_mesh().await?;
    Ok(rig)
}

/// The names of every world, wherever it may be set up.
fn names(root: &Root, worlds: &[World]) -> Result<BTreeMap<String, Subject>, LabError> {
    let mut names = BTreeMap::new();
    for (world, place) in worlds.iter().flat_map(|world| (0..PLACES).map(move |place| (world, place))) {
        names.extend(World::load(root, &world.name, &Placement::number(place))?.dns);
    }
    Ok(names)
}

/// Removes the cluster, its network and its kubeconfig.
///
/// # Errors
/// When the engine refuses.
pub async fn down(_: &Root) -> Result<(), LabError> {
    let _lock = ledger::lock()?;
    for line in KindCluster::remove(&Engine::connect().await?).await? {
        report::say(&line);
    }
    Ok(())
}

/// Every world of the project.
///
/// # Errors
/// At the first that does not parse.
pub fn worlds(root: &Root) -> Result<Vec<World>, LabError> {
    let folder = root.worlds();
    let entries = fs::read_dir(&folder).map_err(|error| LabError::file(&folder, error))?;
    let files =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "yaml"));
    let mut names: Vec<String> = files.filter_map(|path| path.file_stem()?.to_str().map(str::to_owned)).collect();
    names.sort();
    names.iter().map(|name| World::load(root, name, &Placement::default())).collect()
}

/// Those that are set up in the cluster.
fn of_clusters(root: &Root) -> Result<Vec<World>, LabError> {
    Ok(worlds(root)?.into_iter().filter(|world| world.rig == Rig::Kind).collect())
}

/// The cluster configuration that the worlds share.
pub fn config(root: &Root, worlds: &[World]) -> PathBuf {
    let name = worlds.iter().find(|world| world.rig == Rig::Kind).map_or("shop", |world| world.cluster.as_str());
    root.kind_configs().join(format!("{name}.yaml"))
}
