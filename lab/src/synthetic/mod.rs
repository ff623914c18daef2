//! Clusters that never were: as large as is asked for, healthy or with one planted fault, and full of what looks bad and harms
//! nobody. They are the input of the measurements (docs/scale.md) and the random worlds of the tests.
//!
//! Everything follows from the seed, so a cluster in which the diagnoser is wrong is told in one line. Names say nothing.

mod decoys;
mod faults;
mod healthy;
mod names;
mod pods;
mod users;
mod world;

use std::collections::BTreeMap;

use diagnoser::Subject;

pub use faults::{FAULTS, Fault};

use crate::replay::Files;
use world::World;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// About how many pods.
    pub pods: usize,
    /// What is wrong; nothing where `None`.
    pub fault: Option<&'static Fault>,
    /// In how many workloads it is.
    pub victims: usize,
    /// What chance is drawn from.
    pub seed: u64,
}

/// A cluster as it would be collected, and what is wrong with it.
pub struct Cluster {
    /// The evidence folder.
    pub evidence: Files,
    /// Cause and subject of each root; none where all is well.
    pub truth: Vec<(&'static str, Subject)>,
}

impl Order {
    /// Makes the cluster; the same order makes the same bytes.
    pub fn make(&self) -> Cluster {
        let mut world = World::new(self.seed);
        healthy::build(&mut world, self.pods.max(1));
        decoys::scatter(&mut world);
        let victims = world.pick_victims(self.victims);
        let mut fails = BTreeMap::new();
        let mut truth = Vec::new();
        for victim in &victims {
            let planted = self.fault.map(|fault| (fault, (fault.plant)(&mut world, *victim)));
            fails.insert(*victim, planted.as_ref().map(|(_, planted)| planted.fails));
            truth.extend(planted.map(|(fault, planted)| (fault.cause, planted.subject)));
        }
        users::look(&mut world, &fails);
        truth.sort();
        truth.dedup();
        Cluster { evidence: world.finish(), truth }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_order_makes_the_same_bytes_and_another_seed_others() {
        let make = |seed| Order { pods: 40, fault: FAULTS.first().copied(), victims: 1, seed }.make().evidence;
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
    }

    #[test]
    fn there_are_as_many_pods_as_asked_for_and_a_few_of_the_cluster_s_own() {
        let cluster = Order { pods: 300, fault: None, victims: 1, seed: 1 }.make();
        let objects: serde_json::Value = serde_json::from_str(&cluster.evidence["objects.json"]).expect("JSON");
        let pods = objects["items"].as_array().expect("a list").iter().filter(|object| object["kind"] == "Pod").count();
        assert!((300..360).contains(&pods), "{pods}");
    }
}
