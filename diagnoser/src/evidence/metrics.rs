//! `metrics.csv`: the time, then one column a series, named `<entity>-<metric>`, as an export of a monitoring system writes it.

use std::collections::BTreeMap;

use super::{Citation, EvidenceError};

/// What was measured of one entity over time, one value a row; none where the cell is empty or says `NaN`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// The values, in the order of the rows.
    pub values: Vec<Option<f64>>,
    /// The column, by its name in the file.
    pub column: String,
}

/// Every series, by entity and metric.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    times: Vec<String>,
    series: BTreeMap<String, BTreeMap<String, Series>>,
}

/// A change for the worse that lasted: from which row on, what was usual before, and what since.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rise {
    /// The first row of it.
    pub row: usize,
    /// The median before.
    pub before: f64,
    /// The median while it lasted.
    pub since: f64,
    /// How many rows it lasted.
    pub lasted: usize,
}

/// How many rows in a row make a change.
const LASTS: usize = 4;

impl Metrics {
    /// The entities that were measured.
    pub fn entities(&self) -> impl Iterator<Item = &str> {
        self.series.keys().map(String::as_str)
    }

    /// One metric of one entity.
    pub fn of(&self, entity: &str, metric: &str) -> Option<&Series> {
        self.series.get(entity)?.get(metric)
    }

    /// Every metric of one entity.
    pub fn about(&self, entity: &str) -> impl Iterator<Item = (&str, &Series)> {
        self.series.get(entity).into_iter().flatten().map(|(metric, series)| (metric.as_str(), series))
    }

    /// Everything that was measured, by entity and metric.
    pub fn series(&self) -> impl Iterator<Item = &Series> {
        self.series.values().flat_map(BTreeMap::values)
    }

    /// The row of a time, as the file writes it.
    pub fn time(&self, row: usize) -> &str {
        self.times.get(row).map_or("", String::as_str)
    }

    /// A citation of a row of a series.
    pub fn cite(&self, entity: &str, metric: &str, row: usize, says: impl Into<String>) -> Citation {
        let column = self.of(entity, metric).map_or("", |series| series.column.as_str());
        Citation::new("metrics.csv", format!("line {} column {column}", row + 2), says)
    }

    /// Parses the file. A table whose first column is no time is another's and is left alone.
    pub(super) fn parse(text: &str) -> Result<Self, EvidenceError> {
        let mut metrics = Self::default();
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let Some((_, header)) = lines.next() else { return Ok(metrics) };
        let names: Vec<&str> = header.trim_start_matches('\u{feff}').split(',').map(str::trim).collect();
        if !["time", "timestamp"].iter().any(|name| names[0].eq_ignore_ascii_case(name)) {
            return Ok(metrics);
        }
        let mut columns: Vec<Vec<Option<f64>>> = vec![Vec::new(); names.len()];
        for (number, line) in lines {
            let cells: Vec<&str> = line.split(',').map(str::trim).collect();
            let error = |column: usize, message: String| EvidenceError {
                file: "metrics.csv".to_owned(),
                line: number + 1,
                column,
                message,
                help: "metrics.csv must have the form that docs/formats.md describes.".to_owned(),
            };
            if cells.len() != names.len() {
                return Err(error(1, format!("{} cells, and the first line has {}", cells.len(), names.len())));
            }
            metrics.times.push(cells[0].to_owned());
            let mut at = 1;
            for (index, cell) in cells.iter().enumerate() {
                if index > 0 {
                    let value = if cell.is_empty() {
                        None
                    } else {
                        let value: f64 = cell.parse().map_err(|_| error(at, format!("`{cell}` is no number")))?;
                        Some(value).filter(|value| value.is_finite())
                    };
                    columns[index].push(value);
                }
                at += cell.len() + 1;
            }
        }
        for (name, values) in names.iter().zip(columns).skip(1) {
            if let Some((entity, metric)) = name.rsplit_once('-') {
                let series = Series { values, column: (*name).to_owned() };
                metrics.series.entry(entity.to_owned()).or_default().insert(metric.to_owned(), series);
            }
        }
        Ok(metrics)
    }
}

impl Series {
    /// The values from a row on, in order, without those that say nothing.
    pub fn within(&self, rows: std::ops::Range<usize>) -> Vec<f64> {
        let end = rows.end.min(self.values.len());
        self.values.get(rows.start.min(end)..end).unwrap_or_default().iter().flatten().copied().collect()
    }

    /// Where it rose to `times` of what it was before, and by at least `least`, for some rows at least. Zero counts as nothing
    /// measured: no request, no duration.
    pub fn rise(&self, times: f64, least: f64) -> Option<Rise> {
        self.rise_from(times, least, |value| value > 0.0)
    }

    /// The same of what may well be zero, as the time that something was throttled.
    pub fn rise_from_zero(&self, times: f64, least: f64) -> Option<Rise> {
        self.rise_from(times, least, |_| true)
    }

    fn rise_from(&self, times: f64, least: f64, counts: impl Fn(f64) -> bool) -> Option<Rise> {
        let above = |row: usize, limit: f64| self.values.get(row).copied().flatten().is_some_and(|value| value > limit);
        for row in 3..self.values.len() {
            let before: Vec<f64> = self.within(0..row).into_iter().filter(|value| counts(*value)).collect();
            if before.len() < 3 {
                continue;
            }
            let usual = middle(before);
            let limit = (usual * times).max(usual + least);
            if !(row..row + LASTS).all(|row| above(row, limit)) || above(row - 1, limit) {
                continue;
            }
            let lasted = (row..self.values.len()).take_while(|row| above(*row, limit)).count();
            return Some(Rise { row, before: usual, since: middle(self.within(row..row + lasted)), lasted });
        }
        None
    }

    /// Where it fell to nothing for some rows at least, having been something.
    pub fn stop(&self) -> Option<usize> {
        let none = |row: usize| self.values.get(row).is_some_and(|value| *value == Some(0.0));
        let was = |row: usize| middle(self.within(0..row)) > 0.0;
        (3..self.values.len()).find(|row| (*row..row + LASTS).all(none) && !none(row - 1) && was(*row))
    }
}

/// The middle one; zero of none.
pub(crate) fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Metrics {
        let rows: String = values.iter().enumerate().map(|(row, value)| format!("{row},{value}\n")).collect();
        Metrics::parse(&format!("time,a-b-p50latency\n{rows}")).expect("metrics")
    }

    #[test]
    fn a_rise_is_one_that_lasts() {
        let rise = of(&["5", "6", "5", "", "700", "800", "900", "800", "5"])
            .of("a-b", "p50latency")
            .and_then(|series| series.rise(10.0, 200.0));
        assert_eq!(rise, Some(Rise { row: 4, before: 5.0, since: 800.0, lasted: 4 }));
        assert_eq!(
            of(&["5", "6", "5", "5", "700", "5", "5", "5"])
                .of("a-b", "p50latency")
                .and_then(|series| series.rise(10.0, 200.0)),
            None
        );
        assert_eq!(
            of(&["900", "800", "700", "50", "5", "5", "5", "5"])
                .of("a-b", "p50latency")
                .and_then(|series| series.rise(10.0, 200.0)),
            None
        );
        assert_eq!(
            of(&["5", "5", "5", "60", "60", "60", "60"])
                .of("a-b", "p50latency")
                .and_then(|series| series.rise(10.0, 200.0)),
            None
        );
    }

    #[test]
    fn a_stop_is_one_that_lasts() {
        let stop = |values| of(values).of("a-b", "p50latency").and_then(Series::stop);
        assert_eq!(stop(&["5", "6", "5", "0", "0", "0", "0"]), Some(3));
        assert_eq!(stop(&["0", "0", "0", "0", "0", "0", "0"]), None);
    }

    #[test]
    fn malformed_files_say_where() {
        let error = |text| Metrics::parse(text).map(|_| ()).map_err(|error| (error.line, error.column));
        assert_eq!(error("time,a-b,c-d\n1,2,x\n"), Err((2, 5)));
        assert_eq!(error("time,a-b,c-d\n1,2\n"), Err((2, 1)));
        assert_eq!(error("other,a\n1,x\n"), Ok(()));
        assert_eq!(error(""), Ok(()));
        assert_eq!(error("time,a-b\n1,NaN\n2,\n"), Ok(()));
    }
}
