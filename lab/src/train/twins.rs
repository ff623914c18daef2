//! Near twins: scenarios that a user cannot tell apart, and what does.

use serde::Serialize;

use super::difficulty::causes;
use crate::scenario::{Scenario, Truth};

/// The twins that a debrief tells of, at most.
const MOST: usize = 3;

/// A scenario with the same symptom and another cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Twin {
    /// The scenario's name.
    pub name: String,
    /// Its causes.
    pub causes: Vec<String>,
    /// What is seen there.
    pub there: String,
    /// What is seen here instead.
    pub here: String,
}

/// The nearest twins of a scenario: those with which it has most questions of its decision tree in common; what parts them
/// is the first answer that differs.
pub(super) fn of(scenario: &Scenario, all: &[Scenario]) -> Vec<Twin> {
    let family = scenario.symptom.family();
    let mut alike: Vec<(usize, &Scenario)> = all
        .iter()
        .filter(|other| other.name != scenario.name && other.symptom.family() == family)
        .filter(|other| other.truth != Truth::Healthy && causes(other) != causes(scenario))
        .map(|other| (common(&scenario.leaf, &other.leaf), other))
        .filter(|(common, other)| *common < scenario.leaf.len().min(other.leaf.len()))
        .collect();
    alike.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.name.cmp(&other.name)));
    let twin = |(common, other): (usize, &Scenario)| Twin {
        name: other.name.clone(),
        causes: causes(other).into_iter().map(str::to_owned).collect(),
        there: other.leaf[common..].join("; "),
        here: scenario.leaf[common..].join("; "),
    };
    alike.into_iter().take(MOST).map(twin).collect()
}

/// How many of the first answers are the same.
fn common(one: &[String], other: &[String]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}
