//! `hosts/<host>/ip-rule.txt`: which table of routes is asked for which packets, as `ip rule` prints it.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Citation, Fact, Hosts, routes::MAIN};

/// What a rule leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// A table of routes.
    Table(String),
    /// Packets are lost on purpose, in this word of `ip rule`: `blackhole`, `unreachable`, `prohibit`.
    Refuse(String),
    /// Something else.
    Other,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRule {
    /// Rules are asked from the lowest on.
    pub priority: u32,
    /// What it leads to.
    pub action: RuleAction,
    /// Routes of this length and shorter are passed over.
    pub suppress: Option<u8>,
    /// As printed.
    pub text: String,
    /// The file it stands in.
    pub file: String,
    /// The line in the file, from 1.
    pub line: usize,
    not: bool,
    from: Option<IpNet>,
    to: Option<IpNet>,
    iif: Option<String>,
    /// For packets with a mark, which ordinary ones have not.
    marked: bool,
    /// Users, ports and the like, which are not followed.
    other: bool,
}

impl RouteRule {
    /// Whether it is for a packet; `None` where that depends on what is not followed. `iif` is the interface it came in by,
    /// `None` for the host's own.
    pub fn meets(&self, source: IpAddr, destination: IpAddr, iif: Option<&str>) -> Option<bool> {
        let inside = |net: Option<IpNet>, address: IpAddr| net.is_none_or(|net| net.contains(&address));
        let from = inside(self.from, source) && inside(self.to, destination);
        // The host's own packets come in by `lo`, as rules see it.
        let all = from && !self.marked && self.iif.as_deref().is_none_or(|name| name == iif.unwrap_or("lo"));
        match (all, self.other) {
            (false, _) => Some(self.not),
            (true, true) => None,
            (true, false) => Some(!self.not),
        }
    }

    /// A citation of it.
    pub fn cite(&self) -> Citation {
        Citation::line(&self.file, self.line, &self.text)
    }
}

impl Hosts {
    /// The rules of a host by which tables of routes are chosen, in the order in which they are asked.
    pub fn route_rules(&self, host: &str) -> Fact<Vec<RouteRule>> {
        const FACT: &str = "ip-rule";
        match self.text(host, FACT) {
            Fact::Missed(why) => Fact::Missed(why),
            Fact::Seen(text) => match parse(&Self::file(host, FACT), text) {
                rules if rules.is_empty() => Fact::Missed("no rule in it".to_owned()),
                rules => Fact::Seen(rules),
            },
        }
    }
}

/// The rules of a host on which nobody has set any (ip-rule(8)); the table `local` is what the host's own addresses are.
pub fn usual_rules() -> Vec<RouteRule> {
    parse("", &format!("32766: from all lookup {MAIN}\n32767: from all lookup default"))
}

fn parse(file: &str, text: &str) -> Vec<RouteRule> {
    let rows = text.lines().enumerate();
    let mut rules: Vec<RouteRule> = rows.filter_map(|(index, line)| rule(file, index + 1, line)).collect();
    rules.sort_by_key(|rule| (rule.priority, rule.line));
    rules
}

fn rule(file: &str, line: usize, text: &str) -> Option<RouteRule> {
    let (priority, rest) = text.trim().split_once(':')?;
    let mut rule = RouteRule {
        priority: priority.parse().ok()?,
        action: RuleAction::Other,
        suppress: None,
        text: text.trim().to_owned(),
        file: file.to_owned(),
        line,
        not: false,
        from: None,
        to: None,
        iif: None,
        marked: false,
        other: false,
    };
    let mut words = rest.split_whitespace().filter(|word| !matches!(*word, "[detached]" | "unicast"));
    let net = |word: Option<&str>| {
        let word = word.filter(|word| *word != "all")?;
        word.parse().ok().or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from))
    };
    while let Some(word) = words.next() {
        match word {
            "not" => rule.not = true,
            "from" => rule.from = net(words.next()),
            "to" => rule.to = net(words.next()),
            "iif" | "dev" => rule.iif = words.next().map(str::to_owned),
            "lookup" | "table" => rule.action = RuleAction::Table(words.next()?.to_owned()),
            "blackhole" | "unreachable" | "prohibit" => rule.action = RuleAction::Refuse(word.to_owned()),
            "fwmark" => rule.marked = words.next().is_some_and(|mark| mark.split('/').next() != Some("0")),
            "suppress_prefixlength" => rule.suppress = words.next().and_then(|length| length.parse().ok()),
            "proto" | "protocol" | "realms" => {
                words.next();
            }
            _ => {
                // oif, uidrange, ipproto, sport, dport, tos and what may come: with a value each.
                rule.other = true;
                words.next();
            }
        }
    }
    (rule.action != RuleAction::Other || rule.other).then_some(rule)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: &str = "0:\tfrom all lookup local
32766:\tfrom all lookup main
100:\tfrom 10.80.1.0/24 to 10.9.0.0/16 iif eth0 lookup 100
101:\tnot from all fwmark 0xca6c lookup 51820
102:\tfrom all lookup main suppress_prefixlength 0
200:\tfrom 10.80.7.7 unreachable
32767:\tfrom all lookup default
";

    #[test]
    fn rules_in_their_order() {
        let rules = parse("f", RULES);
        assert_eq!(rules.iter().map(|rule| rule.priority).collect::<Vec<_>>(), [0, 100, 101, 102, 200, 32766, 32767]);
        let address = |text: &str| text.parse().unwrap();
        let meets = |rule: &RouteRule, from: &str, iif| rule.meets(address(from), address("10.9.0.1"), iif);
        assert_eq!(meets(&rules[1], "10.80.1.5", Some("eth0")), Some(true));
        assert_eq!(meets(&rules[1], "10.80.1.5", None), Some(false));
        assert_eq!(meets(&rules[1], "10.80.2.5", Some("eth0")), Some(false));
        assert_eq!(meets(&rules[2], "10.80.2.5", None), Some(true), "an ordinary packet has no mark");
        assert_eq!(rules[3].suppress, Some(0));
        assert_eq!(rules[4].action, RuleAction::Refuse("unreachable".to_owned()));
        assert_eq!(usual_rules().len(), 2);
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), cut in 0usize..300) {
            parse("f", &text);
            parse("f", &RULES[..cut.min(RULES.len())]);
        }
    }
}
