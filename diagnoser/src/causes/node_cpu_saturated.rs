//! A node's processors are used up: what runs on it waits for them, and its requests become late.
//!
//! # What it looks like
//! Several workloads become late at one moment, and all that do run on one node (or call what does); its CPU rose to nearly all
//! there is. None of them is held at a limit of its own.
//!
//! # Confirm by hand
//! `kubectl top node NODE`, `uptime` and `top` on the node; `kubectl top pods -A` for who uses it, which may be no pod at all.
//!
//! # Fix
//! Find what uses the processors and stop it or give it a limit; requests for CPU keep workloads that need them apart.
//!
//! # Who acts
//! Whoever runs the nodes, with the owner of what uses them.
//!
//! # Source
//! kubernetes.io, Tools for Monitoring Resources; proc(5), /proc/loadavg, /proc/pressure/cpu.

use super::{Case, Cause, Finding, Lack, State, pod_network_delay};
use crate::{
    delays::{self, Measured},
    diagnosis::Fix,
};

/// See the module's comment.
pub struct NodeCpuSaturated;

impl Cause for NodeCpuSaturated {
    fn id(&self) -> &'static str {
        "node-cpu-saturated"
    }

    fn source(&self) -> &'static str {
        include_str!("node_cpu_saturated.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let all = delays::measured(model);
        let nodes = delays::saturated(model);
        let finding = |node: &String| {
            let subject = model.evidence.machine(node);
            let cited = delays::cite_saturated(model, node)?;
            let suffers = |one: &&Measured<'_>| {
                one.nodes.contains(node.as_str()) && (one.onset().is_some() || one.strained.is_some())
            };
            let here: Vec<&Measured<'_>> = all.iter().filter(suffers).collect();
            let held = here.iter().find_map(|one| one.cite_throttled(model));
            let state = match (held, nodes.len()) {
                (Some(held), _) => State::excluded("one on it is held at its own limit", vec![held]),
                (None, 1) if !here.is_empty() => {
                    let late =
                        here.iter().filter_map(|one| one.cite(model).or_else(|| one.cite_strained(model))).take(3);
                    let summary =
                        format!("Find what uses the processors of {}, and stop it or give it a limit", subject);
                    State::holds(std::iter::once(cited).chain(late).collect(), Fix { summary, patch: vec![] })
                }
                (None, 1) => State::excluded("nothing on it became late", vec![cited]),
                _ => State::Undecided(vec![Lack::host_fact(
                    node,
                    "uptime",
                    "uptime",
                    "other nodes are as busy".to_owned(),
                )]),
            };
            Some(Finding { effects: pod_network_delay::effects(&all, &subject), subject, state })
        };
        nodes.iter().filter_map(finding).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        causes::cpu_throttled::tests::{WELL, since},
        sketch::check,
    };

    #[test]
    fn holds_in_the_node() {
        check(&format!("{}=> node-cpu-saturated node/n1", since(WELL, "900 800 0.1 0 97")));
        check(&format!("{}=> node-cpu-saturated node/n1", since(WELL, "90 50 0.1 0 97")));
    }

    #[test]
    fn twin_one_is_held_at_its_own_limit() {
        check(&format!("{}=> cpu-throttled deployment/n/b", since(WELL, "900 800 0.5 0.6 97")));
    }

    #[test]
    fn twin_the_node_has_enough_left_and_unknown_where_two_are_as_busy() {
        check(&format!("{}=> unknown", since(WELL, "900 800 0.1 0 60")));
        check(&format!("{}=> healthy", since(WELL, "30 10 0.1 0 97")));
    }
}
