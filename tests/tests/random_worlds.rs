//! Random worlds: whatever the names, sizes and order, a planted fault is named exactly, and a cluster in which all is well is
//! called healthy, however much in it looks bad. `WORLDS=20000 cargo test --release -p lab-tests --test random_worlds`

use std::{cell::Cell, env};

use lab::{
    replay,
    synthetic::{FAULTS, Order},
};
use proptest::{
    option,
    sample::select,
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

/// How many worlds are made where nobody says.
const WORLDS: u32 = 60;

/// Whether the diagnosis is the truth; `None` where it does not decide.
fn is_exact(order: &Order) -> Result<Option<()>, String> {
    let cluster = order.make();
    let diagnosis = replay::diagnose(cluster.evidence, "not in the evidence folder").map_err(|error| error.render())?;
    let named: Vec<String> = diagnosis.roots().iter().map(|(cause, subject)| format!("{cause} {subject}")).collect();
    let truth: Vec<String> = cluster.truth.iter().map(|(cause, subject)| format!("{cause} {subject}")).collect();
    match diagnosis.verdict {
        diagnoser::Verdict::Unknown => Ok(None),
        _ if named == truth => Ok(Some(())),
        _ => Err(format!("it is {truth:?}, and was called {named:?}")),
    }
}

fn command(order: &Order) -> String {
    let fault = order.fault.map(|fault| format!(" --fault {}", fault.cause)).unwrap_or_default();
    format!("lab generate world --pods {} --seed {}{fault}", order.pods, order.seed)
}

#[test]
fn a_planted_fault_is_named_exactly_and_a_healthy_cluster_is_called_healthy() {
    let cases = env::var("WORLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(WORLDS);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    // The same few worlds in every run of the tests; others each time where more are asked for.
    let mut runner = match cases {
        WORLDS => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
        _ => TestRunner::new(config),
    };
    let orders = (1usize..160, option::weighted(0.9, select(FAULTS)), 0u64..1 << 32)
        .prop_map(|(pods, fault, seed)| Order { pods, fault, victims: 1, seed });
    let exact = Cell::new(0);
    let tried = runner.run(&orders, |order| match is_exact(&order) {
        Ok(Some(())) => {
            exact.set(exact.get() + 1);
            Ok(())
        }
        Ok(None) => {
            eprintln!("not decided: {}", command(&order));
            Ok(())
        }
        Err(why) => Err(TestCaseError::fail(format!("{why}\n{}", command(&order)))),
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
    let exact: u32 = exact.get();
    eprintln!("{exact} of {cases} exact, none wrong");
    assert!(exact * 100 >= cases * 99, "{exact} of {cases} are exact");
}
