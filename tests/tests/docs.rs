//! The generated references are current. `just docs` (UPDATE_DOCS=1) writes them.

use std::{env, fs};

use diagnoser::causes::references;
use lab::{cli, report, scenario};
use lab_tests::{folder, root};

fn check(name: &str, wanted: &str) {
    let path = folder().join("docs").join(name);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, wanted).expect("docs/ can be written");
    }
    let current = fs::read_to_string(&path).unwrap_or_default();
    assert!(current == wanted, "docs/{name} is not current; `just docs` writes it");
}

#[test]
fn causes_are_current() {
    check("causes.md", &report::reference::markdown(&references()));
}

#[test]
fn commands_are_current() {
    check("cli.md", &cli::markdown());
}

#[test]
fn scenarios_are_current() {
    check("scenarios.md", &report::list::markdown(&scenario::list(&root()).expect("every scenario parses")));
}
