//! Narrowing down: the smallest scope that separates failing requests from passing ones.
//!
//! A scope is a conjunction of up to three conditions (`POST`, `over 1 MB`, `zone b`, `14:00:00Z to 14:05:00Z`). Conditions
//! are added one at a time and the best few conjunctions kept (beam search). A conjunction is worth what it tells about
//! failing (the G statistic of its table of four fields) less what it costs to name it among all that could be named, so that
//! chance among many attributes is not taken for a finding (minimum description length: Rissanen, 1978).

mod bits;
mod condition;
mod requests;
mod table;

use std::cmp::Ordering;

use bits::Bits;
pub use condition::Condition;
pub use requests::Narrowed;
pub(crate) use requests::of;
use table::Piece;
pub use table::{Table, Value};

/// The most conditions of a scope; more would be a description of single requests.
const MOST: usize = 3;
/// How many conjunctions are followed further.
const BEAM: usize = 5;
/// Fewer failing or passing requests than this have nothing in common that means anything.
const FEW: usize = 4;
/// What a scope must be worth at least: once in a thousand would chance look like it.
const WORTH: f64 = 13.8;

/// What separates failing requests from passing ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    /// All of these hold for the requests in it.
    pub conditions: Vec<Condition>,
    /// Failing requests in it, and all in it.
    pub inside: (usize, usize),
    /// Failing requests outside, and all outside.
    pub outside: (usize, usize),
}

impl Scope {
    /// `POST, over 1 MB, zone b`.
    pub fn says(&self) -> String {
        self.conditions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// A conjunction on the way.
#[derive(Clone)]
struct Conjunction {
    pieces: Vec<Piece>,
    rows: Bits,
    cost: f64,
    worth: f64,
}

/// The smallest scope that separates what failed in `table` from what did not; `None` where there is none.
pub fn narrow(table: &Table) -> Option<Scope> {
    let failed = table.failed.count();
    if failed < FEW || table.rows - failed < FEW {
        return None;
    }
    let texts = table.texts();
    let all = Conjunction { pieces: vec![], rows: Bits::all(table.rows), cost: 0.0, worth: 0.0 };
    let mut best = all.clone();
    let mut beam = vec![all];
    for _ in 0..MOST {
        beam = widen(table, &texts, &beam);
        match beam.first() {
            // A condition more has to be worth it.
            Some(first) if first.worth > best.worth => best = first.clone(),
            _ => break,
        }
    }
    let best = refit(table, best);
    let scope = scope(table, &best);
    (best.worth >= WORTH && separates(&scope)).then_some(scope)
}

/// The best conjunctions with one condition more.
fn widen(table: &Table, texts: &[Piece], beam: &[Conjunction]) -> Vec<Conjunction> {
    let mut tried: Vec<(f64, &Conjunction, Piece)> = Vec::new();
    for (rank, conjunction) in beam.iter().enumerate() {
        let intervals = table.intervals(&conjunction.rows, rank == 0);
        for piece in texts.iter().chain(&intervals) {
            if conjunction.pieces.iter().any(|known| known.column == piece.column) {
                continue;
            }
            let worth = worth(table, &conjunction.rows, &piece.rows, conjunction.cost + piece.cost);
            tried.push((worth, conjunction, piece.clone()));
        }
    }
    // Ties go to what was named first: the caller lists attributes in the order in which people would name them.
    tried.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut next: Vec<Conjunction> = Vec::new();
    for (worth, conjunction, piece) in tried {
        let rows = conjunction.rows.and(&piece.rows);
        if next.len() < BEAM && rows != conjunction.rows && !next.iter().any(|known| known.rows == rows) {
            let cost = conjunction.cost + piece.cost;
            let pieces = conjunction.pieces.iter().cloned().chain([piece]).collect();
            next.push(Conjunction { pieces, rows, cost, worth });
        }
    }
    next
}

/// Fits the bounds of each interval again among the requests that all other conditions leave, where they stand out best.
fn refit(table: &Table, mut best: Conjunction) -> Conjunction {
    for index in 0..best.pieces.len() {
        let others = best.pieces.iter().enumerate().filter(|(other, _)| *other != index);
        let rest = others.fold(Bits::all(table.rows), |rows, (_, piece)| rows.and(&piece.rows));
        let column = best.pieces[index].column;
        for piece in table.intervals(&rest, true).into_iter().filter(|piece| piece.column == column) {
            let cost = best.cost - best.pieces[index].cost + piece.cost;
            let worth = worth(table, &rest, &piece.rows, cost);
            if worth.total_cmp(&best.worth) == Ordering::Greater {
                best.rows = rest.and(&piece.rows);
                best.pieces[index] = piece;
                (best.worth, best.cost) = (worth, cost);
            }
        }
    }
    best.pieces.sort_by_key(|piece| piece.column);
    best
}

/// What a conjunction tells about failing less what it costs to name; nothing where what is in it fails less than the rest.
fn worth(table: &Table, one: &Bits, other: &Bits, cost: f64) -> f64 {
    let inside = one.count_and(other);
    let failed = one.count_and_and(other, &table.failed);
    #[allow(clippy::cast_precision_loss)]
    let [a, n, f, all] = [failed, inside, table.failed.count(), table.rows].map(|count| count as f64);
    if a * all <= f * n {
        return f64::NEG_INFINITY;
    }
    let part = |seen: f64, expected: f64| if seen > 0.0 { seen * (seen / expected).ln() } else { 0.0 };
    let (passed, rest) = (all - f, all - n);
    let g = part(a, n * f / all)
        + part(n - a, n * passed / all)
        + part(f - a, rest * f / all)
        + part(passed - (n - a), rest * passed / all);
    2.0 * (g - cost)
}

fn scope(table: &Table, best: &Conjunction) -> Scope {
    let (inside, failed) = (best.rows.count(), best.rows.count_and(&table.failed));
    Scope {
        conditions: best.pieces.iter().map(|piece| piece.condition.clone()).collect(),
        inside: (failed, inside),
        outside: (table.failed.count() - failed, table.rows - inside),
    }
}

/// Whether it tells the two apart, and does not merely shift the odds: most of what is in it fails, or almost all that
/// fails is in it, and the other of the two is not rare.
fn separates(scope: &Scope) -> bool {
    #[allow(clippy::cast_precision_loss)]
    let share = |part: usize, of: usize| part as f64 / of.max(1) as f64;
    let precision = share(scope.inside.0, scope.inside.1);
    let recall = share(scope.inside.0, scope.inside.0 + scope.outside.0);
    precision.max(recall) >= 0.8
        && precision.min(recall) >= 0.2
        && precision >= 2.0 * share(scope.outside.0, scope.outside.1)
}

#[cfg(test)]
mod tests;
