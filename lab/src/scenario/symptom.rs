//! What a user of the system sees. A fault whose symptom does not show is unscoreable.

use std::{fmt, time::Duration};

use diagnoser::Subject;
use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::Deserialize;

use super::ProbeOutcome;

/// What a user sees.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Symptom {
    /// A request, connection or look-up that comes to this.
    #[serde(alias = "http")]
    Probe(ProbeSymptom),
    /// A node in this state.
    Node(NodeSymptom),
    /// A workload whose pods are in this state.
    Pod(PodSymptom),
    /// Nothing: a control.
    None,
}

/// What is tried from a place of the world, and what it comes to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeSymptom {
    /// The place it is made from, a name of the world's `places`.
    pub from: String,
    /// The HTTP method.
    #[serde(default = "get")]
    pub method: String,
    /// The URL, of any scheme that the workload program knows: `http`, `tcp`, `dns`, `postgres` ...
    pub url: String,
    /// The status that is answered.
    #[serde(default)]
    pub status: Option<u16>,
    /// How it ends where no answer comes.
    #[serde(default)]
    pub outcome: Option<ProbeOutcome>,
    /// Words that are in what the server or the system says of it.
    #[serde(default)]
    pub text: Option<String>,
    /// How long it takes at most.
    #[serde(default, with = "compact::optional")]
    pub within: Option<Duration>,
    /// How long it takes at least.
    #[serde(default, with = "compact::optional")]
    pub after: Option<Duration>,
    /// The size of the body in bytes.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Which share of requests comes to this, at least, where it is not all of them.
    #[serde(default)]
    pub share: Option<f64>,
}

/// A node that is not as it should be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSymptom {
    /// The node, by role.
    pub node: String,
    /// The status of its Ready condition: `False`, `Unknown`.
    pub ready: String,
}

/// A workload whose pods are not as they should be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodSymptom {
    /// The workload: `deployment/shop/web`.
    pub workload: Subject,
    /// The reason its newest pods' containers give for waiting: `ContainerCreating`.
    #[serde(default)]
    pub waiting: Option<String>,
    /// The reason of an event on its newest pods, or on what should make them: `FailedMount`, `FailedCreate`.
    #[serde(default)]
    pub event: Option<String>,
    /// How often a container of its newest pods was restarted, at least.
    #[serde(default)]
    pub restarts: Option<u64>,
}

fn get() -> String {
    "GET".to_owned()
}

impl ProbeSymptom {
    /// What is tried: `client GET http://shop.example.test/`, `client tcp://db.example.test:5432`.
    pub fn tries(&self) -> String {
        let url = self.url.split('?').next().unwrap_or_default();
        let method = if url.starts_with("http") { format!("{} ", self.method) } else { String::new() };
        format!("{} {method}{}", self.from, if method.is_empty() { url } else { &self.url })
    }
}

impl Symptom {
    /// What a user sees, without how long it takes: `502`, `timeout`. Scenarios of the same code are near twins.
    pub fn code(&self) -> Option<String> {
        match self {
            Self::Probe(probe) => {
                probe.status.map(|status| status.to_string()).or_else(|| probe.outcome.map(|o| o.to_string()))
            }
            Self::Pod(_) => Some("503".to_owned()),
            Self::Node(_) => Some("node".to_owned()),
            Self::None => None,
        }
    }

    /// The code, and over what protocol: `http 502`, `ssh timeout`.
    pub fn family(&self) -> Option<String> {
        let protocol = match self {
            Self::Probe(probe) => probe.url.split(':').next().unwrap_or_default(),
            _ => "http",
        };
        self.code().map(|code| format!("{protocol} {code}"))
    }
}

impl fmt::Display for ProbeSymptom {
    /// `client GET http://shop.example.test/ 502 within 1s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tries())?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        if let Some(outcome) = self.outcome {
            write!(f, " {outcome}")?;
        }
        if let Some(text) = &self.text {
            write!(f, " saying `{text}`")?;
        }
        if let Some(bytes) = self.bytes {
            write!(f, " with {bytes} bytes")?;
        }
        if let Some(within) = self.within {
            write!(f, " within {} ms", within.as_millis())?;
        }
        if let Some(after) = self.after {
            write!(f, " after {} ms", after.as_millis())?;
        }
        if let Some(share) = self.share {
            write!(f, " in {:.0} % of requests", share * 100.0)?;
        }
        Ok(())
    }
}

impl fmt::Display for PodSymptom {
    /// `deployment/shop/web waiting ContainerCreating FailedMount`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.workload)?;
        for state in [&self.waiting, &self.event].into_iter().flatten() {
            write!(f, " {state}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Symptom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probe(probe) => probe.fmt(f),
            Self::Node(node) => write!(f, "node {} ready {}", node.node, node.ready),
            Self::Pod(pod) => pod.fmt(f),
            Self::None => f.write_str("none"),
        }
    }
}
