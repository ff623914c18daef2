//! What a cause would produce: its effects, carried along the graph to everyone who depends on them.
//!
//! A cause that holds but would produce something else than what was seen does not explain it.

use std::collections::BTreeMap;

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

impl Mode {
    const ALL: [Self; 18] = [
        Self::Refused,
        Self::Unreachable,
        Self::Silent,
        Self::Empty,
        Self::Errors,
        Self::Down,
        Self::NotFound,
        Self::Rejects,
        Self::Broken,
        Self::Slow,
        Self::NoSpace,
        Self::NoInodes,
        Self::Killed,
        Self::Unresolved,
        Self::RelaysRefused,
        Self::RelaysSilent,
        Self::RelaysEmpty,
        Self::RelaysErrors,
    ];
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

/// Modes, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes(u32);

impl Modes {
    /// Whether this mode is one of them.
    pub fn has(self, mode: Mode) -> bool {
        self.0 & Self::from(mode).0 != 0
    }

    fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Takes the others in; what is new of them.
    fn add(&mut self, others: Self) -> Self {
        let new = Self(others.0 & !self.0);
        self.0 |= others.0;
        new
    }
}

impl From<Mode> for Modes {
    fn from(mode: Mode) -> Self {
        Self(1 << mode as u32)
    }
}

impl FromIterator<Mode> for Modes {
    fn from_iter<I: IntoIterator<Item = Mode>>(modes: I) -> Self {
        Self(modes.into_iter().fold(0, |all, mode| all | Self::from(mode).0))
    }
}

/// The modes in which it would be seen so.
pub fn fitting(seen: Observation) -> Modes {
    Mode::ALL.into_iter().filter(|mode| mode.fits(seen)).collect()
}

/// Everything of which it would be seen as this symptom that it fails, and how. It is found from the symptom on, along what it
/// depends on: the other way round than failures spread, for of all that fails or may fail little is ever seen in one symptom.
pub fn behind<'m>(model: &'m Model<'_>, symptom: &'m Symptom) -> BTreeMap<&'m Subject, Modes> {
    let mut reached: BTreeMap<&Subject, Modes> = BTreeMap::new();
    let mut open = vec![(&symptom.subject, fitting(symptom.at_its_origin()))];
    while let Some((subject, modes)) = open.pop() {
        let new = reached.entry(subject).or_default().add(modes);
        if new == Modes::default() {
            continue;
        }
        for edge in model.dependencies(subject) {
            let carried = |mode: &Mode| carry(model, subject, edge.relation, *mode).meets(new);
            open.push((&edge.to, Mode::ALL.into_iter().filter(carried).collect()));
        }
    }
    reached
}

/// How `dependent` fails when what it depends on by `relation` fails in `mode`.
fn carry(model: &Model<'_>, dependent: &Subject, relation: Relation, mode: Mode) -> Modes {
    let nothing = Modes::default();
    match relation {
        Relation::ForwardsTo => match mode {
            // Pods that are down leave the endpoints; the Service fails once no ready one is left. They may come and go.
            Mode::Down => {
                let any_ready = model.ready_behind(dependent).any(|pod| is_steadily_ready(pod, model.now));
                if any_ready { nothing } else { Mode::Empty.into() }
            }
            other => other.into(),
        },
        // Who cannot look names up answers errors; the name itself is what does not resolve.
        Relation::ResolvesBy => match mode {
            Mode::Down => nothing,
            _ if dependent.is("name") => Mode::Unresolved.into(),
            _ => Mode::Errors.into(),
        },
        // An Ingress stands for its controller, which answers in place of the Service; a name merely leads on.
        Relation::RoutesTo if dependent.is("ingress") => mode.relayed().into_iter().collect(),
        Relation::RoutesTo => mode.into(),
        Relation::ConnectsTo => mode.relayed().into_iter().collect(),
        // Who is asked says itself that the other is away, whatever keeps it away.
        Relation::CountsOn => match mode {
            Mode::Refused | Mode::Silent | Mode::Unreachable | Mode::Broken | Mode::Down => Mode::Errors.into(),
            _ => nothing,
        },
        Relation::RunsOn => match mode {
            // The kubelet's own checks vanish as well, so the pods may leave the endpoints.
            Mode::Silent => [Mode::Silent, Mode::Down].into_iter().collect(),
            Mode::Down => Mode::Down.into(),
            _ => nothing,
        },
        Relation::OwnedBy if mode == Mode::Down => Mode::Down.into(),
        Relation::OwnedBy | Relation::GovernedBy => nothing,
    }
}
