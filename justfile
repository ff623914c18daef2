# One line each over `lab`; `just --list` shows them all.

# Replay one failure and diagnose it (`just scenario port-mismatch`)
scenario NAME *ARGS:
    cargo run --quiet -- scenario {{NAME}} {{ARGS}}

# Find out yourself why a system is broken (`just train --random`)
train *ARGS:
    cargo run --quiet -- train {{ARGS}}

# What scenarios there are
list:
    cargo run --quiet -- list

# Diagnose every recording and score the answers
suite *ARGS:
    cargo run --quiet -- suite {{ARGS}}

# The incidents as a page in the browser, to work on alone or in class
web *ARGS:
    cargo run --quiet -- serve --web {{ARGS}}

# One run told whole, as one file for a browser (`just report port-mismatch > report.html`)
report NAME:
    cargo run --quiet -- report {{NAME}} --format html

# Run one failure live on a cluster of the lab's own
live NAME:
    cargo run --quiet -- scenario {{NAME}} --live

# Run one failure live and keep the run as its recording
record NAME:
    cargo run --quiet -- record {{NAME}}

# What this machine has and lacks for live runs
doctor:
    cargo run --quiet -- doctor

# Build the container images
images:
    cargo run --quiet -- images build

# Make the lab's own cluster
up:
    cargo run --quiet -- up

# Remove the lab's own cluster
down:
    cargo run --quiet -- down

# Remove what a killed run left
gc:
    cargo run --quiet -- gc

# Every test that needs no cluster
test:
    if command -v cargo-nextest >/dev/null; then cargo nextest run --workspace; else cargo test --workspace; fi

# Format, lints, and (where cargo-deny is installed) licences and banned crates
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    if command -v cargo-deny >/dev/null; then cargo deny check; fi

# Random worlds with planted faults: named exactly, or the world is printed (`just worlds 20000`)
worlds COUNT="2000":
    WORLDS={{COUNT}} cargo test --release --quiet -p lab-tests --test random_worlds -- --nocapture

# Feed one parser what nobody wrote: hosts, logs, objects, probes or scenarios (`just fuzz objects 600`)
fuzz TARGET SECONDS="60":
    cargo build --release --quiet -p lab-tests --bin fuzz
    ulimit -v 1048576; ${CARGO_TARGET_DIR:-target}/release/fuzz {{TARGET}} {{SECONDS}}

# How long parsing, indexing and looking take
bench:
    cargo bench -p lab-tests --bench diagnosis

# Measure large clusters and draw docs/scale.svg
scale:
    cargo build --release --quiet -p lab --bin lab
    cargo run --release --quiet -p lab-tests --bin scale

# Write the generated references in docs/
docs:
    UPDATE_DOCS=1 cargo test --quiet -p lab-tests --test docs

# Record `lab scenario port-mismatch` for the README, docs/cast.svg
cast:
    UPDATE_DOCS=1 cargo test --quiet -p lab-tests --test docs the_recording
