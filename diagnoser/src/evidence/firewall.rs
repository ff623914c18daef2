//! `hosts/<host>/nft.txt`: the packet filter of a host, as `nft list ruleset` or `iptables-save` prints it.
//!
//! Only what decides about an ordinary TCP connection to an address is understood; a condition of any other kind is said to
//! be unknown, and a rule with one never counts as met.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Citation, Fact, Hosts};

/// What a rule does with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Lets it through this chain of its hook.
    Accept,
    /// Throws it away without a word.
    Drop,
    /// Goes on in another chain.
    Jump(String),
    /// Goes back to the chain that led here.
    Return,
    /// Sends it to another destination, as written.
    Dnat(String),
    /// Something else, after which it goes on or is answered.
    Other,
}

/// A condition; the flag says whether it is turned round.
#[derive(Clone, Debug, PartialEq)]
enum Condition {
    Source(bool, Vec<IpNet>),
    Destination(bool, Vec<IpNet>),
    Protocol(bool, String),
    Port(bool, Vec<(u16, u16)>),
    /// Whether it holds for the first packet of a connection.
    New(bool),
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
    /// As printed.
    pub text: String,
    /// The line in the file, from 1.
    pub line: usize,
    conditions: Vec<Condition>,
}

/// The first packet of a TCP connection.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// From where, where known.
    pub source: Option<IpAddr>,
    /// To where.
    pub destination: IpAddr,
    /// To which port.
    pub port: u16,
}

impl Rule {
    /// Whether a packet meets it; `None` where that depends on what is not understood.
    pub fn meets(&self, packet: Packet) -> Option<bool> {
        let each = self.conditions.iter().map(|condition| {
            let inside = |nets: &[IpNet], address: IpAddr| nets.iter().any(|net| net.contains(&address));
            match condition {
                Condition::Source(not, nets) => packet.source.map(|source| inside(nets, source) != *not),
                Condition::Destination(not, nets) => Some(inside(nets, packet.destination) != *not),
                Condition::Protocol(not, name) => Some((name == "tcp" || name == "6") != *not),
                Condition::Port(not, ranges) => {
                    Some(ranges.iter().any(|(from, to)| (*from..=*to).contains(&packet.port)) != *not)
                }
                Condition::New(holds) => Some(*holds),
                Condition::Unknown => None,
            }
        });
        let each: Vec<Option<bool>> = each.collect();
        if each.contains(&Some(false)) { Some(false) } else { each.iter().all(Option::is_some).then_some(true) }
    }

    /// Whether it names this address and no whole network.
    pub fn names(&self, address: IpAddr) -> bool {
        self.conditions.iter().any(|condition| match condition {
            Condition::Destination(false, nets) => nets.iter().any(|net| *net == IpNet::from(address)),
            _ => false,
        })
    }
}

impl Hosts {
    /// The rules of a host's packet filter, in order.
    pub fn rules(&self, host: &str) -> Fact<Vec<Rule>> {
        match self.text(host, "nft") {
            Fact::Seen(text) => Fact::Seen(parse(text)),
            Fact::Missed(why) => Fact::Missed(why),
        }
    }

    /// A citation of a rule of a host.
    pub fn cite_rule(host: &str, rule: &Rule) -> Citation {
        Citation::line(&Self::file(host, "nft"), rule.line, format!("{}: {}", rule.chain, rule.text))
    }
}

/// The rule that throws a packet away on its way through a hook, if one does.
pub fn dropped<'r>(rules: &'r [Rule], hook: &str, packet: Packet) -> Option<&'r Rule> {
    let chains: Vec<(&str, &str)> = {
        let mut seen = Vec::new();
        for rule in rules.iter().filter(|rule| rule.hook.as_deref() == Some(hook)) {
            let chain = (rule.table.as_str(), rule.chain.as_str());
            if !seen.contains(&chain) {
                seen.push(chain);
            }
        }
        seen
    };
    chains.into_iter().find_map(|(table, chain)| match walk(rules, table, chain, packet, 0) {
        End::Dropped(rule) => Some(rule),
        _ => None,
    })
}

enum End<'r> {
    Dropped(&'r Rule),
    Accepted,
    Through,
}

fn walk<'r>(rules: &'r [Rule], table: &str, chain: &str, packet: Packet, depth: u8) -> End<'r> {
    const DEEPEST: u8 = 16;
    for rule in rules.iter().filter(|rule| rule.table == table && rule.chain == chain) {
        if depth > DEEPEST || rule.meets(packet) != Some(true) {
            continue;
        }
        match &rule.verdict {
            Verdict::Drop => return End::Dropped(rule),
            Verdict::Accept => return End::Accepted,
            Verdict::Return => return End::Through,
            Verdict::Jump(to) => match walk(rules, table, to, packet, depth + 1) {
                End::Through => {}
                end => return end,
            },
            Verdict::Dnat(_) | Verdict::Other => {}
        }
    }
    End::Through
}

/// Both forms; they can be told by how a line begins.
fn parse(text: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    let (mut table, mut chain, mut hook, mut depth) = (String::new(), None::<String>, None::<String>, 0_u32);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(&first) = words.first() else { continue };
        if let Some(name) = first.strip_prefix('*') {
            table = format!("ip {name}");
        } else if let Some(at) = words.iter().position(|word| *word == "-A").filter(|at| *at <= 1) {
            let name = words.get(at + 1).copied().unwrap_or_default();
            let hook = ["FORWARD", "INPUT", "OUTPUT", "POSTROUTING", "PREROUTING"].contains(&name);
            let counted = first.strip_prefix('[').and_then(|count| count.split(':').next()?.parse().ok());
            let mut rule = iptables(&words[at + 2..]);
            rule.packets = counted;
            rules.push(Rule {
                table: table.clone(),
                chain: name.to_owned(),
                hook: hook.then(|| name.to_lowercase()),
                text: line.to_owned(),
                line: index + 1,
                ..rule
            });
        } else if line.ends_with('{') {
            depth += 1;
            match first {
                "table" => table = words[1..words.len() - 1].join(" "),
                "chain" => (chain, hook) = (words.get(1).map(|name| (*name).to_owned()), None),
                _ => {}
            }
        } else if line == "}" {
            depth = depth.saturating_sub(1);
            chain = None;
        } else if let (Some(name), 2) = (&chain, depth) {
            if first == "type" {
                let at = words.iter().position(|word| *word == "hook");
                hook = at.and_then(|at| Some((*words.get(at + 1)?).to_owned()));
                continue;
            }
            let (table, chain, hook) = (table.clone(), name.clone(), hook.clone());
            rules.push(Rule { table, chain, hook, text: line.to_owned(), line: index + 1, ..nft(line) });
        }
    }
    rules
}

fn empty() -> Rule {
    Rule {
        table: String::new(),
        chain: String::new(),
        hook: None,
        verdict: Verdict::Other,
        packets: None,
        text: String::new(),
        line: 0,
        conditions: Vec::new(),
    }
}

fn nets(words: &[String]) -> Option<Vec<IpNet>> {
    let net = |word: &String| word.parse().ok().or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from));
    words.iter().map(net).collect()
}

/// `80`, `8000-8100`, `8000:8100`.
fn ports(words: &[String]) -> Option<Vec<(u16, u16)>> {
    let range = |word: &String| {
        let (from, to) = word.split_once(['-', ':']).unwrap_or((word, word));
        Some((from.parse().ok()?, to.parse().ok()?))
    };
    words.iter().map(range).collect()
}

fn nft(line: &str) -> Rule {
    let mut rule = empty();
    let mut words = tokens(line).into_iter().peekable();
    // `!= value`, `value`, `{ value, value }`
    fn values(words: &mut std::iter::Peekable<std::vec::IntoIter<String>>) -> (bool, Vec<String>) {
        let not = words.next_if(|word| word == "!=").is_some();
        if words.next_if(|word| word == "{").is_none() {
            return (not, words.next().into_iter().collect());
        }
        let mut found = Vec::new();
        for word in words.by_ref() {
            if word == "}" {
                break;
            }
            found.push(word);
        }
        (not, found)
    }
    while let Some(word) = words.next() {
        let condition = match word.as_str() {
            "ip" | "ip6" => match words.next().as_deref() {
                Some("saddr") => {
                    let (not, found) = values(&mut words);
                    nets(&found).map_or(Condition::Unknown, |nets| Condition::Source(not, nets))
                }
                Some("daddr") => {
                    let (not, found) = values(&mut words);
                    nets(&found).map_or(Condition::Unknown, |nets| Condition::Destination(not, nets))
                }
                Some("protocol" | "nexthdr") => {
                    let (not, found) = values(&mut words);
                    Condition::Protocol(not, found.join(","))
                }
                _ => Condition::Unknown,
            },
            "tcp" if words.next_if(|word| word == "dport").is_some() => {
                let (not, found) = values(&mut words);
                ports(&found).map_or(Condition::Unknown, |ports| Condition::Port(not, ports))
            }
            "udp" | "sctp" | "icmp" | "icmpv6" => Condition::Protocol(false, word),
            "meta" if words.next_if(|word| word == "l4proto").is_some() => {
                let (not, found) = values(&mut words);
                Condition::Protocol(not, found.join(","))
            }
            "ct" if words.next_if(|word| word == "state").is_some() => {
                let (not, found) = values(&mut words);
                Condition::New(found.iter().any(|state| state.split(',').any(|s| s == "new")) != not)
            }
            "counter" => {
                if words.next_if(|word| word == "packets").is_some() {
                    rule.packets = words.next().and_then(|count| count.parse().ok());
                    words.next_if(|word| word == "bytes").and_then(|_| words.next());
                }
                continue;
            }
            "comment" => {
                words.next();
                continue;
            }
            "accept" | "drop" | "return" | "jump" | "goto" | "dnat" | "reject" | "masquerade" | "snat" | "queue" => {
                rule.verdict = match (word.as_str(), words.last()) {
                    ("accept", _) => Verdict::Accept,
                    ("drop", _) => Verdict::Drop,
                    ("return", _) => Verdict::Return,
                    ("jump" | "goto", Some(chain)) => Verdict::Jump(chain),
                    ("dnat", Some(to)) => Verdict::Dnat(to),
                    _ => Verdict::Other,
                };
                break;
            }
            _ => Condition::Unknown,
        };
        rule.conditions.push(condition);
    }
    rule
}

/// Words; braces stand alone, commas go, what stands in quotes is one word.
fn tokens(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            '{' | '}' if !quoted => words.extend([c.to_string(), String::new()]),
            c if c.is_whitespace() && !quoted => words.push(String::new()),
            c => {
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    let trimmed = words.into_iter().map(|word| word.trim_end_matches(',').to_owned());
    trimmed.filter(|word| !word.is_empty()).collect()
}

fn iptables(words: &[&str]) -> Rule {
    let mut rule = empty();
    let mut not = false;
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        if word == "!" {
            not = true;
            continue;
        }
        let mut value = || words.next().unwrap_or_default().to_owned();
        let several = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let condition = match word {
            "-s" => nets(&[value()]).map_or(Condition::Unknown, |nets| Condition::Source(not, nets)),
            "-d" => nets(&[value()]).map_or(Condition::Unknown, |nets| Condition::Destination(not, nets)),
            "-p" => Condition::Protocol(not, value()),
            "--dport" | "--dports" => {
                ports(&several(&value())).map_or(Condition::Unknown, |ports| Condition::Port(not, ports))
            }
            "--ctstate" | "--state" => Condition::New(value().split(',').any(|state| state == "NEW") != not),
            "-m" => {
                value();
                continue;
            }
            "-j" | "-g" => {
                rule.verdict = match value().as_str() {
                    "ACCEPT" => Verdict::Accept,
                    "DROP" => Verdict::Drop,
                    "RETURN" => Verdict::Return,
                    "DNAT" => Verdict::Dnat(words.last().unwrap_or_default().to_owned()),
                    "REJECT" | "MARK" | "MASQUERADE" | "SNAT" | "LOG" | "CT" | "NFQUEUE" | "REDIRECT" => Verdict::Other,
                    chain => Verdict::Jump(chain.to_owned()),
                };
                break;
            }
            "--comment" => {
                // Quoted, and so several words.
                let mut text = value();
                while text.starts_with('"') && !(text.len() > 1 && text.ends_with('"')) {
                    let Some(more) = words.next() else { break };
                    text = format!("{text} {more}");
                }
                continue;
            }
            _ => {
                value();
                Condition::Unknown
            }
        };
        rule.conditions.push(condition);
        not = false;
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(destination: &str, port: u16) -> Packet {
        Packet { source: "10.244.0.9".parse().ok(), destination: destination.parse().unwrap(), port }
    }

    const NFT: &str = "table ip filter {
	chain FORWARD {
		type filter hook forward priority filter; policy accept;
		ct state related,established counter packets 9 bytes 9 accept
		ip daddr 10.244.1.5 tcp dport 80 counter packets 12 bytes 720 drop
		ip saddr != 10.244.0.0/16 ip daddr { 10.244.1.6, 10.244.1.7 } drop
		 counter packets 7 bytes 3 jump NETPOL
	}

	chain NETPOL {
		ip daddr 10.244.1.8 counter packets 1 bytes 1 jump NPI
		meta l4proto udp drop
	}

	chain NPI {
		meta mark & 0x00040000 != 0x00040000 counter packets 5 bytes 3 drop
	}
}
";

    #[test]
    fn a_packet_is_dropped_by_the_rule_it_meets_and_by_no_other() {
        let rules = parse(NFT);
        let by = |to: &str, port| dropped(&rules, "forward", packet(to, port)).map(|rule| (rule.line, rule.packets));
        assert_eq!(by("10.244.1.5", 80), Some((5, Some(12))));
        assert_eq!(by("10.244.1.5", 81), None);
        assert_eq!(by("10.244.1.6", 80), None, "the source is excepted");
        assert_eq!(by("10.244.1.8", 80), None, "a mark is not understood");
        assert_eq!(dropped(&rules, "input", packet("10.244.1.5", 80)), None);
    }

    #[test]
    fn iptables_save_says_the_same() {
        let text = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\n\
                    -A FORWARD -m comment --comment \"a b\" -j KUBE-FORWARD\n\
                    -A FORWARD -d 10.244.1.5/32 -p tcp -m tcp --dport 80 -j DROP\n\
                    [3:180] -A KUBE-FORWARD ! -s 10.0.0.0/8 -j DROP\nCOMMIT\n";
        let rules = parse(text);
        assert_eq!(dropped(&rules, "forward", packet("10.244.1.5", 80)).map(|rule| rule.line), Some(5));
        assert_eq!(dropped(&rules, "forward", packet("10.244.1.5", 443)), None);
        let outside = Packet { source: "192.0.2.1".parse().ok(), ..packet("10.244.1.5", 443) };
        assert_eq!(dropped(&rules, "forward", outside).and_then(|rule| rule.packets), Some(3));
    }

    #[test]
    fn addresses_are_rewritten() {
        let text = "table ip nat {\n chain KUBE-SEP-A {\n  ip protocol tcp  meta l4proto tcp counter packets 4 bytes 240 dnat to 10.244.1.65:8000\n }\n}\n";
        assert_eq!(parse(text)[0].verdict, Verdict::Dnat("10.244.1.65:8000".to_owned()));
    }
}
