//! How hard a scenario is, as a number that depends on the scenarios alone.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::scenario::{Scenario, Symptom, Truth};

/// What makes a scenario hard; [`Difficulty::total`] adds it up.
///
/// - `hops`: the questions between the symptom and the root, as its branch of the decision trees asks them; 1 where it has no
///   branch. Where nothing is wrong, those that it takes to find what is complained of.
/// - `causes`: how many causes bring about this symptom somewhere in the course; every doubling adds 1.
/// - `distractors`: 1 for everything that is set up beside the world, and 2 each where only some of the requests suffer and
///   for every independent root after the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Difficulty {
    /// Questions from the symptom to the root.
    pub hops: usize,
    /// Causes that would show the same symptom.
    pub causes: usize,
    /// What leads astray.
    pub distractors: usize,
}

impl Difficulty {
    /// Of one scenario among all; `told` is the one by whose symptom it is told, mostly itself.
    pub fn of(scenario: &Scenario, told: &Scenario, all: &[Scenario]) -> Self {
        let alike = all.iter().filter(|other| other.symptom.code() == told.symptom.code());
        let causes: BTreeSet<&str> = alike.flat_map(causes).collect();
        let roots = match &scenario.truth {
            Truth::Healthy => 0,
            Truth::Roots(roots) => roots.len(),
        };
        let partial = matches!(&told.symptom, Symptom::Probe(probe) if probe.share.is_some() || probe.bytes.is_some());
        Self {
            hops: told.leaf.len().saturating_sub(1).max(1),
            causes: causes.len().max(1),
            distractors: scenario.with.len() + 2 * usize::from(partial) + 2 * roots.saturating_sub(1),
        }
    }

    /// `hops + log2(causes) + distractors`, to one decimal.
    pub fn total(self) -> f64 {
        let sum = self.hops as f64 + (self.causes as f64).log2() + self.distractors as f64;
        (sum * 10.0).round() / 10.0
    }
}

/// The causes of a scenario's truth; none of a healthy one.
pub(super) fn causes(scenario: &Scenario) -> Vec<&str> {
    match &scenario.truth {
        Truth::Healthy => vec![],
        Truth::Roots(roots) => roots.iter().map(|root| root.cause.as_str()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(leaf: &str, with: &str, cause: &str) -> Scenario {
        let text = format!(
            "title: t\ntags: [x]\nleaf: [{leaf}]\nworld: shop\nwith: [{with}]\n\
             faults: [{{service-target-port: {{service: web, port: 8080}}}}]\n\
             symptom: {{http: {{from: client, url: \"http://a.test/\", status: 502}}}}\n\
             truth: {{cause: {cause}, subject: service/shop/web}}\n"
        );
        Scenario::parse("s", "s.yaml", &text).expect("a scenario")
    }

    #[test]
    fn hops_twins_and_distractors_add_up() {
        let one = scenario("a, b, c, d", "", "port");
        let alone = Difficulty::of(&one, &one, std::slice::from_ref(&one));
        assert_eq!((alone.hops, alone.causes, alone.distractors, alone.total()), (3, 1, 0, 3.0));
        let all = [one.clone(), scenario("a, b", "noise", "selector")];
        assert_eq!(Difficulty::of(&one, &one, &all).total(), 4.0);
        assert_eq!(Difficulty::of(&all[1], &all[1], &all).total(), 3.0, "one hop, two causes, one distractor");
    }
}
