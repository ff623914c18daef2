//! Many scenarios scored together: one line of totals, then a line for each that is not exact.

use std::fmt::Write;

use super::layout::{Style, ends, hang, width};
use crate::{score::Outcome, suite::Suite};

/// The report of a suite.
pub fn render(suite: &Suite, style: Style) -> String {
    let exact = suite.count(Outcome::Exact);
    let all = suite.scenarios.len();
    let controls = suite.scenarios.iter().filter(|row| row.control);
    let (quiet, of) =
        controls.fold((0, 0), |(quiet, of), row| (quiet + usize::from(row.outcome == Outcome::Exact), of + 1));
    let mut line = format!("{}  {exact}/{all}", suite.mode);
    for outcome in Outcome::ALL {
        let count = suite.count(outcome);
        if count > 0 || matches!(outcome, Outcome::Exact | Outcome::Wrong) {
            write!(line, "  {outcome} {count}").ok();
        }
    }
    write!(line, "  controls {quiet}/{of} healthy").ok();
    let mut out = ends(&line, &format!("{:.1} s", suite.seconds));
    let one_by_one: f64 = suite.scenarios.iter().map(|row| row.seconds).sum();
    if suite.mode == "live" && one_by_one > suite.seconds {
        let share = 100.0 * suite.seconds / one_by_one;
        writeln!(out, "side by side: {share:.0} % of the {one_by_one:.0} s that the runs took one by one").ok();
    }
    out + &misses(suite, style)
}

/// The score of another diagnoser: a line an outcome, false positives apart, then a line for each scenario that is not exact.
pub fn table(suite: &Suite, style: Style) -> String {
    let controls = suite.scenarios.iter().filter(|row| row.control).count();
    let all = suite.scenarios.len();
    let mut out = ends(
        &format!("{:<16}{:>4} of {all}", Outcome::Exact.id(), suite.count(Outcome::Exact)),
        &format!("{:.1} s", suite.seconds),
    );
    for outcome in Outcome::ALL.into_iter().skip(1) {
        let count = suite.count(outcome);
        if count > 0 || outcome == Outcome::Wrong {
            writeln!(out, "{:<16}{count:>4}", outcome.id()).ok();
        }
    }
    writeln!(out, "{:<16}{:>4} of {controls} controls", "false positives", suite.false_positives()).ok();
    let misses = misses(suite, style);
    if misses.is_empty() { out } else { format!("{out}\n{misses}") }
}

fn misses(suite: &Suite, style: Style) -> String {
    let mut out = String::new();
    let rest: Vec<_> = suite.scenarios.iter().filter(|row| row.outcome != Outcome::Exact).collect();
    let widest = rest.iter().map(|row| width(&row.name)).max().unwrap_or_default();
    for row in rest {
        let outcome = row.outcome.id();
        let text = hang(&format!("  {:<widest$}   ", row.name), &format!("{outcome}: {}", row.says));
        out.push_str(&text.replacen(outcome, &style.bad(outcome), 1));
    }
    out
}
