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
    extract::{ConnectInfo, DefaultBodyLimit, State, connect_info::Connected, rejection::BytesRejection},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    serve::IncomingStream,
};
use clap::{Args, ValueEnum};
use reqwest::Url;

use crate::{
    application::Application,
    client,
    log::{self, Record},
    memory, outcome,
    rude::{Manners, Polite},
};

/// See the module's comment.
#[derive(Args)]
pub struct Serve {
    /// The name of this hop in the log.
    #[arg(long)]
    pub name: String,
    /// Where to listen.
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:80")]
    listen: SocketAddr,
    /// Pass a kind of request on: 'GET /=http://api.shop/stock'. Other requests are answered here.
    #[arg(long = "route", value_parser = parse_route)]
    pub routes: Vec<Route>,
    /// How long to wait for an upstream.
    #[arg(long, env = "UPSTREAM_TIMEOUT", default_value = "2s", value_parser = outcome::parse_duration)]
    pub upstream_timeout: Duration,
    /// How long to wait for a connection to an upstream, and for the look-up of its name.
    #[arg(long, env = "CONNECT_TIMEOUT", default_value = "1s", value_parser = outcome::parse_duration)]
    pub connect_timeout: Duration,
    /// Wait this long before answering.
    #[arg(long, env = "DELAY", default_value = "0ms", value_parser = outcome::parse_duration)]
    pub delay: Duration,
    /// Compute for so long, in time of the CPU, before answering.
    #[arg(long, env = "COMPUTE", default_value = "0ms", value_parser = outcome::parse_duration)]
    pub compute: Duration,
    /// Answer this status instead of 200 or 201.
    #[arg(long, env = "STATUS")]
    pub status: Option<u16>,
    /// Answer 500 to this share of requests, 0 to 1.
    #[arg(long, env = "ERROR_RATE", default_value_t = 0.0)]
    pub error_rate: f64,
    /// Size of an answer's body in bytes.
    #[arg(long, env = "RESPONSE_BYTES", default_value_t = 16)]
    response_bytes: usize,
    /// Size of one more header of every answer, in bytes.
    #[arg(long, env = "RESPONSE_HEADER_BYTES", default_value_t = 0)]
    response_header_bytes: usize,
    /// Refuse larger bodies, with 413.
    #[arg(long, env = "BODY_LIMIT")]
    body_limit: Option<usize>,
    /// What to do about larger bodies: answer 413, or hang up.
    #[arg(long, env = "OVER_LIMIT", value_enum, default_value_t = OverLimit::Answer)]
    over_limit: OverLimit,
    /// Answer what is no HTTP.
    #[arg(long, env = "MALFORMED")]
    malformed: bool,
    /// A kind of request that is served here, 'GET /stock'; with any of these (or a route) all others are answered 404.
    #[arg(long = "serves", value_parser = parse_kind)]
    pub kinds: Vec<(Method, String)>,
    /// Refuse more requests a second, with 429.
    #[arg(long, env = "RATE_LIMIT")]
    pub rate_limit: Option<u32>,
    /// Refuse more requests at once, with 503.
    #[arg(long, env = "MAX_CONCURRENT")]
    pub max_concurrent: Option<usize>,
    /// Take so much memory, bit by bit, and keep it: 100Mi.
    #[arg(long, env = "ALLOCATE", value_parser = memory::parse)]
    allocate: Option<usize>,
    /// Ask this of the database for each POST that is answered here.
    #[arg(long, env = "QUERY", requires = "database_url")]
    pub query: Option<String>,
    /// The database: postgres://user@host:port/name; the password is in DATABASE_PASSWORD.
    #[arg(long, env = "DATABASE_URL")]
    pub database_url: Option<String>,
    /// How long to wait for the database.
    #[arg(long, env = "QUERY_TIMEOUT", default_value = "30s", value_parser = outcome::parse_duration)]
    pub query_timeout: Duration,
    /// A file with settings of this instance alone: DELAY, STATUS, ERROR_RATE.
    #[arg(long, env = "BEHAVIOUR", default_value = "/tmp/behaviour")]
    pub behaviour: PathBuf,
    /// Write a file here for each POST; failing to is answered with 500.
    #[arg(long, env = "SPOOL")]
    pub spool: Option<PathBuf>,
}

/// What to do about bodies over the limit.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OverLimit {
    /// Answer 413.
    #[value(name = "413")]
    Answer,
    /// Close the connection.
    Close,
}

/// Requests that are passed on.
#[derive(Clone)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// Where to.
    pub upstream: Url,
}

fn parse_route(text: &str) -> Result<Route, String> {
    let (what, upstream) = text.split_once('=').ok_or("write 'METHOD /path=http://upstream/path'")?;
    let (method, path) = parse_kind(what)?;
    Ok(Route { method, path, upstream: client::parse_url(upstream)? })
}

fn parse_kind(text: &str) -> Result<(Method, String), String> {
    let (method, path) = text.split_once(' ').ok_or("write 'METHOD /path'")?;
    let method = method.parse().map_err(|_| format!("`{method}` is no HTTP method"))?;
    Ok((method, path.to_owned()))
}

impl Serve {
    /// Serves until it is told to stop.
    pub async fn run(self) -> Result<(), String> {
        let listener = tokio::net::TcpListener::bind(self.listen)
            .await
            .map_err(|error| format!("cannot listen on {}: {error}", self.listen))?;
        log::message("info", &format!("listening on {}", self.listen));
        if let Some(bytes) = self.allocate {
            tokio::spawn(memory::take(bytes));
        }
        self.on(listener).await
    }

    async fn on(self, listener: tokio::net::TcpListener) -> Result<(), String> {
        let close = self.over_limit == OverLimit::Close;
        let manners = Manners {
            name: self.name.clone(),
            malformed: self.malformed,
            hang_up_over: self.body_limit.filter(|_| close),
        };
        let polite = Polite::new(listener, manners).map_err(|error| error.to_string())?;
        let service = self.router()?.into_make_service_with_connect_info::<Peer>();
        axum::serve(polite, service).await.map_err(|error| error.to_string())
    }

    fn router(self) -> Result<Router, String> {
        let limit = self.body_limit.map_or_else(DefaultBodyLimit::disable, DefaultBodyLimit::max);
        let application = Application::new(self)?;
        Ok(Router::new()
            .route("/healthz", axum::routing::get(|| async { "ok" }))
            .fallback(handle)
            .layer(limit)
            .with_state(Arc::new(application)))
    }
}

/// Who asked.
#[derive(Clone, Copy)]
struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, Polite>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Polite>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Serves a request to its end and logs it, even where whoever asked has gone away: that it arrived is worth knowing.
async fn handle(
    State(application): State<Arc<Application>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let done = tokio::spawn(async move { one(&application, peer, &method, &uri, &headers, body).await });
    done.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn one(
    application: &Application,
    peer: Peer,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let start = Instant::now();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (id, user) = (text("x-request-id").unwrap_or_default(), text("x-user-tier"));
    let sent = text("content-length").and_then(|length| length.parse().ok());
    let (bytes, (status, upstream, error)) = match body {
        Ok(body) => (body.len() as u64, application.answer(method, uri.path(), id, user, body.len()).await),
        Err(refused) => (sent.unwrap_or_default(), (refused.status(), None, Some(format!("failed: {refused}")))),
    };
    let peer = peer.0.ip().to_string();
    Record {
        time: log::now(),
        hop: &application.serve.name,
        id,
        method: method.as_str(),
        path: uri.path(),
        bytes,
        status: Some(status.as_u16()),
        seconds: start.elapsed().as_secs_f64(),
        upstream: upstream.as_deref(),
        client: Some(&peer),
        user,
        address: None,
        outcome: None,
        error: error.as_deref(),
    }
    .write();
    let mut response = (status, vec![b'.'; application.serve.response_bytes]).into_response();
    if application.serve.response_header_bytes > 0
        && let Ok(filler) = "x".repeat(application.serve.response_header_bytes).parse()
    {
        response.headers_mut().insert("x-filler", filler);
    }
    response
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::request::{Patience, Request, send};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        serve: Serve,
    }

    /// A server on a loopback port of its own.
    async fn start(arguments: &[&str]) -> SocketAddr {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let line = Line::parse_from(["x", "--name", "t"].iter().chain(arguments));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { line.serve.on(listener).await });
        address
    }

    async fn ask(method: Method, url: &str, bytes: usize) -> Result<u16, &'static str> {
        let url = url.parse().unwrap();
        let request = Request { method: &method, url: &url, id: "1", user: None, bytes };
        let answer = send(request, Patience::of(Duration::from_secs(3))).await;
        answer.map(|response| response.status().as_u16()).map_err(|failure| failure.outcome)
    }

    async fn status(method: Method, url: &str) -> u16 {
        ask(method, url, 4).await.unwrap()
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

    #[tokio::test]
    async fn what_it_does_not_serve_is_404_and_health_always_there() {
        let api = start(&["--serves", "GET /stock"]).await;
        assert_eq!(status(Method::GET, &format!("http://{api}/stock")).await, 200);
        assert_eq!(status(Method::GET, &format!("http://{api}/other")).await, 404);
        assert_eq!(status(Method::GET, &format!("http://{api}/healthz")).await, 200);
    }

    #[tokio::test]
    async fn a_rude_one_breaks_the_protocol_and_stays_healthy() {
        let garbled = start(&["--malformed"]).await;
        assert_eq!(ask(Method::GET, &format!("http://{garbled}/"), 0).await, Err("failed"));
        assert_eq!(status(Method::GET, &format!("http://{garbled}/healthz")).await, 200);
        let picky = start(&["--body-limit", "8", "--over-limit", "close"]).await;
        assert!(ask(Method::POST, &format!("http://{picky}/"), 4_000_000).await.is_err());
        assert_eq!(ask(Method::POST, &format!("http://{picky}/"), 4).await, Ok(201));
    }
}
