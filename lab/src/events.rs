//! A run as typed events: what happened, when. Whoever wants to know listens; the history of a recording is the same events.

use std::{fmt, sync::Mutex};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The stages of a live run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The world is set up.
    Deploy,
    /// Every check of the world passes.
    AssertHealthy,
    /// The faults are injected.
    Inject,
    /// Each fault's own effect is there.
    AssertEffect,
    /// The user's symptom is there.
    AssertSymptom,
    /// Evidence is collected.
    Observe,
    /// The diagnoser answers.
    Diagnose,
    /// The diagnosed fix is applied.
    ApplyFix,
    /// Every check of the world passes again.
    AssertHealed,
    /// Everything the lab made is removed.
    TearDown,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deploy => "deploy",
            Self::AssertHealthy => "assert healthy",
            Self::Inject => "inject",
            Self::AssertEffect => "assert effect",
            Self::AssertSymptom => "assert symptom",
            Self::Observe => "observe",
            Self::Diagnose => "diagnose",
            Self::ApplyFix => "apply fix",
            Self::AssertHealed => "assert healed",
            Self::TearDown => "tear down",
        })
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A run of a scenario began.
    RunStarted {
        /// The scenario's name.
        scenario: String,
    },
    /// A stage began.
    StageStarted {
        /// Which.
        stage: Stage,
    },
    /// A stage ended well.
    StageEnded {
        /// Which.
        stage: Stage,
        /// How long it took.
        seconds: f64,
    },
    /// Something is about to be changed.
    Mutation {
        /// What.
        what: String,
        /// How it is undone.
        undo: String,
    },
    /// A check was made, perhaps several times.
    Checked {
        /// What was checked: `client GET http://shop.example.test/`.
        what: String,
        /// What came of it: `200 in 4 ms`.
        outcome: String,
        /// How long the last attempt took.
        seconds: f64,
        /// How many attempts were made.
        of: u32,
        /// How many of them passed.
        passed: u32,
    },
    /// A fault bit.
    EffectSeen {
        /// The fault, as in the scenario.
        fault: String,
        /// What shows it.
        says: String,
    },
    /// The user's symptom was seen.
    SymptomSeen {
        /// In words.
        says: String,
    },
    /// The diagnoser asked for a reading.
    Asked {
        /// The file of the evidence folder it goes to.
        file: String,
        /// Whether it was to be had.
        answered: bool,
    },
    /// The diagnosed fix (or, where there was none, the fault's undo) was applied.
    FixApplied {
        /// In words.
        says: String,
    },
    /// The diagnosed fix (never the fault's undo) did what it promised: `200 in 4 ms, 40 of 40 requests`.
    Verified {
        /// In words.
        says: String,
    },
    /// The run ended.
    RunEnded {
        /// The score's outcome, or why there is none.
        outcome: String,
    },
}

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// UTC.
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Someone who wants to know what happens while it happens: a progress display, a file.
pub trait Listener: Send + Sync {
    /// Called once for every event, in order.
    fn on(&self, stamped: &Stamped);
}

/// Keeps the events of a run and passes them on.
#[derive(Default)]
pub struct Journal {
    listeners: Vec<Box<dyn Listener>>,
    history: Mutex<Vec<Stamped>>,
}

impl Journal {
    /// A journal that tells these listeners.
    pub fn new(listeners: Vec<Box<dyn Listener>>) -> Self {
        Self { listeners, history: Mutex::default() }
    }

    /// Records that something happened now.
    pub fn record(&self, event: Event) {
        let stamped = Stamped { time: Timestamp::now(), event };
        let mut history = self.history.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for listener in &self.listeners {
            listener.on(&stamped);
        }
        history.push(stamped);
    }

    /// Everything recorded so far, in order.
    pub fn history(&self) -> Vec<Stamped> {
        self.history.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}
