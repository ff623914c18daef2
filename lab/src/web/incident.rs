//! One incident: what the pager says, the drawings, the answer; after it the debrief.

use std::sync::Arc;

use axum::{
    Extension, Form,
    extract::{Path, State},
    http::StatusCode,
    response::{Html, Redirect},
};
use diagnoser::causes::references;
use minijinja::{Value, context, value::Serde};
use serde::{Deserialize, Serialize};

use super::{App, Failure, Visitor, class::Said, evidence, id::Id, now, shelf::Case};
use crate::{
    drawing::reading::Readings,
    pages::view,
    report::place::Places,
    train::{Attempt, Debrief, Ending, progress},
};

/// An answer as it was typed.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Typed {
    cause: String,
    subject: String,
    cause2: String,
    subject2: String,
}

/// A variant of an incident, with its recording.
pub(super) async fn case(app: &Arc<App>, id: Id) -> Result<Arc<Case>, Failure> {
    let app = Arc::clone(app);
    tokio::task::spawn_blocking(move || {
        let lesson = app.shelf.lesson(id.number).ok_or_else(|| Failure::missing("such incident"))?;
        Ok(app.shelf.case(lesson, id.seed)?)
    })
    .await?
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<Id>,
) -> Result<Html<String>, Failure> {
    let case = case(&app, id).await?;
    let exercise = &case.exercise;
    let (debrief, said, hints, class_hints) = {
        let mut class = app.class();
        let hints = class.hints(&visitor.id, id);
        let class_hints = class.is_on(id);
        match class.person(&visitor.id) {
            Some(person) => {
                let attempt = person.at(exercise, now());
                (attempt.debrief(), person.said.get(&id).cloned().unwrap_or_default(), hints, class_hints)
            }
            None => (None, Said::default(), hints, class_hints),
        }
    };
    let readings = Readings::new(&exercise.files);
    let brief = exercise.brief();
    let over = debrief.is_some();
    let page = context! {
        site => app.site(&visitor, "incidents", true),
        base => format!("/incidents/{id}"),
        other => id.other().to_string(),
        called => brief.called.map(view::clock),
        brief => Serde(&brief),
        made_with => &exercise.made_with,
        picture => view::picture(&case.drawing, over.then_some(&exercise.diagnosis.path[..])),
        traffic => view::traffic(&case.drawing),
        measured => view::measured(&case.drawing),
        timeline => view::timeline(&case.drawing, &readings),
        hints => exercise.scenario.hints.iter().take(hints).map(Value::from).collect::<Vec<_>>(),
        class_hints,
        judged => said.judged.map(|(exact, says)| context! { exact, says }),
        typed => Serde(&said.typed),
        causes => causes(),
        subjects => subjects(&case, &readings),
        files => readings.files().count(),
        objects => readings.objects().count(),
        shortcuts => evidence::shortcuts(&case, &readings, over),
        ..debrief.map_or_else(|| context! { debrief => () }, |debrief| told(&case, &debrief, &readings)),
    };
    Ok(Html(app.pages.render("incident.html", page)?))
}

/// Opens an incident ahead, for whoever is about to ask for it; that begins no attempt.
pub(super) async fn open(State(app): State<Arc<App>>, Path(id): Path<Id>) -> Result<StatusCode, Failure> {
    case(&app, id).await.map(|_| StatusCode::NO_CONTENT)
}

/// Everything that is told once an attempt is over.
fn told(case: &Case, debrief: &Debrief, readings: &Readings<'_>) -> Value {
    let exercise = &case.exercise;
    let found = debrief.ending == Ending::Found;
    let hints = match debrief.hints {
        0 => "without a hint".to_owned(),
        1 => "with 1 hint".to_owned(),
        hints => format!("with {hints} hints"),
    };
    let time = format!("{} min {} s", debrief.seconds / 60, debrief.seconds % 60);
    let says = if found {
        format!("Exact, in {time}, {hints}: {} of 100 points.", debrief.points)
    } else {
        format!("Given up after {time}, {hints}.")
    };
    let own = debrief.own_steps.iter().map(|step| {
        context! { at => format!("{}:{:02}", step.seconds / 60, step.seconds % 60), says => &step.says }
    });
    let twins = debrief
        .twins
        .iter()
        .map(|twin| context! { name => &twin.there, says => format!("Here instead: {}.", twin.here) });
    context! {
        debrief => context! {
            exact => found,
            says,
            truth => format!("{}: {}.", debrief.title, exercise.scenario.truth),
            narrowed => &debrief.expert,
            own => own.collect::<Vec<_>>(),
            skipped => &debrief.skipped,
            twins => twins.collect::<Vec<_>>(),
        },
        roots => view::roots(&exercise.diagnosis, readings, &Places::new(&exercise.files, None)),
        steps => view::steps(&exercise.diagnosis),
        verified => view::verified(&exercise.history),
        injected => view::injected(&exercise.history),
    }
}

/// Every cause there is, for every incident the same.
fn causes() -> Vec<Value> {
    let all = references().into_iter().map(|cause| {
        context! { id => cause.id, title => view::named(&cause.title) }
    });
    let healthy = context! { id => "healthy", title => "Nothing is wrong" };
    all.chain([healthy]).collect()
}

/// What an answer can name: every object and machine of the evidence.
fn subjects(case: &Case, readings: &Readings<'_>) -> Vec<String> {
    let objects = readings.objects().filter(|subject| !subject.is("event")).map(ToString::to_string);
    let machines = case.exercise.evidence.hosts.names().map(|host| case.exercise.evidence.machine(host).to_string());
    let drawn = case.drawing.world.nodes.iter().map(ToString::to_string);
    objects.chain(machines).chain(drawn).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

pub(super) async fn answer(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<Id>,
    Form(typed): Form<Typed>,
) -> Result<Redirect, Failure> {
    let text = [(&typed.cause, &typed.subject), (&typed.cause2, &typed.subject2)]
        .into_iter()
        .filter(|(cause, subject)| !cause.trim().is_empty() || !subject.trim().is_empty())
        .map(|(cause, subject)| if subject.trim().is_empty() { cause.clone() } else { format!("{cause}, {subject}") })
        .collect::<Vec<_>>()
        .join("; ");
    act(&app, &visitor, id, |attempt| match attempt.answer(&text, now()) {
        Ok(judgement) => {
            let mut says: Vec<&str> = judgement.remarks.iter().map(|remark| remark.says.as_str()).collect();
            says.extend(judgement.incomplete.then_some("There is more to it."));
            Said { judged: Some((judgement.exact, says.join(" "))), typed }
        }
        Err(unclear) => Said { judged: Some((false, unclear.to_string())), typed },
    })
    .await
}

pub(super) async fn hint(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<Id>,
) -> Result<Redirect, Failure> {
    if app.class().is_on(id) {
        return Err(Failure::forbidden("In class the facilitator releases the hints."));
    }
    act(&app, &visitor, id, |attempt| {
        attempt.hint(now());
        Said::default()
    })
    .await
}

pub(super) async fn give_up(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<Id>,
) -> Result<Redirect, Failure> {
    act(&app, &visitor, id, |attempt| {
        attempt.give_up(now());
        Said::default()
    })
    .await
}

/// Does something in a visitor's attempt, and shows the incident again.
async fn act(
    app: &Arc<App>,
    visitor: &Visitor,
    id: Id,
    work: impl FnOnce(&mut Attempt) -> Said,
) -> Result<Redirect, Failure> {
    let case = case(app, id).await?;
    let record = {
        let mut class = app.class();
        let person = class.person(&visitor.id).ok_or_else(|| Failure::forbidden("The class is full."))?;
        let attempt = person.at(&case.exercise, now());
        let open = attempt.ending().is_none();
        let said = work(attempt);
        // Who says no name is who uses this machine, and keeps their progress; of a class nothing is kept.
        let record = attempt.record().filter(|_| open && person.name.is_empty());
        person.said.insert(id, said);
        record
    };
    if let Some(record) = record {
        let kept = tokio::task::spawn_blocking(|| progress::add(&progress::file(), record)).await?;
        kept.unwrap_or_else(|error| tracing::warn!("{error}"));
    }
    app.changed();
    Ok(Redirect::to(&format!("/incidents/{id}#answer")))
}
