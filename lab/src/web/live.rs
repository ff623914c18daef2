//! What happens now: to the class, and in a live run. Both are streams of server-sent events.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Extension,
    extract::{Query, State},
    response::{
        Html,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt, future::ready, stream};
use minijinja::context;
use serde::Deserialize;
use serde_json::json;

use super::{App, Failure, Visitor};
use crate::{
    events::{self, Stamped},
    follow::{self, Follower},
    pages::view,
};

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Html<String>, Failure> {
    Ok(Html(app.pages.render("live.html", context! { site => app.site(&visitor, "live", false) })?))
}

/// How much had happened when a page was made.
#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    seen: u64,
}

/// `changed`, whenever anyone did something that the page does not show yet.
pub(super) async fn class(
    State(app): State<Arc<App>>,
    Query(Seen { seen }): Query<Seen>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut changes = app.changes.subscribe();
    if *changes.borrow_and_update() != seen {
        changes.mark_changed();
    }
    let stream = stream::unfold(changes, |mut changes| async {
        changes.changed().await.ok()?;
        // Browsers pass over an event without data.
        let seen = changes.borrow().to_string();
        Some((Ok(Event::default().event("changed").data(seen)), changes))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

/// `run`, for every event of the newest run, those that were before included.
pub(super) async fn events(
    Extension(visitor): Extension<Visitor>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let follower = Follower::new(&follow::file());
    let stream = stream::unfold(follower, |mut follower| async { Some((follower.next().await, follower)) });
    let told = stream.filter_map(move |stamped| {
        let fresh = matches!(stamped.event, events::Event::RunStarted { .. });
        let event = says(&stamped, visitor.lead).map(|says| {
            let data = json!({"time": view::clock(stamped.time), "says": says, "fresh": fresh});
            Ok(Event::default().event("run").data(data.to_string()))
        });
        ready(event)
    });
    Sse::new(told).keep_alive(KeepAlive::default())
}

/// An event in words. Whoever may not know the truth is told how far the run is and what is seen from outside.
fn says(stamped: &Stamped, lead: bool) -> Option<String> {
    use events::Event as Happened;
    let secret = |text: String| lead.then_some(text);
    match &stamped.event {
        Happened::RunStarted { scenario } if lead => Some(format!("{scenario}: the run begins")),
        Happened::RunStarted { .. } => Some("a run begins".to_owned()),
        Happened::StageStarted { stage } => Some(format!("{stage} ...")),
        Happened::StageEnded { stage, seconds } => Some(format!("{stage}: {}", view::seconds(*seconds))),
        Happened::Mutation { what, .. } => secret(format!("change: {what}")),
        Happened::Checked { what, outcome, of, passed, .. } => Some(format!("{what}: {outcome}, {passed} of {of}")),
        Happened::EffectSeen { fault, says } => secret(format!("{fault}: {says}")),
        Happened::SymptomSeen { says } => Some(says.clone()),
        Happened::Asked { file, answered } => {
            secret(format!("asked for {file}: {}", if *answered { "answered" } else { "not to be had" }))
        }
        Happened::FixApplied { says } => secret(says.clone()),
        Happened::Verified { says } => Some(format!("verified: {says}")),
        Happened::RunEnded { outcome } => Some(format!("the run ends: {outcome}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_know_is_not_told_what_was_changed() {
        let at = |event| Stamped { time: jiff::Timestamp::UNIX_EPOCH, event };
        let change = at(events::Event::Mutation { what: "targetPort: 80 -> 8080".to_owned(), undo: String::new() });
        assert_eq!(says(&change, false), None);
        assert!(says(&change, true).is_some_and(|says| says.contains("8080")));
        let begun = at(events::Event::RunStarted { scenario: "port-mismatch".to_owned() });
        assert_eq!(says(&begun, false).as_deref(), Some("a run begins"));
    }
}
