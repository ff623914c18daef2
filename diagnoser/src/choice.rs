//! Choosing the root: the smallest set of proven causes that explains every symptom.
//!
//! Method: abduction by parsimonious covering (Peng and Reggia, 1990). Ties go to the set with more direct readings, then to
//! the one nearer the change before the onset; what is still tied stays undecided.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use crate::{causes::Proof, propagation::Mode, subject::Subject};

/// A cause that holds, and the symptoms it explains (by index).
#[derive(Clone, Debug)]
pub struct Holding {
    /// The id of the cause.
    pub cause: &'static str,
    /// Who acts.
    pub owner: &'static str,
    /// Where it sits.
    pub subject: Subject,
    /// What it produces.
    pub effects: Vec<(Subject, Mode)>,
    /// Why it holds.
    pub proof: Box<Proof>,
    /// Indices of the symptoms it explains.
    pub explains: BTreeSet<usize>,
}

/// What the choice came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Choice {
    /// Indices of the chosen causes.
    Roots(Vec<usize>),
    /// Sets that explain as much with as few causes and as many readings.
    Tied(Vec<Vec<usize>>),
    /// No cause explains anything.
    Nothing,
}

/// The most causes that may be at work at once; more is beyond what evidence can tell apart.
const MOST: usize = 4;

/// Chooses among proven causes. `must` are the symptoms that have to be explained (those any of them explains);
/// `onset` is when the symptoms began.
pub fn choose(holding: &[Holding], onset: Option<jiff::Timestamp>) -> Choice {
    let coverable: BTreeSet<usize> = holding.iter().flat_map(|h| h.explains.iter().copied()).collect();
    if coverable.is_empty() {
        return Choice::Nothing;
    }
    let mut explained_by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, holding) in holding.iter().enumerate() {
        for symptom in &holding.explains {
            explained_by.entry(*symptom).or_default().push(index);
        }
    }
    // Symptoms that the same causes explain are one question.
    let questions: BTreeSet<Vec<usize>> = explained_by.into_values().collect();
    for size in 1..=MOST.min(holding.len()) {
        let mut found = BTreeSet::new();
        covers(&questions, &mut Vec::new(), size, &mut found);
        let mut covers: Vec<Vec<usize>> = found.into_iter().collect();
        if covers.is_empty() {
            continue;
        }
        let strength = |set: &Vec<usize>| -> usize { set.iter().map(|&i| holding[i].proof.evidence.len()).sum() };
        let strongest = covers.iter().map(strength).max().unwrap_or_default();
        covers.retain(|set| strength(set) == strongest);
        if covers.len() > 1 {
            let distance = |set: &Vec<usize>| -> i64 {
                let each = set.iter().map(|&i| holding[i].proof.changed.zip(onset));
                each.map(|pair| {
                    pair.map_or(i64::MAX / 8, |(changed, onset)| onset.duration_since(changed).abs().as_secs())
                })
                .sum()
            };
            let nearest = covers.iter().map(distance).min().unwrap_or_default();
            covers.retain(|set| distance(set) == nearest);
        }
        return match <[Vec<usize>; 1]>::try_from(covers) {
            Ok([roots]) => Choice::Roots(roots),
            Err(tied) => Choice::Tied(tied),
        };
    }
    Choice::Roots(greedily(holding, coverable))
}

/// More roots than can be told apart one by one: those that explain most of what is `left`, one after the other.
fn greedily(holding: &[Holding], mut left: BTreeSet<usize>) -> Vec<usize> {
    let gain = |index: usize, left: &BTreeSet<usize>| holding[index].explains.intersection(left).count();
    let mut open: BinaryHeap<(usize, Reverse<usize>)> =
        (0..holding.len()).map(|index| (gain(index, &left), Reverse(index))).collect();
    let mut roots = Vec::new();
    while let Some((before, Reverse(index))) = open.pop().filter(|_| !left.is_empty()) {
        // What one explains of the rest only ever gets less, so who explains as much as before is still the first.
        let now = gain(index, &left);
        if now < before {
            open.push((now, Reverse(index)));
            continue;
        }
        for symptom in &holding[index].explains {
            left.remove(symptom);
        }
        roots.push(index);
    }
    roots.sort_unstable();
    roots
}

/// The sets of at most `more` causes beside those `chosen` of which one explains each question. Whichever set it is, one of it
/// explains what fewest explain.
fn covers(questions: &BTreeSet<Vec<usize>>, chosen: &mut Vec<usize>, more: usize, found: &mut BTreeSet<Vec<usize>>) {
    let open = questions.iter().filter(|candidates| !chosen.iter().any(|i| candidates.binary_search(i).is_ok()));
    let Some(candidates) = open.min_by_key(|candidates| candidates.len()) else {
        let mut set = chosen.clone();
        set.sort_unstable();
        found.insert(set);
        return;
    };
    if more == 0 {
        return;
    }
    for candidate in candidates {
        chosen.push(*candidate);
        covers(questions, chosen, more - 1, found);
        chosen.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnosis::Fix, evidence::Citation};

    fn holding(name: &str, readings: usize, explains: &[usize]) -> Holding {
        Holding {
            cause: "c",
            owner: "self",
            subject: Subject::global("x", name),
            effects: vec![],
            proof: Box::new(Proof {
                evidence: vec![Citation::new("f", "", ""); readings],
                fix: Fix { summary: String::new(), patch: vec![] },
                wants: vec![],
                changed: None,
            }),
            explains: explains.iter().copied().collect(),
        }
    }

    #[test]
    fn one_that_explains_all_beats_two() {
        let all = [holding("a", 9, &[0]), holding("b", 1, &[0, 1]), holding("c", 9, &[1])];
        assert_eq!(choose(&all, None), Choice::Roots(vec![1]));
    }

    #[test]
    fn two_independent_roots_are_both_named() {
        let all = [holding("a", 1, &[0]), holding("b", 1, &[1]), holding("n", 5, &[])];
        assert_eq!(choose(&all, None), Choice::Roots(vec![0, 1]));
    }

    #[test]
    fn of_many_roots_none_is_named_that_adds_nothing() {
        let pairs = (0..6).map(|n| holding("pair", 1, &[2 * n, 2 * n + 1]));
        let all: Vec<Holding> = [holding("part", 9, &[3])].into_iter().chain(pairs).collect();
        assert_eq!(choose(&all, None), Choice::Roots((1..=6).collect()));
    }

    #[test]
    fn readings_break_ties_and_equal_ones_stay_tied() {
        let all = [holding("a", 1, &[0]), holding("b", 2, &[0])];
        assert_eq!(choose(&all, None), Choice::Roots(vec![1]));
        let all = [holding("a", 2, &[0]), holding("b", 2, &[0])];
        assert_eq!(choose(&all, None), Choice::Tied(vec![vec![0], vec![1]]));
    }

    #[test]
    fn nothing_explained_is_nothing_chosen() {
        assert_eq!(choose(&[holding("a", 2, &[])], None), Choice::Nothing);
        assert_eq!(choose(&[], None), Choice::Nothing);
    }
}
