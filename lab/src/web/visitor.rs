//! Who asks: an id that the browser keeps, and whether it is the facilitator's.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::Response,
};

use super::App;

const ME: &str = "lab-me";
const LEAD: &str = "lab-lead";

/// Whoever asked for a page.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// Kept by the browser; says nothing else.
    pub id: String,
    /// Whether it has shown the facilitator's key.
    pub lead: bool,
    /// How much had happened when it asked: whoever follows the page is told from there on.
    pub seen: u64,
}

/// Tells every page who asks; a new visitor gets an id to keep.
pub(super) async fn recognise(State(app): State<Arc<App>>, mut request: Request<Body>, next: Next) -> Response {
    let known = cookie(request.headers(), ME).filter(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()));
    let fresh = known.is_none();
    let visitor = Visitor {
        id: known.map_or_else(random, str::to_owned),
        lead: cookie(request.headers(), LEAD) == Some(&app.key),
        seen: *app.changes.borrow(),
    };
    let id = visitor.id.clone();
    request.extensions_mut().insert(visitor);
    let mut response = next.run(request).await;
    if fresh && let Some(value) = kept(ME, &id) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// The header that has a browser keep the facilitator's key.
pub(super) fn leads(key: &str) -> Option<HeaderValue> {
    kept(LEAD, key)
}

fn kept(name: &str, value: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict")).ok()
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// What nobody can guess, in hexadecimal.
///
/// # Panics
/// When the system has no random numbers; nothing may be served then.
pub(super) fn random() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
