//! What templates are given: drawings and diagnoses in the words and numbers that are shown.

use diagnoser::{
    Diagnosis, Subject,
    causes::references,
    diagnosis::{Change, Hop, RootCause},
};
use jiff::{Timestamp, tz::TimeZone};
use minijinja::{Value, context, value::Serde};

use crate::{
    drawing::{
        Drawing,
        bars::{self, bars},
        metrics, picture,
        reading::{Readings, href},
        traffic::{Chart, Scope},
    },
    events::{Event, Stage, Stamped},
    report::place,
};

const COUNTS_HEIGHT: f64 = 90.0;
const SLOWEST_HEIGHT: f64 = 45.0;

/// `13:50:33.453Z`; `13:50:33Z` where it was only known to the second.
pub fn clock(time: Timestamp) -> String {
    let form = if time.subsec_nanosecond() == 0 { "%H:%M:%SZ" } else { "%H:%M:%S%.3fZ" };
    time.to_zoned(TimeZone::UTC).strftime(form).to_string()
}

/// `21 ms`, `1.3 s`.
pub fn seconds(value: f64) -> String {
    match value {
        _ if value < 0.001 => "under 1 ms".to_owned(),
        _ if value < 1.0 => format!("{:.0} ms", value * 1000.0),
        _ => format!("{value:.1} s"),
    }
}

/// The drawing of the system; with `told`, as it is shown after the answer.
pub fn picture(drawing: &Drawing, told: Option<&[Hop]>) -> Value {
    let beside: Vec<String> = drawing.world.beside.iter().map(ToString::to_string).collect();
    context! { beside, ..Value::from(Serde(picture::draw(&drawing.world, &drawing.seen, told))) }
}

/// Charts and scopes of the requests.
pub fn traffic(drawing: &Drawing) -> Value {
    let scopes: Vec<Value> = drawing.scopes.iter().map(scope).collect();
    let marked = drawing.scopes.iter().any(|scope| scope.marked);
    let Chart { span: Some((first, last)), columns } = &drawing.chart else {
        return context! { counts => (), slowest => (), scopes, marked };
    };
    let (from, to) = (clock(*first), clock(*last));
    let counts: Vec<(f64, f64)> = columns.iter().map(|column| (column.good as f64, column.failed as f64)).collect();
    // A column that only has failures is as slow as those.
    let slowest: Vec<(f64, f64)> =
        columns.iter().map(|c| if c.good > 0 { (c.slowest, 0.0) } else { (0.0, c.slowest) }).collect();
    let top = |columns: &[(f64, f64)]| columns.iter().map(|(a, b)| a + b).fold(0.0, f64::max);
    let failed: usize = columns.iter().map(|column| column.failed).sum();
    let all: usize = failed + columns.iter().map(|column| column.good).sum::<usize>();
    let said = format!("{failed} of {all} fail");
    let chart = |columns: &[(f64, f64)], height: f64, says: String| {
        let bars = Value::from(Serde(bars(columns, top(columns), height)));
        context! { bars, height, from => &from, to => &to, says }
    };
    context! {
        counts => chart(&counts, COUNTS_HEIGHT, said),
        slowest => chart(&slowest, SLOWEST_HEIGHT, format!("At most {}", seconds(top(&slowest)))),
        scopes,
        marked,
    }
}

/// What was measured, as charts.
pub fn measured(drawing: &Drawing) -> Value {
    context! { width => bars::WIDTH, height => metrics::HEIGHT, ..Value::from(Serde(&drawing.measured)) }
}

fn scope(scope: &Scope) -> Value {
    context! {
        attribute => scope.attribute,
        value => &scope.value,
        failed => scope.failed,
        all => scope.all,
        share => 100 * scope.failed / scope.all.max(1),
        typical => scope.typical.map(seconds).unwrap_or_default(),
        marked => scope.marked,
    }
}

/// What happened when, each with where it stands.
pub fn timeline(drawing: &Drawing, readings: &Readings<'_>) -> Value {
    let each = drawing.moments.iter().map(|moment| {
        let (page, path) = readings.place(&moment.cited);
        context! {
            time => clock(moment.time),
            kind => moment.kind,
            about => &moment.about,
            says => &moment.says,
            href => format!("/evidence/{}", href(&page, &path)),
        }
    });
    let moments: Vec<Value> = each.collect();
    let day = drawing.moments.last().map(|moment| moment.time.to_zoned(TimeZone::UTC).date().to_string());
    context! { moments, day => day.unwrap_or_default(), earlier => drawing.earlier }
}

/// The root causes of a diagnosis with the readings that prove them.
pub(crate) fn roots(diagnosis: &Diagnosis, readings: &Readings<'_>, places: &place::Places) -> Vec<Value> {
    diagnosis.root_causes.iter().map(|root| self::root(root, readings, places)).collect()
}

fn root(root: &RootCause, readings: &Readings<'_>, places: &place::Places) -> Value {
    let evidence: Vec<Value> = root
        .evidence
        .iter()
        .map(|cited| {
            let (page, path) = readings.place(cited);
            context! { says => place::says(cited), place => places.say(cited), href => href(&page, &path) }
        })
        .collect();
    let mut told: Vec<&str> = Vec::new();
    let each = root.ruled_out.iter().filter(|out| {
        let fresh = !told.contains(&out.cause.as_str());
        told.push(&out.cause);
        fresh
    });
    let ruled_out: Vec<Value> = each.map(|out| context! { cause => &out.cause, because => &out.because }).collect();
    let changes: Vec<String> = root.fix.patch.iter().map(change).collect();
    context! {
        cause => &root.cause,
        title => title(&root.cause),
        subject => root.subject.to_string(),
        owner => &root.owner,
        evidence,
        ruled_out,
        fix => &root.fix.summary,
        changes,
    }
}

/// What a cause is called: the first sentence of its reference.
pub fn title(cause: &str) -> String {
    let known = references().into_iter().find(|reference| reference.id == cause);
    known.map_or_else(|| cause.to_owned(), |reference| named(&reference.title))
}

/// The first paragraph of a reference on one line, without its full stop.
pub fn named(title: &str) -> String {
    title.split("\n\n").next().unwrap_or_default().replace('\n', " ").trim_end_matches('.').to_owned()
}

/// One change of a fix in one line.
fn change(change: &Change) -> String {
    let set = |object: &Subject, path: &str, value: String| format!("{object} {}: {value}", place::dotted(path));
    match change {
        Change::Set { object, path, from, to } => set(object, path, format!("{from} \u{2192} {to}")),
        Change::Unset { object, path, from } => set(object, path, format!("{from} \u{2192} none")),
        Change::Delete { object } => format!("delete {object}"),
        Change::Create { object, .. } => format!("create {object}"),
        Change::Run { host, command } => format!("{host}# {}", command.join(" ")),
    }
}

/// The diagnoser's transcript.
pub fn steps(diagnosis: &Diagnosis) -> Vec<Value> {
    diagnosis
        .steps
        .iter()
        .map(|step| context! { step => &step.step, asked => &step.asked, answer => &step.answer })
        .collect()
}

/// What was seen after the diagnosed fix in the run, empty where it was not.
pub fn verified(history: &[Stamped]) -> String {
    let says = history.iter().rev().find_map(|stamped| match &stamped.event {
        Event::Verified { says } => Some(says.clone()),
        _ => None,
    });
    says.unwrap_or_default()
}

/// What the faults changed, each with its time.
pub fn injected(history: &[Stamped]) -> Vec<String> {
    let stage = |wanted: Stage| move |stamped: &&Stamped| matches!(&stamped.event, Event::StageStarted { stage } if *stage == wanted);
    let begun = history.iter().position(|stamped| stage(Stage::Inject)(&stamped));
    let rest = history.iter().skip(begun.unwrap_or(history.len()));
    let during = rest.take_while(|stamped| !stage(Stage::AssertEffect)(stamped));
    let each = during.filter_map(|stamped| match &stamped.event {
        Event::Mutation { what, .. } => Some(format!("{} {what}", clock(stamped.time))),
        _ => None,
    });
    each.collect()
}
