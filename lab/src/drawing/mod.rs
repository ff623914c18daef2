//! What a page draws, as numbers: evidence in, places of shapes out. Pure; the templates of [`crate::pages`] write the markup.
//!
//! Reading order: [`world`] (who is there and who leads to whom), [`layers`] (where each stands), [`hops`] (what was seen of
//! requests at each), [`picture`] (all of it as boxes and lines), [`traffic`] (requests over time and by what they have in
//! common), [`bars`] (a chart as rectangles), [`metrics`] (what was measured, as lines), [`timeline`] (what happened when),
//! [`reading`] (the evidence itself, as lines that can be pointed at).
//! What may not enter: the truth. Everything here is drawn of evidence, before anyone has answered.

pub mod bars;
pub mod hops;
pub mod layers;
pub mod metrics;
pub mod picture;
pub mod reading;
pub mod timeline;
pub mod traffic;
pub mod world;

use diagnoser::{Diagnosis, Evidence};

/// All that is drawn of one system.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    /// Who is there.
    pub world: world::World,
    /// What each of them saw.
    pub seen: Vec<hops::Seen>,
    /// What happened when.
    pub moments: Vec<timeline::Moment>,
    /// Moments before the story begins, which are left out.
    pub earlier: usize,
    /// Requests over time.
    pub chart: traffic::Chart,
    /// Requests by what they have in common.
    pub scopes: Vec<traffic::Scope>,
    /// What was measured.
    pub measured: metrics::Measured,
}

impl Drawing {
    /// Draws the evidence; of the diagnosis only which way the requests go.
    pub fn of(evidence: &Evidence, diagnosis: &Diagnosis) -> Self {
        let world = world::world(evidence, &diagnosis.path);
        let seen = hops::seen(evidence, &world.nodes);
        let (moments, earlier) = timeline::timeline(evidence);
        let records = traffic::outermost(evidence);
        Self {
            world,
            seen,
            moments,
            earlier,
            chart: traffic::over_time(&records),
            scopes: traffic::scopes(&records),
            measured: metrics::measured(&evidence.metrics),
        }
    }
}
