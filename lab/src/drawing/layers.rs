//! Where the nodes of a graph stand: in layers from the top, each below everything that leads to it, a chosen way straight
//! down the first column (Sugiyama's method, small: no cycles, no detours, longest path, barycentres).

use std::collections::BTreeSet;

/// Nodes `0..n` in layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layers {
    /// The edges that are drawn: no cycles, and none that only repeats a longer way.
    pub edges: Vec<(usize, usize)>,
    /// Node indices, layer by layer from the top, each from the left.
    pub rows: Vec<Vec<usize>>,
}

/// Lays out `count` nodes. `way` is drawn straight down the first column and keeps all its edges; of `edges` those that would
/// close a circle, or say what a longer way already says, are left out.
pub fn lay_out(count: usize, way: &[usize], edges: &[(usize, usize)]) -> Layers {
    let steps: Vec<(usize, usize)> = way.windows(2).map(|pair| (pair[0], pair[1])).collect();
    let mut kept: Vec<(usize, usize)> = Vec::new();
    for &(from, to) in steps.iter().chain(edges) {
        if from != to && !kept.contains(&(from, to)) && !leads(&kept, to, from) {
            kept.push((from, to));
        }
    }
    let all = kept.clone();
    kept.retain(|&(from, to)| {
        let detour = all.iter().any(|&(a, b)| a == from && b != to && leads(&all, b, to));
        steps.contains(&(from, to)) || !detour
    });
    let mut ranks = ranks(count, &kept);
    // Who nobody leads to stands right above the first it leads to, not at the very top.
    for node in (0..count).filter(|node| !way.contains(node)) {
        let below = kept.iter().filter(|(from, _)| *from == node).map(|(_, to)| ranks[*to]).min();
        if let Some(below) = below.filter(|_| kept.iter().all(|(_, to)| *to != node)) {
            ranks[node] = below.saturating_sub(1);
        }
    }
    let mut rows = vec![Vec::new(); ranks.iter().max().map_or(0, |deepest| deepest + 1)];
    for node in 0..count {
        rows[ranks[node]].push(node);
    }
    for _ in 0..4 {
        let columns: Vec<usize> = (0..count)
            .map(|node| rows.iter().find_map(|row| row.iter().position(|other| *other == node)).unwrap_or_default())
            .collect();
        let middle = |node: usize| {
            let near = kept.iter().filter_map(|&(from, to)| match node {
                _ if from == node => Some(columns[to]),
                _ if to == node => Some(columns[from]),
                _ => None,
            });
            let near: Vec<usize> = near.collect();
            // In hundredths of a column, so that the order is one of whole numbers.
            (100 * near.iter().sum::<usize>()).checked_div(near.len()).unwrap_or(usize::MAX)
        };
        for row in &mut rows {
            row.sort_by_key(|&node| (!way.contains(&node), middle(node), node));
        }
    }
    Layers { edges: kept, rows }
}

/// Whether `from` leads to `to`, or is it.
fn leads(edges: &[(usize, usize)], from: usize, to: usize) -> bool {
    let (mut found, mut open) = (BTreeSet::from([from]), vec![from]);
    while let Some(node) = open.pop() {
        open.extend(edges.iter().filter(|(a, _)| *a == node).map(|(_, b)| *b).filter(|next| found.insert(*next)));
    }
    found.contains(&to)
}

/// For each node the length of the longest way to it.
fn ranks(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut ranks = vec![0; count];
    // Without cycles no way is longer than there are nodes.
    for _ in 0..count {
        for &(from, to) in edges {
            ranks[to] = ranks[to].max(ranks[from] + 1);
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_goes_straight_down_and_the_rest_stands_beside_it() {
        // 0 -> 1 -> 2 is the way; 3 leads to 2 as well, and 2 to 4.
        let laid = lay_out(5, &[0, 1, 2], &[(3, 2), (2, 4)]);
        assert_eq!(laid.rows, [vec![0], vec![1, 3], vec![2], vec![4]]);
        assert_eq!(laid.edges, [(0, 1), (1, 2), (3, 2), (2, 4)]);
    }

    #[test]
    fn circles_are_cut_and_detours_are_not_drawn_twice() {
        let laid = lay_out(3, &[], &[(0, 1), (1, 2), (2, 0), (0, 2)]);
        assert_eq!(laid.edges, [(0, 1), (1, 2)]);
        assert_eq!(laid.rows, [[0], [1], [2]]);
    }

    #[test]
    fn nodes_without_edges_are_placed_too() {
        assert_eq!(lay_out(2, &[], &[]).rows, [vec![0, 1]]);
        assert_eq!(lay_out(0, &[], &[]), Layers::default());
    }
}
