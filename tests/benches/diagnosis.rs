//! Parse, index, diagnose, at two sizes: `cargo bench -p lab-tests`.

use diagnoser::{Evidence, Investigation, model::Model};
use divan::{Bencher, black_box};
use lab::{
    replay::Files,
    synthetic::{FAULTS, Order},
};

fn main() {
    divan::main();
}

const SIZES: [usize; 2] = [500, 5_000];

fn evidence(pods: usize) -> Files {
    let fault = FAULTS.iter().find(|fault| fault.cause == "service-port-mismatch").copied();
    Order { pods, fault, victims: 1, seed: 1 }.make().evidence
}

#[divan::bench(args = SIZES, sample_count = 10)]
fn parse(bencher: Bencher<'_, '_>, pods: usize) {
    let files = evidence(pods);
    bencher.bench(|| Evidence::from_files(black_box(&files)));
}

#[divan::bench(args = SIZES, sample_count = 10)]
fn index(bencher: Bencher<'_, '_>, pods: usize) {
    let evidence = Evidence::from_files(&evidence(pods)).expect("it parses");
    bencher.bench(|| Model::new(black_box(&evidence)).connections().len());
}

#[divan::bench(args = SIZES, sample_count = 10)]
fn diagnose(bencher: Bencher<'_, '_>, pods: usize) {
    let files = evidence(pods);
    let new = || Investigation::new(files.clone()).expect("it parses");
    bencher.with_inputs(new).bench_local_values(|mut investigation| black_box(investigation.proceed()));
}
