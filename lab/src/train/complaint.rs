//! What somebody complains of. Of an incident that is its symptom. Of a control it is the symptom of an incident of the same
//! world, its double: what is said is true or not, and nothing in how it is said tells which. Pure.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::scenario::{Scenario, Symptom, Truth};

/// The doubles of all controls, by name. A double needs nothing that the control lacks and has most tags in common with it; no
/// two controls have the same one while there are others. A control of a world of which nobody ever complained is its own.
pub(super) fn doubles(all: &[Scenario]) -> BTreeMap<&str, &Scenario> {
    let mut controls: Vec<&Scenario> = all.iter().filter(|scenario| scenario.symptom == Symptom::None).collect();
    controls.sort_by_key(|control| &control.name);
    let mut doubles: BTreeMap<&str, &Scenario> = BTreeMap::new();
    for control in controls {
        let taken = |other: &Scenario| doubles.values().filter(|double| double.name == other.name).count();
        let shared = |other: &Scenario| other.tags.iter().filter(|tag| control.tags.contains(tag)).count();
        let of_world = all.iter().filter(|other| other.world == control.world && other.truth != Truth::Healthy);
        let double = of_world
            .filter(|other| matches!(other.symptom, Symptom::Probe(_)))
            .filter(|other| other.with.iter().all(|with| control.with.contains(with)))
            .min_by_key(|other| (taken(other), Reverse(shared(other)), &other.name));
        doubles.insert(&control.name, double.unwrap_or(control));
    }
    doubles
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(name: &str, with: &str, tag: &str, rest: &str) -> Scenario {
        let text = format!("title: t\ntags: [x, {tag}]\nworld: shop\nwith: [{with}]\n{rest}");
        Scenario::parse(name, name, &text).expect("a scenario")
    }

    #[test]
    fn a_control_is_told_by_an_incident_of_what_it_has() {
        let incident = |name, with, tag| {
            let rest = "faults: [{service-target-port: {service: web, port: 8080}}]\n\
                symptom: {http: {from: client, url: \"http://a.test/\", status: 502}}\ntruth: {cause: c, subject: a/b}\n";
            scenario(name, with, tag, rest)
        };
        let control = |name, with| scenario(name, with, "y", "symptom: none\ntruth: healthy\n");
        let all = [
            control("f", "more"),
            control("e", ""),
            control("d", ""),
            incident("c", "more", "y"),
            incident("b", "", "y"),
            incident("a", "", "z"),
        ];
        let told: Vec<(&str, &str)> =
            doubles(&all).into_iter().map(|(name, double)| (name, double.name.as_str())).collect();
        assert_eq!(told, [("d", "b"), ("e", "a"), ("f", "c")], "c needs more than d and e have");
        assert_eq!(doubles(&all[..1])["f"].name, "f", "there is none");
    }
}
