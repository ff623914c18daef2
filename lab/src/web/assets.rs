//! What pages are made with: the style sheet, the script, the icon.

use axum::{http::header, response::IntoResponse};

use crate::pages::{SCRIPT, STYLE};

const ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M2 4h5m2 0h5M2 12h12" stroke="#3b78c4" stroke-width="2" fill="none"/><path d="M6 1l4 6" stroke="#c8372d" stroke-width="2"/></svg>"##;

pub(super) async fn style() -> impl IntoResponse {
    of("text/css; charset=utf-8", STYLE)
}

pub(super) async fn script() -> impl IntoResponse {
    of("text/javascript; charset=utf-8", SCRIPT)
}

pub(super) async fn icon() -> impl IntoResponse {
    of("image/svg+xml", ICON)
}

fn of(kind: &'static str, text: &'static str) -> impl IntoResponse {
    // Asked for anew each time, so that another build of the program is seen at once; on loopback that costs nothing.
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text)
}
