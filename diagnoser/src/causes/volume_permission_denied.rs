//! A process ends because it may not read or write what is on a volume of its pod: the files belong to others.
//!
//! # What it looks like
//! The container ends with an error soon after each start and waits in CrashLoopBackOff; its last words are `Permission denied`
//! (EACCES) or `Operation not permitted`, of a path below the place where a volume is mounted, or of a file in its data directory.
//! A Service with no other pods has no endpoint.
//!
//! # Confirm by hand
//! `kubectl -n NS logs POD --previous` shows the path; `kubectl -n NS get pod POD -o jsonpath={.spec.securityContext}` the user and
//! group; on the node, or from a debug container with the same volume, `ls -ln PATH` shows whose the files are.
//!
//! # Fix
//! Let the pod's fsGroup or runAsUser be the owner's (fsGroup has no effect on hostPath), or give the files to the user of the
//! process: `chown -R UID:GID PATH` on the node or in an init container.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! errno(3); kubernetes.io, Configure a Security Context, "Set the security context for a Pod"; Volumes, "hostPath".

use crate::json::Value;

use super::{Case, Cause, Finding, State, containers, containers::Ended, rollout, stuck};
use crate::{
    evidence::{Citation, Object},
    model::Model,
    subject::Subject,
};

/// See the module's comment.
pub struct VolumePermissionDenied;

impl Cause for VolumePermissionDenied {
    fn id(&self) -> &'static str {
        "volume-permission-denied"
    }

    fn source(&self) -> &'static str {
        include_str!("volume_permission_denied.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        containers::examine(case.model, |workload, pod| {
            let end = containers::ends(case.model, pod).into_iter().next()?;
            Some((one(case.model, workload, pod, &end)?, false))
        })
    }
}

/// `None` where the container has no volume of its own that could be meant.
fn one(model: &Model<'_>, workload: &Subject, pod: &Object, end: &Ended<'_>) -> Option<State> {
    let mounts = mounts(pod, end.name);
    if mounts.is_empty() {
        return None;
    }
    if end.reason == "OOMKilled" || containers::killed_by_kubelet(model, pod).is_some() && end.code > 128 {
        return Some(State::excluded("it did not end by itself", vec![end.cite()]));
    }
    let logs = model.evidence.logs.of(pod.subject());
    let Some(log) = logs.iter().max_by_key(|log| log.file.ends_with(".previous.txt")) else {
        return Some(State::Undecided(vec![containers::lack_log(pod)]));
    };
    let said = mounts.iter().find_map(|mount| {
        // A path that is not whole is one in the directory the process works in: its data, where it has one volume of it.
        let alone = mounts.len() == 1;
        let said = log.last_line_within(LAST, |line| denied(line).is_some_and(|line| mount.is_meant(&line, alone)))?;
        Some((mount, said))
    });
    let Some((mount, said)) = said else {
        return Some(State::excluded(
            "its last words are not of a file on its volumes that it may not touch",
            vec![end.cite()],
        ));
    };
    let evidence: Vec<Citation> = vec![end.cite(), said, mount.cited.clone()];
    let summary = format!("Let {workload} run as a user who may write on its volume at {}", mount.path);
    let fix = stuck::put_back(model, workload, summary, |field| {
        ["securityContext", "/volumes", "/volumeMounts"].iter().any(|word| field.contains(word))
    });
    let before = rollout::back(model, workload, "", |field| field.contains("securityContext")).1;
    Some(State::holds(evidence.into_iter().chain(before).collect(), fix))
}

/// How many lines before its end count as last words: what is in vain is given up at once.
const LAST: usize = 20;

/// A line in lower case that says that something may not be done.
fn denied(line: &str) -> Option<String> {
    let line = line.to_ascii_lowercase();
    const WORDS: [&str; 4] = ["permission denied", "eacces", "operation not permitted", "accessdeniedexception"];
    WORDS.iter().any(|words| line.contains(words)).then_some(line)
}

/// A place at which a volume that holds data is mounted.
struct Mount {
    path: String,
    cited: Citation,
}

impl Mount {
    /// Whether a line speaks of something on it: by its path, or by the name of a file without one.
    fn is_meant(&self, line: &str, alone: bool) -> bool {
        let path = self.path.to_ascii_lowercase();
        let ends = |rest: &str| {
            rest.chars().next().is_none_or(|next| !next.is_ascii_alphanumeric() && next != '-' && next != '_')
        };
        let named = line.match_indices(&path).any(|(at, _)| ends(&line[at + path.len()..]));
        let words = || line.split_whitespace();
        named
            || alone
                && DONE.iter().any(|done| line.contains(done))
                && !words().any(is_whole_path)
                && words().any(is_file)
    }
}

/// What is done to files.
const DONE: [&str; 8] = ["open", "read", "writ", "creat", "renam", "file", "lock", "mkdir"];

fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '/' && c != '.')
}

/// `/var/lib/x`, and nothing like `http://x/y`.
fn is_whole_path(word: &str) -> bool {
    bare(word).starts_with('/') && bare(word).len() > 1
}

/// `dump.rdb`: a name with an ending, that is no number and no address.
fn is_file(word: &str) -> bool {
    let word = bare(word).trim_end_matches('.');
    let ends_well = |end: &str| (1..6).contains(&end.len()) && end.starts_with(|c: char| c.is_ascii_alphabetic());
    !word.contains("//")
        && !word.contains(':')
        && word.rsplit_once('.').is_some_and(|(name, end)| !name.is_empty() && ends_well(end))
}

/// Where volumes that hold data are mounted in a container: not those that are made of objects, and not those that may only be read.
fn mounts(pod: &Object, container: &str) -> Vec<Mount> {
    const MADE: [&str; 4] = ["configMap", "secret", "projected", "downwardAPI"];
    let volume = |name: &Value| pod.list("/spec/volumes").iter().find(|volume| volume["name"] == *name);
    let lists = ["/spec/containers", "/spec/initContainers"].into_iter();
    let specs = lists.flat_map(|list| pod.list(list).iter().enumerate().map(move |(place, spec)| (list, place, spec)));
    let own = specs.filter(|(.., spec)| spec["name"] == container);
    own.flat_map(|(list, place, spec)| {
        let mounts = spec["volumeMounts"].as_array().into_iter().flatten().enumerate();
        mounts.filter_map(move |(index, mount)| {
            let volume = volume(&mount["name"])?;
            let path = mount["mountPath"].as_str()?.trim_end_matches('/');
            let holds_data = !MADE.iter().any(|kind| volume[*kind].is_object()) && !path.is_empty();
            let says = format!("{} is mounted at {path}", volume["name"].as_str().unwrap_or_default());
            let cited = pod.cite(&format!("{list}/{place}/volumeMounts/{index}"), says);
            holds_data.then(|| Mount { path: path.to_owned(), cited })
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::containers::tests::{POD, ended};
    use crate::sketch::check;

    const MOUNT: &str = r#"set pod/a/p-1  spec.volumes[0].name=d  spec.volumes[0].hostPath.path=/mnt/d  spec.containers[0].volumeMounts[0].name=d  spec.containers[0].volumeMounts[0].mountPath=/srv/data"#;

    #[test]
    fn holds_by_the_path_or_by_a_file_of_the_only_volume() {
        for words in [
            "open /srv/data/wal/1: permission denied",
            "mkdir: cannot create directory '/srv/data': Permission denied",
            "Fatal: can't open state.db for reading: Permission denied",
            "Error: EACCES: permission denied, open '/srv/data/x'",
        ] {
            check(&format!(
                "{POD}\n{MOUNT}\n{}\nlog a/p-1  {words}\n=> volume-permission-denied deployment/a/p",
                ended(1, "Error")
            ));
        }
    }

    #[test]
    fn twins_another_path_or_another_complaint_or_no_volume() {
        for words in [
            "open /etc/p/key.pem: permission denied",
            "open /srv/database: permission denied",
            "bind 0.0.0.0:80: permission denied",
        ] {
            check(&format!("{POD}\n{MOUNT}\n{}\nlog a/p-1  {words}\n=> unknown", ended(1, "Error")));
        }
        check(&format!(
            "{POD}\n{MOUNT}\n{}\nlog a/p-1  no such option\n=> application-crash deployment/a/p",
            ended(2, "Error")
        ));
        check(&format!("{POD}\n{}\nlog a/p-1  open /srv/data/x: permission denied\n=> unknown", ended(1, "Error")));
    }

    #[test]
    fn unknown_without_the_log() {
        check(&format!("{POD}\n{MOUNT}\n{}\n=> unknown lacks logs/a_p-1_*.txt", ended(1, "Error")));
    }
}
