//! The stages as types: each can only be had from the one before it, so the gate cannot be run out of order.

use std::{
    panic::{self, AssertUnwindSafe},
    time::Duration,
};

use diagnoser::Diagnosis;
use jiff::Timestamp;
use serde_json::Value;
use tokio::runtime::Handle;

use super::{LiveRun, Run, checks, deploy, symptom};
use crate::{
    LabError,
    events::{Event, Stage},
    fix,
    ledger::Mutation,
    recording::{FORMAT, Meta, Recording},
    replay,
    rigs::{Now, System, pod_subject, until},
    scenario::Symptom,
    score::{Outcome, score},
};

/// How long a fault may take to bite.
const BITES: Duration = Duration::from_secs(30);
/// How many requests of the client are waited for before evidence is taken, so that the logs of all hops show the fault; for a
/// control, how many that succeeded in a row: a busy machine lets some fail by itself.
const REQUESTS: usize = 20;
/// How many requests are kept in the evidence at least, and how many more than were waited for.
const KEPT: usize = 90;
const MORE: usize = 40;
/// How long pods may take to get past their start.
const STARTS: Duration = Duration::from_secs(20);
/// How long the requests may take, or ...
const TRAFFIC: Duration = Duration::from_secs(20);
/// ... how long each may, where many are waited for.
const SLOWEST: Duration = Duration::from_millis(500);

/// Nothing has been done yet.
pub(super) struct Planned<'a>(pub(super) &'a Run<'a>);

/// The world is up and was seen to be healthy.
pub(super) struct Healthy<'a>(&'a Run<'a>);

/// The faults are in, each was seen to bite, and the symptom shows.
pub(super) struct Injected<'a> {
    run: &'a Run<'a>,
    undo: Vec<Mutation>,
    since: Timestamp,
}

/// The evidence is taken.
pub(super) struct Observed<'a> {
    run: &'a Run<'a>,
    undo: Vec<Mutation>,
    pub(super) recording: Recording,
}

/// The diagnoser has answered.
pub(super) struct Diagnosed<'a> {
    run: &'a Run<'a>,
    undo: Vec<Mutation>,
    pub(super) recording: Recording,
    diagnosis: Diagnosis,
    outcome: Outcome,
}

impl<'a> Planned<'a> {
    pub(super) async fn deploy(self) -> Result<Healthy<'a>, LabError> {
        let run = self.0;
        run.stage(Stage::Deploy, deploy::deploy(run)).await?;
        run.stage(Stage::AssertHealthy, checks::assert_healthy(run, run.begun)).await?;
        Ok(Healthy(run))
    }
}

impl<'a> Healthy<'a> {
    pub(super) async fn inject(self) -> Result<Injected<'a>, LabError> {
        let run = self.0;
        let mut undo = vec![];
        run.stage(Stage::Inject, async {
            for fault in &run.scenario.faults {
                for mutation in fault.mutations(&run.system).await? {
                    run.ledger.make(&run.system, &mutation, run.journal).await?;
                    undo.insert(0, mutation);
                }
            }
            Ok(())
        })
        .await?;
        run.stage(Stage::AssertEffect, async {
            for fault in &run.scenario.faults {
                let name = fault.name();
                let what = format!("the fault {name} to bite");
                let says = until(&what, BITES, async || fault.effect(&run.system).await).await?;
                run.journal.record(Event::EffectSeen { fault: name, says });
            }
            Ok(())
        })
        .await?;
        let since = Timestamp::now();
        if let Some(says) = run.stage(Stage::AssertSymptom, symptom::assert(run)).await? {
            run.journal.record(Event::SymptomSeen { says });
        }
        Ok(Injected { run, undo, since })
    }
}

impl<'a> Injected<'a> {
    pub(super) async fn observe(self) -> Result<Observed<'a>, LabError> {
        let Self { run, undo, since } = self;
        let control = run.scenario.symptom == Symptom::None;
        let (files, components) = run
            .stage(Stage::Observe, async {
                let wanted = run.scenario.requests.unwrap_or(REQUESTS);
                let limit = TRAFFIC.max(SLOWEST * u32::try_from(wanted).unwrap_or(u32::MAX));
                let traffic = until("enough requests of the client", limit, async || {
                    let records = checks::trickle(&run.system, since).await?;
                    let well = records.iter().rev().take_while(|record| record.succeeded()).count();
                    let seen = if control { well } else { records.len() };
                    Ok(if seen >= wanted { Now::Holds(()) } else { Now::NotYet(format!("{seen} of {wanted}")) })
                });
                // What is on its way to whatever state the fault has in store for it is given the time to get there.
                match until("pods to be past their start", STARTS, async || settled(&run.system).await).await {
                    Err(LabError::Live { .. }) => {}
                    other => other?,
                }
                match traffic.await {
                    // Where a fault stops all traffic there is none to wait for.
                    Err(LabError::Live { .. }) if !control => {}
                    other => other?,
                }
                futures::try_join!(run.system.evidence(run.begun, KEPT.max(wanted + MORE)), run.system.components())
            })
            .await?;
        if let Some(beside) = &run.beside {
            tokio::task::block_in_place(|| beside(&files));
        }
        let meta = Meta {
            format: FORMAT,
            lab: env!("CARGO_PKG_VERSION").to_owned(),
            recorded: run.begun,
            rig: run.system.world().rig.id().to_owned(),
            components,
        };
        let recording = Recording { meta, scenario: run.scenario.clone(), history: vec![], evidence: files };
        Ok(Observed { run, undo, recording })
    }
}

/// Whether every pod of the world's workloads is ready, or has come to what keeps it from that: a reason, a warning, an end.
async fn settled(system: &System) -> Result<Now<()>, LabError> {
    let System::Cluster(live) = system else { return Ok(Now::Holds(())) };
    for workload in live.workloads() {
        for pod in live.pods(workload).await? {
            let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
            let told = statuses.into_iter().flatten().any(|status| {
                let waits = status["state"]["waiting"]["reason"].as_str();
                let starting = waits.is_none_or(|reason| matches!(reason, "ContainerCreating" | "PodInitializing"));
                status["ready"] == true || status["restartCount"].as_u64() > Some(0) || !starting
            });
            // That a container failed to start is told before it stands in the status.
            let subject = pod_subject(&pod);
            let warnings = live.warnings(&subject, pod["metadata"]["uid"].as_str()).await?;
            if !told && warnings.iter().all(|(reason, _)| reason == "Failed") {
                return Ok(Now::NotYet(format!("{subject} is starting")));
            }
        }
    }
    Ok(Now::Holds(()))
}

impl<'a> Observed<'a> {
    pub(super) async fn diagnose(self) -> Result<Diagnosed<'a>, LabError> {
        let Self { run, undo, mut recording } = self;
        let files = recording.evidence.clone();
        let (diagnosis, files) = run
            .stage(Stage::Diagnose, async {
                let mut answer = |request: &_| {
                    let answer = Handle::current().block_on(run.system.answer(request, run.begun));
                    run.journal.record(Event::Asked { file: request.file.clone(), answered: answer.is_ok() });
                    answer
                };
                // The diagnoser is no async code; its questions are answered on this thread while others go on. A defect of it
                // must not keep the world from being taken down.
                tokio::task::block_in_place(|| {
                    panic::catch_unwind(AssertUnwindSafe(|| replay::investigate(files, &mut answer)))
                })
                .unwrap_or_else(|_| {
                    Err(LabError::Live {
                        what: "diagnosing".to_owned(),
                        why: "the diagnoser panicked, which is a defect of it".to_owned(),
                        next: "lab diagnose --evidence with the evidence of this run shows it again.".to_owned(),
                    })
                })
            })
            .await?;
        recording.evidence = files;
        let outcome = score(&run.scenario.truth, &diagnosis);
        Ok(Diagnosed { run, undo, recording, diagnosis, outcome })
    }
}

impl Diagnosed<'_> {
    /// Applies the diagnosed fix where the diagnosis is exact, else takes the faults back, and asserts that the world is
    /// healthy again.
    pub(super) async fn heal(self) -> Result<LiveRun, LabError> {
        let Self { run, undo, recording, diagnosis, outcome } = self;
        let done = |healed: bool| LiveRun { recording, diagnosis: diagnosis.clone(), outcome, healed, seconds: 0.0 };
        if run.keep || run.scenario.faults.is_empty() {
            return Ok(done(false));
        }
        let changes = fix::changes(&diagnosis);
        let diagnosed = outcome == Outcome::Exact && !changes.is_empty();
        run.stage(Stage::ApplyFix, async {
            if diagnosed {
                for change in &changes {
                    run.ledger.make(&run.system, change, run.journal).await?;
                }
                run.journal.record(Event::FixApplied { says: fix::says(&diagnosis) });
            } else {
                let undos: Vec<_> = undo.iter().filter_map(|mutation| mutation.undo.clone()).collect();
                run.system.take_back(&undos).await?;
                run.journal.record(Event::FixApplied {
                    says: "no diagnosed fix to apply: the faults were taken back".to_owned(),
                });
            }
            Ok(())
        })
        .await?;
        let since = Timestamp::now();
        let healed = run
            .stage(Stage::AssertHealed, async {
                deploy::all_there(&run.system).await?;
                checks::assert_healthy(run, since).await
            })
            .await;
        match healed {
            Ok(says) if diagnosed => run.journal.record(Event::Verified { says }),
            Ok(_) => {}
            Err(LabError::Live { what, why, next }) if diagnosed => {
                return Err(LabError::Live { what: format!("healing with the diagnosed fix: {what}"), why, next });
            }
            Err(error) => return Err(error),
        }
        Ok(done(diagnosed))
    }
}
