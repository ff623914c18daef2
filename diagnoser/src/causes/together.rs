//! What a cause says of one subject, by several symptoms or several pods, is one finding where it is proven.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Proof, State};
use crate::{propagation::Mode, subject::Subject};

type Effects = Vec<(Subject, Mode)>;

/// One finding for each subject in which the cause is proven, with all that it explains and all that mends it. What is
/// undecided stays beside it, for it may be about something else; what is ruled out only where nothing else is said.
pub(crate) fn together(findings: Vec<Finding>) -> Vec<Finding> {
    let mut proven: BTreeMap<Subject, (Effects, Box<Proof>)> = BTreeMap::new();
    let mut others = Vec::new();
    for finding in findings {
        let State::Holds(more) = finding.state else {
            others.push(finding);
            continue;
        };
        let Some((effects, whole)) = proven.get_mut(&finding.subject) else {
            proven.insert(finding.subject, (finding.effects, more));
            continue;
        };
        effects.extend(finding.effects);
        whole.evidence.extend(more.evidence);
        whole.wants.extend(more.wants);
        if !whole.fix.summary.contains(&more.fix.summary) {
            whole.fix.summary = format!("{}; {}", whole.fix.summary, more.fix.summary);
        }
        for change in more.fix.patch {
            if !whole.fix.patch.contains(&change) {
                whole.fix.patch.push(change);
            }
        }
    }
    let decided: BTreeSet<Subject> = others
        .iter()
        .filter(|finding| matches!(finding.state, State::Undecided(_)))
        .map(|finding| finding.subject.clone())
        .chain(proven.keys().cloned())
        .collect();
    others.retain(|finding| !matches!(finding.state, State::Excluded { .. }) || !decided.contains(&finding.subject));
    let proven = proven.into_iter().map(|(subject, (mut effects, proof))| {
        let mut seen = BTreeSet::new();
        effects.retain(|effect| seen.insert(effect.clone()));
        Finding { subject, effects, state: State::Holds(proof) }
    });
    proven.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Fix;

    fn finding(subject: &str, effect: Mode, state: State) -> Finding {
        let subject: Subject = subject.parse().expect("a subject");
        Finding { effects: vec![(subject.clone(), effect)], subject, state }
    }

    fn holds(summary: &str) -> State {
        let fix = Fix { summary: summary.to_owned(), patch: vec![] };
        State::Holds(Box::new(Proof { evidence: vec![], fix, wants: vec![], changed: None }))
    }

    #[test]
    fn proofs_of_one_subject_are_one_whatever_stands_between_them() {
        let whole = together(vec![
            finding("pod/a/p", Mode::Slow, State::excluded("no", vec![])),
            finding("pod/a/p", Mode::Slow, holds("mend it")),
            finding("pod/a/p", Mode::Down, State::Undecided(vec![])),
            finding("pod/a/p", Mode::Errors, holds("mend it")),
            finding("pod/a/q", Mode::Slow, State::excluded("no", vec![])),
        ]);
        let says: Vec<(&str, usize, &State)> =
            whole.iter().map(|f| (f.subject.name.as_str(), f.effects.len(), &f.state)).collect();
        assert!(
            matches!(
                &says[..],
                [("p", 2, State::Holds(proof)), ("p", 1, State::Undecided(_)), ("q", 1, State::Excluded { .. })]
                    if proof.fix.summary == "mend it"
            ),
            "{says:?}"
        );
    }
}
