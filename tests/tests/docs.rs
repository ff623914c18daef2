//! The generated references are current. `just docs` (UPDATE_DOCS=1) writes them.

use std::{env, fs, process::Command};

use diagnoser::causes::references;
use lab::{cli, report, scenario, train::Course};
use lab_tests::{cast, folder, root};

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

const COMMAND: &str = "cargo run -- scenario port-mismatch";

/// What the program prints, from the title on and without the time it took: that and the machine it runs on are not always
/// the same.
fn printed(colour: bool) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab-under-test"));
    command.args(["scenario", "port-mismatch"]).current_dir(folder()).env_remove("LAB_ROOT").env_remove("NO_COLOR");
    let output = command.env("CLICOLOR_FORCE", if colour { "1" } else { "0" }).output().expect("the program starts");
    let text = String::from_utf8(output.stdout).expect("text");
    let title = scenario::find(&root(), "port-mismatch").expect("the scenario").title;
    let start = text.find(&title).expect("the report has the title");
    let report = &text[text[..start].rfind('\n').map_or(0, |line| line + 1)..];
    let (report, _seconds) = report.trim_end().rsplit_once("  ").expect("a last line");
    format!("{}\n", report.trim_end())
}

#[test]
fn the_readme_shows_what_the_program_prints() {
    let open = format!("$ {COMMAND}\n");
    let path = folder().join("README.md");
    let text = fs::read_to_string(&path).expect("the README");
    let start = text.find(&open).expect("the README shows the command") + open.len();
    let end = start + text[start..].find("```").expect("the excerpt ends");
    let wanted = format!("{}{}{}", &text[..start], printed(false), &text[end..]);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).expect("the README can be written");
    } else {
        assert!(text == wanted, "the README's excerpt is not current; `just docs` writes it");
    }
}

#[test]
fn the_recording_in_the_readme_is_current() {
    let picture = cast::svg(COMMAND, &printed(true));
    assert!(picture.len() < 60_000, "{} bytes are much for a README", picture.len());
    check("cast.svg", &picture);
}
