//! One trainee at one exercise: what was looked at, asked and answered, and when. It has no clock of its own.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::{Check, Debrief, Exercise, Judgement, Look, Unclear, answer, checks, progress::Record};

/// What a whole exercise is worth.
pub const POINTS: u32 = 100;
/// What each level of hints costs, the first to the last; further ones cost as much as the last.
const HINTS_COST: [u32; 4] = [5, 10, 15, 20];
/// What a wrong answer costs,
const WRONG_COSTS: u32 = 15;
/// and one that is near.
const NEAR_COSTS: u32 = 5;

/// One thing that the trainee did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Seconds since the beginning.
    pub seconds: i64,
    /// The level of the investigation pyramid, where it was a look.
    pub level: Option<u8>,
    /// In words.
    pub says: String,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The truth was found.
    Found,
    /// The trainee asked for it.
    GaveUp,
}

/// An exercise under way.
#[derive(Debug)]
pub struct Attempt {
    /// The exercise.
    pub exercise: Arc<Exercise>,
    started: Timestamp,
    steps: Vec<Step>,
    looks: Vec<Look>,
    hints: usize,
    lost: u32,
    answers: u32,
    ended: Option<(Ending, Timestamp)>,
}

impl Attempt {
    /// Begins now.
    pub fn begin(exercise: impl Into<Arc<Exercise>>, now: Timestamp) -> Self {
        Self {
            exercise: exercise.into(),
            started: now,
            steps: vec![],
            looks: vec![],
            hints: 0,
            lost: 0,
            answers: 0,
            ended: None,
        }
    }

    /// Something was looked at.
    pub fn look(&mut self, look: Look, now: Timestamp) {
        self.step(now, Some(look.topic.level()), look.asked.clone());
        self.looks.push(look);
    }

    /// The next hint, from broad to narrow; `None` when there are no more.
    pub fn hint(&mut self, now: Timestamp) -> Option<String> {
        let hint = self.exercise.scenario.hints.get(self.hints)?.clone();
        self.lost += self.next_hint_costs();
        self.hints += 1;
        self.step(now, None, format!("hint {}", self.hints));
        Some(hint)
    }

    /// What the next hint costs, in points.
    pub fn next_hint_costs(&self) -> u32 {
        HINTS_COST[self.hints.min(HINTS_COST.len() - 1)]
    }

    /// How many hints are left.
    pub fn hints_left(&self) -> usize {
        self.exercise.scenario.hints.len() - self.hints
    }

    /// An answer: `CAUSE, SUBJECT`, several parted by `;`, or `healthy`. The exercise is over when it is exact.
    ///
    /// # Errors
    /// When it cannot be told what is meant; that costs nothing.
    pub fn answer(&mut self, text: &str, now: Timestamp) -> Result<Judgement, Unclear> {
        let claims = answer::parse(text, &self.exercise)?;
        let judgement = Judgement::of(&claims, &self.exercise);
        self.answers += 1;
        self.step(now, None, format!("answer {}", text.trim()));
        if judgement.exact {
            self.end(Ending::Found, now);
        } else if self.ended.is_none() {
            self.lost += if judgement.is_near() { NEAR_COSTS } else { WRONG_COSTS };
        }
        Ok(judgement)
    }

    /// The trainee wants to be told.
    pub fn give_up(&mut self, now: Timestamp) {
        self.step(now, None, "give up".to_owned());
        self.end(Ending::GaveUp, now);
    }

    /// How it ended, once it has.
    pub fn ending(&self) -> Option<Ending> {
        self.ended.map(|(ending, _)| ending)
    }

    /// Out of [`POINTS`]: less for every hint and every wrong answer, at least 1 where the truth was found, 0 where not.
    pub fn points(&self) -> u32 {
        match self.ended {
            Some((Ending::Found, _)) => POINTS.saturating_sub(self.lost).max(1),
            _ => 0,
        }
    }

    /// Seconds from the beginning to the end, 0 before it.
    pub fn seconds(&self) -> i64 {
        self.ended.map_or(0, |(_, at)| at.duration_since(self.started).as_secs())
    }

    /// Everything told: the truth, an expert's way and the trainee's beside it. `None` before the end.
    pub fn debrief(&self) -> Option<Debrief> {
        self.ended.map(|(ending, _)| Debrief::of(self, ending))
    }

    /// What is kept of it. `None` before the end: what was left unfinished is not.
    pub fn record(&self) -> Option<Record> {
        let (ending, _) = self.ended?;
        Some(Record {
            scenario: self.exercise.lesson.name.clone(),
            seed: self.exercise.seed,
            tags: self.exercise.lesson.all_tags.clone(),
            started: self.started,
            seconds: self.seconds(),
            found: ending == Ending::Found,
            points: self.points(),
            hints: self.hints,
            answers: self.answers,
            skipped: self.skipped(),
        })
    }

    /// How many hints were taken.
    pub fn hints(&self) -> usize {
        self.hints
    }

    /// How many answers were given.
    pub fn answers(&self) -> u32 {
        self.answers
    }

    /// What was done, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(super) fn skipped(&self) -> Vec<Check> {
        checks::skipped(&self.looks, &self.exercise)
    }

    fn step(&mut self, now: Timestamp, level: Option<u8>, says: String) {
        if self.ended.is_none() {
            self.steps.push(Step { seconds: now.duration_since(self.started).as_secs(), level, says });
        }
    }

    fn end(&mut self, ending: Ending, now: Timestamp) {
        self.ended.get_or_insert((ending, now));
    }
}
