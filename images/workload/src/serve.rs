//! An application: answers by itself, or passes requests on to an upstream and answers what that answered.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use clap::Args;
use reqwest::Url;

use crate::{
    client,
    log::{self, Record},
    outcome, spool,
};

/// See the module's comment.
#[derive(Args)]
pub struct Serve {
    /// The name of this hop in the log.
    #[arg(long)]
    name: String,
    /// Where to listen.
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:80")]
    listen: SocketAddr,
    /// Pass a kind of request on: 'GET /=http://api.shop/stock'. Other requests are answered here.
    #[arg(long = "route", value_parser = parse_route)]
    routes: Vec<Route>,
    /// How long to wait for an upstream.
    #[arg(long, env = "UPSTREAM_TIMEOUT", default_value = "2s", value_parser = outcome::parse_duration)]
    upstream_timeout: Duration,
    /// Wait this long before answering.
    #[arg(long, env = "DELAY", default_value = "0ms", value_parser = outcome::parse_duration)]
    delay: Duration,
    /// Answer this status instead of 200 or 201.
    #[arg(long, env = "STATUS")]
    status: Option<u16>,
    /// Answer 500 to this share of requests, 0 to 1.
    #[arg(long, env = "ERROR_RATE", default_value_t = 0.0)]
    error_rate: f64,
    /// Size of an answer's body in bytes.
    #[arg(long, env = "RESPONSE_BYTES", default_value_t = 16)]
    response_bytes: usize,
    /// Size of one more header of every answer, in bytes.
    #[arg(long, env = "RESPONSE_HEADER_BYTES", default_value_t = 0)]
    response_header_bytes: usize,
    /// Refuse larger bodies with 413.
    #[arg(long, env = "BODY_LIMIT")]
    body_limit: Option<usize>,
    /// Write a file here for each POST; failing to is answered with 500.
    #[arg(long, env = "SPOOL")]
    spool: Option<PathBuf>,
}

/// Requests that are passed on.
#[derive(Clone)]
struct Route {
    method: Method,
    path: String,
    upstream: Url,
}

fn parse_route(text: &str) -> Result<Route, String> {
    let (what, upstream) = text.split_once('=').ok_or("write 'METHOD /path=http://upstream/path'")?;
    let (method, path) = what.split_once(' ').ok_or("write 'METHOD /path=http://upstream/path'")?;
    let method = method.parse().map_err(|_| format!("`{method}` is no HTTP method"))?;
    Ok(Route { method, path: path.to_owned(), upstream: client::parse_url(upstream)? })
}

impl Serve {
    /// Serves until it is told to stop.
    pub async fn run(self) -> Result<(), String> {
        let listener = tokio::net::TcpListener::bind(self.listen)
            .await
            .map_err(|error| format!("cannot listen on {}: {error}", self.listen))?;
        log::message("info", &format!("listening on {}", self.listen));
        axum::serve(listener, self.router().into_make_service_with_connect_info::<SocketAddr>())
            .await
            .map_err(|error| error.to_string())
    }

    fn router(self) -> Router {
        let limit = self.body_limit.map_or_else(DefaultBodyLimit::disable, DefaultBodyLimit::max);
        Router::new()
            .route("/healthz", axum::routing::get(|| async { "ok" }))
            .fallback(handle)
            .layer(limit)
            .with_state(Arc::new(self))
    }

    /// What to answer: the status, where it was sent on to, and what went wrong.
    async fn answer(
        &self,
        method: &Method,
        path: &str,
        id: &str,
        body: usize,
    ) -> (StatusCode, Option<String>, Option<String>) {
        tokio::time::sleep(self.delay).await;
        if fastrand::f64() < self.error_rate {
            return (StatusCode::INTERNAL_SERVER_ERROR, None, Some("failed: this request was unlucky".to_owned()));
        }
        if let Some(route) = self.routes.iter().find(|route| route.method == *method && route.path == path) {
            let upstream = Some(outcome::authority(&route.upstream));
            return match client::send(method, &route.upstream, id, body, self.upstream_timeout).await {
                Ok(response) => (response.status(), upstream, None),
                Err(error) => {
                    let outcome = outcome::of_request(&error);
                    let status =
                        if outcome == "timeout" { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
                    (status, upstream, Some(outcome::told(outcome, &error)))
                }
            };
        }
        if method == Method::POST
            && let Some(folder) = &self.spool
            && let Err(error) = spool::write_and_remove(folder, id)
        {
            let error = format!("cannot write to {}: {error}", folder.display());
            return (StatusCode::INTERNAL_SERVER_ERROR, None, Some(error));
        }
        let usual = if method == Method::POST { StatusCode::CREATED } else { StatusCode::OK };
        let status = self.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(usual);
        (status, None, None)
    }
}

async fn handle(
    State(serve): State<Arc<Serve>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let start = Instant::now();
    let id = headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let (status, upstream, error) = serve.answer(&method, uri.path(), id, body.len()).await;
    let peer = peer.ip().to_string();
    Record {
        time: jiff::Timestamp::now(),
        hop: &serve.name,
        id,
        method: method.as_str(),
        path: uri.path(),
        bytes: body.len() as u64,
        status: Some(status.as_u16()),
        seconds: start.elapsed().as_secs_f64(),
        upstream: upstream.as_deref(),
        client: Some(&peer),
        error: error.as_deref(),
    }
    .write();
    let mut response = (status, vec![b'.'; serve.response_bytes]).into_response();
    if serve.response_header_bytes > 0
        && let Ok(filler) = "x".repeat(serve.response_header_bytes).parse()
    {
        response.headers_mut().insert("x-filler", filler);
    }
    response
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        serve: Serve,
    }

    /// A server on a loopback port of its own.
    async fn start(arguments: &[&str]) -> SocketAddr {
        let line = Line::parse_from(["x", "--name", "t"].iter().chain(arguments));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = line.serve.router().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async { axum::serve(listener, service).await });
        address
    }

    async fn status(method: Method, url: &str) -> u16 {
        let limit = Duration::from_secs(3);
        client::send(&method, &url.parse().unwrap(), "1", 4, limit).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn answers_and_passes_on_and_reports_the_upstream() {
        let api = start(&["--spool", "/nonexistent"]).await;
        assert_eq!(status(Method::GET, &format!("http://{api}/")).await, 200);
        assert_eq!(status(Method::POST, &format!("http://{api}/orders")).await, 500);
        let web =
            start(&["--route", &format!("GET /=http://{api}/stock"), "--route", "GET /gone=http://127.0.0.1:1/"]).await;
        assert_eq!(status(Method::GET, &format!("http://{web}/")).await, 200);
        assert_eq!(status(Method::GET, &format!("http://{web}/gone")).await, 502);
        assert_eq!(status(Method::POST, &format!("http://{web}/orders")).await, 201);
    }

    #[tokio::test]
    async fn a_slow_upstream_is_504_and_a_large_body_413() {
        let slow = start(&["--delay", "500ms", "--body-limit", "8"]).await;
        let web = start(&["--route", &format!("GET /=http://{slow}/"), "--upstream-timeout", "50ms"]).await;
        assert_eq!(status(Method::GET, &format!("http://{web}/")).await, 504);
        let small = start(&["--body-limit", "2"]).await;
        assert_eq!(status(Method::POST, &format!("http://{small}/x")).await, 413);
    }
}
