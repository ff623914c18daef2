//! Two containers of one pod want the same port: they share one network, so only the first gets it.
//!
//! # What it looks like
//! The pods never become ready: one container runs, another ends as it starts and says `address already in use`. It began as a
//! sidecar was added to the pod, or was given another port.
//!
//! # Confirm by hand
//! `kubectl -n NS logs POD -c CONTAINER --previous` names the port; `kubectl -n NS get pod POD -o yaml` shows it again among the
//! settings, arguments or ports of another container; `ss -tlnp` in the pod's network names who holds it.
//!
//! # Fix
//! Give one of them another port, or go back to the template before.
//!
//! # Who acts
//! The owner of the workload; where the sidecar is injected, whoever runs the mesh.
//!
//! # Source
//! kubernetes.io, Pods, "Pod networking" (containers of a pod share the network namespace, ports included); bind(2), EADDRINUSE.

use crate::json::Value;

use super::{Case, Cause, Finding, State, containers, rollout};
use crate::{
    evidence::{Citation, Object},
    model::Model,
    subject::Subject,
};

/// See the module's comment.
pub struct ContainerPortConflict;

impl Cause for ContainerPortConflict {
    fn id(&self) -> &'static str {
        "container-port-conflict"
    }

    fn source(&self) -> &'static str {
        include_str!("container_port_conflict.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        containers::examine(case.model, |workload, pod| {
            (pod.list("/spec/containers").len() > 1).then_some(())?;
            let states = pod.list("/status/containerStatuses").iter().enumerate();
            let states =
                states.filter(|(_, status)| status["ready"] != true && status["restartCount"].as_i64() > Some(0));
            let states = states.filter_map(|(at, status)| {
                let name = status["name"].as_str()?;
                let cited = pod.cite(&format!("/status/containerStatuses/{at}"), format!("{name} ends as it starts"));
                look(case.model, workload, pod, name, cited)
            });
            Some((states.max_by_key(State::strength)?, false))
        })
    }
}

fn look(model: &Model<'_>, workload: &Subject, pod: &Object, name: &str, ends: Citation) -> Option<State> {
    let logs: Vec<_> = model.evidence.logs.of(pod.subject()).iter().filter(|log| log.is_of(name)).collect();
    if logs.is_empty() {
        return Some(State::Undecided(vec![containers::lack_log(pod)]));
    }
    let told = logs.iter().filter_map(|log| log.last_line_within(LINES, in_use)).next_back()?;
    let own: Vec<u16> = match port(&told.says) {
        Some(port) => vec![port],
        None => pod
            .list("/spec/containers")
            .iter()
            .filter(|container| container["name"] == name)
            .flat_map(|container| container["ports"].as_array().into_iter().flatten())
            .filter_map(|port| u16::try_from(port["containerPort"].as_i64()?).ok())
            .collect(),
    };
    let other = own.iter().find_map(|port| holder(pod, name, *port));
    let Some(other) = other else {
        return Some(State::excluded("no other container of the pod is told of that port", vec![told]));
    };
    let otherwise = format!("Give one of the two containers of {workload} another port");
    let (fix, before) = rollout::back(model, workload, otherwise, |_| true);
    Some(State::holds([ends, told, other].into_iter().chain(before).collect(), fix))
}

/// How many of the last lines are looked at: a stack trace is long.
const LINES: usize = 600;

/// EADDRINUSE in the words of strerror(3), Node.js, .NET and Spring Boot.
fn in_use(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    lower.contains("already in use")
        || lower.contains("eaddrinuse")
        || lower.contains("only one usage of each socket address")
}

/// The port that such a line names: `Port 80 was`, `0.0.0.0:80`, `:::80`.
fn port(line: &str) -> Option<u16> {
    let lower = line.to_ascii_lowercase();
    let named = lower.split("port ").skip(1).find_map(number);
    named.or_else(|| lower.match_indices(':').filter_map(|(at, _)| number(&lower[at + 1..])).find(|port| *port > 59))
}

/// The number a text begins with, where nothing but it stands there.
fn number(text: &str) -> Option<u16> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let ends = !text[digits..].starts_with(|c: char| {
        c.is_alphanumeric() || c == '.' && text[digits + 1..].starts_with(|d: char| d.is_ascii_digit())
    });
    text[..digits].parse().ok().filter(|port| *port > 0 && ends)
}

/// Where another container of the pod is told of this port.
fn holder(pod: &Object, but: &str, port: u16) -> Option<Citation> {
    pod.list("/spec/containers").iter().enumerate().filter(|(_, container)| container["name"] != but).find_map(
        |(c, container)| {
            ["ports", "env", "args", "command"].into_iter().find_map(|field| {
                let list = container[field].as_array()?;
                let at = list.iter().position(|item| has(item, port))?;
                let name = container["name"].as_str().unwrap_or_default();
                let says = format!("{name} is told of port {port} as well");
                Some(pod.cite(&format!("/spec/containers/{c}/{field}/{at}"), says))
            })
        },
    )
}

/// Whether a value names the port: as a number, or in a text that stands for nothing longer.
fn has(value: &Value, port: u16) -> bool {
    match value {
        Value::Number(number) => number.as_u64() == Some(port.into()),
        Value::String(text) => {
            let parts = text.split(|c: char| !c.is_ascii_digit() && c != '.');
            parts.into_iter().any(|part| part.trim_matches('.') == port.to_string())
        }
        Value::Array(list) => list.iter().any(|item| has(item, port)),
        Value::Object(map) => map.values().any(|item| has(item, port)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::containers::tests::{POD, ended},
        number, port,
    };
    use crate::sketch::check;

    fn world(sidecar: &str) -> String {
        format!(
            "{POD}\n{}\nset pod/a/p-1 spec.containers[0].ports[0].containerPort=8080 spec.containers[1].name=side spec.containers[1].args[0]={sidecar}\n",
            ended(1, "Error")
        )
    }

    #[test]
    fn holds_where_another_container_is_told_of_the_port() {
        let told = "log a/p-1  listen tcp :8080: bind: address already in use";
        check(&format!("{}{told}\n=> container-port-conflict deployment/a/p", world("--listen=0.0.0.0:8080")));
        let spring = "log a/p-1  Web server failed to start. Port 8080 was already in use.";
        check(&format!("{}{spring}\n=> container-port-conflict deployment/a/p", world("--port=8080")));
        let bare = "log a/p-1  OSError: [Errno 98] Address already in use";
        check(&format!("{}{bare}\n=> container-port-conflict deployment/a/p", world("--port=8080")));
    }

    #[test]
    fn twins_a_port_nobody_else_is_told_of() {
        let told = "log a/p-1  listen tcp :8080: bind: address already in use";
        check(&format!("{}{told}\n=> unknown", world("--port=18080")));
    }

    #[test]
    fn unknown_without_the_log() {
        check(&format!("{}=> unknown lacks logs/a_p-1_*.txt", world("--port=8080")));
    }

    #[test]
    fn ports_in_words() {
        assert_eq!(port("2026-01-01 10:00:07 Port 8080 was already in use"), Some(8080));
        assert_eq!(port("Error: listen EADDRINUSE: address already in use :::3000"), Some(3000));
        assert_eq!(port("bind() to 0.0.0.0:80 failed (98: Address already in use)"), Some(80));
        assert_eq!((number("80 x"), number("80a"), number("x")), (Some(80), None, None));
    }
}
