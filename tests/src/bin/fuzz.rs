//! Feeds the parsers and the diagnoser what nobody wrote, made out of the recordings: `just fuzz TARGET SECONDS`.
//!
//! Coverage-guided fuzzing needs a nightly compiler; this runs on the one the project is built with, and starts from real files, which
//! reach deep. A case that panics or takes too long is kept in a file and ends the run with 1. Memory is held down from outside
//! (`ulimit -v` in the justfile): who exceeds it is killed.

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::{Duration, Instant},
};

use lab::{evidence_folder, replay, replay::Files, scenario::Scenario};
use lab_tests::{folder, mutation::mutated, recorded, root};

/// A case that computes longer hangs, as far as a user is concerned. What else the machine does in the meantime does not count.
const TOO_LONG: Duration = Duration::from_secs(5);

/// A target by its name, and which files of a recording it changes.
type Target = (&'static str, fn(&str) -> bool);

const TARGETS: [Target; 4] = [
    ("hosts", |file| file.starts_with("hosts/") || file.starts_with("services/")),
    ("logs", |file| {
        file.starts_with("logs/") || file == "traffic.jsonl" || file == "metrics.csv" || file == "alerts.json"
    }),
    ("objects", |file| file == "objects.json"),
    ("probes", |file| file == "probes.json" || file == "coverage.json" || file == "changes.json"),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (target, seconds) = match &arguments[..] {
        [target, seconds] => (target.as_str(), seconds.parse().ok()),
        _ => ("", None),
    };
    let pick = TARGETS.iter().find(|(name, _)| *name == target).map(|(_, pick)| *pick);
    let Some(seconds) = seconds.filter(|_| pick.is_some() || target == "scenarios") else {
        eprintln!("usage: fuzz hosts|logs|objects|probes|scenarios SECONDS");
        return ExitCode::from(2);
    };
    let mut chance = fastrand::Rng::with_seed(seconds ^ target.len() as u64);
    let until = Instant::now() + Duration::from_secs(seconds);
    let (ran, bad) = match pick {
        Some(pick) => of_evidence(pick, until, &mut chance),
        None => of_scenarios(until, &mut chance),
    };
    match bad {
        Some(file) => {
            eprintln!("{target}: {ran} cases; the last fails: {file}");
            ExitCode::FAILURE
        }
        None => {
            println!("{target}: {ran} cases in {seconds} s, no panic, none longer than {} s", TOO_LONG.as_secs());
            ExitCode::SUCCESS
        }
    }
}

/// Recordings with one to three files changed, diagnosed.
fn of_evidence(pick: fn(&str) -> bool, until: Instant, chance: &mut fastrand::Rng) -> (u64, Option<String>) {
    let folders = recorded().into_iter().map(|name| root().recordings().join(name).join("evidence"));
    let corpus: Vec<Files> = folders.filter_map(|folder| Some(evidence_folder::read(&folder).ok()?.files)).collect();
    let corpus: Vec<Files> = corpus.into_iter().filter(|files| files.keys().any(|file| pick(file))).collect();
    let mut ran = 0;
    while Instant::now() < until {
        let mut files = corpus[chance.usize(..corpus.len())].clone();
        let other = &corpus[chance.usize(..corpus.len())];
        let names: Vec<String> = files.keys().filter(|file| pick(file)).cloned().collect();
        for _ in 0..chance.usize(1..4) {
            let name = &names[chance.usize(..names.len())];
            let text = mutated(&files[name], other.get(name).map_or("", String::as_str), chance);
            files.insert(name.clone(), text);
        }
        ran += 1;
        if let Some(how) = fails(|| drop(replay::diagnose(files.clone(), "not in the evidence folder"))) {
            return (ran, Some(kept(how, files)));
        }
    }
    (ran, None)
}

/// Scenarios with changes, read.
fn of_scenarios(until: Instant, chance: &mut fastrand::Rng) -> (u64, Option<String>) {
    let read = |name: &String| fs::read_to_string(folder().join("scenarios").join(format!("{name}.yaml"))).ok();
    let corpus: Vec<String> = recorded().iter().filter_map(read).collect();
    let mut ran = 0;
    while Instant::now() < until {
        let text = mutated(&corpus[chance.usize(..corpus.len())], &corpus[chance.usize(..corpus.len())], chance);
        ran += 1;
        if let Some(how) = fails(|| drop(Scenario::parse("fuzzed", "fuzzed.yaml", &text))) {
            return (ran, Some(kept(how, Files::from([("fuzzed.yaml".to_owned(), text)]))));
        }
    }
    (ran, None)
}

/// How a case fails: `panic` or `slow`.
fn fails(case: impl FnOnce()) -> Option<&'static str> {
    let begun = computed();
    let ended = catch_unwind(AssertUnwindSafe(case));
    match ended {
        Err(_) => Some("panic"),
        Ok(()) if computed() - begun > TOO_LONG => Some("slow"),
        Ok(()) => None,
    }
}

/// How long this program has been on a processor, as Linux counts it.
fn computed() -> Duration {
    let counted = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    Duration::from_nanos(counted.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default())
}

/// The folder a failing case is kept in.
fn kept(how: &str, files: Files) -> String {
    let folder = env::temp_dir().join(format!("lab-fuzz-{how}-{}", std::process::id()));
    for (name, text) in files {
        let path = folder.join(name);
        let written = path.parent().map(fs::create_dir_all).transpose().and_then(|_| fs::write(&path, text));
        if let Err(error) = written {
            eprintln!("{}: {error}", path.display());
        }
    }
    folder.display().to_string()
}
