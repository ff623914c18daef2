//! What a scenario is: a world, one or more faults, the symptom a user sees, the truth, and what a trainee reads.
//!
//! One YAML file a scenario, one a world. Unknown keys and wrong types are errors with file, line, column and the nearest
//! valid name.

mod catalogue;
mod machine;
mod placement;
mod symptom;
mod truth;
mod world;
pub(crate) mod yaml;

use std::{fs, path::Path};

use serde::Deserialize;

pub use catalogue::{find, list, names, tagged};
pub use diagnoser::evidence::Outcome as ProbeOutcome;
pub use machine::{Machine, Rig};
pub use placement::{PLACES, Placement, first_place};
pub use symptom::{NodeSymptom, PodSymptom, ProbeSymptom, Symptom};
pub use truth::{Root, Truth};
pub use world::{Check, HostSetup, Tmpfs, World};

use crate::{LabError, faults::Fault};

/// One scenario, as its file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// From the file name.
    #[serde(skip)]
    pub name: String,
    /// What is wrong, in one line.
    pub title: String,
    /// Words to find it by: `http-502`, `kubernetes`, `request-flow`.
    pub tags: Vec<String>,
    /// Where it hangs in the tree of decisions: what one asks and sees, from the symptom to what tells it from its twins.
    #[serde(default)]
    pub leaf: Vec<String>,
    /// The name of the world it starts from.
    pub world: String,
    /// What is set up with the world: `scenarios/worlds/<world>/<name>.yaml` each.
    #[serde(default)]
    pub with: Vec<String>,
    /// How many requests of the client are waited for before evidence is taken, where it is more than the usual few.
    #[serde(default)]
    pub requests: Option<usize>,
    /// What is broken, in order; empty for a control that breaks nothing.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What a user of the system sees.
    pub symptom: Symptom,
    /// What the diagnoser must find; it never sees this.
    pub truth: Truth,
    /// From broad to narrow, one level of the investigation pyramid each.
    #[serde(default)]
    pub hints: Vec<String>,
    /// How an expert would have narrowed it down.
    #[serde(default)]
    pub debrief: String,
    /// The file's text: a recording keeps the scenario exactly as it was run.
    #[serde(skip)]
    pub source: String,
}

impl Scenario {
    /// Reads the text of a scenario file; `shown` is how errors name the file.
    ///
    /// # Errors
    /// When it does not parse, or lacks what every scenario must have.
    pub fn parse(name: &str, shown: &str, text: &str) -> Result<Self, LabError> {
        let scenario: Self = yaml::parse(shown, text)?;
        let problem = if scenario.title.trim().is_empty() {
            Some("the title is empty")
        } else if scenario.tags.is_empty() {
            Some("there are no tags")
        } else if scenario.truth != Truth::Healthy && scenario.faults.is_empty() {
            Some("there is a root cause but no fault that brings it about")
        } else if scenario.truth != Truth::Healthy && scenario.symptom == Symptom::None {
            Some("there is a root cause but no symptom that a user sees")
        } else {
            None
        };
        match problem {
            Some(what) => Err(LabError::BadInput {
                place: shown.to_owned(),
                what: what.to_owned(),
                next: "docs/formats.md describes scenarios; scenarios/ holds examples.".to_owned(),
            }),
            None => Ok(Self { name: name.to_owned(), source: text.to_owned(), ..scenario }),
        }
    }

    /// The same scenario where `world` is set up: its objects and hosts have other names there.
    ///
    /// # Errors
    /// Never for a scenario that parsed.
    pub fn placed(&self, world: &World) -> Result<Self, LabError> {
        Self::parse(&self.name, &self.name, &world.moved(&self.source))
    }

    /// Whether it needs the cluster for itself: a fault of a node, or of what the whole cluster shares.
    pub fn is_exclusive(&self) -> bool {
        self.faults.iter().any(|fault| fault.is_exclusive())
    }

    /// Reads a scenario file.
    ///
    /// # Errors
    /// When it cannot be read or does not parse.
    pub fn load(path: &Path, shown: &str) -> Result<Self, LabError> {
        let text = fs::read_to_string(path).map_err(|error| LabError::file(path, error))?;
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        Self::parse(name, shown, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "\
title: t
tags: [x]
world: shop
faults: [{service-target-port: {service: web, port: 8080}}]
symptom: {http: {from: client, url: \"http://a.test/\", status: 502, within: 1s}}
truth: {cause: service-port-mismatch, subject: service/shop/web}
";

    fn error(text: &str) -> String {
        Scenario::parse("s", "s.yaml", text).expect_err("it is broken").render()
    }

    #[test]
    fn a_whole_one_is_read() {
        let scenario = Scenario::parse("s", "s.yaml", WHOLE).expect("it is whole");
        let Symptom::Probe(http) = &scenario.symptom else { panic!("{:?}", scenario.symptom) };
        assert_eq!(http.to_string(), "client GET http://a.test/ 502 within 1000 ms");
        assert_eq!(scenario.truth.to_string(), "service-port-mismatch in service/shop/web");
        assert_eq!(scenario.source, WHOLE);
    }

    #[test]
    fn truth_is_healthy_or_one_or_several_roots() {
        let healthy =
            WHOLE.replace("truth: {cause: service-port-mismatch, subject: service/shop/web}", "truth: healthy");
        assert_eq!(Scenario::parse("s", "s.yaml", &healthy).expect("a control").truth, Truth::Healthy);
        let two = WHOLE
            .replace("truth: {", "truth: [{cause: a, subject: pod/x/y}, {")
            .replace("service/shop/web}", "service/shop/web}]");
        let Truth::Roots(roots) = Scenario::parse("s", "s.yaml", &two).expect("two roots").truth else {
            panic!("healthy")
        };
        assert_eq!(roots.len(), 2);
        assert!(
            error(&WHOLE.replace("{cause: service-port-mismatch, subject: service/shop/web}", "helthy"))
                .contains("did you mean `healthy`?")
        );
    }

    #[test]
    fn errors_name_the_place_and_what_was_meant() {
        let unknown = error(&WHOLE.replace("world:", "wrold:"));
        assert!(unknown.starts_with("error: s.yaml:3:1: unknown key `wrold`; did you mean `world`?"), "{unknown}");
        let inner = error(&WHOLE.replace("status:", "satus:"));
        assert!(inner.starts_with("error: s.yaml:5:55: unknown key `satus`; did you mean `status`?"), "{inner}");
        let fault = error(&WHOLE.replace("service-target-port", "service-target-prt"));
        assert!(
            fault.contains("s.yaml:4:11: unknown name `service-target-prt`; did you mean `service-target-port`?"),
            "{fault}"
        );
        let of_type = error(&WHOLE.replace("8080", "eighty"));
        assert!(of_type.starts_with("error: s.yaml:4:"), "{of_type}");
        let missing = error(&WHOLE.replace("title: t\n", ""));
        assert!(missing.contains("the key `title` is missing"), "{missing}");
        assert!(error("title: [").starts_with("error: s.yaml:1:"));
    }

    #[test]
    fn a_root_without_a_fault_or_a_symptom_is_refused() {
        let no_fault = WHOLE.lines().filter(|line| !line.starts_with("faults")).collect::<Vec<_>>().join("\n");
        assert!(error(&no_fault).contains("no fault that brings it about"));
    }
}
