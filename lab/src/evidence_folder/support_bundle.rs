//! A support bundle of troubleshoot.sh (replicatedhq/troubleshoot), unpacked or as the `.tar.gz` it writes.
//!
//! Source: pkg/collect/cluster_resources.go and pkg/constants/constants.go there: `cluster-resources/<kind>.json` of the
//! cluster and `cluster-resources/<kind>/<namespace>.json` of namespaces (typed lists; bare arrays in older bundles), what
//! could not be read in `cluster-resources/<kind>-errors.json`, `cluster-resources/custom-resources/<crd>/<namespace>.json`,
//! and logs of pods in trouble in `cluster-resources/pods/logs/<namespace>/<pod>/<container>.log`, with `-previous.log` and
//! `-logs-errors.log` beside it; pkg/collect/logs.go links the logs of others to the same place.

use serde_json::Value;

use super::{
    gathered::{Gathered, is_export, kind_named, stem},
    tree::Tree,
};
use crate::LabError;

const MARK: &str = "cluster-resources";

/// The mark: a folder of this name.
pub(super) fn is_one(tree: &Tree) -> bool {
    tree.names().any(|name| name.split('/').any(|part| part == MARK))
}

/// Takes a file of the layout.
///
/// # Errors
/// When a text cannot be read.
pub(super) fn take(tree: &Tree, name: &str, into: &mut Gathered) -> Result<bool, LabError> {
    let parts: Vec<&str> = name.split('/').skip_while(|part| *part != MARK).skip(1).collect();
    match parts[..] {
        ["pods", "logs", namespace, pod, file] => {
            let Some(file) = file.strip_suffix(".log") else { return Ok(false) };
            if let Some(container) = file.strip_suffix("-logs-errors") {
                into.miss(&format!("logs/{namespace}_{pod}_{container}.txt"), tree.text(name)?.trim());
                return Ok(true);
            }
            let container = file.strip_suffix("-previous");
            let of = [namespace, pod, container.unwrap_or(file)];
            into.log(of, container.is_some(), tree.text(name)?, name, 0);
            Ok(true)
        }
        [file] if file.ends_with("-errors.json") => {
            if let (Some(why), Some(kind)) = (first_error(&tree.text(name)?), kind_named(&file[..file.len() - 12])) {
                into.miss(kind.plural, &why);
            }
            Ok(true)
        }
        ["auth-cani-list" | "image-pull-secrets", ..] | ["groups.json" | "resources.json"] => Ok(false),
        ["custom-resources", .., file] if is_export(file) => Ok(into.objects_if_whole(tree, name, None)),
        [file] if is_export(file) => Ok(into.objects_if_whole(tree, name, kind_named(stem(file)))),
        [kind, file] if is_export(file) => {
            if kind == "pods" {
                into.namespaces.insert(stem(file).to_owned());
            }
            Ok(into.objects_if_whole(tree, name, kind_named(kind)))
        }
        _ => Ok(false),
    }
}

/// The first of the errors in a file of these: an array of them, or a map by namespace.
fn first_error(text: &str) -> Option<String> {
    match serde_json::from_str(text).ok()? {
        Value::Array(errors) => Some(errors.first()?.as_str()?.to_owned()),
        Value::Object(errors) => {
            let (namespace, why) = errors.iter().next()?;
            Some(format!("in {namespace}: {}", why.as_str()?))
        }
        _ => None,
    }
}
