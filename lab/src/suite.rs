//! Many scenarios scored together. How one is run is the caller's; this room only counts.

use std::{collections::BTreeMap, time::Instant};

use diagnoser::{Diagnosis, Verdict};
use serde::Serialize;

use crate::{
    LabError,
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
    /// `replay` or `live`.
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
}

/// The form of `lab suite --format json`.
#[derive(Debug, Serialize)]
pub struct SuiteJson<'a> {
    scenarios: &'a [Row],
    totals: BTreeMap<&'static str, usize>,
}

impl Suite {
    /// Runs every scenario with `run` and counts. A run that fails is unscoreable and does not stop the others; only an
    /// interruption does.
    ///
    /// # Errors
    /// When the user interrupts.
    pub fn run(
        mode: &'static str,
        scenarios: &[Scenario],
        mut run: impl FnMut(&Scenario) -> Result<(Outcome, Diagnosis), LabError>,
    ) -> Result<Self, LabError> {
        let begun = Instant::now();
        let mut rows = Vec::new();
        for scenario in scenarios {
            let one = Instant::now();
            let (outcome, says) = match run(scenario) {
                Ok((Outcome::Exact, _)) => (Outcome::Exact, String::new()),
                Ok((outcome, diagnosis)) => (outcome, why(&diagnosis)),
                Err(LabError::Interrupted) => return Err(LabError::Interrupted),
                Err(error) => (Outcome::Unscoreable, error.to_string()),
            };
            rows.push(Row {
                name: scenario.name.clone(),
                outcome,
                seconds: rounded(one.elapsed().as_secs_f64()),
                says,
                control: scenario.truth == Truth::Healthy,
            });
        }
        Ok(Self { mode, scenarios: rows, seconds: begun.elapsed().as_secs_f64() })
    }

    /// Runs every scenario from its recording.
    ///
    /// # Errors
    /// Never for a single scenario; see [`Suite::run`].
    pub fn replay(root: &Root, scenarios: &[Scenario]) -> Result<Self, LabError> {
        Self::run("replay", scenarios, |scenario| {
            let recording = Recording::of(root, &scenario.name)?;
            let diagnosis = replay::diagnose(recording.evidence, replay::NOT_RECORDED)?;
            Ok((score(&recording.scenario.truth, &diagnosis), diagnosis))
        })
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
        let alarms = self.scenarios.iter().filter(|row| row.control && row.outcome == Outcome::Wrong).count();
        totals.insert("false-positives", alarms);
        SuiteJson { scenarios: &self.scenarios, totals }
    }
}

/// What was said instead of the truth, which a suite's report does not give away.
fn why(diagnosis: &Diagnosis) -> String {
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
