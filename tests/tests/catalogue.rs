//! What holds for every scenario, every fault and every cause: names, order, completeness.

use std::{collections::BTreeSet, fs};

use diagnoser::causes;
use lab::scenario::{self, Placement, Rig, Symptom, Truth, World};
use lab_tests::{folder, root};

#[test]
fn every_scenario_is_whole() {
    let known: BTreeSet<&str> = causes::all().iter().map(|cause| cause.id()).collect();
    for scenario in scenario::list(&root()).expect("every scenario parses") {
        let name = &scenario.name;
        assert!(
            is_kebab(name) && scenario.tags.iter().all(|tag| is_kebab(tag)),
            "{name}: names and tags are kebab-case"
        );
        assert!(
            scenario.title.len() <= 80 && !scenario.title.ends_with('.'),
            "{name}: a title is one line, without a full stop"
        );
        let world = World::load(&root(), &scenario.world, &Placement::default())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let manifests = world.rig == Rig::Docker || world.manifests.is_file();
        assert!(manifests, "{name}: {} is missing", world.manifests.display());
        let placed = scenario.placed(&world).unwrap_or_else(|error| panic!("{name}: {error}"));
        let open = format!("{:?}", placed.faults).contains("${");
        assert!(!open, "{name}: something between ${{}} stands for nothing");
        if let Symptom::Probe(http) = &scenario.symptom {
            world.place(&http.from).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(
                http.status.is_some() || http.outcome.is_some(),
                "{name}: the symptom says what comes of the request"
            );
        }
        if let Truth::Roots(roots) = &scenario.truth {
            for root in roots {
                assert!(known.contains(root.cause.as_str()), "{name}: no cause {}", root.cause);
            }
        }
        assert!(scenario.hints.len() >= 3, "{name}: hints from broad to narrow, one a level");
        assert!(!scenario.debrief.trim().is_empty(), "{name}: a debrief");
    }
}

#[test]
fn no_hint_gives_the_truth_away() {
    for scenario in scenario::list(&root()).expect("every scenario parses") {
        let Truth::Roots(roots) = &scenario.truth else { continue };
        for (hint, root) in scenario.hints.iter().flat_map(|hint| roots.iter().map(move |root| (hint, root))) {
            assert!(!hint.contains(&root.cause), "{}: a hint names the cause: {hint}", scenario.name);
        }
    }
}

#[test]
fn every_recording_is_of_a_scenario() {
    let names: BTreeSet<String> = scenario::names(&root()).expect("scenarios").into_iter().collect();
    for entry in fs::read_dir(root().recordings()).expect("recordings") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(!entry.path().is_dir() || names.contains(&name), "recordings/{name} is of no scenario");
    }
}

#[test]
fn every_fault_is_in_the_list_and_the_list_is_sorted() {
    let faults = folder().join("lab/src/faults");
    let list = fs::read_to_string(faults.join("mod.rs")).expect("the list of faults");
    let modules: Vec<&str> = list
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "))?.strip_suffix(';'))
        .collect();
    assert!(modules.windows(2).all(|pair| pair[0] < pair[1]), "lab/src/faults/mod.rs is not sorted: {modules:?}");
    for entry in fs::read_dir(&faults).expect("faults") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let module = name.trim_end_matches(".rs");
        assert!(module == "mod" || modules.contains(&module), "lab/src/faults/{name} is not in the list");
    }
}

#[test]
fn nothing_in_the_project_names_a_path_of_one_machine() {
    let places = ["README.md", "justfile", "CONTRIBUTING.md", "docs", "scenarios", "kind-configs", ".ci", ".config"];
    let mut open: Vec<_> = places.iter().map(|place| folder().join(place)).filter(|path| path.exists()).collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        // The machines of a world have homes of their own.
        let of_machines = path.starts_with(folder().join("scenarios"));
        let found = ["/home/", "/root/", "/Users/"].into_iter().find(|place| text.contains(place));
        let found = found.filter(|_| !of_machines);
        assert_eq!(found, None, "{}", path.display());
    }
}

fn is_kebab(name: &str) -> bool {
    !name.is_empty()
        && name
            .split('-')
            .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
}
