//! What is wrong from someone's point of view, and where the fault behind it can sit. Only what still holds counts.

mod alone;
mod asked;
mod events;
mod late;
mod makers;
mod nodes;
mod objects;
mod origin;
mod probes;
mod requests;
mod scope;
mod slow;
mod told;

use crate::{
    evidence::{Citation, Outcome},
    model::Model,
    subject::Subject,
};

pub(crate) use alone::{failed_units, used_up_file_system};
pub use asked::Asked;
pub(crate) use events::events_of;
pub(crate) use makers::{Lacking, lacking, pods_of};
pub(crate) use nodes::{is_control_plane, missed_units, readiness, runtime_unit, unit_of};
pub(crate) use objects::event_time;
pub use origin::Origin;
pub(crate) use requests::{alike, observation, outermost, steady, words};
pub use scope::Scope;
pub(crate) use slow::median;
pub(crate) use told::held_up;

/// What was seen. Refusals and resets are immediate answers of something alive; a timeout is silence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Observation {
    /// A connection or request that ended without an answer, or could not be made.
    Failed(Outcome),
    /// An HTTP answer that says something is wrong, and how long it took in seconds.
    Status(u16, Option<f64>),
    /// The one that was asked answered, in words of its own protocol, that it will not.
    RefusedInWords,
    /// A program tells that what it asks others for fails.
    FailsInWords,
    /// A service of a machine that should run and does not.
    UnitDown,
    /// A file system without space.
    NoSpace,
    /// A file system on which no file can be made for want of inodes.
    NoInodes,
    /// The kernel killed a process for want of memory.
    Killed,
    /// A pod that should serve and does not.
    PodDown,
    /// A Service in use with nothing ready behind it.
    NoEndpoints,
    /// A node that is not ready.
    NodeDown,
    /// Requests that are answered well, but late; the seconds are what is typical of the late ones.
    Slow(f64),
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Symptom {
    /// `probe-1`, `requests-1`, `slow-1`, `down-1`, `no-endpoints-1`, `node-1`, `unit-1`, `full-1`, `killed-1`, `told-1`, `late-1`, `alert-1`.
    pub id: String,
    /// What suffers: the name or Service that was asked, the pod.
    pub subject: Subject,
    /// What was seen.
    pub seen: Observation,
    /// In words.
    pub says: String,
    /// Since when.
    pub since: Option<jiff::Timestamp>,
    /// Where it stands.
    pub evidence: Vec<Citation>,
    /// Where the fault can sit.
    pub scope: Scope,
    /// The hop at which the failing requests end, where the logs tell.
    pub origin: Option<Origin>,
    /// Whether a user or client of the system sees it, as against a state inside.
    pub user: bool,
    /// The connection of a machine that suffers, where it is one; see [`crate::connections`].
    pub connection: Option<Subject>,
}

impl Symptom {
    /// Whether it is seen in the records of requests.
    pub fn is_of_requests(&self) -> bool {
        ["requests-", "slow-"].iter().any(|kind| self.id.starts_with(kind))
    }

    /// What was seen, with the time that it took at the hop where it came to be.
    pub fn at_its_origin(&self) -> Observation {
        self.origin.as_ref().map_or(self.seen, |origin| origin.timed(self.seen))
    }

    /// The kind of request that suffers, where it is one that goes by a name.
    pub fn asked(&self) -> Option<Asked> {
        self.scope.request().and_then(Asked::of)
    }

    /// What no other symptom is seen in: the connection that suffers, or the kind of request.
    pub fn own(&self) -> impl Iterator<Item = &Subject> {
        self.scope.request().into_iter().chain(&self.connection)
    }
}

/// All symptoms, users' first.
pub fn symptoms(model: &Model<'_>) -> Vec<Symptom> {
    let mut all = requests::symptoms(model);
    if all.is_empty() {
        all = slow::symptoms(model);
    }
    let probes = probes::symptoms(model, &mut all);
    all.extend(probes);
    all.extend(objects::down_pods(model));
    all.extend(objects::empty_services(model));
    all.extend(nodes::down_nodes(model));
    all.extend(nodes::missed(model));
    all.extend(makers::refused(model));
    all.extend(alone::symptoms(model));
    all.extend(told::symptoms(model));
    if all.is_empty() {
        all = late::measured(model);
    }
    if all.is_empty() {
        all = late::raised(model);
        all.extend(told::in_vain(model));
    }
    all
}
