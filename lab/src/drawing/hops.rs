//! What was seen of requests at each place that logs them, and which of its pods are ready: counts, no opinions.

use std::collections::BTreeMap;

use diagnoser::{
    Evidence, Subject,
    model::{Model, is_ready},
};

use super::world::drawn_as;

/// What one place saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many requests it logged.
    pub requests: usize,
    /// How many of them failed.
    pub failed: usize,
    /// How the failed ones ended (`502`, `timeout`), with how many.
    pub endings: BTreeMap<String, usize>,
    /// Its ready pods, and all; none where it is not a workload.
    pub ready: Option<(usize, usize)>,
}

impl Seen {
    /// In a few short lines.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some((ready, all)) = self.ready {
            lines.push(format!("{ready} of {all} ready"));
        }
        match (self.requests, self.failed) {
            (0, _) => {}
            (all, 0) => lines.push(format!("{all} requests, all well")),
            (all, failed) => lines.push(format!("{failed} of {all} requests fail")),
        }
        let mut endings: Vec<(&String, &usize)> = self.endings.iter().collect();
        endings.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        if !endings.is_empty() {
            let said: Vec<String> =
                endings.iter().take(2).map(|(what, count)| format!("{what} \u{d7}{count}")).collect();
            lines.push(said.join(", "));
        }
        lines
    }
}

/// What was seen at each of these places.
pub fn seen(evidence: &Evidence, nodes: &[Subject]) -> Vec<Seen> {
    let model = Model::new(evidence);
    let mut seen: BTreeMap<Subject, Seen> = nodes.iter().map(|node| (node.clone(), Seen::default())).collect();
    for record in &evidence.traffic {
        let Some(at) = record.pod().or_else(|| record.from.clone()) else { continue };
        let Some(here) = seen.get_mut(&drawn_as(&model, &at)) else { continue };
        here.requests += 1;
        if record.failed() {
            here.failed += 1;
            *here.endings.entry(super::traffic::ending(record)).or_default() += 1;
        }
    }
    for (node, here) in &mut seen {
        let pods: Vec<_> = model.pods_of(node).collect();
        if !pods.is_empty() {
            here.ready = Some((pods.iter().filter(|pod| is_ready(pod)).count(), pods.len()));
        }
    }
    nodes.iter().map(|node| seen.get(node).cloned().unwrap_or_default()).collect()
}
