//! What `oc adm must-gather` and `oc adm inspect` write, also packed.
//!
//! Source: pkg/cli/admin/inspect/{namespace,pod,resource,util}.go of openshift/oc: `namespaces/<ns>/<ns>.yaml`,
//! `namespaces/<ns>/<group or core>/<plural>.yaml` for lists and `.../<plural>/<name>.yaml` for single objects,
//! `namespaces/<ns>/pods/<pod>/<pod>.yaml`, logs with times in `namespaces/<ns>/pods/<pod>/<container>/<container>/logs/
//! {current,previous}.log`, and `cluster-scoped-resources/<group or core>/<plural>/<name>.yaml`. A must-gather has a folder for
//! each image that gathered, with all of that in it, and a file `timestamp` of when it began and ended (Go's time.String()).

use jiff::Timestamp;

use super::{
    gathered::{Gathered, is_export, kind_named, stem},
    tree::Tree,
};
use crate::LabError;

/// Folders of other things that are called like these.
const MARKS: [&str; 2] = ["cluster-scoped-resources", "namespaces"];

/// The mark: `cluster-scoped-resources/`, or a folder of a namespace with its core objects or its pods.
pub(super) fn is_one(tree: &Tree) -> bool {
    tree.names().any(|name| {
        matches!(below(name)[..], ["cluster-scoped-resources", _, _, ..] | ["namespaces", _, "core" | "pods", _, ..])
    })
}

/// Takes a file of the layout.
///
/// # Errors
/// When a text cannot be read.
pub(super) fn take(tree: &Tree, name: &str, into: &mut Gathered) -> Result<bool, LabError> {
    match below(name)[..] {
        ["namespaces", namespace, "pods", pod, _, container, "logs", file] => {
            let previous = match file {
                "current.log" => false,
                "previous.log" => true,
                _ => return Ok(false),
            };
            let text = tree.text(name)?;
            if !text.is_empty() || !previous {
                into.log([namespace, pod, container], previous, text, name, 0);
            }
            Ok(true)
        }
        ["namespaces", namespace, ref rest @ ..] if is_export(name) => {
            let kind = match rest {
                [_namespace] => None,
                ["pods", _pod, _file] => kind_named("pods"),
                [_group, plural] | [_group, plural, _] => kind_named(stem(plural)),
                _ => return Ok(false),
            };
            into.namespaces.insert(namespace.to_owned());
            Ok(into.objects_if_whole(tree, name, kind))
        }
        ["cluster-scoped-resources", _group, plural, ..] if is_export(name) => {
            Ok(into.objects_if_whole(tree, name, kind_named(stem(plural))))
        }
        [] if name.rsplit('/').next() == Some("timestamp") => {
            into.collected = tree.text(name)?.lines().filter_map(go_time).max().max(into.collected);
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// A name from the folder on that says what kind of thing it is; nothing where there is none.
fn below(name: &str) -> Vec<&str> {
    name.split('/').skip_while(|part| !MARKS.contains(part)).collect()
}

/// `2024-05-02 10:11:12.345678 +0000 UTC m=+0.1`.
fn go_time(text: &str) -> Option<Timestamp> {
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    Timestamp::strptime("%Y-%m-%d %H:%M:%S%.f %z", words.join(" ")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_go_prints_them() {
        let time = go_time("2024-05-02 10:11:12.345678901 +0200 CEST m=+0.1");
        assert_eq!(time.map(|time| time.to_string()).as_deref(), Some("2024-05-02T08:11:12.345678901Z"));
        assert_eq!(go_time("yesterday"), None);
    }
}
