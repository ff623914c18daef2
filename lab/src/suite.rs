//! Many scenarios scored together. How one is run is the caller's; this room only counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use diagnoser::{Diagnosis, Verdict};
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use serde::Serialize;

use crate::{
    LabError,
    live_suite::Done,
    other_diagnoser::OtherDiagnoser,
    recording::Recording,
    replay,
    report::json::rounded,
    root::Root,
    scenario::{Scenario, Truth},
    score::{Outcome, score},
};

/// The scores of many scenarios.
#[derive(Debug)]
pub struct Suite {
    /// `replay`, `live`, or `diagnoser` where another one answered.
    pub mode: &'static str,
    /// One row a scenario, in the order they were run.
    pub scenarios: Vec<Row>,
    /// How long all took.
    pub seconds: f64,
}

/// The score of one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The scenario's name.
    pub name: String,
    /// How near the diagnosis came.
    pub outcome: Outcome,
    /// How long it took.
    pub seconds: f64,
    /// Why it is not exact, in words; empty where it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub says: String,
    /// Whether nothing is broken in it.
    #[serde(skip)]
    pub control: bool,
    /// The causes that are true, or `healthy`.
    #[serde(skip)]
    pub truth: String,
    /// The causes that were named, or the verdict.
    #[serde(skip)]
    pub said: String,
}

impl Row {
    fn of(scenario: &Scenario, judged: Judged, seconds: f64) -> Self {
        Self {
            name: scenario.name.clone(),
            outcome: judged.outcome,
            seconds: rounded(seconds),
            says: judged.says,
            control: scenario.truth == Truth::Healthy,
            truth: causes_of(&scenario.truth),
            said: judged.said,
        }
    }
}

/// What an answer came to.
struct Judged {
    outcome: Outcome,
    /// Why it is not exact.
    says: String,
    /// The causes that were named, or the verdict.
    said: String,
}

impl Judged {
    fn of(truth: &Truth, diagnosis: &Diagnosis) -> Self {
        let outcome = score(truth, diagnosis);
        let says = if outcome == Outcome::Exact { String::new() } else { why(diagnosis) };
        Self { outcome, says, said: named(diagnosis) }
    }

    /// There was no answer.
    fn none(outcome: Outcome, why: impl ToString) -> Self {
        Self { outcome, says: why.to_string(), said: "nothing".to_owned() }
    }
}

/// The form of `lab suite --format json`.
#[derive(Debug, Serialize)]
pub struct SuiteJson<'a> {
    scenarios: &'a [Row],
    totals: BTreeMap<&'static str, usize>,
}

impl Suite {
    /// What live runs came to. A run that failed is unscoreable.
    pub fn of_runs(runs: &[Done], seconds: f64) -> Self {
        let rows = runs.iter().map(|done| {
            let judged = match &done.result {
                Ok(run) => Judged::of(&run.recording.scenario.truth, &run.diagnosis),
                Err(error) => Judged::none(Outcome::Unscoreable, error),
            };
            Row::of(&done.scenario, judged, done.seconds)
        });
        Self { mode: "live", scenarios: rows.collect(), seconds }
    }

    /// Diagnoses every recording. One that is not there or does not parse is unscoreable and does not stop the others.
    pub fn replay(root: &Root, scenarios: &[Scenario]) -> Self {
        let begun = Instant::now();
        let rows = scenarios.iter().map(|scenario| {
            let one = Instant::now();
            let diagnosed = Recording::of(root, &scenario.name).and_then(|recording| {
                let diagnosis = replay::diagnose(recording.evidence, replay::NOT_RECORDED)?;
                Ok(Judged::of(&recording.scenario.truth, &diagnosis))
            });
            let judged = diagnosed.unwrap_or_else(|error| Judged::none(Outcome::Unscoreable, error));
            Row::of(scenario, judged, one.elapsed().as_secs_f64())
        });
        Self { mode: "replay", scenarios: rows.collect(), seconds: begun.elapsed().as_secs_f64() }
    }

    /// What another diagnoser says of every recording, several at once. One that is not there or does not parse is unscoreable.
    ///
    /// # Errors
    /// When the other cannot be run at all.
    pub async fn of_other(
        root: &Root,
        scenarios: &[Scenario],
        other: &OtherDiagnoser,
        at_once: usize,
    ) -> Result<Self, LabError> {
        let begun = Instant::now();
        let progress = ProgressBar::new(scenarios.len() as u64);
        let row = async |scenario: &Scenario| {
            let one = Instant::now();
            let judged = match Recording::of(root, &scenario.name) {
                Err(error) => Judged::none(Outcome::Unscoreable, error),
                Ok(recording) => match other.diagnose(&recording.evidence).await? {
                    Err(why) => Judged::none(Outcome::NoAnswer, why),
                    Ok(diagnosis) => Judged::of(&recording.scenario.truth, &diagnosis),
                },
            };
            progress.inc(1);
            Ok(Row::of(scenario, judged, one.elapsed().as_secs_f64()))
        };
        let rows: Result<Vec<Row>, LabError> = stream::iter(scenarios).map(row).buffered(at_once).try_collect().await;
        progress.finish_and_clear();
        Ok(Self { mode: "diagnoser", scenarios: rows?, seconds: begun.elapsed().as_secs_f64() })
    }

    /// How many controls a problem was found in, or not ruled out.
    pub fn false_positives(&self) -> usize {
        self.scenarios.iter().filter(|row| row.control && row.outcome == Outcome::Wrong).count()
    }

    /// How many came to this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.scenarios.iter().filter(|row| row.outcome == outcome).count()
    }

    /// Whether every scenario is exact.
    pub fn is_exact(&self) -> bool {
        self.count(Outcome::Exact) == self.scenarios.len()
    }

    /// The form for programs.
    pub fn json(&self) -> SuiteJson<'_> {
        let mut totals: BTreeMap<&'static str, usize> =
            Outcome::ALL.iter().map(|outcome| (outcome.id(), self.count(*outcome))).collect();
        totals.insert("false-positives", self.false_positives());
        SuiteJson { scenarios: &self.scenarios, totals }
    }
}

/// The causes of a truth, to be counted: `healthy`, `disk-full`, `a + b`.
fn causes_of(truth: &Truth) -> String {
    match truth {
        Truth::Healthy => "healthy".to_owned(),
        Truth::Roots(roots) => joined(roots.iter().map(|root| root.cause.as_str())),
    }
}

/// The causes that a diagnosis names, in the same form; else its verdict.
fn named(diagnosis: &Diagnosis) -> String {
    match diagnosis.verdict {
        Verdict::Healthy => "healthy".to_owned(),
        Verdict::Unknown => "unknown".to_owned(),
        Verdict::Confirmed => joined(diagnosis.root_causes.iter().map(|root| root.cause.as_str())),
    }
}

fn joined<'a>(causes: impl Iterator<Item = &'a str>) -> String {
    causes.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" + ")
}

/// What was said instead of the truth, which a suite's report does not give away.
pub(crate) fn why(diagnosis: &Diagnosis) -> String {
    match diagnosis.verdict {
        Verdict::Healthy => "healthy, it says".to_owned(),
        Verdict::Unknown if diagnosis.missing.is_empty() => {
            "unknown; nothing it knows explains what is seen".to_owned()
        }
        Verdict::Unknown => {
            let lacks: Vec<&str> = diagnosis.missing.iter().map(|missing| missing.what.as_str()).collect();
            format!("lacks {}", lacks.join(", "))
        }
        Verdict::Confirmed => {
            let named: Vec<String> =
                diagnosis.root_causes.iter().map(|root| format!("{} in {}", root.cause, root.subject)).collect();
            named.join(", ")
        }
    }
}
