//! The lab: reproduces documented infrastructure failures, records them, and scores the diagnoser on them.
//!
//! Reading order: [`scenario`] (what is broken, and the truth), [`faults`] (how), [`rigs`] (where), [`gate`] (a live run,
//! stage by stage), [`collect`] (what is seen of it), [`recording`] (a run kept as files), [`replay`] (the one loop in which
//! the diagnoser asks and is answered), [`score`], [`suite`], [`foreign`] and [`other_diagnoser`] (the judgement), [`serve`] (a recording as a cluster
//! to look at), [`train`] and [`trainer`] (people find the cause), [`report`] (what a person reads),
//! [`cli`].
//! What may not enter: a diagnosis. The lab knows the truth and the diagnoser must not; the arrow points one way only.

pub mod build_images;
pub mod cli;
pub mod cluster;
pub mod collect;
pub mod doctor;
pub mod drawing;
pub mod error;
pub mod events;
pub mod evidence_folder;
pub mod exit;
pub mod faults;
pub mod fix;
pub mod follow;
pub mod foreign;
pub mod gate;
pub mod gc;
pub mod ledger;
pub mod live_suite;
pub mod other_diagnoser;
pub mod pages;
pub mod probe;
pub mod recording;
pub mod replay;
pub mod report;
pub mod rigs;
pub mod root;
pub mod scenario;
pub mod score;
pub mod serve;
pub mod suite;
pub mod suite_log;
pub mod synthetic;
pub mod train;
pub mod trainer;
pub mod variant;
pub mod web;

pub use cli::main;
pub use error::LabError;

/// Large evidence is millions of small pieces.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
