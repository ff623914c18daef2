//! A program ends because the memory that its runtime may use is used up: the runtime's own limit, not the container's.
//!
//! # What it looks like
//! Pods in CrashLoopBackOff or restarting; the container ended with an exit code of its own and was not killed; the last words
//! are the runtime's: `java.lang.OutOfMemoryError`, `JavaScript heap out of memory`, `OutOfMemoryException`, `MemoryError`.
//!
//! # Confirm by hand
//! `kubectl -n NS logs POD --previous`; the runtime's own limit (`-Xmx`, `-XX:MaxRAMPercentage`, `--max-old-space-size`,
//! `GCHeapHardLimit`) against the container's memory limit.
//!
//! # Fix
//! Give the runtime more of the container's memory (and the container more where needed), or find what the program keeps.
//!
//! # Who acts
//! The owner of the application.
//!
//! # Source
//! Java SE, java.lang.OutOfMemoryError and the options -XX:+ExitOnOutOfMemoryError, -XX:+CrashOnOutOfMemoryError; V8,
//! FatalProcessOutOfMemory; .NET, OutOfMemoryException; Python, MemoryError; Go, runtime: out of memory.

use super::{Case, Cause, Finding, State, containers, rollout};

/// See the module's comment.
pub struct HeapLimitExceeded;

impl Cause for HeapLimitExceeded {
    fn id(&self) -> &'static str {
        "heap-limit-exceeded"
    }

    fn source(&self) -> &'static str {
        include_str!("heap_limit_exceeded.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        containers::examine(model, |workload, pod| {
            let ended = containers::ends(model, pod);
            let end = ended.first().filter(|end| end.reason != "OOMKilled" && end.code != 137)?;
            let logs = model.evidence.logs.of(pod.subject());
            if logs.is_empty() {
                return Some((State::Undecided(vec![containers::lack_log(pod)]), end.served));
            }
            let said = logs.iter().filter_map(|log| log.last_line_within(LAST, tells)).next_back()?;
            let otherwise = format!("Let the runtime of {workload} use more memory, or the program less");
            let (fix, before) = rollout::back(model, workload, otherwise, |_| true);
            Some((State::holds([end.cite(), said].into_iter().chain(before).collect(), fix), end.served))
        })
    }
}

/// How many lines before its end a run's words count as its last: a stack trace is long.
const LAST: usize = 100;

/// Whether a line is a runtime's word that its memory is used up.
pub(super) fn tells(line: &str) -> bool {
    const WORDS: [&str; 5] = [
        "java.lang.OutOfMemoryError",
        "JavaScript heap out of memory",
        "System.OutOfMemoryException",
        "runtime: out of memory",
        "memory allocation of",
    ];
    let words = WORDS.iter().any(|words| line.contains(words));
    // Rust names the size: `memory allocation of 8 bytes failed`; Python has the bare word at the beginning of a line.
    words && (!line.contains("memory allocation of") || line.contains("failed"))
        || line.trim_start().starts_with("MemoryError")
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    use super::super::containers::tests::{POD, ended};

    #[test]
    fn holds_by_the_word_of_each_runtime() {
        for says in [
            "Terminating due to java.lang.OutOfMemoryError: Java heap space",
            "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
            "Unhandled exception. System.OutOfMemoryException: Exception of type",
            "fatal error: runtime: out of memory",
        ] {
            check(&format!("{POD}\n{}\nlog a/p-1  {says}\n=> heap-limit-exceeded deployment/a/p", ended(3, "Error")));
        }
    }

    #[test]
    fn twin_the_kernel_killed_it_or_it_ended_for_another_reason() {
        let limit = "set pod/a/p-1  spec.containers[0].resources.limits.memory=64Mi";
        let says = "log a/p-1  java.lang.OutOfMemoryError: Java heap space";
        check(&format!("{POD}\n{limit}\n{}\n{says}\n=> memory-limit-exceeded deployment/a/p", ended(137, "OOMKilled")));
        check(&format!("{POD}\n{}\nlog a/p-1  no such option\n=> application-crash deployment/a/p", ended(3, "Error")));
    }

    #[test]
    fn unknown_without_its_log() {
        check(&format!("{POD}\n{}\n=> unknown lacks logs/a_p-1_*.txt", ended(3, "Error")));
    }
}
