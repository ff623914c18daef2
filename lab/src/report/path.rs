//! The way of the failing request, drawn hop by hop.

use diagnoser::diagnosis::Hop;

use super::layout::{Style, WIDTH, harmless, width, wrap};

const LABEL: &str = "path       ";
const WHOLE: &str = "---";
const BROKEN: &str = "--x--";
/// What was seen at a hop is broken into lines of this width, or of the hop's name where that is longer.
const CELL: usize = 12;

/// The drawing, with a final newline; empty where there is no path. Too long a way goes on in a further row.
pub(super) fn draw(hops: &[Hop], style: Style) -> String {
    let mut rows: Vec<Vec<&Hop>> = vec![];
    let mut used = WIDTH;
    for hop in hops {
        let needed = columns(hop);
        match rows.last_mut() {
            Some(row) if used + needed <= WIDTH => row.push(hop),
            _ => {
                rows.push(vec![hop]);
                used = LABEL.len();
            }
        }
        used += needed;
    }
    let last = rows.len().saturating_sub(1);
    let drawn: Vec<String> =
        rows.iter().enumerate().map(|(index, row)| draw_row(row, index == 0, index == last, style)).collect();
    drawn.join("\n")
}

fn draw_row(row: &[&Hop], first: bool, last: bool, style: Style) -> String {
    let indent = " ".repeat(LABEL.len());
    let mut names = if first { style.head(LABEL) } else { indent.clone() };
    for (index, hop) in row.iter().enumerate() {
        names.push_str(&hop.name);
        if last && index + 1 == row.len() && !hop.broken_after {
            break;
        }
        // The line begins at the name and reaches over the whole cell, so that the drawing stays connected.
        let ends = index + 1 == row.len();
        let fill = if ends { 0 } else { cell_width(hop) - width(&hop.name) };
        let line = format!("{}{}", "-".repeat(fill), sign(hop));
        names.push_str(&format!(" {} ", if hop.broken_after { style.bad(&line) } else { line }));
    }
    let cells: Vec<Vec<String>> = row.iter().map(|hop| cell(hop)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or_default();
    let mut out = format!("{}\n", names.trim_end());
    for line in 0..height {
        let mut text = indent.clone();
        for (hop, cell) in row.iter().zip(&cells) {
            let says = cell.get(line).map_or("", String::as_str);
            text.push_str(says);
            text.push_str(&" ".repeat(columns(hop) - width(says)));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

/// What stands between this hop and the next.
fn sign(hop: &Hop) -> &'static str {
    if hop.broken_after { BROKEN } else { WHOLE }
}

/// The columns of a hop: its cell, and what stands between it and the next with a space on either side.
fn columns(hop: &Hop) -> usize {
    cell_width(hop) + sign(hop).len() + 2
}

fn cell(hop: &Hop) -> Vec<String> {
    let columns = width(&hop.name).max(CELL);
    hop.seen.iter().flat_map(|says| wrap(&harmless(says), columns)).collect()
}

fn cell_width(hop: &Hop) -> usize {
    cell(hop).iter().map(|line| width(line)).chain([width(&hop.name)]).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(name: &str, seen: &[&str], broken_after: bool) -> Hop {
        let seen = seen.iter().map(|says| (*says).to_owned()).collect();
        Hop { name: name.to_owned(), subjects: vec![], seen, reached: None, broken_after }
    }

    #[test]
    fn the_break_stands_between_two_hops() {
        let hops = [
            hop("client", &["502"], false),
            hop("service web", &["80 -> 8080"], true),
            hop("pod web", &["listens 80"], false),
        ];
        let expected = "\
path       client --- service web --x-- pod web
           502        80 -> 8080        listens 80
";
        assert_eq!(draw(&hops, Style::Plain), expected);
    }

    #[test]
    fn a_long_way_goes_on_in_a_further_row() {
        let hops: Vec<Hop> = (0..8).map(|n| hop(&format!("service s{n}"), &["80 -> 80"], n == 5)).collect();
        let drawn = draw(&hops, Style::Plain);
        assert!(drawn.lines().all(|line| width(line) <= WIDTH), "{drawn}");
        assert_eq!(drawn.matches("service s").count(), 8, "{drawn}");
        assert_eq!(drawn.matches("--x--").count(), 1, "{drawn}");
    }
}
