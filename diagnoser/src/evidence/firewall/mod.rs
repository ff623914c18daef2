//! `hosts/<host>/nft.txt`: the packet filter of a host, as `nft list ruleset` or `iptables-save` prints it.
//!
//! Only what decides about an ordinary packet between two addresses is understood; a condition of any other kind is said to
//! be unknown, and a rule with one never counts as met.

mod judge;
mod read;

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Citation, Fact, Hosts};
pub use judge::{Judgement, dropped, judge, translated};

/// How a packet that is refused is answered, and so what its sender is told.
///
/// Source: nft(8), "Reject statement"; net/ipv4/icmp.c, icmp_err_convert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rejection {
    /// With a TCP reset: "connection refused".
    Reset,
    /// With ICMP port unreachable: "connection refused" as well.
    PortUnreachable,
    /// With another ICMP message: "no route to host", "network is unreachable".
    Unreachable,
}

/// What a rule does with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Lets it through this chain of its hook.
    Accept,
    /// Throws it away without a word.
    Drop,
    /// Throws it away and says so.
    Reject(Rejection),
    /// Goes on in another chain.
    Jump(String),
    /// Goes back to the chain that led here.
    Return,
    /// Sends it to another destination, as written.
    Dnat(String),
    /// Sends it to a port of the host itself.
    Redirect(Option<u16>),
    /// Makes it come from another address, as written.
    Snat(String),
    /// Makes it come from the address of the interface it leaves by.
    Masquerade,
    /// Something else, after which it goes on or is answered.
    Other,
}

/// What is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP "fragmentation needed", by which a sender learns the size that goes through.
    FragmentationNeeded,
}

/// How connection tracking sees a packet (nf_conntrack).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracked {
    /// The first of a connection.
    New,
    /// Of a connection both of whose ends were heard.
    Established,
    /// A message about a known connection.
    Related,
    /// Of a connection whose first packets went another way.
    Invalid,
}

/// A condition; the flag says whether it is turned round.
#[derive(Clone, Debug, PartialEq)]
enum Condition {
    Source(bool, Vec<IpNet>),
    Destination(bool, Vec<IpNet>),
    Protocol(bool, Vec<String>),
    Port(bool, Vec<(u16, u16)>),
    SourcePort(bool, Vec<(u16, u16)>),
    In(bool, Vec<String>),
    Out(bool, Vec<String>),
    State(bool, Vec<String>),
    Icmp(bool, Vec<String>),
    Length(bool, Vec<(u32, u32)>),
    /// `ipv4` or `ipv6`.
    Family(bool, Vec<String>),
    /// Whether it is the packet that opens a connection.
    Opens(bool),
    Unknown,
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The family and name of the table (`ip filter`).
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The hook of the chain where it is called by the kernel itself (`forward`); `None` where other rules lead to it.
    pub hook: Option<String>,
    /// What it does.
    pub verdict: Verdict,
    /// How many packets met it, where that is counted.
    pub packets: Option<u64>,
    /// The number by which nft knows it, where printed (`nft -a`).
    pub handle: Option<u64>,
    /// Whether it is no rule of its own, but what the chain does with what no rule has decided.
    pub policy: bool,
    /// Whether it is written as iptables writes rules.
    pub iptables: bool,
    /// As printed, without the handle.
    pub text: String,
    /// The line in the file, from 1.
    pub line: usize,
    conditions: Vec<Condition>,
}

/// The ports that programs call from where they do not choose one (ip(7), `ip_local_port_range`).
const CALLERS: (u16, u16) = (32768, 60999);

/// A packet between two addresses.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'p> {
    /// From where, where known.
    pub source: Option<IpAddr>,
    /// To where.
    pub destination: IpAddr,
    /// To which port, or to one of which.
    pub port: (u16, u16),
    /// From which port, or from one of which.
    pub source_port: (u16, u16),
    /// What it carries.
    pub protocol: Protocol,
    /// How connection tracking sees it.
    pub tracked: Tracked,
    /// Whether it opens a connection, and so carries no data yet.
    pub opens: bool,
    /// The interface it came in by, where known; empty for none.
    pub iif: Option<&'p str>,
    /// The interface it leaves by, where known; empty for none.
    pub oif: Option<&'p str>,
    /// Its length in bytes, where it matters.
    pub length: Option<u32>,
}

impl<'p> Packet<'p> {
    /// The first packet of a TCP connection.
    pub fn tcp(source: Option<IpAddr>, destination: IpAddr, port: u16) -> Self {
        Self {
            source,
            destination,
            port: (port, port),
            source_port: CALLERS,
            protocol: Protocol::Tcp,
            tracked: Tracked::New,
            opens: true,
            iif: None,
            oif: None,
            length: Some(60),
        }
    }

    /// The answer to it, which goes back.
    pub fn answer(self) -> Self {
        Self {
            source: Some(self.destination),
            destination: self.source.unwrap_or(self.destination),
            port: self.source_port,
            source_port: self.port,
            tracked: Tracked::Established,
            opens: false,
            ..self
        }
    }

    /// The same at a host, between these interfaces.
    pub fn between(self, iif: &'p str, oif: &'p str) -> Self {
        Self { iif: Some(iif), oif: Some(oif), ..self }
    }
}

impl Rule {
    /// Whether a packet meets it; `None` where that depends on what is not understood.
    pub fn meets(&self, packet: Packet<'_>) -> Option<bool> {
        let each: Vec<Option<bool>> = self.conditions.iter().map(|condition| condition.meets(packet)).collect();
        if each.contains(&Some(false)) { Some(false) } else { each.iter().all(Option::is_some).then_some(true) }
    }

    /// Whether it names this address and no whole network.
    pub fn names(&self, address: IpAddr) -> bool {
        self.conditions.iter().any(|condition| match condition {
            Condition::Destination(false, nets) => nets.iter().any(|net| *net == IpNet::from(address)),
            _ => false,
        })
    }

    /// The command that deletes this very rule; where it is the policy of its chain, the one that changes that.
    pub fn delete(&self) -> Vec<String> {
        let (table, chain) = (&self.table, &self.chain);
        let words = |text: String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let shell = |script: String| ["sh".to_owned(), "-c".to_owned(), script].to_vec();
        if self.iptables {
            let table = table.split(' ').next_back().unwrap_or_default();
            return match (self.policy, self.text.split_once("-A ")) {
                (true, _) | (_, None) => words(format!("iptables -t {table} -P {chain} ACCEPT")),
                // A comment stands in quotes, which a shell reads.
                (false, Some((_, rule))) => shell(format!("iptables -t {table} -D {rule}")),
            };
        }
        match self.handle {
            _ if self.policy => words(format!("nft chain {table} {chain} {{ policy accept ; }}")),
            Some(handle) => words(format!("nft delete rule {table} {chain} handle {handle}")),
            None => {
                // Found again by its words; the counters have moved on since.
                let bare = read::without_counts(&self.text);
                shell(format!(
                    "nft -a list chain {table} {chain} | sed -E 's/packets [0-9]+ bytes [0-9]+ //' | \
                     grep -F -- '{bare} # handle' | grep -oE 'handle [0-9]+$' | head -n 1 | \
                     while read -r handle; do nft delete rule {table} {chain} $handle; done"
                ))
            }
        }
    }

    /// The command that lets TCP connections to a port pass before this rule is asked.
    pub fn allow(&self, port: u16) -> Vec<String> {
        let (table, chain) = (&self.table, &self.chain);
        let text = if self.iptables {
            let table = table.split(' ').next_back().unwrap_or_default();
            format!("iptables -t {table} -I {chain} -p tcp --dport {port} -j ACCEPT")
        } else {
            format!("nft insert rule {table} {chain} tcp dport {port} accept")
        };
        text.split_whitespace().map(str::to_owned).collect()
    }
}

impl Condition {
    fn meets(&self, packet: Packet<'_>) -> Option<bool> {
        let inside = |nets: &[IpNet], address: IpAddr| nets.iter().any(|net| net.contains(&address));
        let tcp_or_udp = packet.protocol != Protocol::FragmentationNeeded;
        match self {
            Self::Source(not, nets) => packet.source.map(|source| inside(nets, source) != *not),
            Self::Destination(not, nets) => Some(inside(nets, packet.destination) != *not),
            Self::Protocol(not, names) => {
                let own: &[&str] = match packet.protocol {
                    Protocol::Tcp => &["tcp", "6"],
                    Protocol::Udp => &["udp", "17"],
                    Protocol::FragmentationNeeded => &["icmp", "1"],
                };
                Some(
                    names.iter().any(|name| own.contains(&name.as_str()) || matches!(name.as_str(), "all" | "0"))
                        != *not,
                )
            }
            Self::Port(not, ranges) if tcp_or_udp => covers(ranges, packet.port).map(|met| met != *not),
            Self::SourcePort(not, ranges) if tcp_or_udp => covers(ranges, packet.source_port).map(|met| met != *not),
            Self::Port(..) | Self::SourcePort(..) => Some(false),
            Self::In(not, names) => packet.iif.map(|iif| names.iter().any(|name| is_called(name, iif)) != *not),
            Self::Out(not, names) => packet.oif.map(|oif| names.iter().any(|name| is_called(name, oif)) != *not),
            Self::State(not, names) => {
                let own = match packet.tracked {
                    Tracked::New => "new",
                    Tracked::Established => "established",
                    Tracked::Related => "related",
                    Tracked::Invalid => "invalid",
                };
                Some(names.iter().any(|name| name == own) != *not)
            }
            Self::Icmp(not, names) => {
                const OWN: [&str; 5] = ["destination-unreachable", "3", "3/4", "fragmentation-needed", "frag-needed"];
                Some(!tcp_or_udp && names.iter().any(|name| OWN.contains(&name.as_str()) || name == "any") != *not)
            }
            Self::Length(not, ranges) => {
                packet.length.map(|length| ranges.iter().any(|(from, to)| (*from..=*to).contains(&length)) != *not)
            }
            Self::Family(not, names) => {
                let own: &[&str] = if packet.destination.is_ipv4() { &["ipv4", "ip"] } else { &["ipv6", "ip6"] };
                Some(names.iter().any(|name| own.contains(&name.as_str())) != *not)
            }
            Self::Opens(holds) => Some(packet.protocol == Protocol::Tcp && packet.opens == *holds),
            Self::Unknown => None,
        }
    }
}

/// Whether ports lie within ranges; `None` where some do and some do not.
fn covers(ranges: &[(u16, u16)], ports: (u16, u16)) -> Option<bool> {
    if ranges.iter().any(|(from, to)| *from <= ports.0 && ports.1 <= *to) {
        return Some(true);
    }
    let apart = ranges.iter().all(|(from, to)| ports.1 < *from || *to < ports.0);
    apart.then_some(false)
}

/// `eth0`, `eth+` (iptables), `eth*` (nft).
fn is_called(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix(['+', '*']) {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

impl Hosts {
    /// The rules of a host's packet filter, in order.
    pub fn rules(&self, host: &str) -> Fact<Vec<Rule>> {
        match self.text(host, "nft") {
            Fact::Seen(text) => Fact::Seen(read::parse(text)),
            Fact::Missed(why) => Fact::Missed(why),
        }
    }

    /// A citation of a rule of a host.
    pub fn cite_rule(host: &str, rule: &Rule) -> Citation {
        Citation::line(&Self::file(host, "nft"), rule.line, format!("{}: {}", rule.chain, rule.text))
    }
}
