//! The first page: every incident by what the pager says, and who one is.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Extension, Form,
    extract::{Query, State},
    response::{Html, Redirect},
};
use minijinja::{Value, context, value::Serde};
use serde::{Deserialize, Serialize};

use super::{App, Failure, Visitor};
use crate::train::{Ending, Lesson};

/// How many dots the hardest one has.
const DOTS: usize = 5;

/// What is to be shown; empty for all.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Asked {
    q: String,
    symptom: String,
    tag: String,
    level: String,
}

/// The name that someone gives.
#[derive(Debug, Deserialize)]
pub(super) struct Name {
    name: String,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Failure> {
    let lessons = &app.shelf.course.lessons;
    let hardest = lessons.iter().map(|lesson| lesson.difficulty.total()).fold(1.0, f64::max);
    let round = app.class().round.map(|round| round.id.to_string());
    let named = !app.class().name(&visitor.id).is_empty();
    let shown: Vec<Value> = app
        .shelf
        .lessons()
        .filter(|(lesson, outside)| asked.wants(lesson, &outside.symptom, hardest))
        .map(|(lesson, outside)| {
            let dots = dots(lesson, hardest);
            context! {
                number => lesson.number,
                message => &lesson.message,
                system => &outside.system,
                tags => &lesson.tags,
                difficulty => lesson.difficulty.total(),
                level => LEVELS[dots - 1],
                dots => "\u{25cf}".repeat(dots) + &"\u{25cb}".repeat(DOTS - dots),
                state => state(&app, &visitor, lesson.number),
            }
        })
        .collect();
    let symptoms: BTreeSet<&str> = app.shelf.lessons().map(|(_, outside)| outside.symptom.as_str()).collect();
    let tags: BTreeSet<&str> = lessons.iter().flat_map(|lesson| &lesson.tags).map(String::as_str).collect();
    let page = context! {
        site => app.site(&visitor, "incidents", true),
        asked => Serde(&asked),
        shown => shown.len(),
        all => lessons.len(),
        lessons => shown,
        symptoms => values(symptoms),
        tags => values(tags),
        levels => LEVELS.to_vec(),
        round,
        named,
    };
    Ok(Html(app.pages.render("catalogue.html", page)?))
}

/// Someone says who they are.
pub(super) async fn join(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Form(given): Form<Name>,
) -> Result<Redirect, Failure> {
    let mut class = app.class();
    let person = class.person(&visitor.id).ok_or_else(|| Failure::forbidden("The class is full."))?;
    person.call(&given.name);
    drop(class);
    app.changed();
    Ok(Redirect::to("/"))
}

const LEVELS: [&str; DOTS] = ["first day", "easy", "usual", "hard", "expert"];

impl Asked {
    fn wants(&self, lesson: &Lesson, symptom: &str, hardest: f64) -> bool {
        let is = |wanted: &str, value: &str| wanted.is_empty() || wanted == value;
        is(&self.symptom, symptom)
            && is(&self.level, LEVELS[dots(lesson, hardest) - 1])
            && (self.tag.is_empty() || lesson.tags.contains(&self.tag))
            && lesson.message.to_lowercase().contains(&self.q.trim().to_lowercase())
    }
}

fn values<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Value> {
    texts.into_iter().map(Value::from).collect()
}

/// How hard, from 1 to [`DOTS`], among all.
fn dots(lesson: &Lesson, hardest: f64) -> usize {
    let share = lesson.difficulty.total() / hardest;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let dots = (share * DOTS as f64).ceil() as usize;
    dots.clamp(1, DOTS)
}

/// How far a visitor has come with an incident, in a word: the best of its variants.
fn state(app: &App, visitor: &Visitor, number: usize) -> &'static str {
    let class = app.class();
    let each = class.attempts(&visitor.id, number).map(|attempt| match attempt.ending() {
        Some(Ending::Found) => (2, "exact"),
        Some(Ending::GaveUp) => (1, "given up"),
        None => (0, "begun"),
    });
    each.max().map_or("", |(_, word)| word)
}
