//! A recording as if it had happened elsewhere: names, addresses and ports are others, consistently and in every file, and what
//! happened is the same. Pure; the same seed gives the same variant.

mod names;
mod rename;

use std::collections::{BTreeMap, BTreeSet};

pub use names::named;
pub use rename::Renaming;

use crate::{
    events::{Event, Stamped},
    recording::Recording,
    replay::Files,
    scenario::{Root, Scenario, Truth},
};

/// Names that are common words as well: prose keeps them.
const PLAIN: [&str; 2] = ["names", "reports"];

/// Words to name things by. None is a word of computing, and none begins another.
const WORDS: [&str; 64] = [
    "alder", "amber", "aspen", "badger", "basil", "birch", "bison", "bramble", "cedar", "chestnut", "clover", "copper",
    "coral", "cypress", "dahlia", "elder", "falcon", "fennel", "gannet", "ginger", "hawthorn", "hazel", "heron",
    "hickory", "iris", "jackdaw", "jasmine", "juniper", "kestrel", "larch", "laurel", "linden", "lotus", "magpie",
    "mallow", "maple", "marten", "mimosa", "myrtle", "nettle", "nutmeg", "oriole", "osprey", "otter", "pepper",
    "plover", "poplar", "quince", "raven", "robin", "rowan", "saffron", "sorrel", "spruce", "starling", "sumac",
    "swallow", "tansy", "thistle", "umber", "violet", "walnut", "willow", "yarrow",
];

/// How a recording is renamed. Seed 0 leaves everything as it was recorded.
pub fn renaming(files: &Files, seed: u64) -> Renaming {
    if seed == 0 {
        return Renaming::default();
    }
    let mut chance = fastrand::Rng::with_seed(seed);
    let taken = words(files);
    let mut free: Vec<&str> = WORDS.into_iter().filter(|word| !taken.contains(word)).collect();
    chance.shuffle(&mut free);
    let names: BTreeMap<String, String> = named(files)
        .into_iter()
        .enumerate()
        .map(|(index, name)| {
            let word = free[index % free.len()];
            // Where there are more names than words, the further ones are counted.
            let round = index / free.len();
            (name, if round == 0 { word.to_owned() } else { format!("{word}{round}") })
        })
        .collect();
    Renaming::new(names, ports(files, &taken, &mut chance)).moved(chance.u8(1..16), chance.u8(1..16))
}

/// The variant of a recording.
pub fn of(recording: Recording, seed: u64) -> Recording {
    if seed == 0 {
        return recording;
    }
    let renaming = renaming(&recording.evidence, seed);
    Recording {
        scenario: scenario(recording.scenario, &renaming),
        history: recording.history.into_iter().map(|stamped| told(stamped, &renaming)).collect(),
        evidence: renaming.files(&recording.evidence),
        meta: recording.meta,
    }
}

/// The scenario in the variant's names. Its keys, and the ids of causes, may be names as well and stay.
fn scenario(scenario: Scenario, renaming: &Renaming) -> Scenario {
    let prose = renaming.without(&PLAIN);
    let said = |said: String| prose.text(&said);
    let truth = match scenario.truth {
        Truth::Healthy => Truth::Healthy,
        Truth::Roots(roots) => {
            let roots = roots.into_iter().map(|root| Root { subject: renaming.subject(&root.subject), ..root });
            let mut roots: Vec<Root> = roots.collect();
            roots.sort();
            Truth::Roots(roots)
        }
    };
    Scenario {
        symptom: renaming.symptom(scenario.symptom),
        truth,
        title: said(scenario.title),
        hints: scenario.hints.into_iter().map(said).collect(),
        debrief: said(scenario.debrief),
        ..scenario
    }
}

/// What the report says of the run.
fn told(stamped: Stamped, renaming: &Renaming) -> Stamped {
    let event = match stamped.event {
        Event::Mutation { what, undo } => Event::Mutation { what: renaming.text(&what), undo: renaming.text(&undo) },
        Event::Verified { says } => Event::Verified { says: renaming.text(&says) },
        other => other,
    };
    Stamped { event, ..stamped }
}

/// Every word of the evidence.
fn words(files: &Files) -> BTreeSet<&str> {
    let texts = files.iter().flat_map(|(name, text)| [name.as_str(), text.as_str()]);
    texts.flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric())).filter(|word| !word.is_empty()).collect()
}

/// Ports that mean nothing by themselves, each to another that nothing has. Only those that stand where ports stand: after an
/// address or a name, `0.0.0.0:8080`, or in a field called so, `"containerPort":8080`.
fn ports(files: &Files, taken: &BTreeSet<&str>, chance: &mut fastrand::Rng) -> BTreeMap<String, String> {
    let is_one =
        |word: &&str| word.len() == 4 && word.starts_with('8') && word.bytes().all(|byte| byte.is_ascii_digit());
    let stands_as_port = |text: &str, port: &str| {
        text.match_indices(port).any(|(at, _)| {
            let before = text[..at].trim_end_matches(' ');
            before.strip_suffix(':').is_some_and(|before| {
                before.ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '*' | ']'))
                    || before.strip_suffix('"').is_some_and(|before| before.ends_with("ort"))
            })
        })
    };
    let found: Vec<&str> = taken
        .iter()
        .copied()
        .filter(is_one)
        .filter(|port| files.values().any(|text| stands_as_port(text, port)))
        .collect();
    let mut others: Vec<String> =
        (7000..9000).map(|port: u16| port.to_string()).filter(|port| !taken.contains(port.as_str())).collect();
    chance.shuffle(&mut others);
    found.into_iter().map(str::to_owned).zip(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Files {
        let objects = r#"{"items":[{"kind":"Service","metadata":{"namespace":"shop","name":"web"},
            "spec":{"clusterIP":"10.96.0.7","ports":[{"port":80,"targetPort":8080}]}}]}"#;
        [
            ("objects.json", objects),
            ("hosts/node-1/ss.txt", "LISTEN 0 9 10.244.1.5:8080 *:*\nweb-1 8080 bytes 10.0.0.0/8\n"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into()
    }

    #[test]
    fn a_seed_gives_one_variant_and_another_seed_another() {
        let variant = |seed| renaming(&files(), seed).files(&files());
        assert_eq!(variant(0), files(), "seed 0 is as it was recorded");
        assert_eq!(variant(7), variant(7));
        assert_ne!(variant(7), variant(8));
    }

    #[test]
    fn everything_is_renamed_alike_everywhere() {
        let renaming = renaming(&files(), 7);
        let changed = renaming.files(&files());
        let all: String = changed.iter().map(|(name, text)| format!("{name}\n{text}\n")).collect();
        assert!(["web", "8080", "10.96.", "10.244."].iter().all(|gone| !all.contains(gone)), "{all}");
        assert!(all.contains("10.0.0.0/8") && all.contains("\"port\":80,"), "what holds everywhere stays: {all}");
        let port = renaming.text("8080");
        assert!(all.contains(&format!("\"targetPort\":{port}")) && all.contains(&format!(":{port} *:*")), "{all}");
    }
}
