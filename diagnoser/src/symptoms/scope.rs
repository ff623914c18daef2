//! Where the fault behind a symptom can sit.

use std::collections::BTreeSet;

use super::Asked;
use crate::subject::Subject;

/// The subjects in which the fault behind a symptom can sit.
#[derive(Clone, Debug)]
pub enum Scope {
    /// What suffers and all that it depends on, however far. A large cluster may have thousands of such symptoms, and all of it
    /// behind each, so nobody writes it down: what is found by going along the graph from what suffers is in it.
    Everything,
    /// These alone.
    Only(BTreeSet<Subject>),
}

impl Scope {
    /// Whether the fault can sit in a subject that what suffers depends on.
    pub fn contains(&self, subject: &Subject) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(subjects) => subjects.contains(subject),
        }
    }

    /// The kind of request that suffers, as a subject, where it is one that goes by a name.
    pub fn request(&self) -> Option<&Subject> {
        let Self::Only(subjects) = self else { return None };
        subjects.range(Asked::first()..).next().filter(|subject| Asked::is(subject))
    }
}

impl From<BTreeSet<Subject>> for Scope {
    fn from(subjects: BTreeSet<Subject>) -> Self {
        Self::Only(subjects)
    }
}
