//! The lab's own form, as docs/formats.md describes it: every part optional, beside whatever else is in the folder.

use super::{documents::may_hold_objects, gathered::Gathered, tree::Tree};
use crate::LabError;

/// Whether a name is one of the form.
pub(super) fn is_of_the_form(name: &str) -> bool {
    match name.split('/').collect::<Vec<_>>()[..] {
        [file] => matches!(
            file,
            "changes.json"
                | "objects.json"
                | "probes.json"
                | "traffic.jsonl"
                | "alerts.json"
                | "metrics.csv"
                | "coverage.json"
        ),
        ["logs", file] | ["hosts", _, file] => file.ends_with(".txt"),
        ["services", _, ..] => name.ends_with(".txt") || name.ends_with(".json"),
        _ => false,
    }
}

/// Takes a file of the form.
///
/// # Errors
/// When it cannot be read.
pub(super) fn take(tree: &Tree, name: &str, into: &mut Gathered) -> Result<bool, LabError> {
    if !is_of_the_form(name) {
        return Ok(false);
    }
    let text = tree.text(name)?;
    // A dump by kind has a folder of this name too.
    if name.starts_with("services/") && name.ends_with(".json") && may_hold_objects(&text) {
        return Ok(false);
    }
    into.files.insert(name.to_owned(), text);
    Ok(true)
}
