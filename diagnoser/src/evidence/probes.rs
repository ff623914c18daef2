//! `probes.json`: attempts made to observe, each from a named place.

use serde::Deserialize;

use super::Citation;
use crate::subject::Subject;

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProbeKind {
    /// An HTTP request.
    Http,
    /// A TCP connection.
    Tcp,
    /// A name look-up.
    Dns,
    /// A statement sent to PostgreSQL.
    Postgres,
    /// A record sent to Kafka.
    Kafka,
    /// A document sent to MongoDB.
    Mongodb,
    /// A log-in by SSH.
    Ssh,
    /// Something else.
    #[serde(other)]
    Other,
}

impl ProbeKind {
    /// Whether its answer is an HTTP status, or the connection itself.
    pub fn is_plain(self) -> bool {
        matches!(self, Self::Http | Self::Tcp | Self::Dns)
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The connection was made.
    Connected,
    /// An answer came (HTTP: see the status).
    Answered,
    /// Refused at once.
    Refused,
    /// No answer in time.
    Timeout,
    /// The connection was reset.
    Reset,
    /// The name has no address.
    NameNotFound,
    /// No route, or told so by a router.
    Unreachable,
    /// It failed and the prober did not say how; or the one that was asked refused it in words.
    Failed,
}

impl Outcome {
    /// What the words of an operating system or a client mean (strerror(3)), where they are about a connection.
    pub fn from_words(text: &str) -> Option<Self> {
        const WORDS: [(&str, Outcome); 15] = [
            ("connection refused", Outcome::Refused),
            ("connection reset", Outcome::Reset),
            ("broken pipe", Outcome::Reset),
            // hyper, curl and Python of a connection that was closed before there was an answer.
            ("closed before message completed", Outcome::Reset),
            ("empty reply from server", Outcome::Reset),
            ("remote end closed connection", Outcome::Reset),
            ("timed out", Outcome::Timeout),
            ("timeout", Outcome::Timeout),
            ("no route to host", Outcome::Unreachable),
            ("host is unreachable", Outcome::Unreachable),
            ("network is unreachable", Outcome::Unreachable),
            ("name or service not known", Outcome::NameNotFound),
            ("could not resolve", Outcome::NameNotFound),
            ("failure in name resolution", Outcome::NameNotFound),
            ("no such host", Outcome::NameNotFound),
        ];
        let text = text.to_ascii_lowercase();
        WORDS.iter().find(|(words, _)| text.contains(words)).map(|(_, outcome)| *outcome)
    }

    /// What a class of errors is called in logs of requests: `refused: ...`, `timeout`.
    pub fn from_class(error: &str) -> Option<Self> {
        Some(match error.split([':', ' ']).next()? {
            "timeout" => Self::Timeout,
            "refused" => Self::Refused,
            "reset" => Self::Reset,
            "dns" | "name-not-found" => Self::NameNotFound,
            "unreachable" => Self::Unreachable,
            _ => return None,
        })
    }
}

/// What a probe aimed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A port of an object: `service/ns/name:port`, `pod/ns/name:port`.
    Object(Subject, Option<u16>),
    /// A URL: its host and the whole text.
    Url {
        /// What stands before `://`: `http`, `tcp`, `postgres`.
        scheme: String,
        /// Host name or address, without port; of several the first.
        host: String,
        /// The port, where it names one or the scheme has one.
        port: Option<u16>,
        /// The path, from `/`.
        path: String,
    },
    /// A bare name or address.
    Name(String),
}

impl Target {
    /// Reads the form of `probes.json`.
    pub fn parse(text: &str) -> Self {
        if let Some((scheme, rest)) = text.split_once("://") {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let authority = authority.split(['?', '#']).next().unwrap_or_default();
            let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
            let (host, port) = host_and_port(authority.split(',').next().unwrap_or_default());
            if scheme == "dns" {
                return Self::Name(host.to_owned());
            }
            let (scheme, port) = (scheme.to_ascii_lowercase(), port.or_else(|| port_of(scheme)));
            return Self::Url { scheme, host: host.to_owned(), port, path: format!("/{path}") };
        }
        let (object, port) = match text.rsplit_once(':') {
            Some((object, port)) => (object, port.parse().ok()),
            None => (text, None),
        };
        match object.parse::<Subject>() {
            Ok(subject) if subject.namespace.is_some() || subject.is("node") || subject.is("host") => {
                Self::Object(subject, port)
            }
            _ => Self::Name(object.to_owned()),
        }
    }

    /// The host it names, where it does: of a URL, or the bare name itself.
    pub fn host(self) -> Option<String> {
        match self {
            Self::Url { host, .. } | Self::Name(host) => Some(host),
            Self::Object(..) => None,
        }
    }
}

/// `db:5432`, `db`, `[::1]:80`, `::1`.
pub(crate) fn host_and_port(authority: &str) -> (&str, Option<u16>) {
    if let Some((host, rest)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().ok()),
        _ => (authority, None),
    }
}

/// The port that a scheme means (IANA).
fn port_of(scheme: &str) -> Option<u16> {
    Some(match scheme.to_ascii_lowercase().as_str() {
        "http" => 80,
        "https" => 443,
        "postgres" | "postgresql" => 5432,
        "kafka" => 9092,
        "mongodb" => 27017,
        "ssh" => 22,
        _ => return None,
    })
}

/// One attempt.
#[derive(Clone, Debug, Deserialize)]
pub struct Probe {
    /// What was tried.
    pub kind: ProbeKind,
    /// The place it was made from: `node/worker-1`, `pod/ns/name`, `host/..`; absent where the prober did not say.
    #[serde(default)]
    pub from: Option<Subject>,
    /// What it aimed at, as written.
    pub target: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The HTTP status, where one came.
    #[serde(default)]
    pub status: Option<u16>,
    /// How long it took.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// What the prober printed.
    #[serde(default)]
    pub text: Option<String>,
    /// The HTTP method; absent means GET.
    #[serde(default)]
    pub method: Option<String>,
    /// When, UTC.
    #[serde(default)]
    pub time: Option<jiff::Timestamp>,
    /// The address (with or without port) that was reached or resolved.
    #[serde(default)]
    pub address: Option<String>,
}

impl Probe {
    /// What it aimed at.
    pub fn target(&self) -> Target {
        Target::parse(&self.target)
    }

    /// Whether it shows that something is wrong: no connection, no answer, a server's error (5xx); of a URL that goes by a
    /// name, as a user's does, any refusal (4xx) as well.
    pub fn failed(&self) -> bool {
        let by_name = || matches!(self.target(), Target::Url { host, .. } if host.parse::<std::net::IpAddr>().is_err());
        match self.outcome {
            Outcome::Connected => false,
            Outcome::Answered => self.status.is_some_and(|status| status >= 500 || status >= 400 && by_name()),
            _ => true,
        }
    }

    /// In words: `502 in 3 ms`, `timeout after 3.0 s`, `refused in 1 ms`.
    pub fn says(&self) -> String {
        let what = match (self.outcome, self.status) {
            (Outcome::Answered, Some(status)) => status.to_string(),
            (outcome, _) => outcome.to_string(),
        };
        match self.seconds {
            Some(seconds) if self.outcome == Outcome::Timeout => format!("{what} after {}", duration(seconds)),
            Some(seconds) => format!("{what} in {}", duration(seconds)),
            None => what,
        }
    }

    /// A citation of this probe, which stands at `index` of the file.
    pub fn cite(&self, index: usize) -> Citation {
        let from = self.from.as_ref().map(|from| format!("{from} ")).unwrap_or_default();
        Citation::new("probes.json", format!("/{index}"), format!("{from}-> {}: {}", self.target, self.says()))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connected => "connected",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::NameNotFound => "name not found",
            Self::Unreachable => "unreachable",
            Self::Failed => "failed",
        })
    }
}

/// Whether an error is EADDRNOTAVAIL, in the C library's words: the caller's own host has no address or port to call from.
pub(crate) fn lacks_own_address(error: &str) -> bool {
    error.to_ascii_lowercase().contains("assign requested address")
}

/// Seconds as a person writes them: `3 ms`, `2.0 s`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 0.001 {
        "under 1 ms".to_owned()
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else {
        format!("{seconds:.1} s")
    }
}
