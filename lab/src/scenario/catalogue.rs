//! All scenarios of the project, by name.

use std::{collections::BTreeSet, fs, path::Path};

use super::Scenario;
use crate::{LabError, root::Root};

/// The names of all scenarios, sorted.
///
/// # Errors
/// When the folder cannot be read.
pub fn names(root: &Root) -> Result<Vec<String>, LabError> {
    let folder = root.scenarios();
    let entries = fs::read_dir(&folder).map_err(|error| LabError::file(&folder, error))?;
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| name_of(&entry.path())).collect();
    names.sort();
    Ok(names)
}

/// The scenario of this name.
///
/// # Errors
/// When there is none (with the nearest name), or its file does not parse.
pub fn find(root: &Root, name: &str) -> Result<Scenario, LabError> {
    let names = names(root)?;
    if !names.iter().any(|known| known == name) {
        let all = format!("lab list shows all {}", names.len());
        return Err(LabError::unknown_name("scenario", name, names.iter().map(String::as_str), all));
    }
    let path = root.scenarios().join(format!("{name}.yaml"));
    Scenario::load(&path, &root.shown(&path))
}

/// Every scenario, sorted by name.
///
/// # Errors
/// At the first file that does not parse.
pub fn list(root: &Root) -> Result<Vec<Scenario>, LabError> {
    names(root)?.iter().map(|name| find(root, name)).collect()
}

/// Those of these that have all the tags.
///
/// # Errors
/// When no scenario has one of the tags at all.
pub fn tagged(scenarios: Vec<Scenario>, wanted: &[String]) -> Result<Vec<Scenario>, LabError> {
    let tags: BTreeSet<&str> = scenarios.iter().flat_map(|scenario| &scenario.tags).map(String::as_str).collect();
    if let Some(tag) = wanted.iter().find(|tag| !tags.contains(tag.as_str())) {
        let all = format!("Tags: {}", tags.iter().copied().collect::<Vec<_>>().join(", "));
        return Err(LabError::unknown_name("tag", tag, tags, all));
    }
    Ok(scenarios.into_iter().filter(|scenario| wanted.iter().all(|tag| scenario.tags.contains(tag))).collect())
}

/// The scenario's name, for files that are scenarios.
fn name_of(path: &Path) -> Option<String> {
    let yaml = path.is_file() && path.extension().is_some_and(|extension| extension == "yaml");
    yaml.then(|| path.file_stem()?.to_str().map(str::to_owned)).flatten()
}
