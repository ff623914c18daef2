//! The course: every scenario, from a first day to an expert's. A scenario's number is its place in it; unlike its name it
//! gives nothing away.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    complaint,
    difficulty::{Difficulty, causes},
    twins::{self, Twin},
};
use crate::{
    LabError,
    scenario::{Scenario, Symptom},
};

/// Tags that speak of how a scenario is built, which a trainee would have to find out.
const OF_ITS_MAKING: [&str; 4] = ["cascade", "control", "noise", "two-faults"];

/// A tag that fewer causes than these share says too much of each.
const FEWEST_CAUSES: usize = 3;

/// One scenario's place in the course.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lesson {
    /// From 1, the easiest.
    pub number: usize,
    /// The scenario's name. It gives the truth away: not for a trainee before the debrief.
    #[serde(skip)]
    pub name: String,
    /// How hard it is.
    pub difficulty: Difficulty,
    /// What somebody complains of, in the words of the world's file.
    #[serde(skip)]
    pub complaint: Symptom,
    /// What the pager says of it.
    pub message: String,
    /// The tags of what is complained of, those that leave several causes open.
    pub tags: Vec<String>,
    /// All tags, to choose by.
    #[serde(skip)]
    pub all_tags: Vec<String>,
    /// The scenarios that look alike from outside: for the debrief.
    #[serde(skip)]
    pub twins: Vec<Twin>,
}

/// All lessons, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// In order of difficulty.
    pub lessons: Vec<Lesson>,
}

impl Course {
    /// Orders scenarios by difficulty, and by name where they are as hard.
    pub fn of(scenarios: &[Scenario]) -> Self {
        let open = open_tags(scenarios);
        let doubles = complaint::doubles(scenarios);
        let mut lessons: Vec<Lesson> = scenarios
            .iter()
            .map(|scenario| {
                let double = doubles.get(scenario.name.as_str()).copied().unwrap_or(scenario);
                Lesson {
                    number: 0,
                    name: scenario.name.clone(),
                    difficulty: Difficulty::of(scenario, double, scenarios),
                    message: super::brief::message(&double.symptom),
                    complaint: double.symptom.clone(),
                    tags: double.tags.iter().filter(|tag| open.contains(tag.as_str())).cloned().collect(),
                    all_tags: scenario.tags.clone(),
                    twins: twins::of(scenario, scenarios),
                }
            })
            .collect();
        lessons.sort_by(|a, b| a.difficulty.total().total_cmp(&b.difficulty.total()).then_with(|| a.name.cmp(&b.name)));
        lessons.iter_mut().zip(1..).for_each(|(lesson, number)| lesson.number = number);
        Self { lessons }
    }

    /// The lesson of this name, or of this number.
    ///
    /// # Errors
    /// When there is none, with the nearest name.
    pub fn find(&self, name: &str) -> Result<&Lesson, LabError> {
        let number = name.parse::<usize>().ok();
        let found = self.lessons.iter().find(|lesson| lesson.name == name || Some(lesson.number) == number);
        found.ok_or_else(|| {
            let all = format!("lab list shows all {}; their numbers are in docs/course.md", self.lessons.len());
            LabError::unknown_name("scenario", name, self.lessons.iter().map(|lesson| lesson.name.as_str()), all)
        })
    }
}

/// The tags under which several causes are possible.
fn open_tags(scenarios: &[Scenario]) -> BTreeSet<&str> {
    let mut shared: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for scenario in scenarios {
        for tag in &scenario.tags {
            shared.entry(tag).or_default().extend(causes(scenario));
        }
    }
    let open = shared.into_iter().filter(|(tag, causes)| causes.len() >= FEWEST_CAUSES && !OF_ITS_MAKING.contains(tag));
    open.map(|(tag, _)| tag).collect()
}
