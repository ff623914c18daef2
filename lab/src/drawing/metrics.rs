//! What was measured over time: a line a series, those that changed most first.

use diagnoser::evidence::{Metrics, Series};
use serde::Serialize;

use super::bars::WIDTH;

/// How high a chart is, in pixels.
pub const HEIGHT: f64 = 60.0;
/// More charts than this nobody looks through.
const MOST: usize = 24;
/// More points than this are not told apart.
const POINTS: usize = 320;

/// One series as a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// Of whom, and what: the column's name in the file.
    pub name: String,
    /// The least value.
    pub low: f64,
    /// The greatest.
    pub high: f64,
    /// The line, as an SVG path: from 0, or the least where that is less, to the greatest. It has gaps where nothing was measured.
    pub path: String,
}

/// Everything that was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Measured {
    /// The first time, as the file writes it.
    pub from: String,
    /// The last one.
    pub to: String,
    /// The series.
    pub curves: Vec<Curve>,
    /// How many more there are, which changed less.
    pub more: usize,
}

/// Draws what was measured.
pub fn measured(metrics: &Metrics) -> Measured {
    let mut found: Vec<(f64, &Series)> = metrics.series().filter_map(|series| Some((swing(series)?, series))).collect();
    found.sort_by(|(a, one), (b, other)| b.total_cmp(a).then_with(|| one.column.cmp(&other.column)));
    let rows = found.iter().map(|(_, series)| series.values.len()).max().unwrap_or_default();
    Measured {
        from: metrics.time(0).to_owned(),
        to: metrics.time(rows.saturating_sub(1)).to_owned(),
        more: found.len().saturating_sub(MOST),
        curves: found.into_iter().take(MOST).map(|(_, series)| curve(series)).collect(),
    }
}

/// How much of its greatest value a series changes by; none where nothing was measured.
fn swing(series: &Series) -> Option<f64> {
    let (low, high) = range(&series.values)?;
    let greatest = low.abs().max(high.abs());
    Some(if greatest > 0.0 { (high - low) / greatest } else { 0.0 })
}

fn range(values: &[Option<f64>]) -> Option<(f64, f64)> {
    let seen = || values.iter().flatten().copied();
    Some((seen().min_by(f64::total_cmp)?, seen().max_by(f64::total_cmp)?))
}

fn curve(series: &Series) -> Curve {
    let (low, high) = range(&series.values).unwrap_or_default();
    let ground = low.min(0.0);
    let scale = if high > ground { HEIGHT / (high - ground) } else { 0.0 };
    let chunk = series.values.len().div_ceil(POINTS).max(1);
    // Of points that fall on one place the greatest is shown: a peak is what one looks for.
    let points: Vec<Option<f64>> =
        series.values.chunks(chunk).map(|values| values.iter().flatten().copied().max_by(f64::total_cmp)).collect();
    let step = WIDTH / points.len().saturating_sub(1).max(1) as f64;
    let mut path = String::new();
    let mut pen = 'M';
    for (at, point) in points.iter().enumerate() {
        match point {
            Some(value) => {
                path.push_str(&format!("{pen}{:.1} {:.1}", at as f64 * step, HEIGHT - (value - ground) * scale));
                pen = 'L';
            }
            None => pen = 'M',
        }
    }
    Curve { name: series.column.clone(), low, high, path }
}

#[cfg(test)]
mod tests {
    use diagnoser::Evidence;

    use super::*;

    #[test]
    fn what_changed_most_comes_first_and_gaps_stay_gaps() {
        let csv = "time,web-rps,api-p90latency,db-cpu\n1,10,5,NaN\n2,10,,\n3,9,20,\n";
        let files = [("metrics.csv".to_owned(), csv.to_owned())].into();
        let evidence = Evidence::from_files(&files).expect("evidence");
        let drawn = measured(&evidence.metrics);
        assert_eq!((drawn.from.as_str(), drawn.to.as_str(), drawn.more), ("1", "3", 0));
        let names: Vec<&str> = drawn.curves.iter().map(|curve| curve.name.as_str()).collect();
        assert_eq!(names, ["api-p90latency", "web-rps"], "of db nothing was measured");
        assert_eq!((drawn.curves[0].low, drawn.curves[0].high), (5.0, 20.0));
        assert_eq!(drawn.curves[0].path, "M0.0 45.0M640.0 0.0");
        assert_eq!(drawn.curves[1].path, "M0.0 0.0L320.0 0.0L640.0 6.0");
    }
}
