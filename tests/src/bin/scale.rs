//! Measures `lab diagnose` on synthetic clusters of five sizes, and draws docs/scale.svg: `just scale`.
//!
//! Each cluster has one planted fault, and again one in every third workload, whose pods all crash. The whole program is measured as
//! the system counts it (time, and the most memory it held); the diagnosis alone, after the evidence was parsed, in this process.

use std::{
    env,
    error::Error,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use diagnoser::{Investigation, Next};
use lab::{
    replay::Files,
    synthetic::{FAULTS, Order},
};
use lab_tests::{
    Folder,
    chart::{self, Line},
    folder,
};
use wait4::Wait4;

const SIZES: [usize; 5] = [1_000, 2_500, 5_000, 10_000, 20_000];
/// The best of so many: what else runs on the machine only ever adds.
const TIMES: usize = 2;
/// A workload has four to five pods: every third one is a victim.
const PODS_A_VICTIM: usize = 13;

struct Measured {
    pods: usize,
    megabytes_of_evidence: f64,
    seconds: f64,
    megabytes: f64,
    diagnosis: f64,
    /// Seconds of the whole program where a third of the workloads crash.
    crashing: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let program = env::current_exe()?.with_file_name("lab");
    let fault = FAULTS.iter().find(|fault| fault.cause == "service-port-mismatch").copied();
    let mut all = Vec::new();
    println!("  pods  evidence  whole program  most memory  diagnosis alone  a third crashing");
    let run = |pods| -> Result<_, Box<dyn Error>> {
        let one = runs(&program, pods, "service-port-mismatch", 1)?;
        Ok((pods, one, runs(&program, pods, "application-crash", pods / PODS_A_VICTIM)?.0))
    };
    let whole: Vec<_> = SIZES.into_iter().map(run).collect::<Result<_, _>>()?;
    for (pods, (seconds, megabytes), crashing) in whole {
        let cluster = Order { pods, fault, victims: 1, seed: 1 }.make();
        let bytes: usize = cluster.evidence.values().map(String::len).sum();
        let alone: Vec<Duration> = (0..TIMES).map(|_| diagnosis(&cluster.evidence)).collect::<Result<_, _>>()?;
        let measured = Measured {
            pods,
            megabytes_of_evidence: bytes as f64 / 1e6,
            seconds,
            megabytes,
            diagnosis: alone.into_iter().min().unwrap_or_default().as_secs_f64(),
            crashing,
        };
        println!(
            "{:6}  {:5.0} MB  {:11.2} s  {:8.0} MB  {:12.0} ms  {:14.2} s",
            pods,
            measured.megabytes_of_evidence,
            measured.seconds,
            measured.megabytes,
            measured.diagnosis * 1e3,
            measured.crashing
        );
        all.push(measured);
    }
    let line = |name, unit, colour, of: fn(&Measured) -> f64, limit| Line {
        name,
        unit,
        colour,
        points: all.iter().map(|measured| (measured.pods as f64, of(measured))).collect(),
        limit: Some((10_000.0, limit)),
    };
    let lines = [
        line("whole program", "seconds", "#2a7de1", |measured| measured.seconds, 1.5),
        line("diagnosis alone", "ms", "#8a4fd3", |measured| measured.diagnosis * 1e3, 150.0),
        line("most memory", "MB", "#1a9a6c", |measured| measured.megabytes, 400.0),
        line("whole program, a third crashing", "seconds", "#d35b4f", |measured| measured.crashing, 5.0),
    ];
    let file = folder().join("docs/scale.svg");
    fs::write(&file, chart::draw("lab diagnose --evidence, one planted fault", "pods", &lines))?;
    Ok(())
}

/// The least of several runs: seconds of processor, and megabytes of memory. The program makes its evidence itself: what this
/// process has ever held counts as held by whatever it starts.
fn runs(program: &Path, pods: usize, cause: &str, victims: usize) -> Result<(f64, f64), Box<dyn Error>> {
    let folder = Folder::new();
    let evidence = folder.path().join("evidence");
    let options = [("--pods", pods.to_string()), ("--fault", cause.to_owned()), ("--victims", victims.to_string())];
    let options = options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
    let made = Command::new(program).arg("generate").arg(&evidence).args(options).stdout(Stdio::null()).status()?;
    if !made.success() {
        return Err(format!("{} generate failed", program.display()).into());
    }
    let all: Vec<(f64, f64)> = (0..TIMES).map(|_| run(program, &evidence)).collect::<Result<_, _>>()?;
    let least = |of: fn(&(f64, f64)) -> f64| all.iter().map(of).fold(f64::INFINITY, f64::min);
    Ok((least(|run| run.0), least(|run| run.1)))
}

/// Seconds of processor and megabytes of memory of the program. It runs in one thread, so that this is the time on one core, whatever
/// else the machine does.
fn run(program: &Path, evidence: &Path) -> Result<(f64, f64), Box<dyn Error>> {
    let mut child =
        Command::new(program).arg("diagnose").arg("--evidence").arg(evidence).stdout(Stdio::null()).spawn()?;
    let used = child.wait4()?;
    if !used.status.success() {
        return Err(format!("{} failed", program.display()).into());
    }
    Ok(((used.rusage.utime + used.rusage.stime).as_secs_f64(), used.rusage.maxrss as f64 / 1e6))
}

/// The time from evidence that is parsed to the answer.
fn diagnosis(files: &Files) -> Result<Duration, Box<dyn Error>> {
    let mut investigation = Investigation::new(files.clone())?;
    let begun = Instant::now();
    while let Next::Ask(requests) = investigation.proceed() {
        requests.iter().for_each(|request| investigation.missed(request, "not in the evidence folder"));
    }
    Ok(begun.elapsed())
}
