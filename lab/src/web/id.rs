//! What an incident is called in addresses: its number in the course, and which variant of it: `12`, `12.3`.

use std::{fmt, str::FromStr};

use serde::Deserialize;

use crate::train::Exercise;

/// Variants are numbered up to this.
const MOST_SEED: u64 = 999;

/// One variant of an incident; 0 is as it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Id {
    pub number: usize,
    pub seed: u64,
}

impl Id {
    /// Of an exercise that was opened.
    pub fn of(exercise: &Exercise) -> Self {
        Self { number: exercise.lesson.number, seed: exercise.seed }
    }

    /// The same incident under yet other names.
    pub fn other(self) -> Self {
        Self { seed: self.seed % MOST_SEED + 1, ..self }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seed {
            0 => write!(f, "{}", self.number),
            seed => write!(f, "{}.{seed}", self.number),
        }
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, seed) = text.split_once('.').unwrap_or((text, "0"));
        let read = number.parse().ok().zip(seed.parse().ok()).map(|(number, seed)| Self { number, seed });
        // One incident, one address.
        read.filter(|id| id.seed <= MOST_SEED && id.to_string() == text).ok_or_else(|| format!("no incident `{text}`"))
    }
}

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_has_one_address() {
        for text in ["12", "12.3", "1.999"] {
            assert_eq!(text.parse::<Id>().expect("an id").to_string(), text);
        }
        for text in ["", "x", "12.0", "012", "12.", "12.1000", "12.3.4", "-1"] {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
        assert_eq!("12.999".parse::<Id>().expect("an id").other().to_string(), "12.1");
    }
}
