//! `changes.json`: when objects were last changed and in which fields, as the API server remembers it in `managedFields`.

use serde::Deserialize;

use crate::subject::Subject;

/// One change of one object. Shown beside the onset of symptoms, never trusted alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct ObjectChange {
    /// When, UTC.
    pub time: jiff::Timestamp,
    /// What was changed.
    pub object: Subject,
    /// The fields, as far as they are known: `spec.ports`.
    #[serde(default)]
    pub fields: Vec<String>,
}
