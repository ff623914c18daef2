//! Requests as rows, their attributes as columns, and the conditions that columns offer.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Bits, Condition};

/// The value of one attribute of one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// One of several.
    Text(String),
    /// More or less of something.
    Number(f64),
    /// A moment.
    Time(Timestamp),
}

/// Periods in which things come again: a minute to a day.
const PERIODS: [i64; 9] = [60, 120, 300, 600, 900, 1800, 3600, 21_600, 86_400];
/// Round steps of time, the roundest first.
const STEPS: [f64; 9] = [86_400.0, 3600.0, 600.0, 300.0, 60.0, 30.0, 10.0, 5.0, 1.0];

/// Failing and passing requests with their attributes.
pub struct Table {
    pub(super) rows: usize,
    pub(super) failed: Bits,
    columns: Vec<Column>,
}

enum Column {
    /// The rows of each value.
    Texts(String, BTreeMap<String, Bits>),
    /// Values in their order, each with its row, and how many are distinct.
    Numbers(String, Vec<(f64, usize)>, usize),
    /// Seconds since 1970 in their order, each with its row; the same within each period; how many are distinct.
    Times(Vec<(f64, usize)>, Vec<(i64, Vec<(f64, usize)>)>, usize),
}

/// A condition that could be part of a scope, the rows it holds for, and what it costs to name it.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) column: usize,
    pub(super) condition: Condition,
    pub(super) rows: Bits,
    pub(super) cost: f64,
}

impl Table {
    /// A table of records: a value or none for each of `attributes`, and whether the request failed. Where two attributes
    /// tell the same, the one listed first is named.
    pub fn new(attributes: &[String], records: &[(Vec<Option<Value>>, bool)]) -> Self {
        let rows = records.len();
        let column = |(index, name): (usize, &String)| {
            let values: Vec<(usize, &Value)> = records
                .iter()
                .enumerate()
                .filter_map(|(row, (values, _))| Some((row, values.get(index)?.as_ref()?)))
                .collect();
            match values.first()?.1 {
                Value::Text(_) => Some(texts(name, rows, &values)),
                Value::Number(_) => {
                    let values = in_order(&values, |number| number);
                    let distinct = distinct(&values);
                    Some(Column::Numbers(name.clone(), values, distinct))
                }
                Value::Time(_) => Some(times(&values)),
            }
        };
        let columns = attributes.iter().enumerate().filter_map(column).collect();
        Self { rows, failed: Bits::of(rows, |row| records[row].1), columns }
    }

    /// Every value of every attribute.
    pub(super) fn texts(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for (index, column) in self.columns.iter().enumerate() {
            let Column::Texts(attribute, values) = column else { continue };
            pieces.extend(values.iter().map(|(value, rows)| Piece {
                column: index,
                condition: Condition::Is { attribute: attribute.clone(), value: value.clone() },
                rows: rows.clone(),
                cost: 0.0,
            }));
        }
        let cost = ln(pieces.len().max(2));
        pieces.iter_mut().for_each(|piece| piece.cost = cost);
        pieces
    }

    /// Of every number and time the interval in which, among these rows, most fails; of times also those that come again,
    /// which takes longer to see, where `again` says so.
    pub(super) fn intervals(&self, among: &Bits, again: bool) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for (column, what) in self.columns.iter().enumerate() {
            match what {
                Column::Texts(..) => {}
                Column::Numbers(attribute, values, _) => {
                    let Some(cut) = Cut::best(values, among, &self.failed) else { continue };
                    let bound = |(low, high)| round_between(low, high);
                    for (from, to) in ends(cut.from().map(bound), cut.to().map(bound)) {
                        let condition = Condition::Range { attribute: attribute.clone(), from, to };
                        pieces.push(self.piece(column, condition, values));
                    }
                }
                Column::Times(values, periods, _) => {
                    let Some(cut) = Cut::best(values, among, &self.failed) else { continue };
                    let bound = |between| moment(round_time(between));
                    for (from, to) in ends(cut.from().and_then(bound), cut.to().and_then(bound)) {
                        pieces.push(self.piece(column, Condition::Window { from, to }, values));
                    }
                    for (every, phases) in periods.iter().filter(|_| again) {
                        let Some(condition) = recurring(*every, phases, among, &self.failed) else { continue };
                        let piece = self.piece(column, condition, phases);
                        if self.comes_again(&piece, *every, values) {
                            pieces.push(piece);
                        }
                    }
                }
            }
        }
        pieces
    }

    /// The rows that satisfy a condition on values in their order: one run of them, or two where it lies across a period's end.
    fn piece(&self, column: usize, condition: Condition, values: &[(f64, usize)]) -> Piece {
        let mut rows = Bits::none(self.rows);
        let mut set = |from: usize, to: usize| {
            values.get(from..to).unwrap_or_default().iter().for_each(|(_, row)| rows.set(*row));
        };
        let below = |bound: f64| values.partition_point(|(value, _)| *value < bound);
        let up_to = |bound: f64| values.partition_point(|(value, _)| *value <= bound);
        // Each end of an interval could lie at any value.
        let ends = match condition {
            Condition::Is { .. } => 0.0,
            Condition::Range { from, to, .. } => {
                set(from.map_or(0, up_to), to.map_or(values.len(), up_to));
                if from.is_some() && to.is_some() { 2.0 } else { 1.0 }
            }
            Condition::Window { from, to } => {
                set(from.map_or(0, |from| below(seconds(from))), to.map_or(values.len(), |to| up_to(seconds(to))));
                if from.is_some() && to.is_some() { 2.0 } else { 1.0 }
            }
            #[allow(clippy::cast_precision_loss)]
            Condition::Recurring { every, from, length } => {
                set(below(from as f64), up_to((from + length) as f64));
                set(0, up_to((from + length - every) as f64));
                2.0
            }
        };
        Piece { column, condition, rows, cost: ends * ln(self.columns[column].distinct().max(2)) }
    }

    /// Whether something failed in at least two of the periods.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    fn comes_again(&self, piece: &Piece, every: i64, values: &[(f64, usize)]) -> bool {
        let Condition::Recurring { from, .. } = piece.condition else { return false };
        let period = |seconds: f64| ((seconds - from as f64) / every as f64).floor() as i64;
        let mut failing = values.iter().filter(|(_, row)| self.failed.has(*row) && piece.rows.has(*row));
        let Some((first, _)) = failing.next() else { return false };
        let first = period(*first);
        failing.any(|(seconds, _)| period(*seconds) != first)
    }
}

impl Column {
    /// How many distinct values it has.
    fn distinct(&self) -> usize {
        match self {
            Self::Texts(_, values) => values.len(),
            Self::Numbers(_, values, distinct) | Self::Times(values, _, distinct) => (*distinct).min(values.len()),
        }
    }
}

fn distinct(values: &[(f64, usize)]) -> usize {
    1 + values.windows(2).filter(|pair| pair[0].0.total_cmp(&pair[1].0).is_ne()).count()
}

#[allow(clippy::cast_precision_loss)]
fn seconds(time: Timestamp) -> f64 {
    time.as_microsecond() as f64 / 1e6
}

fn texts(name: &str, rows: usize, values: &[(usize, &Value)]) -> Column {
    let mut sets: BTreeMap<String, Bits> = BTreeMap::new();
    for (row, value) in values {
        if let Value::Text(text) = value {
            sets.entry(text.clone()).or_insert_with(|| Bits::none(rows)).set(*row);
        }
    }
    Column::Texts(name.to_owned(), sets)
}

fn times(values: &[(usize, &Value)]) -> Column {
    let sorted = in_order(values, |seconds| seconds);
    let span = sorted.last().zip(sorted.first()).map_or(0.0, |(last, first)| last.0 - first.0);
    #[allow(clippy::cast_precision_loss)]
    let fits = PERIODS.into_iter().filter(|every| span >= 1.2 * *every as f64);
    #[allow(clippy::cast_precision_loss)]
    let periods = fits.map(|every| (every, in_order(values, |s| s.rem_euclid(every as f64)))).collect();
    let distinct = distinct(&sorted);
    Column::Times(sorted, periods, distinct)
}

fn in_order(values: &[(usize, &Value)], of: impl Fn(f64) -> f64) -> Vec<(f64, usize)> {
    #[allow(clippy::cast_precision_loss)]
    let number = |value: &Value| match value {
        Value::Number(number) => Some(*number),
        Value::Time(time) => Some(seconds(*time)),
        Value::Text(_) => None,
    };
    let mut sorted: Vec<(f64, usize)> =
        values.iter().filter_map(|(row, value)| Some((of(number(value)?), *row))).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    sorted
}

/// An interval of a column, by the distinct values at and beside its ends.
struct Cut {
    groups: Vec<(f64, f64)>,
    first: usize,
    last: usize,
    distinct: usize,
}

impl Cut {
    /// The interval that holds most failures beyond what its share would be (the maximal run of the sum: Kadane).
    fn best(values: &[(f64, usize)], among: &Bits, failed: &Bits) -> Option<Self> {
        let groups = groups(values, among, failed)?;
        let (first, last) = run(groups.iter().map(|(_, weight)| *weight))?;
        let distinct = groups.len();
        (first > 0 || last + 1 < distinct).then_some(Self { groups, first, last, distinct })
    }

    /// The value before the interval and its first; `None` where it is open.
    fn from(&self) -> Option<(f64, f64)> {
        (self.first > 0).then(|| (self.groups[self.first - 1].0, self.groups[self.first].0))
    }

    /// The last value of the interval and the one after it.
    fn to(&self) -> Option<(f64, f64)> {
        (self.last + 1 < self.distinct).then(|| (self.groups[self.last].0, self.groups[self.last + 1].0))
    }
}

/// Distinct values with the failures at them beyond their share.
fn groups(values: &[(f64, usize)], among: &Bits, failed: &Bits) -> Option<Vec<(f64, f64)>> {
    #[allow(clippy::cast_precision_loss)]
    let share = among.count_and(failed) as f64 / among.count().max(1) as f64;
    let mut groups: Vec<(f64, f64)> = Vec::with_capacity(values.len());
    for (value, row) in values.iter().filter(|(_, row)| among.has(*row)) {
        let weight = if failed.has(*row) { 1.0 - share } else { -share };
        match groups.last_mut() {
            Some((known, sum)) if *known >= *value => *sum += weight,
            _ => groups.push((*value, weight)),
        }
    }
    (groups.len() > 1).then_some(groups)
}

/// An interval with both its ends, and with either of them left open: chance beyond an end is told from a bound by its cost.
fn ends<T: Copy>(from: Option<T>, to: Option<T>) -> Vec<(Option<T>, Option<T>)> {
    match (from, to) {
        (Some(_), Some(_)) => vec![(from, to), (from, None), (None, to)],
        open => vec![open],
    }
}

/// First and last index of the run with the largest sum, where that is more than nothing.
fn run(weights: impl Iterator<Item = f64>) -> Option<(usize, usize)> {
    let (mut best, mut sum, mut start) = ((0.0, None), 0.0, 0);
    for (index, weight) in weights.enumerate() {
        if sum <= 0.0 {
            (sum, start) = (0.0, index);
        }
        sum += weight;
        if sum > best.0 + 1e-9 {
            best = (sum, Some((start, index)));
        }
    }
    best.1
}

/// The part of each period in which most fails; it may lie across the period's end.
fn recurring(every: i64, phases: &[(f64, usize)], among: &Bits, failed: &Bits) -> Option<Condition> {
    let groups = groups(phases, among, failed)?;
    let sum = |(first, last): (usize, usize), sign: f64| groups[first..=last].iter().map(|g| sign * g.1).sum::<f64>();
    let straight = run(groups.iter().map(|(_, weight)| *weight))?;
    // What is left when the run in which least fails is taken out lies across the end.
    let (low, high) = run(groups.iter().map(|(_, weight)| -weight))?;
    let across = low > 0 && high + 1 < groups.len() && sum((low, high), -1.0) > sum(straight, 1.0);
    let (from, to) =
        if across { (groups[high + 1].0, groups[low - 1].0) } else { (groups[straight.0].0, groups[straight.1].0) };
    #[allow(clippy::cast_possible_truncation)]
    let (from, to) = (from.floor() as i64, to.ceil() as i64);
    let length = (to - from).rem_euclid(every);
    (length > 0 && length * 5 < every * 4).then_some(Condition::Recurring { every, from, length })
}

/// The roundest number from `low` on that is less than `high`.
fn round_between(low: f64, high: f64) -> f64 {
    let mut step = 10f64.powf(high.abs().max(1.0).log10().floor());
    for _ in 0..18 {
        let multiple = ((high / step).ceil() - 1.0) * step;
        if multiple >= low {
            return multiple;
        }
        step /= 10.0;
    }
    low
}

/// The roundest moment after the one and up to the other; the middle where none is round.
fn round_time((before, after): (f64, f64)) -> f64 {
    let round = |step: &f64| {
        let multiple = (after / step).floor() * step;
        (multiple > before).then_some(multiple)
    };
    STEPS.iter().find_map(round).unwrap_or_else(|| f64::midpoint(before, after))
}

fn moment(seconds: f64) -> Option<Timestamp> {
    #[allow(clippy::cast_possible_truncation)]
    Timestamp::from_microsecond((seconds * 1e6).round() as i64).ok()
}

#[allow(clippy::cast_precision_loss)]
fn ln(count: usize) -> f64 {
    (count as f64).ln()
}
