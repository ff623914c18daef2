//! All scenarios of the project, by name.

use std::{fs, path::Path};

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

/// The scenario's name, for files that are scenarios.
fn name_of(path: &Path) -> Option<String> {
    let yaml = path.is_file() && path.extension().is_some_and(|extension| extension == "yaml");
    yaml.then(|| path.file_stem()?.to_str().map(str::to_owned)).flatten()
}
