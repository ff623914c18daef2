//! Many scenarios scored together. How one is run is the caller's; this room only counts.

use std::{collections::BTreeMap, time::Instant};

use diagnoser::{Diagnosis, Verdict};
use serde::Serialize;

use crate::{
    live_suite::Done,
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
    /// What live runs came to. A run that failed is unscoreable.
    pub fn of_runs(runs: &[Done], seconds: f64) -> Self {
        let rows = runs.iter().map(|done| Row {
            name: done.scenario.name.clone(),
            outcome: done.outcome(),
            seconds: rounded(done.seconds),
            says: match &done.result {
                Ok(run) if run.outcome == Outcome::Exact => String::new(),
                Ok(run) => why(&run.diagnosis),
                Err(error) => error.to_string(),
            },
            control: done.scenario.truth == Truth::Healthy,
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
                Ok((score(&recording.scenario.truth, &diagnosis), diagnosis))
            });
            let (outcome, says) = match diagnosed {
                Ok((Outcome::Exact, _)) => (Outcome::Exact, String::new()),
                Ok((outcome, diagnosis)) => (outcome, why(&diagnosis)),
                Err(error) => (Outcome::Unscoreable, error.to_string()),
            };
            let seconds = rounded(one.elapsed().as_secs_f64());
            Row { name: scenario.name.clone(), outcome, seconds, says, control: scenario.truth == Truth::Healthy }
        });
        Self { mode: "replay", scenarios: rows.collect(), seconds: begun.elapsed().as_secs_f64() }
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
