//! `/etc/hosts`: names that a host knows without asking (hosts(5)).

use std::net::IpAddr;

use super::{Fact, Hosts, sockets, text};

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostsEntry {
    /// The address.
    pub address: IpAddr,
    /// Its names, in lower case.
    pub names: Vec<String>,
    /// The line in the file, from 1.
    pub line: usize,
}

impl Hosts {
    /// The entries of a host's `/etc/hosts` (fact `hosts-file`). An empty one is a reading.
    pub fn hosts_file(&self, host: &str) -> Fact<Vec<HostsEntry>> {
        self.parsed(host, "hosts-file", |text| {
            let found = parse(text);
            let written = text::lines(text).any(|(_, said)| !content(&said).is_empty());
            if found.is_empty() && written { Err("it is no hosts file") } else { Ok(found) }
        })
    }

    /// The entries for a name in a host's `/etc/hosts`; the C library takes the first of each family.
    pub fn hosts_file_names(&self, host: &str, name: &str) -> Fact<Vec<HostsEntry>> {
        let wanted = name.trim_end_matches('.').to_lowercase();
        match self.hosts_file(host) {
            Fact::Seen(entries) => {
                Fact::Seen(entries.into_iter().filter(|entry| entry.names.contains(&wanted)).collect())
            }
            Fact::Missed(why) => Fact::Missed(why),
        }
    }
}

fn content(said: &str) -> &str {
    said.split('#').next().unwrap_or_default().trim()
}

fn parse(text: &str) -> Vec<HostsEntry> {
    let entry = |(line, said): (usize, std::borrow::Cow<'_, str>)| {
        let (address, names) = text::word(content(&said));
        let address = sockets::ip(address)?;
        let names: Vec<String> = names.split_whitespace().map(str::to_lowercase).collect();
        (!names.is_empty()).then_some(HostsEntry { address, names, line })
    };
    text::lines(text).filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::trials;

    const FILE: &str = "127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost # loopback
# 10.0.0.8 old.example.test
10.0.0.9   DB.example.test db
10.0.0.7
";

    #[test]
    fn names() {
        let mut hosts = Hosts::default();
        hosts.add("n/hosts-file.txt", FILE);
        let found = hosts.hosts_file_names("n", "db.example.TEST.").seen().unwrap();
        assert_eq!(
            found.iter().map(|entry| (entry.address.to_string(), entry.line)).collect::<Vec<_>>(),
            [("10.0.0.9".into(), 4)]
        );
        assert_eq!(hosts.hosts_file("n").seen().unwrap().len(), 3);
        assert_eq!(hosts.hosts_file_names("n", "old.example.test"), Fact::Seen(vec![]));
        hosts.add("n/hosts-file.txt", "cat: /etc/hosts: Permission denied\n");
        assert!(hosts.hosts_file("n").seen().is_none());
    }

    #[test]
    fn stands() {
        trials::stands(&[FILE], parse);
    }
}
