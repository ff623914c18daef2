//! `ss -s`: how many TCP sockets a host has.

use super::{Fact, Hosts, text};

/// What `ss -s` counts of TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketCounts {
    /// Established.
    pub established: u64,
    /// Closed, TIME-WAIT among them.
    pub closed: u64,
    /// Without a process.
    pub orphaned: u64,
    /// In TIME-WAIT.
    pub time_wait: u64,
    /// The line in the file, from 1.
    pub line: usize,
}

impl Hosts {
    /// The counts of `ss -s` in `fact`.
    pub fn socket_counts(&self, host: &str, fact: &str) -> Fact<SocketCounts> {
        self.parsed(host, fact, |text| {
            text::lines(text).find_map(|(line, said)| counts(line, &said)).ok_or("no counts of TCP in it")
        })
    }
}

/// `TCP:   729 (estab 300, closed 427, orphaned 0, synrecv 0, timewait 69/0), ports 12`
fn counts(line: usize, said: &str) -> Option<SocketCounts> {
    let (_, inside) = said.trim_start().strip_prefix("TCP:")?.split_once('(')?;
    let (inside, _) = inside.split_once(')')?;
    let mut found = SocketCounts { line, ..SocketCounts::default() };
    for part in inside.split(',') {
        let (name, count) = text::word(part);
        let count = text::leading(count)?;
        match name {
            "estab" => found.established = count,
            "closed" => found.closed = count,
            "orphaned" => found.orphaned = count,
            "timewait" => found.time_wait = count,
            _ => {}
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::trials;

    #[test]
    fn counts_of_all() {
        let text = "Total: 383\nTCP:   729 (estab 300, closed 427, orphaned 2, synrecv 0, timewait 69/0), ports 12\n";
        let found = counts(2, text.lines().nth(1).unwrap()).unwrap();
        assert_eq!((found.established, found.closed, found.orphaned, found.time_wait), (300, 427, 2, 69));
        trials::stands(&[text], |text| {
            text::lines(text).filter_map(|(line, said)| counts(line, &said)).collect::<Vec<_>>()
        });
    }
}
