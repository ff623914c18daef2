//! What a trainee sees first: what the pager says. Built from what somebody complains of; the truth has no part in it, and a
//! complaint about what works is told in the same words and with the same facts as any other.

use jiff::Timestamp;
use serde::Serialize;

use super::Exercise;
use crate::scenario::{NodeSymptom, PodSymptom, ProbeOutcome, ProbeSymptom, Symptom};

/// The beginning of an exercise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Brief {
    /// The number in the course.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// Which variant; 0 is as it was recorded.
    pub seed: u64,
    /// What the pager says.
    pub message: String,
    /// When one is called: when the evidence was taken. Since when somebody suffers, and whether, is to be found out.
    pub called: Option<Timestamp>,
    /// What system it is: the title of its world.
    pub system: String,
    /// Tags that leave several causes open.
    pub tags: Vec<String>,
    /// How hard it is.
    pub difficulty: f64,
    /// How many hints there are.
    pub hints: usize,
    /// Whether there are Kubernetes objects, which kubectl could read.
    pub kubernetes: bool,
}

impl Exercise {
    /// What a trainee sees first.
    pub fn brief(&self) -> Brief {
        Brief {
            number: self.lesson.number,
            of: self.of,
            seed: self.seed,
            message: message(&self.complaint),
            called: self.evidence.coverage.collected,
            system: self.system.clone(),
            tags: self.lesson.tags.clone(),
            difficulty: self.lesson.difficulty.total(),
            hints: self.scenario.hints.len(),
            kubernetes: self.files.contains_key("objects.json"),
        }
    }
}

/// What the pager says of a complaint.
pub(super) fn message(symptom: &Symptom) -> String {
    match symptom {
        Symptom::Probe(probe) => of_probe(probe),
        Symptom::Pod(pod) => of_pod(pod),
        Symptom::Node(NodeSymptom { node, ready }) => match ready.as_str() {
            "Unknown" => format!("Nothing is heard of node {node} any more."),
            _ => format!("Node {node} says that it is not ready."),
        },
        Symptom::None => "Something is wrong.".to_owned(),
    }
}

/// How fast it fails, and with what size, is for the trainee to find out.
fn of_probe(probe: &ProbeSymptom) -> String {
    let ProbeSymptom { from, method, url, status, outcome, text, share, .. } = probe;
    let asked = url.split_once('?').map_or(url.as_str(), |(asked, _)| asked);
    let what = if asked.starts_with("http") { format!("{method} {asked}") } else { asked.to_owned() };
    let ends = match (status, outcome) {
        (Some(200), _) => "is answered, and late".to_owned(),
        (Some(status), _) => format!("is answered {status}{}", meaning(*status)),
        (None, Some(outcome)) => came_to(*outcome).to_owned(),
        (None, None) => "fails".to_owned(),
    };
    let said = text.as_ref().map(|text| format!(", saying \"{text}\"")).unwrap_or_default();
    let some = if share.is_some() { "; not every time" } else { "" };
    format!("{what} from {from} {ends}{said}{some}.")
}

fn of_pod(pod: &PodSymptom) -> String {
    let PodSymptom { workload, waiting, event, restarts } = pod;
    let waits = waiting.as_ref().map(|reason| format!("its pods wait: {reason}"));
    let events = event.as_ref().map(|reason| format!("there are events {reason}"));
    let restarts = restarts.map(|_| "its pods start again and again".to_owned());
    let seen: Vec<String> = [waits, events, restarts].into_iter().flatten().collect();
    format!(
        "{workload} is not well: {}.",
        if seen.is_empty() { "see for yourself".to_owned() } else { seen.join(", ") }
    )
}

/// What a status is called (RFC 9110), where people call it something.
fn meaning(status: u16) -> &'static str {
    match status {
        404 => " (not found)",
        413 => " (content too large)",
        429 => " (too many requests)",
        500 => " (internal server error)",
        502 => " (bad gateway)",
        503 => " (service unavailable)",
        504 => " (gateway timeout)",
        _ => "",
    }
}

fn came_to(outcome: ProbeOutcome) -> &'static str {
    match outcome {
        ProbeOutcome::Connected | ProbeOutcome::Answered => "is answered",
        ProbeOutcome::Refused => "is refused",
        ProbeOutcome::Timeout => "gets no answer",
        ProbeOutcome::Reset => "is cut off",
        ProbeOutcome::NameNotFound => "fails: the name is not found",
        ProbeOutcome::Unreachable => "fails: no way there",
        ProbeOutcome::Failed => "fails",
    }
}
