//! The answer: verdict, root causes with their evidence, what is missing, and the steps that led there.
//!
//! Serialised as it stands here this is format 1 of the diagnosis; fields may be added, never changed. Reading it, what a
//! judgement does not need may be absent: other diagnosers answer in this form too.

use crate::json::Value;
use serde::{Deserialize, Serialize};

use crate::{evidence::Citation, request::Request, subject::Subject};

/// The version of the serialised form.
pub const FORMAT: u32 = 1;

/// What the evidence allows to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every symptom is explained by causes that are proven.
    Confirmed,
    /// Something is wrong and the evidence does not decide what.
    Unknown,
    /// Nothing is wrong from anyone's point of view.
    Healthy,
}

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Always [`FORMAT`].
    pub format: u32,
    /// What can be said.
    pub verdict: Verdict,
    /// The smallest set of proven causes that explains every symptom; empty unless confirmed.
    #[serde(default)]
    pub root_causes: Vec<RootCause>,
    /// Causes that hold and explain nothing that anyone suffers from.
    #[serde(default)]
    pub noise: Vec<Noise>,
    /// With verdict unknown: what could still be the cause and was not decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// The readings that would decide, and how to take them.
    #[serde(default)]
    pub missing: Vec<Missing>,
    /// What is wrong, from whose point of view.
    #[serde(default)]
    pub symptoms: Vec<SymptomSeen>,
    /// The way of the failing request, from the client inward, with what was seen at each hop.
    #[serde(default)]
    pub path: Vec<Hop>,
    /// The transcript, in the six steps of an investigation.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// A cause, proven, in one subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RootCause {
    /// The id of the cause, as in `docs/causes.md`.
    pub cause: String,
    /// Where it sits.
    pub subject: Subject,
    /// Who acts: `self` (the reader), or the specialist to hand over to.
    #[serde(default)]
    pub owner: String,
    /// The readings that prove it, link by link.
    #[serde(default)]
    pub evidence: Vec<Citation>,
    /// Ids of the symptoms it explains.
    #[serde(default)]
    pub explains: Vec<String>,
    /// Other causes looked at on the same path and the reading that rules each out.
    #[serde(default)]
    pub ruled_out: Vec<RuledOut>,
    /// What restores health.
    #[serde(default)]
    pub fix: Fix,
}

/// A cause that was considered and excluded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuledOut {
    /// The id of the cause.
    pub cause: String,
    /// Where it would have sat.
    pub subject: Subject,
    /// The reading that rules it out, in words.
    pub because: String,
}

/// A cause that holds and explains no symptom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// The id of the cause.
    pub cause: String,
    /// Where it sits.
    pub subject: Subject,
    /// Why it is not blamed.
    pub why: String,
}

/// A cause that could explain symptoms and could not be decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The id of the cause.
    pub cause: String,
    /// Where it would sit.
    pub subject: Subject,
    /// What it lacks; nothing where it holds.
    pub lacks: Vec<String>,
    /// Ids of the symptoms that it would explain.
    #[serde(default)]
    pub explains: Vec<String>,
}

/// A reading that was not to be had.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Missing {
    /// The file or list of the evidence folder it would be in.
    pub what: String,
    /// Why it is missing.
    pub why: String,
    /// An ordinary command that takes the reading.
    pub how: String,
    /// The causes it would decide.
    pub decides: Vec<String>,
}

/// One thing that is wrong from someone's point of view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SymptomSeen {
    /// `probe-1`, `requests-1`, `unready-1` ...: how `explains` names it.
    pub id: String,
    /// What suffers.
    pub subject: Subject,
    /// In words.
    pub says: String,
    /// When it was first seen, UTC, where the evidence has a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Where it stands in the evidence.
    #[serde(default)]
    pub evidence: Vec<Citation>,
}

/// One hop of the failing request's way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    /// Short: `client`, `dns`, `edge`, `ingress`, `service web`, `pod web`.
    pub name: String,
    /// The objects of this hop (several where replicas serve it).
    pub subjects: Vec<Subject>,
    /// What was seen there, a few words: `ok`, `502 logged`, `80 -> 8080`, `never saw it`.
    pub seen: Vec<String>,
    /// Whether the failing request is known to have got here; `None` where nothing tells.
    pub reached: Option<bool>,
    /// Whether the fault sits between this hop and the next.
    #[serde(default)]
    pub broken_after: bool,
}

/// What restores health, in words and as changes a program can make.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fix {
    /// One sentence.
    pub summary: String,
    /// The changes, in order; empty where only a person can decide.
    pub patch: Vec<Change>,
}

/// One change of a fix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Change {
    /// Set one field of an object (JSON pointer `path`; it is added where it does not exist).
    Set {
        /// The object.
        object: Subject,
        /// JSON pointer into the object.
        path: String,
        /// The value now, null where absent.
        from: Value,
        /// The value it should have.
        to: Value,
    },
    /// Remove one field of an object.
    Unset {
        /// The object.
        object: Subject,
        /// JSON pointer into the object.
        path: String,
        /// The value now.
        from: Value,
    },
    /// Delete an object.
    Delete {
        /// The object.
        object: Subject,
    },
    /// Create an object.
    Create {
        /// The object.
        object: Subject,
        /// All of it.
        manifest: Value,
    },
    /// Run a command on a host.
    Run {
        /// The host's name, as under `hosts/` of the evidence.
        host: String,
        /// Program and arguments.
        command: Vec<String>,
    },
}

impl Change {
    /// Shell text run on a host.
    pub fn shell(host: &str, script: impl Into<String>) -> Self {
        Self::Run { host: host.to_owned(), command: vec!["bash".to_owned(), "-c".to_owned(), script.into()] }
    }
}

/// One step of the transcript.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// `observe`, `correlate`, `narrow`, `replicate`, `root-cause`, `fix`.
    pub step: String,
    /// Level of the investigation pyramid: 1 system health, 2 application signals, 3 request flow, 4 detail.
    pub level: u8,
    /// The question.
    pub asked: String,
    /// The answer, in words.
    pub answer: String,
}

/// What an investigation does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// These readings would split the remaining candidates; answer each, then ask again.
    Ask(Vec<Request>),
    /// The answer.
    Done(Box<Diagnosis>),
}
