//! `hosts/<host>/<fact>.txt`: what ordinary commands printed on a host.

use std::collections::BTreeMap;

use super::{Citation, Fact};

/// All host facts, by host and by the name of the file without `.txt`.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    facts: BTreeMap<String, BTreeMap<String, String>>,
}

/// One row of `df -P` or `df -iP`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// The device, or the type for file systems without one (`tmpfs`).
    pub device: String,
    /// Where it is mounted.
    pub mount_point: String,
    /// Blocks or inodes in all; 0 where the file system has no such limit.
    pub total: u64,
    /// Blocks or inodes free.
    pub free: u64,
    /// The line in the file, from 1.
    pub line: usize,
}

impl FileSystem {
    /// Whether nothing is left. A file system without a limit (total 0) is never full.
    pub fn is_full(&self) -> bool {
        self.total > 0 && self.free == 0
    }

    /// Whether a path lies on it, judged by the mount point alone.
    pub fn holds(&self, path: &str) -> bool {
        let mount = self.mount_point.trim_end_matches('/');
        path == self.mount_point || path.strip_prefix(mount).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// A listening TCP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The local address as `ss` prints it: `0.0.0.0`, `*`, `[::]`, `127.0.0.1`.
    pub address: String,
    /// The local port.
    pub port: u16,
    /// The line in the file, from 1.
    pub line: usize,
}

impl Listener {
    /// Whether only the host (or pod) itself can connect to it.
    pub fn is_loopback(&self) -> bool {
        self.address.starts_with("127.") || self.address == "[::1]" || self.address == "::1"
    }
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

    /// The file a fact is kept in.
    pub fn file(host: &str, fact: &str) -> String {
        format!("hosts/{host}/{fact}.txt")
    }

    /// The text of a fact.
    pub fn text(&self, host: &str, fact: &str) -> Fact<&str> {
        match self.facts.get(host).and_then(|facts| facts.get(fact)) {
            Some(text) => Fact::Seen(text),
            None => Fact::Missed("not collected".to_owned()),
        }
    }

    /// File systems as `df -P` (fact `df`) or `df -iP` (fact `df-inodes`) printed them.
    pub fn file_systems(&self, host: &str, fact: &str) -> Fact<Vec<FileSystem>> {
        self.parsed(host, fact, |text| {
            let rows: Vec<FileSystem> =
                text.lines().enumerate().filter_map(|(i, line)| file_system(i + 1, line)).collect();
            if rows.is_empty() { Err("no file system in it") } else { Ok(rows) }
        })
    }

    /// Listening TCP sockets as `ss -tln` printed them (with or without its header).
    pub fn listeners(&self, host: &str, fact: &str) -> Fact<Vec<Listener>> {
        // An empty file is a reading: nothing listens.
        self.parsed(host, fact, |text| {
            Ok(text.lines().enumerate().filter_map(|(i, line)| listener(i + 1, line)).collect())
        })
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
                        _ => {}
                    }
                }
            }
            if rows == 0 { Err("no statistics in it") } else { Ok(stats) }
        })
    }

    fn parsed<'a, T>(
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

/// `tmpfs  2000  2000  0  100%  /var/lib/x`; the header and rows without numbers are passed over.
fn file_system(line: usize, text: &str) -> Option<FileSystem> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |index: usize| match *words.get(index)? {
        "-" => Some(0),
        word => word.parse().ok(),
    };
    Some(FileSystem {
        device: (*words.first()?).to_owned(),
        mount_point: words.get(5..)?.join(" "),
        total: number(1)?,
        free: number(3)?,
        line,
    })
    .filter(|row| !row.mount_point.is_empty())
}

/// The first `address:port` of a line whose state, where printed, is LISTEN.
fn listener(line: usize, text: &str) -> Option<Listener> {
    let mut words = text.split_whitespace();
    if !matches!(words.next()?, "LISTEN" | "tcp") && !text.contains("LISTEN") {
        return None;
    }
    let (address, port) = text.split_whitespace().find_map(|word| {
        let (address, port) = word.rsplit_once(':')?;
        Some((address, port.parse().ok()?))
    })?;
    Some(Listener { address: address.to_owned(), port, line })
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
    fn df_rows() {
        let text = "Filesystem Inodes IUsed IFree IUse% Mounted on\ntmpfs 2000 2000 0 100% /srv/a b\n/dev/vda 9 1 8 12% /\nproc - - - - /proc\n";
        let rows = hosts("df-inodes", text).file_systems("n", "df-inodes").seen().unwrap_or_default();
        assert_eq!(rows.len(), 3);
        assert!(rows[0].is_full() && rows[0].holds("/srv/a b/c") && !rows[0].holds("/srv/a bc"));
        assert!(!rows[1].is_full() && rows[1].holds("/srv"));
        assert!(!rows[2].is_full());
    }

    #[test]
    fn sockets() {
        let text = "LISTEN 0 4096 0.0.0.0:80 0.0.0.0:* users:((\"x\",pid=1,fd=3))\nLISTEN 0 1 127.0.0.1:8080 0.0.0.0:*\nLISTEN 0 9 *:9090 *:*\n";
        let found = hosts("ss", text).listeners("n", "ss").seen().unwrap_or_default();
        assert_eq!(found.iter().map(|l| l.port).collect::<Vec<_>>(), [80, 8080, 9090]);
        assert_eq!(found.iter().map(Listener::is_loopback).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn conntrack_sums_over_cpus() {
        let text = "cpu=0 found=0 invalid=3 insert=0 drop=2 early_drop=1 error=0\ncpu=1 found=0 invalid=3 insert=0 drop=5 early_drop=0\n";
        assert_eq!(
            hosts("conntrack", text).conntrack("n", "conntrack"),
            Fact::Seen(ConntrackStats { drop: 7, early_drop: 1 })
        );
        assert!(matches!(hosts("conntrack", "nonsense").conntrack("n", "conntrack"), Fact::Missed(_)));
    }
}
