//! Settings of one instance alone: a file that is there for it and not for its siblings, as a bad disk or a leak would be.

use std::{collections::BTreeMap, path::Path, time::Duration};

use crate::outcome;

/// What differs from the settings of all.
#[derive(Debug, Default, PartialEq)]
pub struct Behaviour {
    /// Wait this long before answering.
    pub delay: Option<Duration>,
    /// Answer this status.
    pub status: Option<u16>,
    /// Answer 500 to this share of requests.
    pub error_rate: Option<f64>,
}

impl Behaviour {
    /// As the file says now; nothing where there is none.
    pub fn now(file: &Path) -> Self {
        std::fs::read_to_string(file).map(|text| Self::parse(&text)).unwrap_or_default()
    }

    fn parse(text: &str) -> Self {
        let settings: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
        Self {
            delay: settings.get("DELAY").and_then(|text| outcome::parse_duration(text).ok()),
            status: settings.get("STATUS").and_then(|text| text.parse().ok()),
            error_rate: settings.get("ERROR_RATE").and_then(|text| text.parse().ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_a_missing_file_changes_nothing() {
        let wanted = Behaviour { delay: Some(Duration::from_millis(900)), status: Some(500), error_rate: None };
        assert_eq!(Behaviour::parse("DELAY=900ms\nSTATUS=500\n"), wanted);
        assert_eq!(Behaviour::now(Path::new("/nonexistent")), Behaviour::default());
    }
}
