//! One condition of a scope, and how people would say it.

use std::fmt;

use jiff::Timestamp;

use crate::subject::Subject;

/// What holds for the requests of a scope.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// An attribute has this value.
    Is {
        /// The attribute.
        attribute: String,
        /// Its value.
        value: String,
    },
    /// A number lies within these bounds, both included; an open end is `None`.
    Range {
        /// The attribute.
        attribute: String,
        /// From here.
        from: Option<f64>,
        /// To here.
        to: Option<f64>,
    },
    /// Between these moments; an open end is `None`.
    Window {
        /// From here.
        from: Option<Timestamp>,
        /// To here.
        to: Option<Timestamp>,
    },
    /// For a while, again and again.
    Recurring {
        /// Every so many seconds, counted from midnight UTC.
        every: i64,
        /// So many seconds into each.
        from: i64,
        /// For so many seconds.
        length: i64,
    },
}

impl Condition {
    /// The value, where the condition is that `attribute` has one.
    pub fn value(&self, attribute: &str) -> Option<&str> {
        match self {
            Self::Is { attribute: known, value } if known == attribute => Some(value),
            _ => None,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A method and a path speak for themselves.
            Self::Is { attribute, value } if matches!(attribute.as_str(), "method" | "path") => f.write_str(value),
            Self::Is { attribute, value } => match value.parse::<Subject>() {
                // `pod api-1`: which hop it serves shows in its name.
                Ok(subject) => write!(f, "{} {}", subject.kind, subject.name),
                Err(_) => write!(f, "{attribute} {value}"),
            },
            Self::Range { attribute, from, to } => {
                let what = if attribute == "bytes" { String::new() } else { format!("{attribute} ") };
                let number = |value: f64| if attribute == "bytes" { size(value) } else { value.to_string() };
                match (from, to) {
                    (Some(from), None) => write!(f, "{what}over {}", number(*from)),
                    (None, Some(to)) => write!(f, "{what}up to {}", number(*to)),
                    (Some(from), Some(to)) => write!(f, "{what}between {} and {}", number(*from), number(*to)),
                    (None, None) => write!(f, "any {attribute}"),
                }
            }
            Self::Window { from, to } => match (from, to) {
                (Some(from), Some(to)) => write!(f, "{} to {}", clock(*from), clock(*to)),
                (Some(from), None) => write!(f, "since {}", clock(*from)),
                (None, Some(to)) => write!(f, "until {}", clock(*to)),
                (None, None) => f.write_str("at any time"),
            },
            Self::Recurring { every, from, length } => {
                write!(f, "every {}, {} into it, for {}", span(*every), span(*from), span(*length))
            }
        }
    }
}

/// `14:05:00Z`.
fn clock(time: Timestamp) -> String {
    time.strftime("%H:%M:%SZ").to_string()
}

/// `2 min`, `15 s`, `1 h`.
fn span(seconds: i64) -> String {
    match seconds {
        s if s != 0 && s % 3600 == 0 => format!("{} h", s / 3600),
        s if s != 0 && s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

/// `1 MB`, `20 kB`, `16 B`.
fn size(bytes: f64) -> String {
    match bytes {
        b if b >= 1e6 => format!("{} MB", b / 1e6),
        b if b >= 1e3 => format!("{} kB", b / 1e3),
        b => format!("{b} B"),
    }
}
