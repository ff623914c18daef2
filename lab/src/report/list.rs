//! The scenarios there are: a line each, and the tags to choose by.

use std::collections::BTreeSet;

use serde::Serialize;

use super::layout::{Style, hang, width};
use crate::scenario::Scenario;

/// One scenario of the list; a field of the JSON each.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The scenario's name.
    pub name: String,
    /// What is wrong, in one line.
    pub title: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Where it runs live.
    pub rig: &'static str,
    /// Whether there is a recording of it.
    pub recorded: bool,
    /// Its number in the course.
    pub number: usize,
    /// How hard it is to find out (docs/course.md).
    pub difficulty: f64,
}

/// The list for a person.
pub fn render(entries: &[Entry], style: Style) -> String {
    let widest = entries.iter().map(|entry| width(&entry.name)).max().unwrap_or_default();
    let mut out = String::new();
    for entry in entries {
        let note = if entry.recorded { "" } else { " (not recorded)" };
        let head = format!("{:<widest$}  {:>4.1}  ", entry.name, entry.difficulty);
        let line = hang(&head, &format!("{}{note}", entry.title));
        out.push_str(&line.replacen(&entry.name, &style.head(&entry.name), 1));
    }
    let tags: BTreeSet<&str> = entries.iter().flat_map(|entry| &entry.tags).map(String::as_str).collect();
    if !tags.is_empty() {
        let tags: Vec<&str> = tags.into_iter().collect();
        out.push_str(&format!("\n{}", style.faint(&hang("tags  ", &tags.join(" ")))));
    }
    out
}

/// The whole of docs/scenarios.md. It does not give the truth away: trainees read it too.
pub fn markdown(scenarios: &[Scenario]) -> String {
    let mut out = String::from(
        "# Scenarios\n\nGenerated from scenarios/ by `just docs`; change it there.\n\n\
         | scenario | what is wrong | what a user sees | tags |\n|--|--|--|--|\n",
    );
    for Scenario { name, title, symptom, tags, .. } in scenarios {
        out.push_str(&format!("| `{name}` | {title} | {symptom} | {} |\n", tags.join(", ")));
    }
    out
}
