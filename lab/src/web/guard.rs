//! Who may ask: only pages of this very server. A Host that is not loopback is refused, so that no foreign name can be made to
//! point here (DNS rebinding), and what changes something must come from a page of the same origin.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Everything a page needs comes from here, and nothing else may be fetched, framed or sent to.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Refuses what is not of this machine, and says to the browser what a page may do.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let mut response = match refusal(request.method(), request.headers()) {
        Some(why) => (StatusCode::FORBIDDEN, why).into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Why a request is not answered, where it is not.
fn refusal(method: &Method, headers: &HeaderMap) -> Option<&'static str> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    let reads = method == Method::GET || method == Method::HEAD;
    if !is_loopback(host) {
        return Some("This server answers only to localhost, 127.0.0.1 and [::1].\n");
    }
    let same = text(header::ORIGIN).is_some_and(|origin| origin.strip_prefix("http://") == Some(host));
    (!reads && !same).then_some("This must be sent from a page of this server.\n")
}

/// Whether a Host header (`localhost:7070`, `127.0.0.1`, `[::1]:7070`) names this machine's loopback.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_a_host() {
        for host in ["localhost", "LOCALHOST:7070", "127.0.0.1:7070", "127.8.0.1", "[::1]:7070", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["", "example.test", "localhost.example.test:7070", "10.0.0.1:7070", "[::2]:1", "127.0.0.1.example.test"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
