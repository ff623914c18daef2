//! `hosts/<host>/<fact>.txt`: what ordinary commands printed on a host.

use std::collections::BTreeMap;

use super::{Citation, Fact};

/// All host facts, by host and by the name of the file without `.txt`.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    facts: BTreeMap<String, BTreeMap<String, String>>,
}

/// Sums over all CPUs of `conntrack -S`.
///
/// Source: net/netfilter/nf_conntrack_core.c; `drop` counts packets not let through because no entry could be made,
/// `early_drop` counts entries given up to make room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConntrackStats {
    /// Packets dropped because no entry could be made.
    pub drop: u64,
    /// Entries given up to make room.
    pub early_drop: u64,
    /// Entries that could not be made, for another has the same ports (nf_nat found none that is free), or for a race.
    pub insert_failed: u64,
}

impl Hosts {
    /// Adds `<host>/<fact>.txt`; other names are left alone.
    pub(super) fn add(&mut self, name: &str, text: &str) {
        if let Some((host, fact)) = name.split_once('/')
            && let Some(fact) = fact.strip_suffix(".txt")
        {
            self.facts.entry(host.to_owned()).or_default().insert(fact.to_owned(), text.to_owned());
        }
    }

    /// The hosts that have any fact.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.facts.keys().map(String::as_str)
    }

    /// Whether it has any fact of a host.
    pub fn has(&self, host: &str) -> bool {
        self.facts.contains_key(host)
    }

    /// The names of a host's facts.
    pub fn fact_names(&self, host: &str) -> impl Iterator<Item = &str> {
        self.facts.get(host).into_iter().flat_map(|facts| facts.keys().map(String::as_str))
    }

    /// The file a fact is kept in.
    pub fn file(host: &str, fact: &str) -> String {
        format!("hosts/{host}/{fact}.txt")
    }

    /// A citation of a line of a fact.
    pub fn cite(host: &str, fact: &str, line: usize, says: impl Into<String>) -> Citation {
        Citation::line(&Self::file(host, fact), line, says)
    }

    /// The text of a fact.
    pub fn text(&self, host: &str, fact: &str) -> Fact<&str> {
        match self.facts.get(host).and_then(|facts| facts.get(fact)) {
            Some(text) => Fact::Seen(text),
            None => Fact::Missed("not collected".to_owned()),
        }
    }

    /// A kernel setting out of `sysctl` output, with its citation.
    pub fn sysctl(&self, host: &str, key: &str) -> Fact<(u64, Citation)> {
        self.parsed(host, "sysctl", |text| {
            text.lines()
                .enumerate()
                .find_map(|(i, line)| {
                    let (name, value) = line.split_once('=')?;
                    let value = (name.trim() == key).then(|| value.trim().parse().ok())??;
                    Some((value, Citation::line(&Self::file(host, "sysctl"), i + 1, line.trim())))
                })
                .ok_or("the key is not in it")
        })
    }

    /// The statistics of `conntrack -S` in `fact`.
    pub fn conntrack(&self, host: &str, fact: &str) -> Fact<ConntrackStats> {
        self.parsed(host, fact, |text| {
            let mut stats = ConntrackStats::default();
            let mut rows = 0;
            for line in text.lines() {
                for (key, value) in line.split_whitespace().filter_map(|word| word.split_once('=')) {
                    let value: u64 = value.parse().unwrap_or_default();
                    match key {
                        "drop" => {
                            rows += 1;
                            stats.drop += value;
                        }
                        "early_drop" => stats.early_drop += value,
                        "insert_failed" => stats.insert_failed += value,
                        _ => {}
                    }
                }
            }
            if rows == 0 { Err("no statistics in it") } else { Ok(stats) }
        })
    }

    /// A fact as its reader understands it.
    pub(super) fn parsed<'a, T>(
        &'a self,
        host: &str,
        fact: &str,
        parse: impl FnOnce(&'a str) -> Result<T, &'static str>,
    ) -> Fact<T> {
        match self.text(host, fact) {
            Fact::Seen(text) => parse(text).map_or_else(|why| Fact::Missed(why.to_owned()), Fact::Seen),
            Fact::Missed(why) => Fact::Missed(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(fact: &str, text: &str) -> Hosts {
        let mut hosts = Hosts::default();
        hosts.add(&format!("n/{fact}.txt"), text);
        hosts
    }

    #[test]
    fn conntrack_sums_over_cpus() {
        let text = "cpu=0 found=0 invalid=3 insert=0 insert_failed=4 drop=2 early_drop=1 error=0\ncpu=1 found=0 invalid=3 insert=0 drop=5 early_drop=0\n";
        assert_eq!(
            hosts("conntrack", text).conntrack("n", "conntrack"),
            Fact::Seen(ConntrackStats { drop: 7, early_drop: 1, insert_failed: 4 })
        );
        assert!(matches!(hosts("conntrack", "nonsense").conntrack("n", "conntrack"), Fact::Missed(_)));
    }
}
