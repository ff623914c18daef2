//! What a cause would produce: its effects, carried along the graph to everyone who depends on them.
//!
//! A cause that holds but would produce something else than what was seen does not explain it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    evidence::Outcome,
    model::{Model, Relation, is_steadily_ready},
    subject::Subject,
    symptoms::{Observation, Symptom},
};

/// How a subject fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Connections are refused at once.
    Refused,
    /// Somebody on the way, or the caller's own kernel, says that there is no way.
    Unreachable,
    /// Packets vanish: silence until somebody's timeout.
    Silent,
    /// There is nothing to connect to: no ready endpoint.
    Empty,
    /// It answers with a server's error.
    Errors,
    /// It does not run, or is not ready.
    Down,
    /// It answers that there is no such thing: 404, which proxies pass on as it is.
    NotFound,
    /// It refuses requests on purpose, with another 4xx that proxies pass on as it is.
    Rejects,
    /// It closes connections early, or answers what is no HTTP.
    Broken,
    /// It answers later than somebody waits.
    Slow,
    /// A file system of it has no space left.
    NoSpace,
    /// A file system of it has no inodes left.
    NoInodes,
    /// The kernel kills a process of it for want of memory.
    Killed,
    /// The name does not resolve, for whoever asks.
    Unresolved,
    /// A hop answers in place of something that refuses.
    RelaysRefused,
    /// A hop answers in place of something silent.
    RelaysSilent,
    /// A hop answers in place of something empty.
    RelaysEmpty,
    /// A hop passes an error on, or makes one of its own.
    RelaysErrors,
}

/// An answer within this many seconds came at once: nobody waited for a timeout.
const AT_ONCE: f64 = 1.0;

impl Mode {
    /// How a hop (proxy, ingress, application) fails when what it connects to fails so.
    fn relayed(self) -> Option<Self> {
        Some(match self {
            Self::Refused | Self::RelaysRefused => Self::RelaysRefused,
            Self::Silent | Self::RelaysSilent => Self::RelaysSilent,
            Self::Empty | Self::RelaysEmpty => Self::RelaysEmpty,
            Self::Errors | Self::Broken | Self::Unresolved | Self::RelaysErrors | Self::Unreachable => {
                Self::RelaysErrors
            }
            Self::NotFound | Self::Rejects | Self::Slow => self,
            Self::Down | Self::NoSpace | Self::NoInodes | Self::Killed => return None,
        })
    }

    /// Whether this is what would be seen. Where there is nothing to connect to, the kernel of the caller's node says so, but
    /// only so often (icmp(7), icmp_ratelimit): most are refused at once, and some hear nothing. An outcome `failed` says
    /// nothing of how, so every failure of a connection fits it.
    pub fn fits(self, seen: Observation) -> bool {
        match seen {
            Observation::PodDown | Observation::UnitDown => self == Self::Down,
            Observation::NoSpace => self == Self::NoSpace,
            Observation::NoInodes => self == Self::NoInodes,
            Observation::Killed => self == Self::Killed,
            Observation::RefusedInWords => matches!(self, Self::Errors | Self::Rejects | Self::RelaysErrors),
            Observation::FailsInWords => matches!(
                self,
                Self::Errors
                    | Self::Rejects
                    | Self::RelaysErrors
                    | Self::RelaysRefused
                    | Self::RelaysSilent
                    | Self::RelaysEmpty
            ),
            Observation::NodeDown => self == Self::Down,
            Observation::NoEndpoints => self == Self::Empty,
            Observation::Slow(_) => self == Self::Slow,
            Observation::Failed(outcome) => match self {
                Self::Refused => matches!(outcome, Outcome::Refused | Outcome::Failed),
                Self::Empty => matches!(outcome, Outcome::Refused | Outcome::Timeout | Outcome::Failed),
                Self::Silent | Self::RelaysSilent | Self::RelaysEmpty | Self::Slow => {
                    matches!(outcome, Outcome::Timeout | Outcome::Failed)
                }
                Self::Broken => matches!(outcome, Outcome::Reset | Outcome::Failed),
                Self::Unresolved => matches!(outcome, Outcome::NameNotFound | Outcome::Timeout | Outcome::Failed),
                Self::RelaysRefused | Self::Errors | Self::RelaysErrors => outcome == Outcome::Failed,
                Self::Unreachable => matches!(outcome, Outcome::Unreachable | Outcome::Failed),
                Self::Down | Self::NotFound | Self::Rejects | Self::NoSpace | Self::NoInodes | Self::Killed => false,
            },
            Observation::Status(status, seconds) => {
                let at_once = seconds.is_none_or(|seconds| seconds < AT_ONCE);
                let waited = seconds.is_none_or(|seconds| seconds >= AT_ONCE);
                match self {
                    // A gateway says 502 or 503 of what it cannot connect to, an application often 500.
                    Self::RelaysRefused => at_once && matches!(status, 500 | 502 | 503),
                    Self::RelaysEmpty => matches!(status, 499 | 500 | 502 | 503 | 504),
                    Self::RelaysSilent | Self::Slow => {
                        matches!(status, 499 | 504) || (waited && matches!(status, 500 | 502 | 503))
                    }
                    Self::Errors | Self::RelaysErrors => status >= 500,
                    Self::NotFound => matches!(status, 404 | 410),
                    Self::Rejects => (400..499).contains(&status) && !matches!(status, 404 | 410),
                    Self::Refused | Self::Silent | Self::Empty | Self::Down | Self::Broken | Self::Unresolved => false,
                    Self::Unreachable | Self::NoSpace | Self::NoInodes | Self::Killed => false,
                }
            }
        }
    }
}

/// Everything that fails, and how, when `effects` are there.
pub fn propagate(model: &Model<'_>, effects: &[(Subject, Mode)]) -> BTreeMap<Subject, BTreeSet<Mode>> {
    let mut reached: BTreeMap<Subject, BTreeSet<Mode>> = BTreeMap::new();
    let mut open: Vec<(Subject, Mode)> = effects.to_vec();
    while let Some((subject, mode)) = open.pop() {
        if !reached.entry(subject.clone()).or_default().insert(mode) {
            continue;
        }
        for (dependent, relation) in model.dependents(&subject) {
            for carried in carry(model, dependent, *relation, mode) {
                open.push((dependent.clone(), carried));
            }
        }
    }
    reached
}

/// How `dependent` fails when what it depends on by `relation` fails in `mode`.
fn carry(model: &Model<'_>, dependent: &Subject, relation: Relation, mode: Mode) -> Vec<Mode> {
    match relation {
        Relation::ForwardsTo => match mode {
            // Pods that are down leave the endpoints; the Service fails once no ready one is left. They may come and go.
            Mode::Down => {
                let any_ready = model.ready_behind(dependent).any(|pod| is_steadily_ready(pod, model.now));
                if any_ready { vec![] } else { vec![Mode::Empty] }
            }
            other => vec![other],
        },
        // Who cannot look names up answers errors; the name itself is what does not resolve.
        Relation::ResolvesBy => match mode {
            Mode::Down => vec![],
            _ if dependent.is("name") => vec![Mode::Unresolved],
            _ => vec![Mode::Errors],
        },
        // An Ingress stands for its controller, which answers in place of the Service; a name merely leads on.
        Relation::RoutesTo if dependent.is("ingress") => mode.relayed().into_iter().collect(),
        Relation::RoutesTo => vec![mode],
        Relation::ConnectsTo => mode.relayed().into_iter().collect(),
        // Who is asked says itself that the other is away, whatever keeps it away.
        Relation::CountsOn => match mode {
            Mode::Refused | Mode::Silent | Mode::Unreachable | Mode::Broken | Mode::Down => vec![Mode::Errors],
            _ => vec![],
        },
        Relation::RunsOn => match mode {
            // The kubelet's own checks vanish as well, so the pods may leave the endpoints.
            Mode::Silent => vec![Mode::Silent, Mode::Down],
            Mode::Down => vec![Mode::Down],
            _ => vec![],
        },
        Relation::OwnedBy if mode == Mode::Down => vec![Mode::Down],
        Relation::OwnedBy | Relation::GovernedBy => vec![],
    }
}

/// Whether effects `inside` the scope of a symptom produce it.
pub fn explains(model: &Model<'_>, inside: &[(Subject, Mode)], symptom: &Symptom) -> bool {
    // What befalls one kind of request, or one connection, is seen by it and no other.
    let own = |subject: &Subject| subject.is("request") || symptom.connection.as_ref() == Some(subject);
    let itself = inside.iter().any(|(subject, mode)| own(subject) && mode.fits(symptom.at_its_origin()));
    itself
        || !inside.is_empty()
            && propagate(model, inside)
                .get(&symptom.subject)
                .is_some_and(|modes| modes.iter().any(|mode| mode.fits(symptom.at_its_origin())))
}
