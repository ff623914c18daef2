//! Near twins: scenarios that a user cannot tell apart by their symptom. Each is answered with its own cause.

use std::collections::BTreeMap;

use lab::{
    recording::Recording,
    replay,
    scenario::{self, Scenario, Truth},
};
use lab_tests::root;

/// A scenario and the roots it is answered with.
type Answered = (Scenario, Vec<(String, String)>);

#[test]
fn scenarios_with_the_same_symptom_are_told_apart() {
    let mut families: BTreeMap<String, Vec<Answered>> = BTreeMap::new();
    for scenario in scenario::list(&root()).expect("scenarios") {
        let (Some(code), true) = (scenario.symptom.code(), scenario.truth != Truth::Healthy) else { continue };
        // What is not recorded yet cannot be told from anything.
        let Ok(recording) = Recording::of(&root(), &scenario.name) else { continue };
        let diagnosis = replay::diagnose(recording.evidence, replay::NOT_RECORDED).expect("the evidence can be read");
        let said = diagnosis.roots().iter().map(|(cause, s)| ((*cause).to_owned(), s.to_string())).collect();
        families.entry(code).or_default().push((scenario, said));
    }
    for (code, members) in &families {
        for (index, (one, said)) in members.iter().enumerate() {
            for (other, also_said) in &members[index + 1..] {
                let same = one.truth == other.truth;
                assert!(
                    same || said != also_said,
                    "{code}: {} and {} are both answered {said:?}",
                    one.name,
                    other.name
                );
            }
        }
    }
}
