//! The pod that makes the attempts: it may do nothing else, ends by itself, and writes one line an attempt.

use std::fmt::Write;

use diagnoser::{
    Subject,
    evidence::{Object, Objects},
};
use serde_json::{Value, json};

use super::plan::{Attempt, Plan};
use crate::{collect::as_list, rigs::LABEL};

/// The image of Kubernetes' own network tests: it has agnhost, dig and curl (kubernetes/kubernetes, test/images/agnhost).
pub const IMAGE: &str = "registry.k8s.io/e2e-test-images/agnhost:2.52";
/// How many attempts are made side by side.
const AT_ONCE: usize = 20;
/// The cluster ends the pod after so many seconds, whatever became of the lab.
const SECONDS: u64 = 120;

/// What every line of an attempt begins with.
pub(super) const MARK: &str = "attempt";

/// Words: the mark, kind, target, address, times of begin and end in seconds since the machine started, exit code, what was said.
/// What failed is tried once more, for once is chance. Ports stand apart from addresses, so that a try is not taken for a
/// setting of what the pod depends on.
const FUNCTIONS: &str = "\
set -f
now() { read -r up _ </proc/uptime; echo \"$up\"; }
once() { begun=$(now); said=$(\"$@\" 2>&1); code=$?; echo \"$mark $begun $(now) $code\" $said; return $code; }
twice() { once \"$@\" || once \"$@\"; }
tcp() { mark=\"attempt tcp $1 $2:$3\"; twice /agnhost connect --timeout=2s \"$2:$3\"; }
dns() { mark=\"attempt dns $1 -\"; twice dig +noall +comments +answer +time=2 +tries=1 \"$1\" A; }
http() { mark=\"attempt http http://$1:$2/ $1:$2\"; twice curl -sS -o /dev/null --max-time 5 -w '%{http_code}' \"http://$1:$2/\"; }
";

/// The script of all attempts.
fn script(plan: &Plan) -> String {
    let mut script = FUNCTIONS.to_owned();
    for attempts in plan.attempts.chunks(AT_ONCE) {
        for attempt in attempts {
            // A name of Kubernetes has no character that means anything to a shell.
            match attempt {
                Attempt::Tcp { target, address, port } => writeln!(script, "tcp {target} {address} {port} &"),
                Attempt::Dns { name } => writeln!(script, "dns {name} &"),
                Attempt::Http { address, port } => writeln!(script, "http {address} {port} &"),
            }
            .ok();
        }
        script.push_str("wait\n");
    }
    script
}

/// The pod, as the Pod Security Standards' strictest profile wants it. It is no part of a mesh, and has no rights.
pub(super) fn manifest(namespace: &str, name: &str, image: &str, plan: &Plan) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {LABEL: "lab", "sidecar.istio.io/inject": "false"},
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": SECONDS,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "probe",
                "image": image,
                "command": ["sh", "-c", script(plan)],
                // Says whom it asks on behalf of those that use them.
                "env": [{"name": "USED", "value": plan.used.join(" ")}],
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": true,
                },
                "resources": {
                    "requests": {"cpu": "10m", "memory": "32Mi"},
                    "limits": {"cpu": "500m", "memory": "128Mi"},
                },
            }],
        },
    })
}

/// The pod as evidence has objects.
///
/// # Panics
/// Never: a manifest of [`manifest`] has kind and name.
pub(super) fn as_object(manifest: &Value) -> Object {
    let text = |key: &str| manifest["metadata"][key].as_str().unwrap_or_default();
    let subject = Subject::namespaced("pod", text("namespace"), text("name"));
    let objects = Objects::parse(&as_list(std::slice::from_ref(manifest))).unwrap_or_default();
    objects.get(&subject).cloned().expect("the one object in it")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn plan() -> Plan {
        let tcp = |port| Attempt::Tcp { target: format!("service/a/b:{port}"), address: "127.0.0.1".to_owned(), port };
        Plan { attempts: (1..=45).map(tcp).collect(), ..Plan::default() }
    }

    #[test]
    fn the_script_is_one_that_sh_reads_and_goes_in_steps() {
        let script = script(&plan());
        assert_eq!(script.matches("wait\n").count(), 3);
        let checked = Command::new("sh").args(["-n", "-c", &script]).status().expect("sh");
        assert!(checked.success(), "{script}");
    }

    #[test]
    fn an_attempt_is_one_line_and_what_failed_is_tried_again() {
        // The tools stand in for those of the image.
        let script = FUNCTIONS.replace("/agnhost", "agnhost");
        let tools = "agnhost() { echo REFUSED >&2; return 1; }\ndig() { printf 'a\\n  b *\\n'; }\n";
        let run = format!("{script}{tools}tcp service/a/b:80 10.0.0.1 80\ndns x.test\n");
        let output = Command::new("sh").args(["-c", &run]).output().expect("sh");
        let text = String::from_utf8(output.stdout).expect("text");
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0][..4], [MARK, "tcp", "service/a/b:80", "10.0.0.1:80"]);
        assert_eq!(lines[1][6..], ["1", "REFUSED"]);
        assert_eq!(lines[2][6..], ["0", "a", "b", "*"]);
    }

    #[test]
    fn it_may_do_nothing_but_this() {
        let pod = manifest("shop", "probe-1", IMAGE, &plan());
        assert_eq!(pod["metadata"]["labels"][LABEL], "lab");
        let container = &pod["spec"]["containers"][0];
        assert_eq!(container["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
        assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
        assert_eq!(as_object(&pod).subject().to_string(), "pod/shop/probe-1");
    }
}
