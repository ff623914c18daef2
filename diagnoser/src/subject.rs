//! The one object a cause or a symptom sits in, written `service/shop/web`, `node/worker-1` or `host/broker-1`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::json::Text;

/// A reference to one object of the system. `kind` is lower case and singular; cluster-scoped objects and hosts have no namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Subject {
    /// Lower case and singular: `service`, `pod`, `node`, `host`.
    pub kind: Text,
    /// The namespace; `None` for cluster-scoped objects, hosts and names outside the cluster.
    pub namespace: Option<Text>,
    /// The object's name.
    pub name: Text,
}

impl Subject {
    /// An object in a namespace.
    pub fn namespaced(kind: &str, namespace: &str, name: &str) -> Self {
        Self { namespace: Some(namespace.into()), ..Self::global(kind, name) }
    }

    /// A cluster-scoped object, a host, or a name.
    pub fn global(kind: &str, name: &str) -> Self {
        Self { kind: kind.to_ascii_lowercase().into(), namespace: None, name: name.into() }
    }

    /// The namespace, or the empty string.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// Whether this is an object of `kind`.
    pub fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}/{}", self.kind, self.name),
            None => write!(f, "{}/{}", self.kind, self.name),
        }
    }
}

/// The text is not `kind/name` or `kind/namespace/name`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a subject; write kind/name or kind/namespace/name, like service/shop/web")]
pub struct NotASubject(String);

impl FromStr for Subject {
    type Err = NotASubject;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts[..] {
            [kind, name] if !kind.is_empty() && !name.is_empty() => Ok(Self::global(kind, name)),
            [kind, namespace, name] if ![kind, namespace, name].contains(&"") => {
                Ok(Self::namespaced(kind, namespace, name))
            }
            _ => Err(NotASubject(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Subject {
    type Error = NotASubject;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}
