//! The container's command cannot be run: there is no such program in the image, or it may not be executed.
//!
//! # What it looks like
//! Pods in RunContainerError or CrashLoopBackOff that never ran: no log at all. Their Service has no endpoint, so an ingress
//! controller answers 503 at once.
//!
//! # Confirm by hand
//! `kubectl -n NS describe pod POD`: the last state says StartError (or ContainerCannotRun) and `exec: "NAME": executable file
//! not found in $PATH`. Where a shell looked for the program, the exit code is 127 (not found) or 126 (not executable).
//!
//! # Fix
//! Set `command` and `args` to what the image has, or go back to the last template that served.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Define a Command and Arguments for a Container; os/exec ErrNotFound, execve(2); POSIX, Shell, "Exit Status
//! for Commands".

use super::{Case, Cause, Finding, State, containers, containers::Ended, kubelet_probes, rollout};
use crate::{
    evidence::{Citation, Object},
    model::Model,
};

/// See the module's comment.
pub struct ContainerCommandInvalid;

impl Cause for ContainerCommandInvalid {
    fn id(&self) -> &'static str {
        "container-command-invalid"
    }

    fn source(&self) -> &'static str {
        include_str!("container_command_invalid.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        containers::examine(model, |workload, pod| {
            let ended = containers::ends(model, pod);
            let waits = waiting(pod).or_else(|| told(model, pod));
            let Some(says) = waits.or_else(|| ended.iter().find_map(|end| never_ran(model, end))) else {
                let end = ended.first()?;
                return Some((State::excluded("its program was found and run", vec![end.cite()]), false));
            };
            let otherwise = format!("Give {workload} a command that its image has");
            let (fix, before) = rollout::back(model, workload, otherwise, |_| true);
            Some((State::holds(std::iter::once(says).chain(before).collect(), fix), false))
        })
    }
}

/// The reading that the program of a container that ended was never run.
pub(super) fn never_ran(model: &Model<'_>, end: &Ended<'_>) -> Option<Citation> {
    if says_no_program(end.message) {
        return Some(Citation { says: end.message.trim().to_owned(), ..end.cite() });
    }
    // A shell ran instead and did not find it, or could not.
    let words = match end.code {
        127 => "not found",
        126 => "ermission denied",
        _ => return None,
    };
    model.evidence.logs.of(end.pod.subject()).iter().find_map(|log| log.last_line(|line| line.contains(words)))
}

/// A container that waits because the runtime could not start its program.
fn waiting(pod: &Object) -> Option<Citation> {
    pod.list("/status/containerStatuses").iter().enumerate().find_map(|(index, status)| {
        let message = status["state"]["waiting"]["message"].as_str().filter(|message| says_no_program(message))?;
        Some(pod.cite(&format!("/status/containerStatuses/{index}/state/waiting/message"), message))
    })
}

/// The kubelet's event of it, which comes before it stands in the status; of a container that has been seen neither to run nor
/// to end since.
fn told(model: &Model<'_>, pod: &Object) -> Option<Citation> {
    let statuses = pod.list("/status/containerStatuses");
    if statuses.iter().any(|status| status["state"]["waiting"].is_null()) {
        return None;
    }
    let (event, message) = kubelet_probes::events(model, pod, "Failed").last()?;
    says_no_program(message).then(|| event.cite("/message", message))
}

/// The runtime's words for an execve(2) that failed: it names the program after `exec:`.
pub(super) fn says_no_program(message: &str) -> bool {
    let why = ["executable file not found", "no such file or directory", "permission denied", "is a directory"];
    message.contains("exec: ") && why.iter().any(|why| message.contains(why))
}

#[cfg(test)]
mod tests {
    use super::super::containers::tests::{POD, ended};
    use crate::sketch::check;

    const MESSAGE: &str = "set pod/a/p-1  status.containerStatuses[0].lastState.terminated.message=\"failed to start: exec: x: executable file not found in $PATH: unknown\"";

    #[test]
    fn holds_by_the_runtime_s_word() {
        check(&format!("{POD}\n{}\n{MESSAGE}\n=> container-command-invalid deployment/a/p", ended(128, "StartError")));
    }

    #[test]
    fn holds_by_the_shell_s_word() {
        check(&format!(
            "{POD}\n{}\nlog a/p-1  sh: 1: servr: not found\n=> container-command-invalid deployment/a/p",
            ended(127, "Error")
        ));
    }

    #[test]
    fn holds_by_the_kubelets_event_before_it_stands_in_the_status() {
        let event =
            "event pod/a/p-1 Failed Error: failed to create task: exec: \"x\": executable file not found in $PATH";
        let waits = "set pod/a/p-1  status.containerStatuses[0].state={\"waiting\":{\"reason\":\"ContainerCreating\"}}";
        check(&format!("{POD}\n{waits}\n{event}\n=> container-command-invalid deployment/a/p"));
        let runs = "set pod/a/p-1  status.containerStatuses[0].state={\"running\":{}}";
        check(&format!("{POD}\n{runs}\n{event}\n=> unknown"));
    }

    #[test]
    fn twin_a_start_that_failed_for_another_reason() {
        check(&format!("{POD}\n{}\n=> unknown", ended(128, "StartError")));
    }

    #[test]
    fn twin_a_program_that_ran_and_ended() {
        check(&format!("{POD}\n{}\nlog a/p-1  bad option\n=> application-crash deployment/a/p", ended(1, "Error")));
    }

    #[test]
    fn unknown_where_the_shell_s_word_is_missing() {
        check(&format!("{POD}\n{}\n=> unknown lacks logs/a_p-1_*.txt", ended(127, "Error")));
    }
}
