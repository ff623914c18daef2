//! The facilitator's page, as in the Wheel of Misfortune of the SRE book: the truth, the hints to release, what everyone asked and
//! answered. Only for whoever has the key that the program printed.

use std::sync::Arc;

use axum::{
    Extension, Form,
    extract::{Query, State},
    http::header,
    response::{Html, IntoResponse, Redirect, Response},
};
use minijinja::{Value, context};
use serde::Deserialize;

use super::{
    App, Failure, Visitor,
    class::{Person, Round},
    id::Id,
    incident::case,
    visitor,
};
use crate::{
    drawing::reading::Readings,
    pages::view,
    report::place::Places,
    train::{Attempt, Ending},
};

/// So many of someone's last steps are shown.
const STEPS: usize = 8;

/// The key, as the program printed it.
#[derive(Debug, Deserialize)]
pub(super) struct Key {
    key: Option<String>,
}

/// The incident the class is put on; empty for each their own.
#[derive(Debug, Deserialize)]
pub(super) struct Chosen {
    number: String,
    #[serde(default)]
    variant: String,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Query(Key { key }): Query<Key>,
) -> Result<Response, Failure> {
    if key.is_some_and(|key| key == app.key) {
        // Kept by the browser and out of the address bar, which a projector shows.
        let kept = visitor::leads(&app.key).map(|value| [(header::SET_COOKIE, value)]);
        return Ok((kept, Redirect::to("/lead")).into_response());
    }
    only(&visitor)?;
    let round = app.class().round;
    let truth = match round {
        Some(round) => truth(&app, round.id).await?,
        None => Value::UNDEFINED,
    };
    let people: Vec<Value> = app.class().people.values().map(person).collect();
    let lessons =
        app.shelf.course.lessons.iter().map(|lesson| context! { number => lesson.number, name => &lesson.name });
    let page = context! {
        site => app.site(&visitor, "lead", true),
        address => &app.address,
        lessons => lessons.collect::<Vec<_>>(),
        round => round.map(|round| round.id.to_string()),
        number => round.map(|round| round.id.number),
        variant => round.map_or(0, |round| round.id.seed),
        released => round.map_or(0, |round| round.hints),
        truth,
        people,
    };
    Ok(Html(app.pages.render("lead.html", page)?).into_response())
}

async fn truth(app: &Arc<App>, id: Id) -> Result<Value, Failure> {
    let case = case(app, id).await?;
    let exercise = &case.exercise;
    let readings = Readings::new(&exercise.files);
    Ok(context! {
        message => exercise.brief().message,
        says => format!("{}: {}.", exercise.scenario.title, exercise.scenario.truth),
        roots => view::roots(&exercise.diagnosis, &readings, &Places::new(&exercise.files, None)),
        narrowed => exercise.scenario.debrief.trim(),
        hints => &exercise.scenario.hints,
    })
}

/// A participant's line.
fn person(person: &Person) -> Value {
    let attempt = person.at.and_then(|id| person.attempts.get(&id));
    let steps = attempt.into_iter().flat_map(|attempt| attempt.steps().iter().rev().take(STEPS)).map(|step| {
        context! { at => format!("{}:{:02}", step.seconds / 60, step.seconds % 60), says => &step.says }
    });
    context! {
        name => if person.name.is_empty() { "somebody" } else { &person.name },
        incident => person.at.map(|id| id.to_string()),
        state => attempt.map_or("", |attempt| match attempt.ending() {
            Some(Ending::Found) => "exact",
            Some(Ending::GaveUp) => "given up",
            None => "on it",
        }),
        hints => attempt.map_or(0, Attempt::hints),
        steps => steps.collect::<Vec<_>>(),
    }
}

/// Puts everyone on one incident, or lets them go.
pub(super) async fn round(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Form(Chosen { number, variant }): Form<Chosen>,
) -> Result<Redirect, Failure> {
    only(&visitor)?;
    let id = match (number.as_str(), variant.trim()) {
        ("", _) => None,
        (number, "" | "0") => Some(number.to_owned()),
        (number, variant) => Some(format!("{number}.{variant}")),
    };
    let known = |id: &Id| app.shelf.lesson(id.number).is_some();
    let round =
        id.map(|id| id.parse().ok().filter(known).ok_or_else(|| Failure::missing("such incident"))).transpose()?;
    if let Some(id) = round {
        // Before the class comes for it.
        case(&app, id).await?;
    }
    app.class().round = round.map(|id| Round { id, hints: 0 });
    app.changed();
    Ok(Redirect::to("/lead"))
}

/// Releases the next hint to everyone.
pub(super) async fn hint(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Redirect, Failure> {
    only(&visitor)?;
    if let Some(round) = &mut app.class().round {
        round.hints += 1;
    }
    app.changed();
    Ok(Redirect::to("/lead"))
}

fn only(visitor: &Visitor) -> Result<(), Failure> {
    let says = "This page is the facilitator's. Its address, with the key, stands where the program was started.";
    if visitor.lead { Ok(()) } else { Err(Failure::forbidden(says)) }
}
