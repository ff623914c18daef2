//! The listener: HTTP on the loopback interface, and nothing that decides an answer.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body as HttpBody, Bytes, to_bytes},
    extract::{Path, Query, Request, State},
    http::{HeaderMap, Response, StatusCode, header},
    routing::any,
};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{
    Asked,
    answer::{Answer, Body, failure},
    api,
    ask::{Ask, form},
    cluster::Cluster,
};
use crate::LabError;

/// How often a watch says that it is still there (the API server: once a minute).
const BOOKMARKS: Duration = Duration::from_secs(60);
/// Longer questions are none.
const LONGEST: usize = 3 << 20;

/// What every request is answered from.
struct Shared {
    cluster: Cluster,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// Takes a port of the loopback interface: the one that is wanted, or any for 0.
///
/// # Errors
/// When it is taken already, or may not be had.
pub(crate) fn listen(port: u16) -> Result<(TcpListener, SocketAddr), LabError> {
    let listen = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listen().map_err(|error: io::Error| LabError::BadInput {
        place: format!("port {port} of 127.0.0.1"),
        what: match error.kind() {
            io::ErrorKind::AddrInUse => "another program listens there".to_owned(),
            _ => error.to_string(),
        },
        next: "Choose another: --port N; or any that is free: --port 0".to_owned(),
    })
}

/// Answers until told to stop.
pub(super) async fn serve(
    listener: TcpListener,
    cluster: Cluster,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let router = Router::new().route("/{*path}", any(answer)).with_state(Arc::new(Shared { cluster, asked }));
    tokio::select! {
        served = axum::serve(listener, router) => served,
        // The sender goes with its owner; connections that are open end with the runtime.
        _ = stop => Ok(()),
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Path(path): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    request: Request,
) -> Response<HttpBody> {
    let (parts, body) = request.into_parts();
    let text = |name| header(&parts.headers, name);
    if !is_local(text(header::HOST)) {
        return response(failure(403, "Forbidden", "ask for 127.0.0.1", serde_json::Value::Null));
    }
    let asked = Asked {
        time: Timestamp::now(),
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map_or(parts.uri.path(), |whole| whole.as_str()).to_owned(),
    };
    tracing::debug!("{} {}", asked.method, asked.path);
    shared.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    let Ok(body) = to_bytes(body, LONGEST).await else {
        return response(failure(413, "RequestEntityTooLarge", "the request is too large", serde_json::Value::Null));
    };
    let ask = Ask {
        method: parts.method.to_string(),
        path: format!("/{path}"),
        query,
        form: form(text(header::ACCEPT)),
        body: body.to_vec(),
    };
    response(api::answer(&shared.cluster, &ask))
}

fn header(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A page of the web could send a browser here under a name of its own; who asks by that is not answered.
fn is_local(host: &str) -> bool {
    matches!(host.rsplit_once(':').map_or(host, |(host, _port)| host), "127.0.0.1" | "localhost" | "")
}

fn response(answer: Answer) -> Response<HttpBody> {
    let body = match answer.body {
        Body::Whole(text) => HttpBody::from(text),
        Body::Then { lines, quiet, bookmark } => HttpBody::from_stream(then(lines, quiet, bookmark)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(answer.content_type));
    if let Some(warning) = answer.warning
        && let Ok(value) = header::HeaderValue::from_str(&format!("299 - \"{}\"", warning.replace('"', "'")))
    {
        headers.insert(header::WARNING, value);
    }
    response
}

/// Lines, and then a bookmark a minute (where wanted) until the time is over.
fn then(lines: String, quiet: Duration, bookmark: String) -> impl stream::Stream<Item = Result<Bytes, Infallible>> {
    let end = Instant::now() + quiet;
    let later = stream::unfold(bookmark, move |bookmark| async move {
        let left = end.saturating_duration_since(Instant::now());
        sleep(left.min(BOOKMARKS)).await;
        (left > BOOKMARKS).then(|| (Bytes::from(bookmark.clone()), bookmark))
    });
    let first = (!lines.is_empty()).then(|| Bytes::from(lines));
    stream::iter(first).chain(later.filter(|bytes| std::future::ready(!bytes.is_empty()))).map(Ok)
}
