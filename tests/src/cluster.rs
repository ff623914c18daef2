//! The lab's own live cluster, for tests that set up something in it by themselves.

use std::{
    fs,
    process::{Command, Output},
};

use lab::rigs::{LABEL, kubeconfig};

use crate::kubectl;

/// Runs kubectl on it.
///
/// # Panics
/// When there is no such program.
pub fn ask(arguments: &[&str]) -> Output {
    let program = kubectl();
    let mut command = Command::new(&program);
    command.arg("--kubeconfig").arg(kubeconfig()).args(arguments);
    command.output().unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

/// The same, and what it printed.
///
/// # Panics
/// When it fails.
pub fn must(arguments: &[&str]) -> String {
    let output = ask(arguments);
    assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The name of its context.
///
/// # Panics
/// When its kubeconfig is not there.
pub fn context() -> String {
    let text = fs::read_to_string(kubeconfig()).expect("a kubeconfig");
    text.lines().find_map(|line| line.strip_prefix("current-context: ")).expect("a context").to_owned()
}

/// A namespace of the lab's that goes with the test, whatever became of it.
pub struct Namespace(&'static str);

impl Namespace {
    /// Makes it, in a cluster that is made where there is none by `lab`, the program.
    ///
    /// # Panics
    /// When the machine lacks what live runs need.
    pub fn new(lab: &str, name: &'static str) -> Self {
        assert!(Command::new(lab).arg("up").status().expect("the program starts").success());
        // One that is still going away.
        must(&["delete", "namespace", name, "--ignore-not-found"]);
        must(&["create", "namespace", name]);
        let namespace = Self(name);
        must(&["label", "namespace", name, &format!("{LABEL}=lab")]);
        namespace
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ask(&["delete", "namespace", self.0, "--wait=false"]);
    }
}
