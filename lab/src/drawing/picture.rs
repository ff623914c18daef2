//! The picture of a world: boxes and lines with their places, in pixels. A template writes it as SVG.

use diagnoser::{Subject, diagnosis::Hop};
use serde::Serialize;

use super::{
    hops::Seen,
    layers::{Layers, lay_out},
    world::World,
};

const WIDTH: usize = 184;
const GAP_ACROSS: usize = 20;
const GAP_DOWN: usize = 26;
const HEAD: usize = 40;
const LINE: usize = 15;
const MARGIN: usize = 4;
/// How many characters fit in a box; longer words are cut, the whole ones are in the title.
const FITS: usize = 28;
/// More nodes of a layer than this stand in a further row.
const ACROSS: usize = 4;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Picture {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// Boxes.
    pub nodes: Vec<Node>,
    /// Lines, drawn below the boxes.
    pub lines: Vec<Line>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    /// From the left.
    pub x: usize,
    /// From the top.
    pub y: usize,
    /// Across.
    pub width: usize,
    /// Down.
    pub height: usize,
    /// Its kind: `service`.
    pub kind: String,
    /// Its name, cut where it is long.
    pub name: String,
    /// The whole subject.
    pub subject: String,
    /// What was seen there.
    pub seen: Vec<String>,
    /// Whether it lies on the way of the requests that fail.
    pub on_way: bool,
    /// Whether requests fail there.
    pub fails: bool,
    /// Whether the fault sits between it and the next; only after the answer.
    pub broken: bool,
}

/// One edge, as a cubic curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// SVG path data.
    pub path: String,
    /// Whether it is on the way of the requests that fail.
    pub on_way: bool,
    /// Whether requests end on it; only after the answer.
    pub broken: bool,
    /// Where the mark of the break stands.
    pub middle: (usize, usize),
}

/// Draws a world with what was seen at each node. With `told`, the path of the diagnosis, it also shows what only the answer
/// says: its own words at each hop, and where the way is broken.
pub fn draw(world: &World, seen: &[Seen], told: Option<&[Hop]>) -> Picture {
    let Layers { edges, rows } = lay_out(world.nodes.len(), &world.way, &world.edges);
    let mut picture = Picture::default();
    let mut places = vec![(0, 0, 0); world.nodes.len()];
    let mut boxes = vec![None; world.nodes.len()];
    let mut y = MARGIN;
    for row in rows.iter().flat_map(|row| row.chunks(ACROSS)) {
        let mut tallest = 0;
        // The first column is the way's: what is not on it stands beside, also in rows where the way has nothing.
        let first = usize::from(!world.way.is_empty() && !row.iter().any(|node| world.way.contains(node)));
        for (column, &node) in row.iter().enumerate() {
            let drawn = node_at(world, seen, told, node);
            let x = MARGIN + (column + first) * (WIDTH + GAP_ACROSS);
            places[node] = (x, y, drawn.height);
            tallest = tallest.max(drawn.height);
            picture.width = picture.width.max(x + WIDTH + MARGIN);
            boxes[node] = Some(Node { x, y, ..drawn });
        }
        y += tallest + GAP_DOWN;
    }
    picture.height = y.saturating_sub(GAP_DOWN) + MARGIN;
    picture.nodes = boxes.into_iter().flatten().collect();
    for (from, to) in edges {
        let on_way = world.way.windows(2).any(|pair| pair == [from, to]);
        let broken = on_way && picture.nodes[from].broken;
        picture.lines.push(line(places[from], places[to], on_way, broken));
    }
    picture
}

fn node_at(world: &World, seen: &[Seen], told: Option<&[Hop]>, node: usize) -> Node {
    let subject: &Subject = &world.nodes[node];
    let hops = || told.into_iter().flat_map(|path| world.hops[node].iter().filter_map(|at| path.get(*at)));
    let mut lines = seen[node].lines();
    for says in hops().flat_map(|hop| &hop.seen) {
        if !lines.contains(says) {
            lines.push(says.clone());
        }
    }
    let cut: Vec<String> = lines.iter().map(|line| cut(line)).collect();
    Node {
        x: 0,
        y: 0,
        width: WIDTH,
        height: HEAD + LINE * cut.len(),
        kind: subject.kind.to_string(),
        name: cut_to(&subject.name, FITS - 5),
        subject: subject.to_string(),
        seen: cut,
        on_way: world.way.contains(&node),
        fails: seen[node].failed > 0,
        broken: hops().any(|hop| hop.broken_after),
    }
}

fn cut(text: &str) -> String {
    cut_to(text, FITS)
}

fn cut_to(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['\u{2026}']).collect()
}

fn line(from: (usize, usize, usize), to: (usize, usize, usize), on_way: bool, broken: bool) -> Line {
    let (x1, y1) = (from.0 + WIDTH / 2, from.1 + from.2);
    let (x2, y2) = (to.0 + WIDTH / 2, to.1);
    let bend = (y2.saturating_sub(y1) / 2).max(GAP_DOWN / 2);
    Line {
        path: format!("M{x1} {y1}C{x1} {} {x2} {} {x2} {y2}", y1 + bend, y2.saturating_sub(bend)),
        on_way,
        broken,
        middle: (x1.midpoint(x2), y1.midpoint(y2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        World {
            nodes: ["host/a", "host/b", "host/c"].map(|name| name.parse().expect("a subject")).to_vec(),
            edges: vec![(0, 1), (0, 2)],
            way: vec![0, 1],
            hops: vec![vec![0], vec![1], vec![]],
            beside: vec![],
        }
    }

    fn hop(broken_after: bool) -> Hop {
        Hop { name: String::new(), subjects: vec![], seen: vec!["dropped".to_owned()], reached: None, broken_after }
    }

    #[test]
    fn no_two_boxes_overlap_and_all_lie_inside() {
        let picture = draw(&world(), &vec![Seen::default(); 3], None);
        assert_eq!((picture.nodes.len(), picture.lines.len()), (3, 2));
        for (index, one) in picture.nodes.iter().enumerate() {
            assert!(one.x + one.width <= picture.width && one.y + one.height <= picture.height, "{picture:?}");
            for other in &picture.nodes[index + 1..] {
                let apart = one.x + one.width <= other.x
                    || other.x + other.width <= one.x
                    || one.y + one.height <= other.y
                    || other.y + other.height <= one.y;
                assert!(apart, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn the_break_is_drawn_only_after_the_answer() {
        let seen = vec![Seen::default(); 3];
        let before = serde_json::to_string(&draw(&world(), &seen, None)).expect("JSON");
        assert!(!before.contains("\"broken\":true") && !before.contains("dropped"), "{before}");
        let after = draw(&world(), &seen, Some(&[hop(true), hop(false)]));
        assert!(after.nodes[0].broken && after.lines.iter().filter(|line| line.broken).count() == 1, "{after:?}");
    }
}
