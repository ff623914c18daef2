//! Replacing whole names, addresses and ports in any text.

use std::{collections::BTreeMap, net::Ipv4Addr};

use diagnoser::Subject;

use crate::{
    replay::Files,
    scenario::{PodSymptom, ProbeSymptom, Symptom},
};

/// What becomes of which name, address and port.
#[derive(Clone, Debug, Default)]
pub struct Renaming {
    /// By their first byte, the longest first: the text is gone through once.
    words: BTreeMap<u8, Vec<(String, String)>>,
    ten: u8,
    seventeen: u8,
}

impl Renaming {
    /// Renames names and ports; addresses stay.
    pub fn new(names: BTreeMap<String, String>, ports: BTreeMap<String, String>) -> Self {
        let mut words: BTreeMap<u8, Vec<(String, String)>> = BTreeMap::new();
        for (old, new) in names.into_iter().chain(ports) {
            if let Some(first) = old.bytes().next() {
                words.entry(first).or_default().push((old, new));
            }
        }
        words.values_mut().for_each(|words| words.sort_by_key(|(old, _)| std::cmp::Reverse(old.len())));
        Self { words, ten: 0, seventeen: 0 }
    }

    /// And moves the private addresses: of 10.0.0.0/8 by `ten` blocks of 16 networks, of 172.16.0.0/12 by `seventeen`
    /// networks. Bits are turned over, so that what shared a prefix still does, and ranges stay ranges.
    #[must_use]
    pub fn moved(self, ten: u8, seventeen: u8) -> Self {
        Self { ten: ten << 4, seventeen: seventeen & 15, ..self }
    }

    /// The same, and these names stay.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        let mut less = self.clone();
        less.words.values_mut().for_each(|words| words.retain(|(old, _)| !names.contains(&old.as_str())));
        less
    }

    /// The evidence under other names, in file names as well.
    pub fn files(&self, files: &Files) -> Files {
        files.iter().map(|(name, text)| (self.text(name), self.text(text))).collect()
    }

    /// An object under its other name.
    pub fn subject(&self, subject: &Subject) -> Subject {
        let namespace = subject.namespace.as_deref().map(|namespace| self.text(namespace).into());
        Subject { kind: subject.kind.clone(), namespace, name: self.text(&subject.name).into() }
    }

    /// What a user sees, under the other names.
    pub fn symptom(&self, symptom: Symptom) -> Symptom {
        match symptom {
            Symptom::Probe(probe) => Symptom::Probe(ProbeSymptom {
                url: self.text(&probe.url),
                from: self.text(&probe.from),
                text: probe.text.map(|text| self.text(&text)),
                ..probe
            }),
            Symptom::Pod(pod) => Symptom::Pod(PodSymptom { workload: self.subject(&pod.workload), ..pod }),
            other => other,
        }
    }

    /// A text. A name ends where neither letter nor digit follows, so that `web` is renamed in `web-5d8f-x` and in
    /// `http://web.shop/`, and left alone in `website`.
    pub fn text(&self, text: &str) -> String {
        let mut renamed = String::with_capacity(text.len());
        let mut rest = text;
        let mut before = '\n';
        while let Some(next) = rest.chars().next() {
            let taken = if !next.is_ascii_alphanumeric() {
                renamed.push(next);
                next.len_utf8()
            } else if let Some((taken, address)) = self.address(rest, before) {
                renamed.push_str(&address);
                taken
            } else if let Some((old, new)) = self.word(rest, before) {
                renamed.push_str(new);
                old.len()
            } else {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
                renamed.push_str(&rest[..end]);
                end
            };
            before = rest[..taken].chars().next_back().unwrap_or(before);
            rest = &rest[taken..];
        }
        renamed
    }

    /// The name or port that stands here. A number with a point at its side is part of a greater one.
    fn word(&self, rest: &str, before: char) -> Option<&(String, String)> {
        let words = self.words.get(rest.as_bytes().first()?)?;
        words.iter().find(|(old, _)| {
            let after = rest.strip_prefix(old.as_str());
            after.is_some_and(|after| {
                let mut next = after.chars();
                let follows = next.next();
                let number = old.bytes().all(|byte| byte.is_ascii_digit());
                let fraction = before == '.' || follows == Some('.') && next.next().is_some_and(|c| c.is_ascii_digit());
                follows.is_none_or(|c| !c.is_ascii_alphanumeric()) && !(number && fraction)
            })
        })
    }

    /// The private address that stands here, moved, and how long it was.
    fn address(&self, rest: &str, before: char) -> Option<(usize, String)> {
        if self.ten == 0 || before == '.' || !rest.starts_with("1") {
            return None;
        }
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let written = rest[..end].trim_end_matches('.');
        let prefix = rest[written.len()..].strip_prefix('/');
        let length = prefix.and_then(|text| text.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u8>().ok());
        // A whole private range holds what is moved within it.
        let within = |range: u8| length.is_none_or(|length| length > range);
        let moved = match written.parse::<Ipv4Addr>().ok()?.octets() {
            [10, b, c, d] if within(8) => [10, b ^ self.ten, c, d],
            [172, b @ 16..32, c, d] if within(12) => [172, b ^ self.seventeen, c, d],
            _ => return None,
        };
        Some((written.len(), Ipv4Addr::from(moved).to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renaming(pairs: &[(&str, &str)]) -> Renaming {
        let words = pairs.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned()));
        Renaming::new(words.collect(), BTreeMap::new())
    }

    #[test]
    fn whole_names_only() {
        let renaming = renaming(&[("web", "a"), ("web-base", "b"), ("8080", "7001")]);
        assert_eq!(
            renaming.text("web web-1 web-base website http://web.x/ myweb web"),
            "a a-1 b website http://a.x/ myweb a"
        );
        assert_eq!(renaming.text(":8080 18080 0.8080 8080.5 8080. é8080"), ":7001 18080 0.8080 8080.5 7001. é7001");
    }

    #[test]
    fn private_addresses_move_together() {
        let renaming = Renaming::default().moved(2, 3);
        assert_eq!(
            renaming
                .text("10.1.2.3:80 10.244.0.0/16 10.0.0.0/8 172.18.0.2, 172.16.0.0/12 8.8.8.8 1.10.1.2.3 127.0.0.1."),
            "10.33.2.3:80 10.212.0.0/16 10.0.0.0/8 172.17.0.2, 172.16.0.0/12 8.8.8.8 1.10.1.2.3 127.0.0.1."
        );
    }
}
