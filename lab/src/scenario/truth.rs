//! What is really wrong. The lab knows it; the diagnoser never sees it.

use std::fmt;

use diagnoser::Subject;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// The truth of a scenario: `healthy`, one root, or a list of independent roots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// Nothing is wrong: a control.
    Healthy,
    /// These, and nothing else; sorted.
    Roots(Vec<Root>),
}

/// One root cause: a kind, in one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// The id of the cause.
    pub cause: String,
    /// The object it sits in.
    pub subject: Subject,
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy => f.write_str("healthy"),
            Self::Roots(roots) => {
                let roots: Vec<String> =
                    roots.iter().map(|root| format!("{} in {}", root.cause, root.subject)).collect();
                f.write_str(&roots.join(" and "))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Truth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TruthVisitor)
    }
}

/// Written by hand: serde's untagged enums lose the place and the nearest name of an error.
struct TruthVisitor;

impl<'de> Visitor<'de> for TruthVisitor {
    type Value = Truth;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`healthy`, {cause, subject}, or a list of these")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Truth, E> {
        match text {
            "healthy" => Ok(Truth::Healthy),
            other => Err(E::unknown_variant(other, &["healthy"])),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Truth, A::Error> {
        Root::deserialize(MapAccessDeserializer::new(map)).map(|root| Truth::Roots(vec![root]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Truth, A::Error> {
        let mut roots = Vec::new();
        while let Some(root) = list.next_element()? {
            roots.push(root);
        }
        roots.sort();
        if roots.is_empty() { Err(de::Error::invalid_length(0, &self)) } else { Ok(Truth::Roots(roots)) }
    }
}
