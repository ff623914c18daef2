//! A kind of request as a subject: some faults break one kind of request and leave the others of the same name alone.

use crate::{
    evidence::{Probe, RequestRecord, Target},
    subject::Subject,
};

/// What was asked for, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// The HTTP method.
    pub method: String,
    /// The name.
    pub host: String,
    /// The path, without query.
    pub path: String,
}

const KIND: &str = "request";

impl Asked {
    /// What a record is of, where the hop knows the name.
    pub fn from_record(record: &RequestRecord) -> Option<Self> {
        Some(Self::new(&record.method, record.host()?, &record.path))
    }

    /// What a probe asks for, where it goes by a name.
    pub fn from_probe(probe: &Probe) -> Option<Self> {
        match probe.target() {
            Target::Url { scheme, host, path, .. }
                if scheme.starts_with("http") && host.parse::<std::net::IpAddr>().is_err() =>
            {
                Some(Self::new(probe.method.as_deref().unwrap_or("GET"), &host, &path))
            }
            _ => None,
        }
    }

    fn new(method: &str, host: &str, path: &str) -> Self {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        Self { method: method.to_owned(), host: host.to_ascii_lowercase(), path: path.to_owned() }
    }

    /// This kind of request as a subject. It stands in the scope of its own symptom alone.
    pub fn subject(&self) -> Subject {
        Subject::global(KIND, &format!("{} {} {}", self.method, self.host, self.path))
    }

    /// The name that was asked for.
    pub fn name(&self) -> Subject {
        Subject::global("name", &self.host)
    }

    /// Whether a subject is a kind of request.
    pub fn is(subject: &Subject) -> bool {
        subject.is(KIND)
    }

    /// What comes before all kinds of request among subjects.
    pub(super) fn first() -> Subject {
        Subject::global(KIND, "")
    }

    /// The kind of request that a subject is.
    pub fn of(subject: &Subject) -> Option<Self> {
        let mut words = Some(&subject.name).filter(|_| Self::is(subject))?.splitn(3, ' ');
        Some(Self::new(words.next()?, words.next()?, words.next()?))
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}{}", self.method, self.host, self.path)
    }
}
