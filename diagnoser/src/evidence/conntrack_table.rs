//! `conntrack -L` and `/proc/net/nf_conntrack`: the connections a host keeps track of, and how it translates them.

use std::{collections::BTreeMap, net::IpAddr};

use super::{Fact, Hosts, TcpState, text};

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// From.
    pub source: IpAddr,
    /// To.
    pub destination: IpAddr,
    /// From which port; 0 for protocols without.
    pub source_port: u16,
    /// To which port.
    pub destination_port: u16,
}

/// One entry of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConntrackEntry {
    /// `tcp`, `udp`, `icmp`.
    pub protocol: String,
    /// Seconds until it is given up.
    pub seconds: u64,
    /// The state of a TCP connection.
    pub state: Option<TcpState>,
    /// As it was sent first.
    pub original: Flow,
    /// As answers are expected.
    pub reply: Flow,
    /// Whether no answer was seen.
    pub unreplied: bool,
    /// The line in the file, from 1.
    pub line: usize,
}

impl ConntrackEntry {
    /// The source that it is given on its way (SNAT, masquerading), where it is another.
    pub fn source_nat(&self) -> Option<(IpAddr, u16)> {
        let to = (self.reply.destination, self.reply.destination_port);
        (to != (self.original.source, self.original.source_port)).then_some(to)
    }

    /// The destination that it is given on its way (DNAT), where it is another.
    pub fn destination_nat(&self) -> Option<(IpAddr, u16)> {
        let to = (self.reply.source, self.reply.source_port);
        (to != (self.original.destination, self.original.destination_port)).then_some(to)
    }
}

/// To whom translated connections go: what has to differ in the source port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pool {
    /// The protocol.
    pub protocol: String,
    /// The address that they are given as their source.
    pub address: IpAddr,
    /// Where they go, after translation.
    pub destination: (IpAddr, u16),
}

impl Hosts {
    /// The entries of the connection tracking table in `fact` (`conntrack -L`). Without entries it is a reading
    /// only where the command's own words say so.
    pub fn conntrack_entries(&self, host: &str, fact: &str) -> Fact<Vec<ConntrackEntry>> {
        self.parsed(host, fact, |text| {
            let found = parse(text);
            let counted = text.contains("flow entries have been shown");
            if found.is_empty() && !counted { Err("no entries in it") } else { Ok(found) }
        })
    }
}

/// How many entries are in each state to each destination as asked for, and of these how many without an answer.
pub fn by_destination(entries: &[ConntrackEntry]) -> BTreeMap<(IpAddr, u16, Option<TcpState>), (usize, usize)> {
    let mut found = BTreeMap::new();
    for entry in entries {
        let key = (entry.original.destination, entry.original.destination_port, entry.state);
        let counts: &mut (usize, usize) = found.entry(key).or_default();
        counts.0 += 1;
        counts.1 += usize::from(entry.unreplied);
    }
    found
}

/// How many ports of each pool of source addresses are taken.
pub fn pools(entries: &[ConntrackEntry]) -> BTreeMap<Pool, usize> {
    let mut found = BTreeMap::new();
    for entry in entries {
        // Where only the port is changed, it is a pool as well: the address is the sender's own.
        if let Some((address, _)) = entry.source_nat() {
            let destination = (entry.reply.source, entry.reply.source_port);
            *found.entry(Pool { protocol: entry.protocol.clone(), address, destination }).or_default() += 1;
        }
    }
    found
}

fn parse(text: &str) -> Vec<ConntrackEntry> {
    text::lines(text).filter_map(|(line, said)| entry(line, &said)).collect()
}

/// `tcp      6 117 SYN_SENT src=.. dst=.. sport=.. dport=.. [UNREPLIED] src=.. dst=.. sport=.. dport=.. mark=0 use=1`, in the
/// kernel's file with `ipv4     2` before it.
fn entry(line: usize, said: &str) -> Option<ConntrackEntry> {
    let mut words = said.split_whitespace().peekable();
    if words.next_if(|word| *word == "ipv4" || *word == "ipv6").is_some() {
        words.next();
    }
    let protocol = words.next()?.to_owned();
    words.next()?.parse::<u8>().ok()?;
    let mut found = [Vec::new(), Vec::new()];
    let (mut flows, mut unreplied, mut state, mut seconds, mut ended) = (0, false, None, 0, false);
    for word in words {
        match word.split_once('=') {
            Some(("src", address)) => {
                flows += 1;
                found.get_mut(flows - 1)?.push(("src", address));
            }
            Some((key @ ("dst" | "sport" | "dport"), value)) => {
                found.get_mut(usize::checked_sub(flows, 1)?)?.push((key, value))
            }
            // What is after both: until then the last port may have been cut.
            Some(("mark" | "use" | "secctx" | "zone", _)) => ended = true,
            Some(_) => {}
            None if word == "[UNREPLIED]" => unreplied = true,
            None if word == "[ASSURED]" => ended = true,
            None if flows == 0 => match word.parse() {
                Ok(number) => seconds = number,
                Err(_) => state = state.or(TcpState::parse(word)),
            },
            None => {}
        }
    }
    let [original, reply] = found;
    (flows == 2 && ended).then_some(())?;
    Some(ConntrackEntry { protocol, seconds, state, original: flow(&original)?, reply: flow(&reply)?, unreplied, line })
}

fn flow(fields: &[(&str, &str)]) -> Option<Flow> {
    let value = |key: &str| fields.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    let port = |key: &str| value(key).map_or(Some(0), |port| port.parse().ok());
    Some(Flow {
        source: value("src")?.parse().ok()?,
        destination: value("dst")?.parse().ok()?,
        source_port: port("sport")?,
        destination_port: port("dport")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::trials;

    const LIST: &str = "tcp      6 76 TIME_WAIT src=10.0.0.2 dst=10.9.0.3 sport=55016 dport=443 src=10.9.0.3 dst=192.0.2.1 sport=443 dport=55016 [ASSURED] mark=0 use=1
tcp      6 117 SYN_SENT src=10.0.0.3 dst=10.9.0.3 sport=40001 dport=443 [UNREPLIED] src=10.9.0.3 dst=192.0.2.1 sport=443 dport=1024 mark=0 use=1
udp      17 14 src=10.0.0.4 dst=10.0.0.53 sport=46912 dport=53 src=10.0.0.53 dst=10.0.0.4 sport=53 dport=46912 mark=0 use=1
icmp     1 29 src=10.0.0.4 dst=10.0.0.5 type=8 code=0 id=7 src=10.0.0.5 dst=10.0.0.4 type=0 code=0 id=7 mark=0 use=1
conntrack v1.4.7 (conntrack-tools): 4 flow entries have been shown.
";
    const KERNEL: &str = "ipv4     2 tcp      6 431999 ESTABLISHED src=10.0.0.2 dst=10.96.0.1 sport=40000 dport=443 src=10.244.0.5 dst=10.0.0.2 sport=6443 dport=40000 [ASSURED] mark=0 zone=0 use=2
";

    #[test]
    fn translated_and_counted() {
        let found = parse(LIST);
        assert_eq!(found.len(), 4);
        assert_eq!(found[0].source_nat(), "192.0.2.1".parse().ok().map(|address| (address, 55016)));
        assert_eq!((found[0].destination_nat(), found[2].source_nat(), found[3].seconds), (None, None, 29));
        assert!(found[1].unreplied && found[1].state == Some(TcpState::SynSent));
        assert_eq!(pools(&found).into_values().collect::<Vec<_>>(), [2]);
        let to = "10.9.0.3".parse().unwrap();
        assert_eq!(by_destination(&found)[&(to, 443, Some(TcpState::SynSent))], (1, 1));
        let found = parse(KERNEL);
        assert_eq!(found[0].destination_nat(), "10.244.0.5".parse().ok().map(|address| (address, 6443)));
        assert_eq!((found[0].source_nat(), found[0].state), (None, Some(TcpState::Established)));
    }

    #[test]
    fn stands() {
        trials::stands(&[LIST, KERNEL], |text| {
            let found = parse(text);
            assert!(pools(&found).len() <= found.len() && by_destination(&found).len() <= found.len());
            found
        });
    }
}
