//! A process ends because it writes to its container's own file system, which the template has made read-only.
//!
//! # What it looks like
//! Pods in CrashLoopBackOff with an exit code of their own; the log ends with `Read-only file system` and a path that is on no
//! volume.
//!
//! # Confirm by hand
//! `kubectl -n NS get pod POD -o jsonpath={.spec.containers[*].securityContext.readOnlyRootFilesystem}` is true; the path in
//! the log is below no mountPath.
//!
//! # Fix
//! Mount a volume where it writes (`emptyDir` will do for what need not be kept), have it write elsewhere, or leave
//! `readOnlyRootFilesystem` out.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Configure a Security Context; errno(3), EROFS.

use crate::json::Value;

use super::{Case, Cause, Finding, State, containers, rollout};
use crate::evidence::{Citation, Object};

/// See the module's comment.
pub struct RootFilesystemReadOnly;

impl Cause for RootFilesystemReadOnly {
    fn id(&self) -> &'static str {
        "root-filesystem-read-only"
    }

    fn source(&self) -> &'static str {
        include_str!("root_filesystem_read_only.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        containers::examine(model, |workload, pod| {
            let ended = containers::ends(model, pod);
            let end = ended.first()?;
            let (container, cited) = read_only(pod, end.name)?;
            let logs = model.evidence.logs.of(pod.subject()).iter().filter(|log| log.is_of(end.name));
            let said = logs.filter_map(|log| log.last_line_within(LAST, is_of_its_own(container))).next_back();
            let Some(said) = said else {
                if model.evidence.logs.of(pod.subject()).is_empty() {
                    return Some((State::Undecided(vec![containers::lack_log(pod)]), end.served));
                }
                return Some((
                    State::excluded("it does not complain of a read-only file system", vec![cited]),
                    end.served,
                ));
            };
            let otherwise = format!("Let {workload} write to a volume, or to its own file system");
            let (fix, before) = rollout::back(model, workload, otherwise, |_| true);
            let evidence = [end.cite(), said, cited].into_iter().chain(before).collect();
            Some((State::holds(evidence, fix), end.served))
        })
    }
}

/// How many lines before its end a run's words count as its last.
const LAST: usize = 100;

/// A container whose own file system is read-only.
fn read_only<'e>(pod: &'e Object, name: &str) -> Option<(&'e Value, Citation)> {
    ["/spec/containers", "/spec/initContainers"].into_iter().find_map(|list| {
        let at = pod.list(list).iter().position(|container| container["name"] == name)?;
        let container = &pod.list(list)[at];
        let pointer = format!("{list}/{at}/securityContext/readOnlyRootFilesystem");
        (container["securityContext"]["readOnlyRootFilesystem"] == true)
            .then(|| (container, pod.cite(&pointer, "its own file system is read-only")))
    })
}

/// A line that complains of a read-only file system at a path below no mount of the container's, or at none that it names.
fn is_of_its_own(container: &Value) -> impl Fn(&str) -> bool {
    let mounts = container["volumeMounts"].as_array().into_iter().flatten();
    let mounts: Vec<String> = mounts.filter_map(|mount| mount["mountPath"].as_str().map(str::to_owned)).collect();
    move |line: &str| {
        let path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        let mut words = line.split(|c| !path(c)).filter(|word| word.starts_with('/') && word.len() > 1);
        let mounted = words.any(|word| mounts.iter().any(|mount| std::path::Path::new(word).starts_with(mount)));
        (line.to_ascii_lowercase().contains("read-only file system") || line.contains("EROFS")) && !mounted
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    use super::super::containers::tests::{POD, ended};

    const SET: &str = "set pod/a/p-1  spec.containers[0].securityContext.readOnlyRootFilesystem=true";
    const SAYS: &str = "log a/p-1  OSError: [Errno 30] Read-only file system: '/var/cache/app.db'";

    #[test]
    fn holds() {
        check(&format!("{POD}\n{SET}\n{}\n{SAYS}\n=> root-filesystem-read-only deployment/a/p", ended(1, "Error")));
    }

    #[test]
    fn twin_it_is_a_volume_that_is_read_only_or_nothing_is() {
        let mount = "set pod/a/p-1  spec.containers[0].volumeMounts[0].mountPath=/var/cache";
        check(&format!("{POD}\n{SET}\n{mount}\n{}\n{SAYS}\n=> unknown", ended(1, "Error")));
        check(&format!("{POD}\n{}\n{SAYS}\n=> unknown", ended(1, "Error")));
    }

    #[test]
    fn unknown_without_its_log() {
        check(&format!("{POD}\n{SET}\n{}\n=> unknown lacks logs/a_p-1_*.txt", ended(1, "Error")));
    }
}
