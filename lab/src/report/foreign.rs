//! Cases of others scored together: totals, then each of their causes with what was said of it, then why each miss is one.

use std::fmt::Write;

use super::layout::{Style, ends, hang, width};
use crate::{foreign::ForeignSuite, score::Outcome};

/// The report of a suite of others' cases.
pub fn render(suite: &ForeignSuite, style: Style) -> String {
    let all = suite.cases.len();
    let mut line = format!("evidence  {}/{all}", suite.count(Outcome::Exact));
    for outcome in Outcome::ALL {
        let count = suite.count(outcome);
        if count > 0 || matches!(outcome, Outcome::Exact | Outcome::Wrong) {
            write!(line, "  {outcome} {count}").ok();
        }
    }
    let mut out = ends(&line, &format!("{:.1} s", suite.seconds));
    out.push_str("\ntheir cause, exact of all, and what was said\n");
    let widest = suite.causes.keys().map(|cause| width(cause)).max().unwrap_or_default();
    for (cause, outcomes) in &suite.causes {
        let exact = outcomes.get(Outcome::Exact.id()).copied().unwrap_or_default();
        let of: usize = outcomes.values().sum();
        let said = suite.confusion[cause].iter().map(|(said, times)| format!("{said} {times}"));
        out.push_str(&hang(&format!("  {cause:<widest$}  {exact:>3}/{of:<3}  "), &said.collect::<Vec<_>>().join(", ")));
    }
    let misses: Vec<_> = suite.cases.iter().filter(|case| case.outcome != Outcome::Exact).collect();
    if !misses.is_empty() {
        out.push_str("\nmisses\n");
    }
    let widest = misses.iter().map(|case| width(&case.folder)).max().unwrap_or_default();
    for case in misses {
        let outcome = case.outcome.id();
        let truth: Vec<String> = case.truth.iter().map(|root| format!("{} {}", root.cause, root.subject)).collect();
        let truth = if truth.is_empty() { "healthy".to_owned() } else { truth.join(" + ") };
        let text = hang(&format!("  {:<widest$}  ", case.folder), &format!("{outcome}: {truth}: {}", case.says));
        out.push_str(&text.replacen(outcome, &style.bad(outcome), 1));
    }
    out
}
