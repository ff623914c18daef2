//! Who is here and what they did: each participant's attempts, and the round that a facilitator put all of them on. Pure; whoever
//! drives it says what time it is.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{id::Id, incident::Typed};
use crate::train::{Attempt, Exercise, Look};

/// So many participants are remembered at most, so that a stray program cannot fill the memory.
const MOST: usize = 200;
/// A name is cut after so many characters.
const NAME: usize = 40;

/// One participant.
#[derive(Debug, Default)]
pub(super) struct Person {
    /// As they call themselves; empty until they have said it.
    pub name: String,
    /// Their attempts, by incident.
    pub attempts: BTreeMap<Id, Attempt>,
    /// The incident they did something at last.
    pub at: Option<Id>,
    /// What was last said of an answer of theirs, by incident.
    pub said: BTreeMap<Id, Said>,
}

/// What was said of an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    /// Whether it was exact, and in words; `None` where nothing was answered.
    pub judged: Option<(bool, String)>,
    /// The answer, to be mended.
    pub typed: Typed,
}

/// An incident that the whole class is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Round {
    /// Which.
    pub id: Id,
    /// How many hints the facilitator has released.
    pub hints: usize,
}

/// Everyone.
#[derive(Debug, Default)]
pub(super) struct Class {
    /// By the id that their browser keeps.
    pub people: BTreeMap<String, Person>,
    /// What the facilitator put the class on.
    pub round: Option<Round>,
}

impl Class {
    /// A participant, who is new where the id is. `None` when there are too many.
    pub fn person(&mut self, id: &str) -> Option<&mut Person> {
        if !self.people.contains_key(id) && self.people.len() >= MOST {
            return None;
        }
        Some(self.people.entry(id.to_owned()).or_default())
    }

    /// The name of a participant, empty where they are not known or have not said it.
    pub fn name(&self, id: &str) -> &str {
        self.people.get(id).map_or("", |person| person.name.as_str())
    }

    /// The attempt of a participant at an incident, if there is one.
    pub fn attempt(&self, who: &str, id: Id) -> Option<&Attempt> {
        self.people.get(who)?.attempts.get(&id)
    }

    /// The attempts of a participant at all variants of an incident.
    pub fn attempts(&self, who: &str, number: usize) -> impl Iterator<Item = &Attempt> {
        let own = self.people.get(who).into_iter().flat_map(|person| &person.attempts);
        own.filter(move |(id, _)| id.number == number).map(|(_, attempt)| attempt)
    }

    /// How many hints of an incident a participant has: their own, or in class those that were released.
    pub fn hints(&self, who: &str, id: Id) -> usize {
        let released = self.round.filter(|round| round.id == id).map_or(0, |round| round.hints);
        self.attempt(who, id).map_or(0, Attempt::hints).max(released)
    }

    /// Whether an incident's hints are the facilitator's to give.
    pub fn is_on(&self, id: Id) -> bool {
        self.round.is_some_and(|round| round.id == id)
    }
}

impl Person {
    /// Takes a name, without what would not be one.
    pub fn call(&mut self, name: &str) {
        self.name = name.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(NAME).collect();
    }

    /// The attempt at an incident, begun now where it is new.
    pub fn at(&mut self, exercise: &Arc<Exercise>, now: Timestamp) -> &mut Attempt {
        let id = Id::of(exercise);
        self.at = Some(id);
        self.attempts.entry(id).or_insert_with(|| Attempt::begin(Arc::clone(exercise), now))
    }

    /// Notes that a page of the evidence was shown; the same page again is no further step.
    pub fn looked(&mut self, exercise: &Arc<Exercise>, look: Look, now: Timestamp) {
        let attempt = self.at(exercise, now);
        if attempt.steps().iter().all(|step| step.says != look.asked) {
            attempt.look(look, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_short_line_and_a_crowd_is_refused() {
        let mut class = Class::default();
        let person = class.person("a").expect("the first");
        person.call(&format!("  Ada \n Lovelace {}", "x".repeat(90)));
        assert!(person.name.starts_with("Ada Lovelace x") && person.name.chars().count() == NAME);
        for number in 1..MOST {
            assert!(class.person(&number.to_string()).is_some());
        }
        assert!(class.person("one too many").is_none() && class.person("a").is_some());
        assert_eq!((class.name("a").len(), class.name("nobody")), (NAME, ""));
    }

    #[test]
    fn hints_of_a_round_are_everybody_s() {
        let [third, variant] = [0, 1].map(|seed| Id { number: 3, seed });
        let mut class = Class { round: Some(Round { id: third, hints: 2 }), ..Class::default() };
        assert_eq!((class.hints("a", third), class.hints("a", variant)), (2, 0));
        assert!(class.is_on(third) && !class.is_on(variant));
        class.round = None;
        assert_eq!(class.hints("a", third), 0);
    }
}
