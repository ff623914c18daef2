//! Both ways in which rules are printed; they can be told by how a line begins.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use super::{Condition, Rejection, Rule, Verdict};

/// The named sets of `nft`, by `@name`.
type Sets = BTreeMap<String, Vec<String>>;

/// All rules, in order; the policy of a chain that is not to let through comes after them all.
pub(super) fn parse(text: &str) -> Vec<Rule> {
    let sets = sets(text);
    let mut rules = Vec::new();
    let mut policies = Vec::new();
    let (mut table, mut chain, mut hook, mut depth) = (String::new(), None::<String>, None::<String>, 0_u32);
    for (index, line) in text.lines().enumerate() {
        let (line, handle) = handle(line.trim());
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(&first) = words.first() else { continue };
        let place = |rule: Rule, table: &str, chain: &str, hook: Option<String>| Rule {
            table: table.to_owned(),
            chain: chain.to_owned(),
            hook,
            text: line.to_owned(),
            line: index + 1,
            handle,
            ..rule
        };
        if let Some(name) = first.strip_prefix('*') {
            table = format!("ip {name}");
        } else if let (Some(name), true) = (first.strip_prefix(':'), words.len() > 1) {
            if let Some(hook) = built_in(name).filter(|_| words[1] == "DROP") {
                let policy = Rule { iptables: true, ..policy() };
                policies.push(place(policy, &table, name, Some(hook)));
            }
        } else if let Some(at) = words.iter().position(|word| *word == "-A").filter(|at| *at <= 1) {
            let name = words.get(at + 1).copied().unwrap_or_default();
            let counted = first.strip_prefix('[').and_then(|count| count.split(':').next()?.parse().ok());
            let rule = Rule { packets: counted, iptables: true, ..iptables(words.get(at + 2..).unwrap_or_default()) };
            rules.push(place(rule, &table, name, built_in(name)));
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
                if line.contains("policy drop") {
                    policies.push(place(policy(), &table, name, hook.clone()));
                }
                continue;
            }
            rules.extend(nft(line, &sets).into_iter().map(|rule| place(rule, &table, name, hook.clone())));
        }
    }
    rules.extend(policies);
    rules
}

/// The hook of a chain that iptables has by itself.
fn built_in(chain: &str) -> Option<String> {
    ["FORWARD", "INPUT", "OUTPUT", "POSTROUTING", "PREROUTING"].contains(&chain).then(|| chain.to_lowercase())
}

/// A line without the handle that `nft -a` prints behind it.
fn handle(line: &str) -> (&str, Option<u64>) {
    match line.rsplit_once(" # handle ") {
        Some((line, number)) => (line.trim_end(), number.trim().parse().ok()),
        None => (line, None),
    }
}

/// The text of a rule without what changes from one listing to the next.
pub(super) fn without_counts(text: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    let mut all = text.split_whitespace().peekable();
    while let Some(word) = all.next() {
        if matches!(word, "packets" | "bytes") && words.last() == Some(&"counter") {
            all.next();
            if all.peek() == Some(&"bytes") {
                all.next();
                all.next();
            }
            continue;
        }
        words.push(word);
    }
    words.join(" ")
}

/// The elements of named sets: `set blocked { ... elements = { 10.0.0.1, 10.0.1.0/24 } }`, over several lines.
fn sets(text: &str) -> Sets {
    let mut sets = Sets::new();
    let (mut name, mut open) = (None::<String>, false);
    for line in text.lines() {
        let (line, _) = handle(line.trim());
        if let Some(rest) = line.strip_prefix("set ").and_then(|rest| rest.strip_suffix('{')) {
            name = Some(format!("@{}", rest.trim()));
            open = false;
            continue;
        }
        let Some(set) = &name else { continue };
        let elements = line.split_once("elements = {").map(|(_, rest)| rest);
        let elements = elements.or_else(|| open.then_some(line));
        match elements {
            Some(elements) => {
                open = !elements.contains('}');
                let words = elements.split(['}', ',']).map(str::trim).filter(|word| !word.is_empty());
                // What stands behind an element (timeout, counter) is not part of it.
                let words = words.filter_map(|word| word.split_whitespace().next()).map(str::to_owned);
                sets.entry(set.clone()).or_default().extend(words);
            }
            None if line == "}" => name = None,
            // A set that lies in others' hands may hold anything.
            None => {}
        }
    }
    sets
}

fn empty() -> Rule {
    Rule {
        table: String::new(),
        chain: String::new(),
        hook: None,
        verdict: Verdict::Other,
        packets: None,
        handle: None,
        policy: false,
        iptables: false,
        text: String::new(),
        line: 0,
        conditions: Vec::new(),
    }
}

fn policy() -> Rule {
    Rule { verdict: Verdict::Drop, policy: true, ..empty() }
}

fn nets(words: &[String]) -> Option<Vec<IpNet>> {
    let net = |word: &String| word.parse().ok().or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from));
    words.iter().map(net).collect()
}

/// `80`, `8000-8100`, `8000:8100`; names of services as far as they are common.
fn ports(words: &[String]) -> Option<Vec<(u16, u16)>> {
    let number = |word: &str| match word {
        "ssh" => Some(22),
        "domain" => Some(53),
        "http" => Some(80),
        "https" => Some(443),
        "postgresql" => Some(5432),
        word => word.parse().ok(),
    };
    let range = |word: &String| {
        let (from, to) = word.split_once(['-', ':']).unwrap_or((word, word));
        Some((number(from)?, number(to)?))
    };
    words.iter().map(range).collect()
}

/// `1400`, `1300-65535`, `1300:65535`.
fn lengths(word: &str) -> Option<Vec<(u32, u32)>> {
    let (from, to) = word.split_once(['-', ':']).unwrap_or((word, word));
    Some(vec![(from.parse().ok()?, to.parse().ok()?)])
}

/// The words of a rule.
struct Words(std::iter::Peekable<std::vec::IntoIter<String>>);

impl Words {
    fn next(&mut self) -> Option<String> {
        self.0.next()
    }

    fn skip(&mut self, word: &str) -> bool {
        self.0.next_if(|next| next == word).is_some()
    }

    /// `!= value`, `value`, `{ value, value }`, `@set`.
    fn values(&mut self, sets: &Sets) -> (bool, Vec<String>) {
        let not = self.skip("!=");
        if self.skip("{") {
            return (not, self.block());
        }
        let word: Vec<String> = self.next().into_iter().collect();
        match word.first().and_then(|word| sets.get(word)) {
            Some(elements) => (not, elements.clone()),
            None => (not, word.iter().flat_map(|word| word.split(',')).map(str::to_owned).collect()),
        }
    }

    /// What stands up to the closing brace.
    fn block(&mut self) -> Vec<String> {
        self.0.by_ref().take_while(|word| word != "}").collect()
    }
}

/// What nft compares a packet with, by the words that name it.
fn selector(word: &str, words: &mut Words) -> Option<fn(bool, Vec<String>) -> Condition> {
    fn or_unknown<T>(not: bool, read: Option<T>, make: fn(bool, T) -> Condition) -> Condition {
        read.map_or(Condition::Unknown, |read| make(not, read))
    }
    Some(match word {
        "ip" | "ip6" => match words.next().as_deref() {
            Some("saddr") => |not, found| or_unknown(not, nets(&found), Condition::Source),
            Some("daddr") => |not, found| or_unknown(not, nets(&found), Condition::Destination),
            Some("protocol" | "nexthdr") => |not, found| Condition::Protocol(not, found),
            Some("length") => |not, found| or_unknown(not, lengths(&found.concat()), Condition::Length),
            _ => |_, _| Condition::Unknown,
        },
        "tcp" | "udp" | "th" => match words.0.peek().map(String::as_str) {
            Some("dport") => {
                words.next();
                |not, found| or_unknown(not, ports(&found), Condition::Port)
            }
            Some("sport") => {
                words.next();
                |not, found| or_unknown(not, ports(&found), Condition::SourcePort)
            }
            _ => return None,
        },
        "icmp" | "icmpv6" => match words.0.peek().map(String::as_str) {
            Some("type") => {
                words.next();
                |not, found| Condition::Icmp(not, found)
            }
            _ => return None,
        },
        "meta" => match words.next().as_deref() {
            Some("l4proto") => |not, found| Condition::Protocol(not, found),
            Some("length") => |not, found| or_unknown(not, lengths(&found.concat()), Condition::Length),
            Some("nfproto" | "protocol") => |not, found| Condition::Family(not, found),
            Some("iifname" | "iif") => |not, found| Condition::In(not, found),
            Some("oifname" | "oif") => |not, found| Condition::Out(not, found),
            _ => |_, _| Condition::Unknown,
        },
        "iifname" | "iif" => |not, found| Condition::In(not, found),
        "oifname" | "oif" => |not, found| Condition::Out(not, found),
        "ct" if words.skip("state") => |not, found| Condition::State(not, found),
        _ => return None,
    })
}

/// A rule as nft prints it; with a map of verdicts it is one for each element.
fn nft(line: &str, sets: &Sets) -> Vec<Rule> {
    let mut rule = empty();
    let mut words = Words(tokens(line).into_iter().peekable());
    let mut several: Vec<Rule> = Vec::new();
    while let Some(word) = words.next() {
        // The protocol goes without saying where its ports are asked for.
        match word.as_str() {
            "tcp" | "udp" | "sctp" | "icmp" | "icmpv6" => {
                rule.conditions.push(Condition::Protocol(false, vec![word.clone()]));
            }
            _ => {}
        }
        if let Some(condition) = selector(&word, &mut words) {
            if words.skip("vmap") {
                several.extend(verdict_map(&rule, &mut words, condition));
                continue;
            }
            // `> 1300` and the like.
            if matches!(words.0.peek().map(String::as_str), Some(">" | ">=" | "gt" | "ge")) {
                words.next();
                let least: Option<u32> = words.next().and_then(|word| word.parse().ok());
                let ranges = least.map(|least| vec![format!("{}-{}", least, u16::MAX)]);
                rule.conditions.push(condition(false, ranges.unwrap_or_default()));
                continue;
            }
            let (not, found) = words.values(sets);
            // A set that is not known holds what nobody knows.
            let known = !found.iter().any(|word| word.starts_with(['@', '&', '$']));
            rule.conditions.push(if known { condition(not, found) } else { Condition::Unknown });
            continue;
        }
        match word.as_str() {
            "tcp" | "udp" | "sctp" | "icmp" | "icmpv6" | "notrack" => {}
            "counter" => {
                if words.skip("packets") {
                    rule.packets = words.next().and_then(|count| count.parse().ok());
                    if words.skip("bytes") {
                        words.next();
                    }
                }
            }
            "comment" => {
                words.next();
            }
            "log" => {
                while words.skip("prefix") || words.skip("level") || words.skip("group") || words.skip("flags") {
                    words.next();
                }
            }
            "accept" | "drop" | "return" | "jump" | "goto" | "dnat" | "reject" | "masquerade" | "snat" | "queue"
            | "redirect" => {
                let rest: Vec<String> = words.0.by_ref().collect();
                rule.verdict = verdict(&word, &rest);
                break;
            }
            _ => rule.conditions.push(Condition::Unknown),
        }
    }
    if several.is_empty() || rule.verdict != Verdict::Other {
        several.push(rule);
    }
    several
}

fn verdict(word: &str, rest: &[String]) -> Verdict {
    // `dnat ip to 10.0.0.1:80 persistent`
    let to = || {
        let at = rest.iter().position(|word| word == "to").map_or(0, |at| at + 1);
        rest.get(at).cloned().unwrap_or_default()
    };
    match word {
        "accept" => Verdict::Accept,
        "drop" => Verdict::Drop,
        "return" => Verdict::Return,
        "jump" | "goto" => Verdict::Jump(rest.first().cloned().unwrap_or_default()),
        "reject" => Verdict::Reject(rejection(&rest.join(" "))),
        "dnat" => Verdict::Dnat(to()),
        "snat" => Verdict::Snat(to()),
        "masquerade" => Verdict::Masquerade,
        "redirect" => Verdict::Redirect(to().trim_start_matches(':').parse().ok()),
        _ => Verdict::Other,
    }
}

/// How a packet is answered: `with tcp reset`, `with icmp port-unreachable`, `icmp-host-prohibited`; nothing is port unreachable.
fn rejection(text: &str) -> Rejection {
    if text.contains("reset") {
        Rejection::Reset
    } else if text.trim().is_empty() || text.contains("port") {
        Rejection::PortUnreachable
    } else {
        Rejection::Unreachable
    }
}

/// `{ established : accept, invalid : drop }`
fn verdict_map(rule: &Rule, words: &mut Words, condition: fn(bool, Vec<String>) -> Condition) -> Vec<Rule> {
    if !words.skip("{") {
        // A map by name.
        words.next();
        return vec![Rule { conditions: vec![Condition::Unknown], ..rule.clone() }];
    }
    let block = words.block();
    let mut rules = Vec::new();
    for (at, _) in block.iter().enumerate().filter(|(_, word)| *word == ":") {
        let (Some(key), Some(word)) = (at.checked_sub(1).map(|at| block[at].clone()), block.get(at + 1)) else {
            continue;
        };
        let mut one = rule.clone();
        one.conditions.push(condition(false, vec![key]));
        one.verdict = verdict(word, &block[at + 2..]);
        // What the map counts is not what one of its elements counts.
        one.packets = None;
        rules.push(one);
    }
    rules
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
        if word == "--syn" {
            rule.conditions.push(Condition::Opens(!not));
            not = false;
            continue;
        }
        let mut value = || words.next().unwrap_or_default().to_owned();
        let several = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let condition = match word {
            "-s" => nets(&several(&value())).map_or(Condition::Unknown, |nets| Condition::Source(not, nets)),
            "-d" => nets(&several(&value())).map_or(Condition::Unknown, |nets| Condition::Destination(not, nets)),
            "-i" => Condition::In(not, vec![value()]),
            "-o" => Condition::Out(not, vec![value()]),
            "-p" => Condition::Protocol(not, vec![value()]),
            "--dport" | "--dports" => {
                ports(&several(&value())).map_or(Condition::Unknown, |ports| Condition::Port(not, ports))
            }
            "--sport" | "--sports" => {
                ports(&several(&value())).map_or(Condition::Unknown, |ports| Condition::SourcePort(not, ports))
            }
            "--length" => lengths(&value()).map_or(Condition::Unknown, |ranges| Condition::Length(not, ranges)),
            "--icmp-type" => Condition::Icmp(not, vec![value()]),
            "--tcp-flags" => {
                let (mask, set) = (value(), value());
                // SYN alone of these is what opens a connection.
                if mask.contains("SYN") && mask.contains("ACK") && set == "SYN" {
                    Condition::Opens(!not)
                } else {
                    Condition::Unknown
                }
            }
            "--ctstate" | "--state" => {
                Condition::State(not, several(&value()).iter().map(|state| state.to_lowercase()).collect())
            }
            "-m" => {
                value();
                continue;
            }
            "-j" | "-g" => {
                let target = value();
                let rest: Vec<&str> = words.by_ref().collect();
                rule.verdict = target_of(&target, &rest);
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

/// What `-j TARGET ...` does.
fn target_of(target: &str, rest: &[&str]) -> Verdict {
    let option = |name: &str| {
        let at = rest.iter().position(|word| *word == name)?;
        rest.get(at + 1).map(|word| (*word).to_owned())
    };
    match target {
        "ACCEPT" => Verdict::Accept,
        "DROP" => Verdict::Drop,
        "RETURN" => Verdict::Return,
        "DNAT" => Verdict::Dnat(option("--to-destination").unwrap_or_default()),
        "SNAT" => Verdict::Snat(option("--to-source").unwrap_or_default()),
        "MASQUERADE" => Verdict::Masquerade,
        "REDIRECT" => Verdict::Redirect(option("--to-ports").and_then(|port| port.parse().ok())),
        "REJECT" => Verdict::Reject(rejection(&option("--reject-with").unwrap_or_default())),
        // Targets of the kernel that change or note something and let the packet go on; all others are chains.
        "MARK" | "LOG" | "NFLOG" | "CT" | "NFQUEUE" | "CONNMARK" | "TCPMSS" | "NOTRACK" | "TOS" | "DSCP" | "TTL"
        | "CHECKSUM" | "CLASSIFY" | "SET" | "ULOG" | "TPROXY" => Verdict::Other,
        chain => Verdict::Jump(chain.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{Judgement, Packet, Protocol, Tracked, dropped, judge, translated},
        *,
    };

    fn packet(destination: &str, port: u16) -> Packet<'static> {
        Packet::tcp("10.244.0.9".parse().ok(), destination.parse().unwrap(), port)
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

    /// A host's own filter, as RHEL's and Debian's examples have it.
    const HOST: &str = "table inet filter { # handle 4
	set blocked { # handle 9
		type ipv4_addr
		flags interval
		elements = { 192.0.2.0/24,
			     198.51.100.7 counter packets 0 bytes 0 }
	}
	chain input { # handle 1
		type filter hook input priority filter; policy drop;
		ct state vmap { invalid : drop, established : accept, related : accept } # handle 5
		iifname \"lo\" accept # handle 6
		ip saddr @blocked log prefix \"gone: \" drop # handle 7
		tcp dport { 22, 5432 } ct state new accept # handle 8
		tcp dport 9100 ip saddr 10.0.0.0/8 counter packets 4 bytes 240 reject with tcp reset # handle 10
		udp dport 53 accept # handle 11
		meta l4proto icmp icmp type { echo-request, destination-unreachable } accept # handle 12
		iifname \"eth1\" tcp dport 7000-7100 reject with icmpx admin-prohibited # handle 13
		meta mark 0x00000001 tcp dport 8081 accept # handle 14
		meta nfproto ipv4 tcp dport 8082 accept # handle 16
	}
	chain post { # handle 2
		type nat hook postrouting priority srcnat; policy accept;
		oifname \"eth1\" masquerade # handle 15
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
        assert!(matches!(judge(&rules, "forward", packet("10.244.1.8", 80)), Judgement::Unclear(_)));
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

    #[test]
    fn a_hosts_own_filter() {
        let rules = parse(HOST);
        let line = |judged: Judgement<'_>| match judged {
            Judgement::Passes => "passes".to_owned(),
            Judgement::Dropped(rule) => format!("dropped {}", rule.line),
            Judgement::Rejected(rule, how) => format!("{how:?} {}", rule.line),
            Judgement::Unclear(rule) => format!("unclear {}", rule.line),
        };
        let at = |packet: Packet<'_>| line(judge(&rules, "input", packet));
        let from_ten = |port| packet("10.80.2.10", port).between("eth0", "");
        assert_eq!(at(from_ten(5432)), "passes");
        assert_eq!(at(from_ten(80)), "dropped 9", "by the policy");
        assert_eq!(at(from_ten(9100)), "Reset 14");
        assert_eq!(at(packet("10.80.2.10", 7005).between("eth1", "")), "Unreachable 17");
        assert_eq!(at(from_ten(7005)), "dropped 9");
        assert_eq!(at(from_ten(8081)), "unclear 9", "a mark is not understood");
        assert_eq!(at(from_ten(8082)), "passes");
        assert_eq!(at(packet("10.80.2.10", 80).between("lo", "")), "passes");
        let blocked = Packet { source: "198.51.100.7".parse().ok(), ..from_ten(22) };
        assert_eq!(at(blocked), "dropped 12");
        assert_eq!(at(Packet { tracked: Tracked::Established, ..from_ten(80) }), "passes");
        assert_eq!(at(Packet { tracked: Tracked::Invalid, ..from_ten(22) }), "dropped 10");
        let told = Packet { protocol: Protocol::FragmentationNeeded, tracked: Tracked::Related, ..from_ten(0) };
        assert_eq!(at(told), "passes");
        assert_eq!(
            rules.iter().find(|rule| rule.line == 12).map(|rule| rule.delete().join(" ")).as_deref(),
            Some("nft delete rule inet filter input handle 7")
        );
        let out = packet("10.80.2.10", 80).between("eth0", "eth1");
        assert_eq!(translated(&rules, "postrouting", out).map(|rule| &rule.verdict), Some(&Verdict::Masquerade));
    }

    #[test]
    fn iptables_has_policies_interfaces_and_ways_to_refuse() {
        let text = "*filter\n:INPUT DROP [3:180]\n:FORWARD ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\n\
                    -A INPUT -p tcp -m multiport --dports 22,80 -m comment --comment \"let in\" -j ACCEPT\n\
                    -A INPUT -p tcp --dport 81 -j REJECT --reject-with icmp-port-unreachable\n\
                    -A INPUT -s 10.9.0.0/16 -p tcp --dport 82 -j REJECT --reject-with icmp-host-prohibited\nCOMMIT\n";
        let rules = parse(text);
        let at = |port| judge(&rules, "input", packet("10.80.2.10", port).between("eth0", ""));
        assert_eq!(at(80), Judgement::Passes);
        assert!(matches!(at(81), Judgement::Rejected(rule, Rejection::PortUnreachable) if rule.line == 6));
        assert!(matches!(at(82), Judgement::Dropped(rule) if rule.policy), "another source");
        assert_eq!(
            rules[2].delete()[2],
            "iptables -t filter -D INPUT -p tcp --dport 81 -j REJECT --reject-with icmp-port-unreachable"
        );
    }

    #[test]
    fn a_rule_that_counted_nothing_met_nothing() {
        let text = "table ip filter {\n chain FORWARD {\n type filter hook forward priority 0; policy accept;\n tcp dport 80 counter packets 0 bytes 0 drop\n }\n}\n";
        assert_eq!(judge(&parse(text), "forward", packet("10.244.1.5", 80)), Judgement::Passes);
        assert_eq!(without_counts("tcp dport 80 counter packets 0 bytes 0 drop"), "tcp dport 80 counter drop");
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), cut in 0usize..1600) {
            parse(&text);
            for whole in [NFT, HOST] {
                let rules = parse(&whole[..cut.min(whole.len())]);
                judge(&rules, "input", packet("10.80.2.10", 80));
            }
        }
    }
}
