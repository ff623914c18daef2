//! Hands in a node and in the pods on it, or in a machine, through the container engine: they work where the kubelet, or the way to the API
//! server, is what is broken.

use diagnoser::Subject;
use serde_json::Value;

use super::{Engine, Output};
use crate::LabError;

/// Longest a reading on a node may take, in seconds.
const LIMIT: u32 = 20;

/// Runs every argument as a script, side by side, and prints `index code bytes-of-stdout bytes-of-stderr`, a newline, and both.
/// What is not UTF-8 is left out, so that the lengths hold for text.
const SIDE_BY_SIDE: &str = r#"
limit=$1; shift; d=$(mktemp -d); i=0
for script in "$@"; do
  (timeout -k 1 "$limit" bash -c "$script" >"$d/$i.out" 2>"$d/$i.err"; echo $? >"$d/$i.code") & i=$((i+1))
done
wait
for ((j = 0; j < i; j++)); do
  for f in out err; do iconv -c -f utf-8 -t utf-8 "$d/$j.$f" >"$d/clean"; mv "$d/clean" "$d/$j.$f"; done
  echo "$j $(cat "$d/$j.code") $(stat -c %s "$d/$j.out") $(stat -c %s "$d/$j.err")"; cat "$d/$j.out" "$d/$j.err"
done
rm -rf "$d"
"#;

/// A node of the lab's own cluster, or a machine of a world.
#[derive(Clone)]
pub struct Node {
    engine: Engine,
    container: String,
    /// Its name; of a Kubernetes node that of its container.
    pub name: String,
}

impl Node {
    pub(super) fn new(engine: &Engine, name: &str) -> Self {
        Self::in_container(engine, name, name)
    }

    pub(super) fn in_container(engine: &Engine, name: &str, container: &str) -> Self {
        Self { engine: engine.clone(), container: container.to_owned(), name: name.to_owned() }
    }

    /// Runs one command.
    ///
    /// # Errors
    /// When the engine cannot start it.
    pub async fn run(&self, command: &[String]) -> Result<Output, LabError> {
        self.engine.exec(&self.container, command.to_vec()).await
    }

    /// Runs one shell script and insists that it succeeds.
    ///
    /// # Errors
    /// When it does not.
    pub async fn shell(&self, script: &str) -> Result<String, LabError> {
        self.insist(&["bash", "-c", script].map(str::to_owned)).await
    }

    /// Runs one command and insists that it succeeds.
    ///
    /// # Errors
    /// When it does not.
    pub async fn insist(&self, command: &[String]) -> Result<String, LabError> {
        let output = self.run(command).await?;
        let shown = command.get(2).or(command.first()).map(|text| text.trim().lines().next().unwrap_or_default());
        output.ok().map_err(|why| LabError::Live {
            what: format!("on {}: {}", self.name, shown.unwrap_or_default()),
            why,
            next: "Run it again; lab gc removes what is left of this run.".to_owned(),
        })
    }

    /// Runs many shell scripts side by side, in one visit; one output each, in the same order. One that takes longer than
    /// a reading may is ended.
    ///
    /// # Errors
    /// When the engine cannot start them.
    pub async fn side_by_side(&self, scripts: &[String]) -> Result<Vec<Output>, LabError> {
        let mut command = ["bash", "-c", SIDE_BY_SIDE, "side-by-side", &LIMIT.to_string()].map(str::to_owned).to_vec();
        command.extend_from_slice(scripts);
        let outputs = split(&self.run(&command).await?.stdout);
        if outputs.len() == scripts.len() {
            return Ok(outputs);
        }
        Err(LabError::Live {
            what: format!("taking {} readings on node {}", scripts.len(), self.name),
            why: format!("{} came back", outputs.len()),
            next: "Is the machine out of memory or processes? Run it again.".to_owned(),
        })
    }
}

/// The outputs that [`SIDE_BY_SIDE`] framed.
fn split(mut text: &str) -> Vec<Output> {
    let mut outputs = Vec::new();
    while let Some((head, rest)) = text.split_once('\n') {
        let numbers: Vec<usize> = head.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [_, code, out, err] = numbers[..] else { break };
        let (Some(stdout), Some(stderr)) = (rest.get(..out), rest.get(out..out + err)) else { break };
        let code = i64::try_from(code).unwrap_or(-1);
        outputs.push(Output { code, stdout: stdout.to_owned(), stderr: stderr.to_owned() });
        text = &rest[out + err..];
    }
    outputs
}

/// A script that runs `command` in the network of a running container, with its resolver, and with the node's own programs:
/// the container may have none.
pub fn inside(container: &str, command: &str) -> String {
    // The file is copied first: one of another mount namespace cannot be mounted. A copy of its own each time: others may be
    // reading theirs.
    format!(
        "{} unshare -m -- bash -c 'copy=$(mktemp) && cat /proc/$0/root/etc/resolv.conf >$copy && mount --bind $copy /etc/resolv.conf && rm $copy; \
         exec nsenter -t $0 -n -- \"$@\"' \"$pid\" {command}",
        pid_of(container)
    )
}

/// A script that runs a program of a running container's own, with the container's files.
pub fn with_files_of(container: &str, command: &str) -> String {
    format!("{} chroot \"/proc/$pid/root\" {command}", pid_of(container))
}

/// A script about the process of a running container, whose id is `$pid`.
pub fn of_process(container: &str, script: &str) -> String {
    format!("{} {script}", pid_of(container))
}

fn pid_of(container: &str) -> String {
    format!(
        "pid=$(ctr -n k8s.io tasks ls | awk -v id={container} '$1 == id {{ print $2 }}'); \
         [ -n \"$pid\" ] || {{ echo 'its container does not run' >&2; exit 66; }};"
    )
}

/// The id of a container that runs in a pod (the object as JSON); `None` where none does.
pub fn running_container(pod: &Value) -> Option<&str> {
    let statuses = pod.pointer("/status/containerStatuses")?.as_array()?;
    let running = statuses.iter().find(|status| !status["state"]["running"].is_null())?;
    running["containerID"].as_str()?.strip_prefix("containerd://")
}

/// The subject of a pod given as JSON.
pub fn pod_subject(pod: &Value) -> Subject {
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    Subject::namespaced("pod", text("/metadata/namespace"), text("/metadata/name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framed_outputs_come_apart_again() {
        let outputs = split("0 0 4 0\na\nb\n1 2 0 5\noops\n");
        assert_eq!(outputs[0], Output { code: 0, stdout: "a\nb\n".to_owned(), stderr: String::new() });
        assert_eq!(outputs[1].clone().ok(), Err("oops".to_owned()));
        assert_eq!(outputs.len(), 2);
    }
}
