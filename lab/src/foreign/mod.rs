//! Evidence of others, scored against truth of theirs: folders that no scenario of ours made, with causes and objects named in
//! words of their own.

mod truth;
mod vocabulary;

use std::{
    collections::BTreeMap,
    num::NonZero,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use diagnoser::{Diagnosis, Subject, Verdict};
use indicatif::ProgressBar;
use serde::Serialize;

use crate::{
    LabError, evidence_folder, replay,
    report::json::rounded,
    score::{self, Outcome},
    suite::why,
};

pub use truth::{Case, ForeignRoot};
pub use vocabulary::Vocabulary;

/// One folder with its answer.
#[derive(Clone, Debug, Serialize)]
pub struct Answered {
    /// The folder, below the root.
    pub folder: String,
    /// How near the answer came.
    pub outcome: Outcome,
    /// What the others say is true.
    pub truth: Vec<ForeignRoot>,
    /// What the diagnoser said; absent where the folder could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The roots it named.
    pub roots: Vec<Named>,
    /// Seconds it took, reading included.
    pub seconds: f64,
    /// Why it is not exact; empty where it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub says: String,
}

/// A root that the diagnoser named.
#[derive(Clone, Debug, Serialize)]
pub struct Named {
    /// The id of the cause.
    pub cause: String,
    /// Where.
    pub subject: Subject,
}

/// All of them.
#[derive(Debug, Serialize)]
pub struct ForeignSuite {
    /// One a folder, in the order of the truth file.
    pub cases: Vec<Answered>,
    /// How many came to each outcome.
    pub totals: BTreeMap<&'static str, usize>,
    /// By the others' cause: how many came to each outcome.
    pub causes: BTreeMap<String, BTreeMap<&'static str, usize>>,
    /// By the others' cause: how often each answer was given (causes of ours, `healthy`, `unknown`, `unreadable`).
    pub confusion: BTreeMap<String, BTreeMap<String, usize>>,
    /// How long all took.
    pub seconds: f64,
}

impl ForeignSuite {
    /// Diagnoses every folder that the truth file names, as many at once as there are cores.
    ///
    /// # Errors
    /// When the root, the truth or the vocabulary cannot be read. A folder that cannot is unscoreable and stops no other.
    pub fn run(root: &Path, truth: &Path, vocabulary: Option<&Path>) -> Result<Self, LabError> {
        let begun = Instant::now();
        if !root.is_dir() {
            return Err(LabError::BadInput {
                place: root.display().to_string(),
                what: "this folder does not exist".to_owned(),
                next: "Give the folder that holds one evidence folder a case: --evidence-root DIR".to_owned(),
            });
        }
        let cases = truth::read(truth)?;
        let vocabulary = vocabulary.map(Vocabulary::read).transpose()?.unwrap_or_default();
        let progress = ProgressBar::new(cases.len() as u64);
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some((at, case)) =
                Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, cases.get(at)?)))
            {
                done.push((at, answer(root, case, &vocabulary)));
                progress.inc(1);
            }
            done
        };
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let mut answered: Vec<(usize, Answered)> = thread::scope(|scope| {
            let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
            workers.into_iter().flat_map(|worker| worker.join().expect("a worker that does not panic")).collect()
        });
        progress.finish_and_clear();
        answered.sort_by_key(|(at, _)| *at);
        Ok(Self::of(answered.into_iter().map(|(_, answered)| answered).collect(), begun.elapsed().as_secs_f64()))
    }

    fn of(cases: Vec<Answered>, seconds: f64) -> Self {
        let mut totals: BTreeMap<&'static str, usize> = Outcome::ALL.iter().map(|outcome| (outcome.id(), 0)).collect();
        let mut causes: BTreeMap<String, BTreeMap<&'static str, usize>> = BTreeMap::new();
        let mut confusion: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for case in &cases {
            *totals.entry(case.outcome.id()).or_default() += 1;
            let truth = joined(case.truth.iter().map(|root| root.cause.as_str()), "healthy");
            *causes.entry(truth.clone()).or_default().entry(case.outcome.id()).or_default() += 1;
            let said = match case.verdict {
                None => "unreadable".to_owned(),
                Some(Verdict::Unknown) => "unknown".to_owned(),
                Some(_) => joined(case.roots.iter().map(|root| root.cause.as_str()), "healthy"),
            };
            *confusion.entry(truth).or_default().entry(said).or_default() += 1;
        }
        Self { cases, totals, causes, confusion, seconds }
    }

    /// How many came to this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.totals.get(outcome.id()).copied().unwrap_or_default()
    }
}

fn joined<'a>(causes: impl Iterator<Item = &'a str>, none: &str) -> String {
    let mut causes: Vec<&str> = causes.collect();
    causes.sort_unstable();
    causes.dedup();
    if causes.is_empty() { none.to_owned() } else { causes.join(" + ") }
}

fn answer(root: &Path, case: &Case, vocabulary: &Vocabulary) -> Answered {
    let begun = Instant::now();
    let folder = root.join(&case.folder);
    let diagnosed = evidence_folder::read(&folder).and_then(|evidence| {
        replay::diagnose(evidence.files, "not in the evidence folder").map_err(|error| error.inside(&folder))
    });
    let (outcome, verdict, roots, says) = match diagnosed {
        Err(error) => (Outcome::Unscoreable, None, vec![], error.to_string()),
        Ok(diagnosis) => {
            let outcome = judge(&case.roots, &diagnosis, vocabulary);
            let says = if outcome == Outcome::Exact { String::new() } else { reason(&diagnosis) };
            let named = diagnosis.root_causes.iter();
            let named = named.map(|root| Named { cause: root.cause.clone(), subject: root.subject.clone() });
            (outcome, Some(diagnosis.verdict), named.collect(), says)
        }
    };
    let seconds = rounded(begun.elapsed().as_secs_f64());
    Answered { folder: case.folder.clone(), outcome, truth: case.roots.clone(), verdict, roots, seconds, says }
}

/// Judges an answer by what the others' words mean here.
fn judge(truth: &[ForeignRoot], diagnosis: &Diagnosis, vocabulary: &Vocabulary) -> Outcome {
    score::judge(
        truth,
        diagnosis,
        |root, named| vocabulary.means_cause(&root.cause, &named.cause),
        |root, named| vocabulary.means_subject(&root.subject, &named.subject),
    )
}

/// What was said instead, and what of it would have explained what.
fn reason(diagnosis: &Diagnosis) -> String {
    let said = why(diagnosis);
    if diagnosis.verdict != Verdict::Unknown {
        return said;
    }
    match diagnosis.symptoms.first() {
        Some(symptom) => format!("{said} ({})", symptom.says),
        None => format!("{said} (no symptom seen)"),
    }
}
