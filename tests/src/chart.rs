//! A chart as SVG: a few lines over one axis, each with its limit. It reads well on white and on black.

use std::fmt::Write;

/// What is drawn over the sizes.
pub struct Line {
    /// What it is.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Its colour.
    pub colour: &'static str,
    /// Size and value.
    pub points: Vec<(f64, f64)>,
    /// What it may not exceed at a size.
    pub limit: Option<(f64, f64)>,
}

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 220.0;
const MARGIN: f64 = 48.0;

/// Panels side by side, one a line.
pub fn draw(title: &str, axis: &str, lines: &[Line]) -> String {
    let all = WIDTH * lines.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {all} {}\" font-family=\"system-ui, sans-serif\" font-size=\"11\" \
         fill=\"#888\">\n<title>{title}</title>\n",
        HEIGHT + 30.0
    );
    for (index, line) in lines.iter().enumerate() {
        writeln!(out, "<g transform=\"translate({}, 0)\">", WIDTH * index as f64).ok();
        panel(&mut out, axis, line);
        out.push_str("</g>\n");
    }
    out + "</svg>\n"
}

fn panel(out: &mut String, axis: &str, line: &Line) {
    let most_x = line.points.iter().map(|point| point.0).fold(0.0, f64::max);
    let highest = line.points.iter().chain(&line.limit).map(|point| point.1).fold(0.0, f64::max);
    let step = step(highest);
    let top = (highest / step).ceil() * step;
    let x = |value: f64| MARGIN + value / most_x * (WIDTH - MARGIN - 24.0);
    let y = |value: f64| HEIGHT - 8.0 - value / top * (HEIGHT - 48.0);
    let (left, right) = (x(0.0), x(most_x));
    writeln!(
        out,
        "<text x=\"{left}\" y=\"18\" font-size=\"13\" fill=\"{}\">{}, {}</text>",
        line.colour, line.name, line.unit
    )
    .ok();
    let mut mark = 0.0;
    while mark <= top {
        let at = y(mark);
        writeln!(out, "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#888\" stroke-opacity=\".25\"/>").ok();
        writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{mark}</text>", left - 6.0, at + 4.0).ok();
        mark += step;
    }
    if let Some((size, limit)) = line.limit {
        let (at_x, at_y) = (x(size), y(limit));
        writeln!(
            out,
            "<path d=\"M{left} {at_y:.1}H{at_x:.1}V{:.1}\" fill=\"none\" stroke=\"#d33\" stroke-dasharray=\"4 3\"/>",
            y(0.0)
        )
        .ok();
        writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"#d33\">limit {limit}</text>", left + 6.0, at_y - 4.0).ok();
    }
    let path: Vec<String> =
        line.points.iter().map(|(size, value)| format!("{:.1} {:.1}", x(*size), y(*value))).collect();
    writeln!(out, "<path d=\"M{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>", path.join("L"), line.colour).ok();
    for (size, value) in &line.points {
        let (at_x, at_y) = (x(*size), y(*value));
        writeln!(
            out,
            "<circle cx=\"{at_x:.1}\" cy=\"{at_y:.1}\" r=\"3\" fill=\"{}\"><title>{size}: {value} {}</title></circle>",
            line.colour, line.unit
        )
        .ok();
        writeln!(
            out,
            "<text x=\"{at_x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}k</text>",
            y(0.0) + 16.0,
            size / 1000.0
        )
        .ok();
    }
    writeln!(out, "<text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{axis}</text>", HEIGHT + 24.0).ok();
}

/// A round step that divides the height into four to eight parts.
fn step(highest: f64) -> f64 {
    let rough = highest.max(1e-9) / 5.0;
    let magnitude = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 2.5, 5.0]
        .into_iter()
        .map(|part| part * magnitude)
        .find(|step| *step >= rough)
        .unwrap_or(10.0 * magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        assert_eq!([0.9, 37.0, 400.0, 1234.0].map(step), [0.2, 10.0, 100.0, 250.0]);
    }
}
