//! What was said about an object: its events.

use super::event_time;
use crate::{
    evidence::{Evidence, Object},
    subject::Subject,
};

/// The events about an object, the latest first, with their messages.
pub(crate) fn events_of<'e>(evidence: &'e Evidence, subject: &Subject) -> Vec<(&'e Object, &'e str)> {
    let events = evidence.objects.events_about(subject);
    let mut told: Vec<_> =
        events.filter_map(|event| Some((event, event.text("/message").or_else(|| event.text("/note"))?))).collect();
    told.sort_by_key(|(event, _)| std::cmp::Reverse((event_time(event), event.subject().clone())));
    told
}
