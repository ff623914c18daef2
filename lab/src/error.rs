//! What can go wrong, with the user's next step in every case.

use std::{io, path::Path, process::ExitCode};

use diagnoser::EvidenceError;

use crate::{events::Stage, exit};

/// An error of the lab. `Display` says where, what and why; [`LabError::next`] says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Something the user wrote or gave cannot be read.
    #[error("{place}: {what}")]
    BadInput {
        /// `file`, `file:line:column` or the argument.
        place: String,
        /// What is wrong there.
        what: String,
        /// What to do.
        next: String,
    },
    /// A name that the lab does not know.
    #[error("no {kind} `{name}`{}", nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    UnknownName {
        /// `scenario`, `cause` ...
        kind: &'static str,
        /// As given.
        name: String,
        /// The nearest one that exists, where one is near.
        nearest: Option<String>,
        /// How to see all: `lab list shows all 96`.
        all: String,
    },
    /// The machine lacks something.
    #[error("{what}")]
    Lacks {
        /// What is missing, as a sentence.
        what: String,
        /// The command that provides it.
        command: String,
    },
    /// The run cannot be judged: the fault did not bite, or the symptom did not show.
    #[error("unscoreable: {stage} failed: {why}")]
    Unscoreable {
        /// Where the gate stopped.
        stage: Stage,
        /// What was waited for and what was last seen.
        why: String,
        /// What to do.
        next: String,
    },
    /// The user interrupted; everything was undone.
    #[error("interrupted; everything was undone")]
    Interrupted,
    /// The user left an exercise.
    #[error("interrupted; nothing of this exercise is kept")]
    Left,
    /// A live system did not do what it was asked to.
    #[error("{what}: {why}")]
    Live {
        /// What was attempted.
        what: String,
        /// Why it failed, and what was last seen.
        why: String,
        /// What to do.
        next: String,
    },
}

impl LabError {
    /// A name that is not among `known`, with the nearest of them.
    pub fn unknown_name<'a>(
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
        all: impl Into<String>,
    ) -> Self {
        Self::UnknownName { kind, name: name.to_owned(), nearest: nearest(name, known), all: all.into() }
    }

    /// A file or folder that cannot be read or written.
    pub fn file(path: &Path, why: impl Into<io::Error>) -> Self {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        let why = why.into();
        let next = match why.kind() {
            StorageFull | QuotaExceeded => "Make room there, or write to another place.",
            _ => "Check that the path is right and that you may read and write there.",
        };
        Self::BadInput { place: path.display().to_string(), what: why.to_string(), next: next.to_owned() }
    }

    /// The same error, its place said from where the user stands.
    pub fn inside(self, folder: &Path) -> Self {
        match self {
            Self::BadInput { place, what, next } => {
                Self::BadInput { place: folder.join(place).display().to_string(), what, next }
            }
            other => other,
        }
    }

    /// What the user can do now; empty where there is nothing.
    pub fn next(&self) -> String {
        match self {
            Self::BadInput { next, .. } | Self::Unscoreable { next, .. } | Self::Live { next, .. } => next.clone(),
            Self::UnknownName { all, .. } => all.clone(),
            Self::Lacks { command, .. } => format!("Next: {command}"),
            Self::Interrupted | Self::Left => String::new(),
        }
    }

    /// The exit code of the program.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::BadInput { .. } | Self::UnknownName { .. } => exit::BAD_INPUT,
            Self::Lacks { .. } => exit::LACKS,
            Self::Unscoreable { .. } => exit::UNSCOREABLE,
            Self::Interrupted | Self::Left => exit::INTERRUPTED,
            Self::Live { .. } => exit::DIFFERS,
        })
    }

    /// The whole message as it is shown on stderr, without a final newline.
    pub fn render(&self) -> String {
        let mut text = format!("error: {self}");
        for line in self.next().lines() {
            text.push_str("\n       ");
            text.push_str(line);
        }
        text
    }
}

impl From<EvidenceError> for LabError {
    fn from(error: EvidenceError) -> Self {
        let EvidenceError { file, line, column, message, help } = error;
        Self::BadInput { place: format!("{file}:{line}:{column}"), what: message, next: help }
    }
}

/// What serde_json says, without its own "at line .. column ..", which stands in front.
pub fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or_else(|| text.clone(), |(message, _)| message.to_owned())
}

/// The nearest of the known names, where one is near enough to be a slip of the hand.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(name, candidate), candidate))
        .filter(|(likeness, candidate)| *likeness >= 0.6 || (name.len() >= 3 && candidate.contains(name)))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name_and_nonsense_does_not() {
        let known = ["port-mismatch", "selector-mismatch", "healthy"];
        assert_eq!(nearest("port-mismach", known).as_deref(), Some("port-mismatch"));
        assert_eq!(nearest("selector", known).as_deref(), Some("selector-mismatch"));
        assert_eq!(nearest("qqq", known), None);
    }

    #[test]
    fn an_unknown_name_says_what_was_meant_and_where_all_are() {
        let error = LabError::unknown_name("scenario", "helthy", ["healthy"], "lab list shows all 1");
        assert_eq!(error.render(), "error: no scenario `helthy`; did you mean `healthy`?\n       lab list shows all 1");
    }
}
