//! Files that `kubectl get ... -o json|yaml` wrote: of any name, at any depth, one object, a List or several documents.

use super::{
    cluster_info,
    documents::may_hold_objects,
    gathered::{Gathered, is_export, kind_named, stem},
    tree::Tree,
};
use crate::LabError;

/// Takes the objects of a file that has any. A list without items says by its name what it is a list of: `networkpolicies.yaml`.
///
/// # Errors
/// When it looks like objects and does not parse, with file, line and column.
pub(super) fn take(tree: &Tree, name: &str, into: &mut Gathered) -> Result<bool, LabError> {
    // What `kubectl cluster-info dump` prints is often kept as text.
    let printed = !name.contains('/') && (name.ends_with(".txt") || name.ends_with(".log"));
    if !is_export(name) && !printed {
        return Ok(false);
    }
    let text = tree.text(name)?;
    if cluster_info::is_printed(&text) {
        return cluster_info::take_printed(tree, name, &text, into);
    }
    if printed || !may_hold_objects(&text) {
        return Ok(false);
    }
    into.objects_in(tree, name, &text, kind_named(stem(name.rsplit('/').next().unwrap_or(name))))
}
