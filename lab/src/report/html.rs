//! One run as one file for a browser: what was wrong, how it was narrowed down, the drawings, the lines that decide. It needs
//! nothing but itself: no server, no script, no network.

use std::collections::BTreeMap;

use diagnoser::{Diagnosis, Evidence, Verdict};
use minijinja::{Value, context};

use super::{
    place::{self, Places},
    terminal::judged,
};
use crate::{
    LabError,
    drawing::{
        Drawing,
        reading::{Line, Readings},
    },
    pages::{Pages, STYLE, view},
    recording::Recording,
    score::Outcome,
};

/// So many lines before and after one that decides are shown with it.
const AROUND: usize = 3;

/// The report of a run.
///
/// # Errors
/// When its evidence does not parse.
pub fn render(recording: &Recording, diagnosis: &Diagnosis, outcome: Outcome) -> Result<String, LabError> {
    let evidence = Evidence::from_files(&recording.evidence)?;
    let drawing = Drawing::of(&evidence, diagnosis);
    let readings = Readings::new(&recording.evidence);
    let since = diagnosis.symptoms.iter().filter_map(|symptom| symptom.since.as_deref()?.parse().ok()).min();
    let exact = outcome == Outcome::Exact;
    let symptoms: Vec<String> =
        diagnosis.symptoms.iter().map(|symptom| format!("{}: {}", symptom.subject, symptom.says)).collect();
    let page = Pages::new().render(
        "report.html",
        context! {
            // The program's own sheet, which has nothing to escape.
            style => Value::from_safe_string(STYLE.to_owned()),
            title => &recording.scenario.title,
            made_with => recording.made_with(),
            symptoms,
            since => since.map(view::clock),
            exact,
            judged => judged(outcome, &recording.scenario.truth),
            missing => diagnosis.missing.iter().map(|missing| missing.how.clone()).collect::<Vec<_>>(),
            unknown => diagnosis.verdict == Verdict::Unknown,
            roots => view::roots(diagnosis, &readings, &Places::new(&recording.evidence, None)),
            verified => if exact { view::verified(&recording.history) } else { String::new() },
            narrowed => recording.scenario.debrief.trim(),
            steps => view::steps(diagnosis),
            picture => view::picture(&drawing, Some(&diagnosis.path)),
            traffic => view::traffic(&drawing),
            timeline => view::timeline(&drawing, &readings),
            excerpts => excerpts(diagnosis, &readings),
        },
    );
    page.map_err(|error| LabError::Live {
        what: "writing the report".to_owned(),
        why: error.to_string(),
        next: "This is a bug; please report it with the name of the run.".to_owned(),
    })
}

/// Of every page of the evidence that decides the lines that do, each with a few around it.
fn excerpts(diagnosis: &Diagnosis, readings: &Readings<'_>) -> Vec<Value> {
    let mut pages: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for cited in diagnosis.root_causes.iter().flat_map(|root| &root.evidence) {
        let (page, path) = readings.place(cited);
        pages.entry(page).or_default().insert(path, place::says(cited));
    }
    let each = pages.iter().filter_map(|(page, paths)| {
        let lines = readings.lines(page)?;
        let hits: Vec<usize> = (0..lines.len()).filter(|at| paths.contains_key(&lines[*at].path)).collect();
        let shown = |at: usize| hits.iter().any(|hit| hit.abs_diff(at) <= AROUND);
        let numbered: Vec<(usize, &Line)> = lines.iter().enumerate().filter(|(at, _)| shown(*at)).collect();
        let told = numbered.into_iter().map(|(at, line)| {
            context! { number => at + 1, text => &line.text, hit => hits.contains(&at) }
        });
        let name = page.split_once('/').map_or(page.as_str(), |(_, name)| name);
        (!hits.is_empty()).then(|| context! { name, lines => told.collect::<Vec<_>>() })
    });
    each.collect()
}
