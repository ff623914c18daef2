//! YAML with errors a person can act on: the place, what is wrong, and the nearest valid name.

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, Options};

use crate::{LabError, error::nearest};

/// Parses one YAML document; `shown` is how errors name the file.
pub(super) fn parse<T: DeserializeOwned>(shown: &str, text: &str) -> Result<T, LabError> {
    serde_saphyr::from_str_with_options(text, Options::default())
        .map_err(|error| explain(shown, error.without_snippet()))
}

fn explain(shown: &str, error: &Error) -> LabError {
    let place = match error.location() {
        Some(at) if at.line() > 0 => format!("{shown}:{}:{}", at.line(), at.column()),
        _ => shown.to_owned(),
    };
    let (what, next) = match error {
        Error::SerdeUnknownField { field, expected, .. } => unknown("key", field, expected),
        Error::SerdeUnknownVariant { variant, expected, .. } => unknown("name", variant, expected),
        Error::SerdeMissingField { field, .. } => {
            (format!("the key `{field}` is missing"), "docs/formats.md lists the keys.".to_owned())
        }
        other => (plain(other), "docs/formats.md describes this file; the others beside it are examples.".to_owned()),
    };
    LabError::BadInput { place, what, next }
}

fn unknown(kind: &str, name: &str, expected: &[&'static str]) -> (String, String) {
    let meant = nearest(name, expected.iter().copied());
    let guess = meant.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    (format!("unknown {kind} `{name}`{guess}"), format!("Known here: {}.", expected.join(", ")))
}

/// The message without its place, which is printed in front, on one line.
pub(crate) fn plain(error: &Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let message = line.rsplit_once(" at line ").map_or(line, |(message, _)| message);
    message.trim_start_matches("error: ").trim().to_owned()
}
