//! The judgement: a diagnosis against the truth. Pure.

use std::fmt;

use diagnoser::{Diagnosis, Subject, Verdict, diagnosis::RootCause};
use serde::{Deserialize, Serialize};

use crate::scenario::Truth;

/// How near a diagnosis came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every root, cause and subject, and nothing else; for a control: healthy.
    Exact,
    /// The right causes in wrong objects.
    CauseOnly,
    /// The right objects, blamed for the wrong causes.
    SubjectOnly,
    /// Neither; what it blames is only where the symptom shows.
    SymptomOnly,
    /// None of these. A problem found in a healthy system is counted apart, as a false positive.
    Wrong,
    /// It said that it does not know.
    Abstained,
    /// Another diagnoser failed, hung, or printed something else than a diagnosis.
    NoAnswer,
    /// The run was not fit to be judged.
    Unscoreable,
}

impl Outcome {
    /// Every outcome, in the order reports show them.
    pub const ALL: [Self; 8] = [
        Self::Exact,
        Self::CauseOnly,
        Self::SubjectOnly,
        Self::SymptomOnly,
        Self::Wrong,
        Self::Abstained,
        Self::NoAnswer,
        Self::Unscoreable,
    ];

    /// As in JSON: `cause-only`.
    pub fn id(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::CauseOnly => "cause-only",
            Self::SubjectOnly => "subject-only",
            Self::SymptomOnly => "symptom-only",
            Self::Wrong => "wrong",
            Self::Abstained => "abstained",
            Self::NoAnswer => "no-answer",
            Self::Unscoreable => "unscoreable",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// Judges a diagnosis. Several roots must all be named, and nothing beside them.
pub fn score(truth: &Truth, diagnosis: &Diagnosis) -> Outcome {
    let roots = match truth {
        Truth::Healthy => &[][..],
        Truth::Roots(roots) => roots,
    };
    judge(roots, diagnosis, |root, named| root.cause == named.cause, |root, named| root.subject == named.subject)
}

/// The same for a truth in whatever words, with what tells whether they mean the cause, and the subject, of a root that was
/// named; no roots are a healthy system.
pub fn judge<T>(
    truth: &[T],
    diagnosis: &Diagnosis,
    cause: impl Fn(&T, &RootCause) -> bool,
    subject: impl Fn(&T, &RootCause) -> bool,
) -> Outcome {
    match (truth, diagnosis.verdict) {
        ([], Verdict::Healthy) => return Outcome::Exact,
        ([], _) | (_, Verdict::Healthy) => return Outcome::Wrong,
        (_, Verdict::Unknown) => return Outcome::Abstained,
        (_, Verdict::Confirmed) => {}
    }
    let named = &diagnosis.root_causes;
    // Each of one side has its like on the other.
    let alike = |is: &dyn Fn(&T, &RootCause) -> bool| {
        truth.len() == named.len()
            && truth.iter().all(|root| named.iter().any(|named| is(root, named)))
            && named.iter().all(|named| truth.iter().any(|root| is(root, named)))
    };
    let suffers = |subject: &Subject| diagnosis.symptoms.iter().any(|symptom| symptom.subject == *subject);
    if alike(&|root, named| cause(root, named) && subject(root, named)) {
        Outcome::Exact
    } else if alike(&cause) {
        Outcome::CauseOnly
    } else if alike(&subject) {
        Outcome::SubjectOnly
    } else if !named.is_empty() && named.iter().all(|root| suffers(&root.subject)) {
        Outcome::SymptomOnly
    } else {
        Outcome::Wrong
    }
}

#[cfg(test)]
mod tests {
    use diagnoser::diagnosis::{FORMAT, Fix};

    use super::*;
    use crate::scenario::Root;

    fn diagnosis(verdict: Verdict, roots: &[(&str, &str)]) -> Diagnosis {
        let root = |(cause, subject): &(&str, &str)| RootCause {
            cause: (*cause).to_owned(),
            subject: subject.parse().expect("a subject"),
            owner: "self".to_owned(),
            evidence: vec![],
            explains: vec![],
            ruled_out: vec![],
            fix: Fix { summary: String::new(), patch: vec![] },
        };
        Diagnosis {
            format: FORMAT,
            verdict,
            root_causes: roots.iter().map(root).collect(),
            noise: vec![],
            candidates: vec![],
            missing: vec![],
            symptoms: vec![],
            path: vec![],
            steps: vec![],
        }
    }

    fn judge(truth: &[(&str, &str)], named: &[(&str, &str)]) -> Outcome {
        let roots = truth
            .iter()
            .map(|(cause, subject)| Root { cause: (*cause).to_owned(), subject: subject.parse().expect("a subject") });
        score(&Truth::Roots(roots.collect()), &diagnosis(Verdict::Confirmed, named))
    }

    #[test]
    fn cause_and_subject_count_apart() {
        let truth = [("port", "service/a/s")];
        assert_eq!(judge(&truth, &[("port", "service/a/s")]), Outcome::Exact);
        assert_eq!(judge(&truth, &[("port", "service/a/t")]), Outcome::CauseOnly);
        assert_eq!(judge(&truth, &[("selector", "service/a/s")]), Outcome::SubjectOnly);
        assert_eq!(judge(&truth, &[("selector", "service/a/t")]), Outcome::Wrong);
    }

    #[test]
    fn all_roots_and_nothing_beside_them() {
        let truth = [("port", "service/a/s"), ("policy", "networkpolicy/a/p")];
        assert_eq!(judge(&truth, &[("policy", "networkpolicy/a/p"), ("port", "service/a/s")]), Outcome::Exact);
        assert_eq!(judge(&truth, &truth[..1]), Outcome::Wrong);
        assert_eq!(judge(&truth[..1], &truth), Outcome::Wrong);
    }

    #[test]
    fn a_control_is_exact_only_when_called_healthy() {
        assert_eq!(score(&Truth::Healthy, &diagnosis(Verdict::Healthy, &[])), Outcome::Exact);
        assert_eq!(score(&Truth::Healthy, &diagnosis(Verdict::Unknown, &[])), Outcome::Wrong);
        assert_eq!(score(&Truth::Healthy, &diagnosis(Verdict::Confirmed, &[("port", "service/a/s")])), Outcome::Wrong);
    }

    #[test]
    fn not_knowing_is_not_wrong() {
        let truth =
            Truth::Roots(vec![Root { cause: "port".to_owned(), subject: Subject::namespaced("service", "a", "s") }]);
        assert_eq!(score(&truth, &diagnosis(Verdict::Unknown, &[])), Outcome::Abstained);
        assert_eq!(score(&truth, &diagnosis(Verdict::Healthy, &[])), Outcome::Wrong);
    }
}
