//! One run as one file for a browser: what was wrong, how it was narrowed down, the drawings, the lines that decide. It needs
//! nothing but itself: no server, no script, no network.

use std::collections::BTreeMap;

use diagnoser::{Diagnosis, Evidence, Verdict};
use minijinja::{Value, context};

use super::{
    place::{self, Places},
    terminal::{View, judged},
};
use crate::{
    LabError,
    drawing::{
        Drawing,
        reading::{Line, Readings},
    },
    pages::{Pages, STYLE, view},
    score::Outcome,
};

/// So many lines before and after one that decides are shown with it.
const AROUND: usize = 3;

/// The report of a run, or of anyone's evidence.
///
/// # Errors
/// When its evidence does not parse.
pub fn render(told: &View<'_>) -> Result<String, LabError> {
    let diagnosis = told.diagnosis;
    let evidence = Evidence::from_files(told.evidence)?;
    let drawing = Drawing::of(&evidence, diagnosis);
    let readings = Readings::new(told.evidence);
    let since = diagnosis.symptoms.iter().filter_map(|symptom| symptom.since.as_deref()?.parse().ok()).min();
    let exact = matches!(told.judged, Some((Outcome::Exact, _)));
    let symptoms: Vec<String> =
        diagnosis.symptoms.iter().map(|symptom| format!("{}: {}", symptom.subject, symptom.says)).collect();
    let page = Pages::new().render(
        "report.html",
        context! {
            // The program's own sheet, which has nothing to escape.
            style => Value::from_safe_string(STYLE.to_owned()),
            title => title(told),
            notice => told.notice,
            symptoms,
            since => since.map(view::clock),
            exact,
            judged => told.judged.map(|(outcome, truth)| judged(outcome, truth)),
            missing => diagnosis.missing.iter().map(|missing| missing.how.clone()).collect::<Vec<_>>(),
            unknown => diagnosis.verdict == Verdict::Unknown,
            roots => view::roots(diagnosis, &readings, &Places::new(told.evidence, told.origins)),
            verified => if exact { view::verified(told.history) } else { String::new() },
            narrowed => told.narrowed,
            steps => view::steps(diagnosis),
            picture => view::picture(&drawing, Some(&diagnosis.path)),
            traffic => view::traffic(&drawing),
            measured => view::measured(&drawing),
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

/// What a scenario is called, or in a few words what was found.
fn title(told: &View<'_>) -> String {
    let roots = &told.diagnosis.root_causes;
    match told.diagnosis.verdict {
        _ if !told.title.is_empty() => told.title.to_owned(),
        Verdict::Confirmed => roots.iter().map(|root| view::title(&root.cause)).collect::<Vec<_>>().join("; "),
        Verdict::Unknown => "Not decided yet".to_owned(),
        Verdict::Healthy => "Nothing is wrong".to_owned(),
    }
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
