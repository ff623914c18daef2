//! The evidence of an incident: what there is, one page of it, and what is found in all of it. What decides is marked only for
//! those whose attempt is over.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension,
    extract::{Path, Query, State},
    response::Html,
};
use minijinja::{Value, context};
use serde::Deserialize;

use super::{App, Failure, Visitor, id::Id, incident::case, now, shelf::Case};
use crate::{
    drawing::reading::{Origin, Readings, anchor, href},
    report::place,
    train::Look,
};

/// More lines than this are not listed.
const MOST_FOUND: usize = 200;

/// What is to be found.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    q: String,
}

pub(super) async fn index(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<Id>,
    Query(Wanted { q }): Query<Wanted>,
) -> Result<Html<String>, Failure> {
    let case = case(&app, id).await?;
    let readings = Readings::new(&case.exercise.files);
    let over = is_over(&app, &visitor, id);
    let q = q.trim();
    let (found, more) = find(&readings, q);
    if !q.is_empty() {
        note(&app, &visitor, &case, Look::objects("", format!("find {q}")));
    }
    let missed =
        case.exercise.evidence.coverage.missed.iter().map(|miss| context! { what => &miss.what, why => &miss.why });
    let page = context! {
        site => app.site(&visitor, "incidents", false),
        base => format!("/incidents/{id}"),
        id => id.to_string(),
        q,
        found,
        more,
        groups => groups(&case, &readings, over),
        missed => missed.collect::<Vec<_>>(),
    };
    Ok(Html(app.pages.render("evidence.html", page)?))
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((id, name)): Path<(Id, String)>,
) -> Result<Html<String>, Failure> {
    let case = case(&app, id).await?;
    let readings = Readings::new(&case.exercise.files);
    let lines = readings.lines(&name).ok_or_else(|| Failure::missing("such evidence"))?;
    let title = name.split_once('/').map_or(name.as_str(), |(_, name)| name);
    note(
        &app,
        &visitor,
        &case,
        match name.strip_prefix("object/") {
            Some(object) => Look::objects(object.split('/').next().unwrap_or_default(), format!("show {object}")),
            None => Look::file(title),
        },
    );
    let decide: BTreeMap<String, String> = if is_over(&app, &visitor, id) {
        deciding(&case, &readings).filter(|(page, _, _)| *page == name).map(|(_, path, says)| (path, says)).collect()
    } else {
        BTreeMap::new()
    };
    let mut last = String::new();
    let lines = lines.into_iter().enumerate().map(|(at, line)| {
        // Of a value of several lines the first has the name.
        let first = line.path != last;
        last.clone_from(&line.path);
        context! {
            anchor => if first { anchor(&line.path) } else { String::new() },
            hit => decide.contains_key(&line.path),
            number => at + 1,
            text => line.text,
        }
    });
    let page = context! {
        site => app.site(&visitor, "incidents", false),
        base => format!("/incidents/{id}"),
        id => id.to_string(),
        name => title,
        lines => lines.collect::<Vec<_>>(),
        decides => decide.iter().map(|(path, says)| context! { anchor => anchor(path), says }).collect::<Vec<_>>(),
    };
    Ok(Html(app.pages.render("file.html", page)?))
}

/// The evidence one mostly wants, for the incident's own page.
pub(super) fn shortcuts(case: &Case, readings: &Readings<'_>, over: bool) -> Vec<(String, Vec<Value>)> {
    let decide: Vec<String> = if over { deciding(case, readings).map(|(page, _, _)| page).collect() } else { vec![] };
    let item = |page: String, name: &str| context! { name, decides => decide.contains(&page), href => page };
    let files = |wanted: fn(Origin) -> bool| {
        let files = readings.files().filter(|name| wanted(Origin::of(name)));
        files.map(|name| item(format!("file/{name}"), name.trim_start_matches("logs/"))).collect::<Vec<_>>()
    };
    let mut decided: Vec<Value> = Vec::new();
    for page in &decide {
        let name = page.split_once('/').map_or(page.as_str(), |(_, name)| name);
        if !decided.iter().any(|known| known.get_attr("name").is_ok_and(|known| known.as_str() == Some(name))) {
            decided.push(item(page.clone(), name));
        }
    }
    vec![
        ("What decides".to_owned(), decided),
        ("Requests and changes".to_owned(), files(|of| matches!(of, Origin::System(name) if name != "coverage.json"))),
        ("Logs".to_owned(), files(|of| matches!(of, Origin::Log(_)))),
        ("What servers say".to_owned(), files(|of| matches!(of, Origin::Server(..)))),
    ]
}

/// All of it, by where it is from.
fn groups(case: &Case, readings: &Readings<'_>, over: bool) -> Vec<Value> {
    let decide: Vec<String> = if over { deciding(case, readings).map(|(page, _, _)| page).collect() } else { vec![] };
    let mut groups: BTreeMap<(u8, String), Vec<(String, String)>> = BTreeMap::new();
    for name in readings.files() {
        let (group, short) = match Origin::of(name) {
            Origin::System(file) => ((0, "Requests, attempts and changes".to_owned()), file),
            Origin::Log(log) => ((1, "Logs".to_owned()), log),
            Origin::Machine(host, command) => ((2, format!("Machine {host}")), command),
            Origin::Server(host, server) => ((3, format!("What servers on {host} say")), server),
        };
        groups.entry(group).or_default().push((format!("file/{name}"), short.to_owned()));
    }
    for subject in readings.objects() {
        let group = match (&subject.namespace, subject.is("event")) {
            (_, true) => (6, "Events".to_owned()),
            (Some(namespace), _) => (4, format!("Namespace {namespace}")),
            (None, _) => (5, "Objects of the whole cluster".to_owned()),
        };
        let short = format!("{}/{}", subject.kind, subject.name);
        groups.entry(group).or_default().push((format!("object/{subject}"), short));
    }
    let each = groups.into_iter().map(|((_, title), mut list)| {
        list.sort();
        let items = list.into_iter().map(|(href, name)| context! { decides => decide.contains(&href), href, name });
        context! { title, list => items.collect::<Vec<_>>() }
    });
    each.collect()
}

/// Every page, line and reading that proves the root causes.
fn deciding<'c>(case: &'c Case, readings: &'c Readings<'c>) -> impl Iterator<Item = (String, String, String)> + 'c {
    let cited = case.exercise.diagnosis.root_causes.iter().flat_map(|root| &root.evidence);
    cited.map(|cited| {
        let (page, path) = readings.place(cited);
        (page, path, place::says(cited))
    })
}

/// The lines of all pages that contain a text, in any case, and whether there are more.
fn find(readings: &Readings<'_>, q: &str) -> (Vec<Value>, bool) {
    if q.is_empty() {
        return (vec![], false);
    }
    let wanted = q.to_lowercase();
    let files = readings.files().map(|name| format!("file/{name}"));
    let pages = files.chain(readings.objects().map(|subject| format!("object/{subject}")));
    let mut found = Vec::new();
    for page in pages {
        for line in readings.lines(&page).unwrap_or_default() {
            if line.text.to_lowercase().contains(&wanted) {
                if found.len() == MOST_FOUND {
                    return (found, true);
                }
                let name = page.split_once('/').map_or(page.as_str(), |(_, name)| name);
                found.push(context! { href => href(&page, &line.path), page => name, text => line.text });
            }
        }
    }
    (found, false)
}

fn is_over(app: &App, visitor: &Visitor, id: Id) -> bool {
    app.class().attempt(&visitor.id, id).is_some_and(|attempt| attempt.ending().is_some())
}

/// Keeps that someone looked at this.
fn note(app: &App, visitor: &Visitor, case: &Case, look: Look) {
    if let Some(person) = app.class().person(&visitor.id) {
        person.looked(&case.exercise, look, now());
    }
    app.changed();
}
