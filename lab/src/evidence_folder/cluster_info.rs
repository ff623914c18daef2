//! `kubectl cluster-info dump`: typed lists of each namespace and the logs of every pod, as a folder (`--output-directory`) or
//! as one text, which is what it prints by default.
//!
//! Source: staging/src/k8s.io/kubectl/pkg/cmd/clusterinfo/clusterinfo_dump.go of kubernetes/kubernetes: `nodes.json`,
//! `<namespace>/{events,replication-controllers,services,daemonsets,deployments,replicasets,pods}.json` (`.yaml` with
//! `-o yaml`), and `<namespace>/<pod>/logs.txt`, in which each container's log stands between a line `==== START logs for
//! container C of pod N/P ====` and one with END. It reads no endpoints, policies, ingresses or ConfigMaps.

use super::{
    gathered::{Gathered, is_export, kind_named, stem},
    tree::Tree,
};
use crate::LabError;

const BEGIN: &str = "==== START logs for container ";
const END: &str = "==== END logs for container ";

/// The mark: no other tool names a file so.
pub(super) fn is_one(tree: &Tree) -> bool {
    let mut files = tree.names().filter_map(|name| name.rsplit('/').next());
    files.any(|file| matches!(file, "replication-controllers.json" | "replication-controllers.yaml"))
}

/// Takes a file of the layout.
///
/// # Errors
/// When a text cannot be read.
pub(super) fn take(tree: &Tree, name: &str, into: &mut Gathered) -> Result<bool, LabError> {
    match name.rsplit('/').collect::<Vec<_>>()[..] {
        ["logs.txt", _pod, _namespace, ..] => {
            take_logs(name, &tree.text(name)?, into);
            Ok(true)
        }
        [file, ref above @ ..] if is_export(file) => {
            if let (Some(namespace), "pods") = (above.first(), stem(file)) {
                into.namespaces.insert((*namespace).to_owned());
            }
            Ok(into.objects_if_whole(tree, name, kind_named(stem(file))))
        }
        _ => Ok(false),
    }
}

/// Whether a text is what the command prints without `--output-directory`.
pub(super) fn is_printed(text: &str) -> bool {
    text.trim_start().starts_with('{') && text.contains(BEGIN)
}

/// Takes all of it: the lists, and the logs between them.
///
/// # Errors
/// When a list does not parse, with the place.
pub(super) fn take_printed(tree: &Tree, name: &str, text: &str, into: &mut Gathered) -> Result<bool, LabError> {
    let lists = take_logs(name, text, into);
    into.objects_in(tree, name, &lists, None)
}

/// Takes the logs out of a text, and gives it back with empty lines in their place, so that places in it stay true.
fn take_logs(name: &str, text: &str, into: &mut Gathered) -> String {
    let mut rest = String::new();
    let mut open: Option<(&str, usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        // A log that does not end in a newline has the END on its last line.
        let (line, end) = line.find(END).map_or((line, false), |at| (&line[..at], true));
        match &mut open {
            Some((_, _, log)) => {
                log.push_str(line);
                log.push_str(if line.is_empty() && end { "" } else { "\n" });
            }
            None if line.starts_with(BEGIN) => open = Some((&line[BEGIN.len()..], index + 1, String::new())),
            None => rest.push_str(line),
        }
        rest.push('\n');
        if end && let Some((of, before, log)) = open.take() {
            take_log(name, of, before, log, into);
        }
    }
    if let Some((of, before, log)) = open {
        take_log(name, of, before, log, into);
    }
    rest
}

/// `of` is what stands after BEGIN: `web of pod shop/web-1 ====`.
fn take_log(name: &str, of: &str, before: usize, log: String, into: &mut Gathered) {
    let words: Vec<&str> = of.split_whitespace().collect();
    if let [container, "of", "pod", pod, ..] = words[..]
        && let Some((namespace, pod)) = pod.split_once('/')
    {
        into.log([namespace, pod, container], false, log, name, before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_cut_out_and_lines_stay_where_they_are() {
        let text = "{}\n==== START logs for container web of pod shop/web-1 ====\none\ntwo==== END logs for container web of pod shop/web-1 ====\n{\n==== START logs for container a of pod shop/b ====\n==== END logs for container a of pod shop/b ====\n";
        let mut gathered = Gathered::default();
        assert_eq!(take_logs("dump.txt", text, &mut gathered), "{}\n\n\n\n{\n\n\n");
        assert_eq!(gathered.files["logs/shop_web-1_web.txt"], "one\ntwo\n");
        assert_eq!(gathered.files["logs/shop_b_a.txt"], "");
    }
}
