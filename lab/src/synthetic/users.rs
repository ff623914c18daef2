//! What was tried by hand before the evidence was taken: requests to names that users ask for, connections between workloads.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{faults::Fails, world::World};

/// How many names were tried beside the one that people complain of.
const OTHERS: usize = 6;

/// Tries the victims, each of which fails so, whoever leads users to them, and some others that have nothing to do with them.
pub(super) fn look(world: &mut World, victims: &BTreeMap<usize, Option<Fails>>) {
    let affected = affected(world, victims);
    let hosted: Vec<usize> = (0..world.apps.len()).filter(|app| world.apps[*app].host.is_some()).collect();
    let (needing, mut others): (Vec<usize>, Vec<usize>) = hosted.into_iter().partition(|app| affected.contains(app));
    for app in needing {
        if let Some(fails) = victims.get(&app) {
            request(world, app, *fails, false);
            continue;
        }
        // Of those that ask those that ask, nobody knows what they make of it.
        let called = world.apps[app].calls.iter().filter_map(|called| victims.get(called));
        if let Some(fails) = called.copied().find(|fails| *fails != Some(Fails::Unrouted)) {
            request(world, app, fails, true);
        }
    }
    world.chance.shuffle(&mut others);
    for app in others.into_iter().take(OTHERS) {
        request(world, app, None, false);
    }
    connections(world, victims);
}

/// The victims and everyone that needs one, directly or not.
fn affected(world: &World, victims: &BTreeMap<usize, Option<Fails>>) -> BTreeSet<usize> {
    let mut found: BTreeSet<usize> = victims.keys().copied().collect();
    // Who asks comes after who is asked.
    for (index, app) in world.apps.iter().enumerate() {
        if app.calls.iter().any(|called| found.contains(called)) {
            found.insert(index);
        }
    }
    found
}

fn request(world: &mut World, app: usize, fails: Option<Fails>, within: bool) {
    let Some(host) = world.apps[app].host.clone() else { return };
    let (status, seconds) = match fails {
        None => (200, 0.004 + f64::from(world.chance.u8(..20)) / 1000.0),
        Some(Fails::Empty) if within => (502, 0.006),
        Some(Fails::Empty) => (503, 0.002),
        Some(Fails::Refuses) => (502, 0.003),
        Some(Fails::Silent) => (504, 5.003),
        Some(Fails::Errors) => (500, 0.009),
        Some(Fails::Unrouted) => (503, 0.001),
    };
    let time = world.ago(20);
    probe(
        world,
        json!({"kind": "http", "target": format!("http://{host}/"), "method": "GET", "outcome": "answered",
        "status": status, "seconds": seconds, "time": time}),
    );
}

/// Connections from the pods of those that ask, to the victims and to some that serve.
fn connections(world: &mut World, victims: &BTreeMap<usize, Option<Fails>>) {
    let askers: Vec<(usize, usize)> = world
        .apps
        .iter()
        .enumerate()
        .flat_map(|(index, app)| app.calls.iter().map(move |called| (index, *called)))
        .filter(|(asker, _)| !victims.contains_key(asker))
        .collect();
    let (of_victims, mut others): (Vec<_>, Vec<_>) =
        askers.into_iter().partition(|(_, called)| victims.contains_key(called));
    world.chance.shuffle(&mut others);
    for (asker, called) in of_victims.into_iter().chain(others.into_iter().take(OTHERS)) {
        let Some(pod) = world.apps[asker].pods.first().cloned() else { continue };
        let target = world.apps[called].own("service");
        let (outcome, seconds) = match victims.get(&called).copied().flatten() {
            None | Some(Fails::Errors | Fails::Unrouted) => ("connected", 0.001),
            Some(Fails::Empty | Fails::Refuses) => ("refused", 0.001),
            Some(Fails::Silent) => ("timeout", 3.0),
        };
        let time = world.ago(15);
        probe(
            world,
            json!({"kind": "tcp", "from": pod.to_string(), "target": format!("{target}:80"), "outcome": outcome,
            "seconds": seconds, "time": time}),
        );
    }
}

fn probe(world: &mut World, probe: Value) {
    world.probes.push(probe);
}
