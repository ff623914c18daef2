//! Scores as JUnit XML, which continuous integration shows as tests: one case a scenario. What was not fit to be judged is
//! skipped, neither passed nor failed.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::score::Outcome;

/// One scenario, scored.
pub struct Scored<'a> {
    /// Its name.
    pub name: &'a str,
    /// How near the diagnosis came.
    pub outcome: Outcome,
    /// Why it is not exact; empty where it is.
    pub says: &'a str,
    /// How long it took.
    pub seconds: f64,
    /// The report for a person; empty where there is none.
    pub told: &'a str,
}

/// The document; `mode` is `replay`, `live` or `evidence`.
pub fn render<'a>(mode: &str, cases: impl IntoIterator<Item = Scored<'a>>, seconds: f64) -> String {
    let mut suite = TestSuite::new(mode);
    suite.set_time(duration(seconds));
    suite.add_test_cases(cases.into_iter().map(|scored| case(mode, &scored)));
    let mut report = Report::new("lab");
    report.set_time(duration(seconds));
    report.add_test_suite(suite);
    // Only a writer can fail, and this one is memory.
    report.to_string().expect("a document can be written to memory")
}

fn case(mode: &str, scored: &Scored<'_>) -> TestCase {
    let Scored { name, outcome, says, seconds, told } = scored;
    let mut status = match outcome {
        Outcome::Exact => TestCaseStatus::success(),
        Outcome::Unscoreable => TestCaseStatus::skipped(),
        Outcome::NoAnswer => TestCaseStatus::non_success(NonSuccessKind::Error),
        _ => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    if *outcome != Outcome::Exact {
        status.set_type(outcome.id()).set_message(*says);
    }
    let mut case = TestCase::new(*name, status);
    case.set_classname(mode).set_time(duration(*seconds));
    if !told.is_empty() {
        case.set_system_out(*told);
    }
    case
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_fails_and_what_was_not_fit_to_be_judged_is_skipped() {
        let scored = |name, outcome, says| Scored { name, outcome, says, seconds: 0.25, told: "" };
        let text = render(
            "replay",
            [
                scored("a", Outcome::Exact, ""),
                scored("b", Outcome::CauseOnly, "x < y"),
                scored("c", Outcome::Unscoreable, "no recording"),
            ],
            1.0,
        );
        for part in [
            "<testsuite name=\"replay\" tests=\"3\" disabled=\"1\" errors=\"0\" failures=\"1\" time=\"1.000\">",
            "<testcase name=\"a\" classname=\"replay\" time=\"0.250\"",
            "<failure message=\"x &lt; y\" type=\"cause-only\"",
            "<skipped message=\"no recording\" type=\"unscoreable\"",
        ] {
            assert!(text.contains(part), "`{part}` is not in {text}");
        }
    }
}
