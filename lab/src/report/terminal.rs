//! The report of one diagnosis for a person: symptom, path, the six steps, the fix, the score. Eighty columns, calm.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use diagnoser::{
    Diagnosis, Verdict,
    diagnosis::{Change, Fix, RootCause, RuledOut, SymptomSeen},
    json::Value,
};

use super::{
    layout::{Style, WIDTH, ends, hang, harmless, width},
    path, place,
    place::Places,
    unknown,
};
use crate::{
    events::{Event, Stamped},
    evidence_folder::Origins,
    recording::Recording,
    scenario::Truth,
    score::Outcome,
};

/// Under the words of a step.
const INDENT: &str = "                ";
/// The six steps, as the diagnosis names them and as a person reads them.
const STEPS: [(&str, &str); 6] = [
    ("observe", "observe"),
    ("correlate", "correlate"),
    ("narrow", "narrow"),
    ("replicate", "replicate"),
    ("root-cause", "root cause"),
    ("fix", "fix"),
];
/// More symptoms than this are counted.
const MOST_SYMPTOMS: usize = 4;
/// More excluded causes than this are counted.
const MOST_RULED_OUT: usize = 6;

/// What is told.
pub struct View<'a> {
    /// Lines before the report: where the evidence is from.
    pub notice: &'a str,
    /// What it is about, in one line.
    pub title: &'a str,
    /// The diagnosis.
    pub diagnosis: &'a Diagnosis,
    /// The evidence it is made from, to say in words where a reading stands.
    pub evidence: &'a BTreeMap<String, String>,
    /// Where its pieces stood, where it was given in another form.
    pub origins: Option<&'a Origins>,
    /// What happened in the run, empty where the evidence is from elsewhere.
    pub history: &'a [Stamped],
    /// The judgement and the truth it was judged by, where there is one.
    pub judged: Option<(Outcome, &'a Truth)>,
    /// How it would be narrowed down by hand, where somebody wrote that down.
    pub narrowed: &'a str,
    /// How long it took.
    pub seconds: f64,
}

impl<'a> View<'a> {
    /// Of a run, as far as it is known of the run itself.
    pub fn of(recording: &'a Recording, diagnosis: &'a Diagnosis, outcome: Outcome) -> Self {
        Self {
            notice: "",
            title: &recording.scenario.title,
            diagnosis,
            evidence: &recording.evidence,
            origins: None,
            history: &recording.history,
            judged: Some((outcome, &recording.scenario.truth)),
            narrowed: recording.scenario.debrief.trim(),
            seconds: 0.0,
        }
    }
}

/// The whole report.
pub fn render(view: &View<'_>, style: Style) -> String {
    let Diagnosis { symptoms, verdict, .. } = view.diagnosis;
    let parts = [
        view.notice.lines().map(|line| hang("", line)).collect(),
        if view.title.is_empty() { String::new() } else { format!("{}\n", style.head(view.title)) },
        symptom_lines(symptoms, style),
        path::draw(&view.diagnosis.path, style),
        steps(view, style),
        if *verdict == Verdict::Unknown { unknown::render(view.diagnosis, style) } else { String::new() },
        noise(view.diagnosis, style),
        last_line(view, style),
    ];
    let shown: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.trim().is_empty()).collect();
    shown.join("\n")
}

fn symptom_lines(symptoms: &[SymptomSeen], style: Style) -> String {
    let mut out = String::new();
    for (index, symptom) in symptoms.iter().take(MOST_SYMPTOMS).enumerate() {
        // The date is in the JSON; a person on call reads the time of day.
        let clock = symptom
            .since
            .as_deref()
            .and_then(|since| Some(since.split_once('T')?.1.split('.').next()?.trim_end_matches('Z')));
        let since = clock.map(|clock| format!(", since {clock}Z")).unwrap_or_default();
        let label = if index == 0 { "symptom    " } else { "           " };
        let text = hang(label, &harmless(&format!("{}{since}", symptom.says)));
        out.push_str(&text.replacen("symptom", &style.head("symptom"), usize::from(index == 0)));
    }
    if symptoms.len() > MOST_SYMPTOMS {
        writeln!(out, "           and {} more", symptoms.len() - MOST_SYMPTOMS).ok();
    }
    out
}

fn steps(view: &View<'_>, style: Style) -> String {
    let places = Places::new(view.evidence, view.origins);
    let mut out = String::new();
    for (number, (id, name)) in STEPS.iter().enumerate() {
        let head = format!("{} {name:<12}", number + 1);
        let roots = &view.diagnosis.root_causes;
        let text = match *id {
            "root-cause" if !roots.is_empty() => {
                roots.iter().map(|root| root_cause(&head, root, &places, style)).collect()
            }
            "fix" if !roots.is_empty() => {
                let fixes: String = roots.iter().map(|root| fix(&head, root, style)).collect();
                fixes + &verified(view, style)
            }
            _ => told(&head, id, view.diagnosis),
        };
        out.push_str(&text.replace(&head, &style.head(&head)));
    }
    out
}

/// The answers of a step; the further ones stand under the first.
fn told(head: &str, id: &str, diagnosis: &Diagnosis) -> String {
    let answers = diagnosis.steps.iter().filter(|step| step.step == id);
    let blank = " ".repeat(width(head));
    answers
        .enumerate()
        .map(|(index, step)| hang(if index == 0 { head } else { &blank }, &harmless(&step.answer)))
        .collect()
}

fn root_cause(head: &str, root: &RootCause, places: &Places, style: Style) -> String {
    let handed = if root.owner == "self" { String::new() } else { format!("   hand over to: {}", root.owner) };
    let mut out = hang(head, &format!("{} in {}{handed}", root.cause, root.subject));
    out = out.replacen(&root.cause, &style.bad(&root.cause), 1);
    for citation in &root.evidence {
        let (says, place) = (harmless(&place::says(citation)), harmless(&places.say(citation)));
        let one_line = format!("{INDENT}{says:<32}  {place}");
        if width(&one_line) <= WIDTH && width(&says) <= 32 {
            writeln!(out, "{INDENT}{says:<32}  {}", style.faint(&place)).ok();
        } else {
            out.push_str(&hang(INDENT, &says));
            writeln!(out, "{INDENT}  {}", style.faint(&place)).ok();
        }
    }
    // A cause that was ruled out in several objects is told once; all are in the JSON.
    let mut told: Vec<&RuledOut> = vec![];
    for ruled_out in &root.ruled_out {
        if !told.iter().any(|known| known.cause == ruled_out.cause) {
            told.push(ruled_out);
        }
    }
    if !told.is_empty() {
        let mut names: Vec<String> =
            told.iter().take(MOST_RULED_OUT).map(|out| format!("{} ({})", out.cause, out.because)).collect();
        if told.len() > MOST_RULED_OUT {
            names.push(format!("{} more", told.len() - MOST_RULED_OUT));
        }
        out.push_str(&hang("              ruled out: ", &harmless(&names.join(", "))));
    }
    out
}

fn fix(head: &str, root: &RootCause, style: Style) -> String {
    let Fix { summary, patch } = &root.fix;
    let mut out = hang(head, &harmless(summary));
    for change in patch {
        match change {
            Change::Set { object, path, from, to } => {
                writeln!(out, "{INDENT}{object}").ok();
                for (path, from, to) in differences(path, from, to) {
                    let field = place::dotted(&path);
                    for (sign, value) in [('-', from), ('+', to)].into_iter().filter(|(_, value)| !value.is_null()) {
                        diff(&mut out, sign, &field, value, style);
                    }
                }
            }
            Change::Unset { object, path, from } => {
                writeln!(out, "{INDENT}{object}").ok();
                diff(&mut out, '-', &place::dotted(path), from, style);
            }
            Change::Delete { object } => {
                writeln!(out, "{INDENT}{}", style.bad(&format!("- {object}"))).ok();
            }
            Change::Create { object, .. } => {
                writeln!(out, "{INDENT}{}", style.good(&format!("+ {object}"))).ok();
            }
            Change::Run { host, command } => {
                writeln!(out, "{INDENT}{host}# {}", style.good(&harmless(&command.join(" ")))).ok();
            }
        }
    }
    out
}

/// The fields in which two values differ: what a roll-back changes is a few fields of a large template.
fn differences<'v>(path: &str, from: &'v Value, to: &'v Value) -> Vec<(String, &'v Value, &'v Value)> {
    let keys: Vec<String> = match (from, to) {
        _ if from == to => return vec![],
        (Value::Object(a), Value::Object(b)) => a.keys().chain(b.keys()).map(ToString::to_string).collect(),
        (Value::Array(a), Value::Array(b)) => (0..a.len().max(b.len())).map(|index| index.to_string()).collect(),
        _ => return vec![(path.to_owned(), from, to)],
    };
    let keys: BTreeSet<String> = keys.into_iter().collect();
    let of = |value: &'v Value, key: &str| match value {
        Value::Array(list) => key.parse::<usize>().ok().and_then(|index| list.get(index)),
        other => other.get(key),
    };
    let each = keys.iter().flat_map(|key| {
        let inner = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
        differences(&inner, of(from, key).unwrap_or(&Value::Null), of(to, key).unwrap_or(&Value::Null))
    });
    each.collect()
}

fn diff(out: &mut String, sign: char, field: &str, value: &Value, style: Style) {
    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let line = harmless(&format!("{sign} {field}: {shown}"));
    writeln!(out, "{INDENT}{}", if sign == '-' { style.bad(&line) } else { style.good(&line) }).ok();
}

/// What was seen after the diagnosed fix, in the run that the evidence is from. Only of an exact answer it is sure that the
/// fix of today is the one that was applied then.
fn verified(view: &View<'_>, style: Style) -> String {
    if !matches!(view.judged, Some((Outcome::Exact, _))) {
        return String::new();
    }
    let verified = view.history.iter().rev().find_map(|stamped| match &stamped.event {
        Event::Verified { says } => Some(harmless(says)),
        _ => None,
    });
    let line = verified.map(|says| hang("  verified    ", &format!("{says}, after this fix in the recorded run")));
    line.map(|line| line.replacen("verified", &style.good("verified"), 1)).unwrap_or_default()
}

fn noise(diagnosis: &Diagnosis, style: Style) -> String {
    let mut out = String::new();
    for noise in &diagnosis.noise {
        out.push_str(&hang(
            "not blamed    ",
            &harmless(&format!("{} in {}: {}", noise.cause, noise.subject, noise.why)),
        ));
    }
    if out.is_empty() { out } else { style.faint(out.trim_end()) + "\n" }
}

/// The score, or without one the verdict, and the time it took.
fn last_line(view: &View<'_>, style: Style) -> String {
    let seconds = format!("{:.2} s", view.seconds);
    let Some((outcome, truth)) = view.judged else {
        return ends(&said(view.diagnosis), &seconds);
    };
    let words = judged(outcome, truth);
    let line = ends(&words, &seconds);
    let painted = if outcome == Outcome::Exact { style.good(&words) } else { style.bad(&words) };
    line.replacen(&words, &painted, 1)
}

fn said(diagnosis: &Diagnosis) -> String {
    match diagnosis.verdict {
        Verdict::Healthy => "healthy: nothing is wrong from anyone's point of view".to_owned(),
        // Said at length above.
        Verdict::Unknown => String::new(),
        Verdict::Confirmed if diagnosis.root_causes.len() == 1 => "confirmed: one root cause".to_owned(),
        Verdict::Confirmed => format!("confirmed: {} independent root causes", diagnosis.root_causes.len()),
    }
}

pub(super) fn judged(outcome: Outcome, truth: &Truth) -> String {
    match (outcome, truth) {
        (Outcome::Exact, Truth::Healthy) => "exact: healthy, as it is".to_owned(),
        (Outcome::Exact, Truth::Roots(_)) => "exact: cause and subject".to_owned(),
        (Outcome::Wrong, Truth::Healthy) => "wrong: a false alarm, nothing is broken".to_owned(),
        (outcome, truth) => format!("{outcome}: the truth is {truth}"),
    }
}
