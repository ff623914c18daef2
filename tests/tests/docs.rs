//! The generated references are current. `just docs` (UPDATE_DOCS=1) writes them.

use std::{env, fs};

use diagnoser::causes::references;
use lab::{cli, report, scenario, train::Course};
use lab_tests::{folder, root, run};

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

#[test]
fn the_course_is_current() {
    check("course.md", &report::course::page(&Course::of(&scenario::list(&root()).expect("every scenario parses"))));
}

#[test]
fn the_role_for_diagnosing_a_cluster_is_current() {
    check("diagnose-role.yaml", &lab::collect::role());
    check("probe-role.yaml", &lab::probe::role());
}

#[test]
fn decision_trees_are_current() {
    check("trees.md", &report::trees::page(&scenario::list(&root()).expect("every scenario parses")));
}

/// The excerpt in the README is what the program prints, from the title on and without the time it took.
#[test]
fn the_readme_shows_what_the_program_prints() {
    const OPEN: &str = "$ cargo run -- scenario port-mismatch\n";
    let answer = run(env!("CARGO_BIN_EXE_lab-under-test"), &folder(), ["scenario", "port-mismatch"]);
    let title = scenario::find(&root(), "port-mismatch").expect("the scenario").title;
    let report = answer.stdout.find(&title).map(|start| &answer.stdout[start..]).expect("the report has the title");
    let report =
        report.trim_end().rsplit_once(' ').and_then(|(text, _seconds)| text.rsplit_once("  ")).expect("a last line").0;
    let path = folder().join("README.md");
    let text = fs::read_to_string(&path).expect("the README");
    let start = text.find(OPEN).expect("the README shows the command") + OPEN.len();
    let end = start + text[start..].find("```").expect("the excerpt ends");
    let wanted = format!("{}{}\n{}", &text[..start], report.trim_end(), &text[end..]);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).expect("the README can be written");
    } else {
        assert!(text == wanted, "the README's excerpt is not current; `just docs` writes it");
    }
}
