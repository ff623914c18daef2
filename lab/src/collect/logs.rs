//! `logs/<namespace>_<pod>_<container>.txt`: what containers wrote, read on the nodes, so that a kubelet or a way to the API
//! server that does not work takes no log away.

use futures::future::try_join_all;
use jiff::Timestamp;

use super::{Part, traffic};
use crate::{
    LabError,
    replay::Files,
    rigs::{Live, Node},
};

/// At most so many lines of a log are kept, the last ones.
const LINES: usize = 2000;

/// Of the requests in a log, which stand in `traffic.jsonl`, so many are kept: enough to see what the log looks like.
const REQUESTS: usize = 6;

/// Takes out of the logs what stands in `traffic.jsonl`, but for the last few lines of each.
pub(super) fn thin(logs: &mut Files) {
    for text in logs.values_mut() {
        let mut seen = 0;
        let kept = text.lines().rev().filter(|line| {
            let request = traffic::is_request(line);
            seen += usize::from(request);
            seen <= REQUESTS || !request
        });
        let mut lines: Vec<&str> = kept.collect();
        lines.reverse();
        *text = lines.into_iter().flat_map(|line| [line, "\n"]).collect();
    }
}

/// Collects the logs of every container of the world, and of the cluster's DNS, that has written anything since `begun`: a world
/// that was up before in this place left its logs for a while.
pub(super) async fn collect(live: &Live, begun: Timestamp) -> Result<Part, LabError> {
    let mut wanted: Vec<String> = live.namespaces().iter().map(|namespace| format!("{namespace}_*")).collect();
    wanted.push("kube-system_coredns-*".to_owned());
    let mut whole = Part::default();
    for part in try_join_all(live.rig.nodes().iter().map(|node| of_node(node, &wanted, begun))).await? {
        whole.merge(part);
    }
    Ok(whole)
}

async fn of_node(node: &Node, wanted: &[String], begun: Timestamp) -> Result<Part, LabError> {
    // /var/log/pods/<namespace>_<pod>_<uid>/<container>/<restarts>.log
    let list = format!(
        "cd /var/log/pods && for folder in {}; do case $folder in kube-system_*) since=0;; *) since={};; esac; \
         [ -d \"$folder\" ] && find \"$folder\" -name '*.log' -newermt \"@$since\" -printf '%p\\n'; done; true",
        wanted.join(" "),
        begun.as_second()
    );
    let text = node.shell(&list).await?;
    let mut paths: Vec<&str> = text.lines().collect();
    paths.sort_by_key(|path| (path.rsplit_once('/').map(|(folder, _)| folder.to_owned()), instance(path)));
    let read: Vec<String> = paths.iter().map(|path| format!("tail -n {LINES} '/var/log/pods/{path}'")).collect();
    let mut part = Part::default();
    for (index, (path, output)) in paths.iter().zip(node.side_by_side(&read).await?).enumerate() {
        let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        // Of the instances of one container the last is the running one, the one before it the previous.
        let later = paths[index + 1..].iter().filter(|other| folder(other) == folder(path)).count();
        let suffix = match later {
            0 => "",
            1 => ".previous",
            _ => continue,
        };
        let Some(name) = name(path) else { continue };
        let file = format!("logs/{name}{suffix}.txt");
        match output.ok() {
            Ok(text) => drop(part.files.insert(file, written(&text))),
            Err(why) => part.miss(file, why),
        }
    }
    Ok(part)
}

/// Which start of the container wrote this file.
fn instance(path: &str) -> u32 {
    path.rsplit('/').next().and_then(|file| file.strip_suffix(".log")?.parse().ok()).unwrap_or_default()
}

/// `<namespace>_<pod>_<container>`.
fn name(path: &str) -> Option<String> {
    let mut parts = path.split('/');
    let (pod, container) = (parts.next()?, parts.next()?);
    Some(format!("{}_{container}", pod.rsplit_once('_')?.0))
}

/// What the container wrote: the runtime puts time, stream and a mark for parts of long lines before each line.
fn written(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        let (mark, rest) = (words.nth(2).unwrap_or_default(), words.next().unwrap_or_default());
        whole.push_str(rest);
        if mark != "P" {
            whole.push('\n');
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_own_words_are_taken_off() {
        let text = "2026-11-23T09:00:00Z stdout F hello world\n2026-11-23T09:00:00Z stderr P long \n2026-11-23T09:00:00Z stderr F line\n";
        assert_eq!(written(text), "hello world\nlong line\n");
        assert_eq!(name("shop_web-1_3f2a/web/0.log").as_deref(), Some("shop_web-1_web"));
        assert_eq!(instance("shop_web-1_3f2a/web/12.log"), 12);
    }
}
