//! A bar chart as rectangles: two stacked values a column.

use serde::Serialize;

/// Across all columns, in pixels.
pub const WIDTH: f64 = 640.0;

/// One rectangle, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rect {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
    /// Across.
    pub width: f64,
    /// Down.
    pub height: f64,
    /// Whether it is the upper value of its column: what failed.
    pub failed: bool,
}

/// Columns of two values, the second upon the first, as high as `height` where the sum is `top`.
pub fn bars(columns: &[(f64, f64)], top: f64, height: f64) -> Vec<Rect> {
    let step = WIDTH / columns.len().max(1) as f64;
    let scale = if top > 0.0 { height / top } else { 0.0 };
    let mut rects = Vec::new();
    for (index, &(good, failed)) in columns.iter().enumerate() {
        let x = round(index as f64 * step);
        let (low, high) = (round(good * scale), round(failed * scale));
        let rect =
            |y: f64, height: f64, failed: bool| Rect { x, y: round(y), width: round(step - 2.0), height, failed };
        rects.extend((low > 0.0).then(|| rect(height - low, low, false)));
        rects.extend((high > 0.0).then(|| rect(height - low - high, high, true)));
    }
    rects
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_on_the_ground_and_on_each_other() {
        let rects = bars(&[(2.0, 2.0), (0.0, 0.0)], 4.0, 100.0);
        let shape: Vec<_> = rects.iter().map(|rect| (rect.x, rect.y, rect.height, rect.failed)).collect();
        assert_eq!(shape, [(0.0, 50.0, 50.0, false), (0.0, 0.0, 50.0, true)]);
        assert!(bars(&[(1.0, 0.0)], 0.0, 100.0).is_empty());
    }
}
