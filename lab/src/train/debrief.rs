//! What is told when an exercise is over: the truth, how an expert would have come to it, the trainee's own steps beside that,
//! what was skipped, and what tells the near twins apart.

use diagnoser::{Subject, diagnosis};
use serde::Serialize;

use super::{Attempt, Ending, Exercise, Step, Twin};
use crate::report::place::{self, Places};

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Debrief {
    /// How it ended.
    pub ending: Ending,
    /// Out of 100.
    pub points: u32,
    /// How long it took.
    pub seconds: i64,
    /// How many hints were taken.
    pub hints: usize,
    /// How many answers were given.
    pub answers: u32,
    /// The scenario's name.
    pub scenario: String,
    /// Its title: what was wrong, in one line.
    pub title: String,
    /// The roots; none where nothing was wrong.
    pub roots: Vec<RootTold>,
    /// How an expert would have narrowed it, in prose.
    pub expert: String,
    /// The same as the steps of the diagnoser.
    pub expert_steps: Vec<diagnosis::Step>,
    /// The trainee's own steps.
    pub own_steps: Vec<Step>,
    /// Why what was skipped should not have been.
    pub skipped: Vec<&'static str>,
    /// What looks alike from outside.
    pub twins: Vec<Twin>,
}

/// A root, as a debrief tells it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RootTold {
    /// The id of the cause.
    pub cause: String,
    /// The object.
    pub subject: Subject,
    /// The readings that prove it, and where they stand.
    pub evidence: Vec<(String, String)>,
    /// What restores health.
    pub fix: String,
}

impl Debrief {
    pub(super) fn of(attempt: &Attempt, ending: Ending) -> Self {
        let exercise = &attempt.exercise;
        Self {
            ending,
            points: attempt.points(),
            seconds: attempt.seconds(),
            hints: attempt.hints(),
            answers: attempt.answers(),
            scenario: exercise.lesson.name.clone(),
            title: exercise.scenario.title.clone(),
            roots: roots(exercise),
            expert: exercise.scenario.debrief.trim().to_owned(),
            expert_steps: exercise.diagnosis.steps.clone(),
            own_steps: attempt.steps().to_vec(),
            skipped: attempt.skipped().into_iter().map(super::Check::why).collect(),
            twins: exercise.lesson.twins.clone(),
        }
    }
}

/// The truth, with the readings of the diagnosis where it found the same.
fn roots(exercise: &Exercise) -> Vec<RootTold> {
    let places = Places::new(&exercise.files, None);
    let told = exercise.roots().iter().map(|root| {
        let mut found = exercise.diagnosis.root_causes.iter();
        let found = found.find(|found| found.cause == root.cause && found.subject == root.subject);
        let evidence = found.map_or(&[][..], |found| &found.evidence);
        RootTold {
            cause: root.cause.clone(),
            subject: root.subject.clone(),
            evidence: evidence.iter().map(|citation| (place::says(citation), places.say(citation))).collect(),
            fix: found.map(|found| found.fix.summary.clone()).unwrap_or_default(),
        }
    });
    told.collect()
}
