//! Answers, and the Status objects in which an API server says that something cannot be had.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ask::Place, resources::Resource};

/// An answer to a client.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    pub status: u16,
    pub content_type: &'static str,
    pub body: Body,
    /// What the client should know beside it: clients show it as a warning.
    pub warning: Option<String>,
}

/// What an answer says.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Whole(String),
    /// Lines now, and then nothing more, as nothing changes; the connection stays open so long.
    Then {
        lines: String,
        quiet: Duration,
        bookmark: String,
    },
}

impl Answer {
    /// A JSON document.
    pub fn json(value: &Value) -> Self {
        Self { status: 200, content_type: "application/json", body: Body::Whole(value.to_string()), warning: None }
    }

    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { status: 200, content_type: "text/plain", body: Body::Whole(text.into()), warning: None }
    }

    /// The same with another HTTP status.
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The same with a warning, where there is one.
    pub fn warning(self, warning: Option<String>) -> Self {
        Self { warning, ..self }
    }
}

/// What cannot be had, in an API server's form (meta/v1 Status).
pub(super) fn failure(code: u16, reason: &str, message: impl Into<String>, details: Value) -> Answer {
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message.into(), "reason": reason, "code": code,
    });
    if !details.is_null() {
        status["details"] = details;
    }
    Answer::json(&status).with_status(code)
}

/// That an address means nothing here.
pub(super) fn no_such_address() -> Answer {
    failure(404, "NotFound", "the server could not find the requested resource", json!({}))
}

/// That an object is not there.
pub(super) fn not_found(resource: &Resource, name: &str, more: &str) -> Answer {
    failure(404, "NotFound", format!("{} \"{name}\" not found{more}", resource.name()), details(resource, name))
}

/// That the request is not understood.
pub(super) fn bad_request(message: impl Into<String>) -> Answer {
    failure(400, "BadRequest", message, Value::Null)
}

/// That something is known to exist, or may exist, and is not in the recording.
pub(super) fn not_held(resource: &Resource, name: &str, why: &str) -> Answer {
    let of = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
    failure(403, "Forbidden", format!("{}{of} is forbidden: {why}", resource.name()), details(resource, name))
}

/// That a recording cannot be changed, in the words of RBAC.
pub(super) fn refused(verb: &str, resource: &Resource, place: &Place, why: &str) -> Answer {
    let name = place.name.as_deref().unwrap_or_default();
    let of = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
    let what = match &place.subresource {
        Some(sub) => format!("{}/{sub}", resource.plural),
        None => resource.plural.clone(),
    };
    let scope = match &place.namespace {
        Some(namespace) => format!("in the namespace \"{namespace}\""),
        None => "at the cluster scope".to_owned(),
    };
    let message = format!(
        "{}{of} is forbidden: User \"{}\" cannot {verb} resource \"{what}\" in API group \"{}\" {scope}: {why}",
        resource.name(),
        super::USER,
        resource.group
    );
    failure(403, "Forbidden", message, details(resource, name))
}

fn details(resource: &Resource, name: &str) -> Value {
    let mut details = json!({"kind": resource.plural});
    for (key, value) in [("name", name), ("group", resource.group.as_str())] {
        if !value.is_empty() {
            details[key] = json!(value);
        }
    }
    details
}
