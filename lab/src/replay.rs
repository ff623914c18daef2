//! The one loop in which the diagnoser asks and is answered: for recordings, for anyone's evidence, and for live systems.

use std::collections::BTreeMap;

use diagnoser::{Diagnosis, Investigation, Next, Request};

use crate::LabError;

/// Evidence files: name, relative to the evidence folder and `/`-separated, to text.
pub type Files = BTreeMap<String, String>;

/// After this many rounds the diagnoser is asking in circles, which is a bug.
const MOST_ROUNDS: usize = 32;

/// Why a recording cannot answer a request: what was read in the run is all there is.
pub const NOT_RECORDED: &str = "not in the recording";

/// Diagnoses the evidence in `files`. `answer` gives the files that answer a request, or why the reading cannot be had.
/// Returns the diagnosis, and the files with all answers among them.
///
/// # Errors
/// When a file does not parse.
pub fn investigate(
    files: Files,
    answer: &mut dyn FnMut(&Request) -> Result<Files, String>,
) -> Result<(Diagnosis, Files), LabError> {
    let mut investigation = Investigation::new(files)?;
    for _ in 0..MOST_ROUNDS {
        match investigation.proceed() {
            Next::Done(diagnosis) => return Ok((*diagnosis, investigation.into_files())),
            Next::Ask(requests) => {
                for request in &requests {
                    tracing::debug!(file = request.file, how = request.how, "the diagnoser asks");
                    match answer(request) {
                        Ok(files) => investigation.answer(request, files)?,
                        Err(why) => investigation.missed(request, &why),
                    }
                }
            }
        }
    }
    Err(LabError::Live {
        what: "diagnosing".to_owned(),
        why: format!("the diagnoser still asks for readings after {MOST_ROUNDS} rounds"),
        next: "This is a bug of the diagnoser; please report it with the evidence folder.".to_owned(),
    })
}

/// Diagnoses evidence that is all there is: every request is answered with `why_not`.
///
/// # Errors
/// When a file does not parse.
pub fn diagnose(files: Files, why_not: &str) -> Result<Diagnosis, LabError> {
    investigate(files, &mut |_| Err(why_not.to_owned())).map(|(diagnosis, _)| diagnosis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_that_does_not_parse_is_bad_input() {
        let files = Files::from([("probes.json".to_owned(), "[{".to_owned())]);
        let error = diagnose(files, NOT_RECORDED).expect_err("it is cut off");
        assert!(matches!(&error, LabError::BadInput { place, .. } if place.starts_with("probes.json:1:")), "{error}");
    }
}
