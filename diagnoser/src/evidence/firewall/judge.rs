//! What becomes of a packet at a hook of the kernel: the chains that are called there, rule by rule.

use super::{Packet, Rejection, Rule, Verdict};

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement<'r> {
    /// It goes on.
    Passes,
    /// This rule throws it away in silence.
    Dropped(&'r Rule),
    /// This rule throws it away and answers.
    Rejected(&'r Rule, Rejection),
    /// It depends on what is not understood of this rule.
    Unclear(&'r Rule),
}

/// What becomes of a packet at a hook (`input`, `forward`, `output` ...).
///
/// A rule that counts its packets and has met none was not met by the one that is asked about, for that one was sent.
pub fn judge<'r>(rules: &'r [Rule], hook: &str, packet: Packet<'_>) -> Judgement<'r> {
    let mut unclear = None;
    for (table, chain) in chains(rules, hook) {
        let ends = possible(rules, table, chain, packet, 0);
        let stops: Vec<&End<'r>> =
            ends.iter().filter(|end| matches!(end, End::Dropped(_) | End::Rejected(..))).collect();
        // The last is the one that is certain, where any is.
        match (stops.last(), stops.len() == ends.len()) {
            (None, _) => {}
            (Some(End::Dropped(rule)), true) if stops.iter().all(|end| matches!(end, End::Dropped(_))) => {
                return Judgement::Dropped(rule);
            }
            (Some(End::Rejected(rule, how)), true) if stops.iter().all(|end| matches!(end, End::Rejected(..))) => {
                return Judgement::Rejected(rule, *how);
            }
            (Some(End::Dropped(rule) | End::Rejected(rule, _)), _) => unclear = unclear.or(Some(*rule)),
            (Some(_), _) => {}
        }
    }
    unclear.map_or(Judgement::Passes, Judgement::Unclear)
}

/// The rule that gives a packet another source or destination on its way through a hook, if one does for certain.
pub fn translated<'r>(rules: &'r [Rule], hook: &str, packet: Packet<'_>) -> Option<&'r Rule> {
    let found = chains(rules, hook).into_iter().map(|(table, chain)| possible(rules, table, chain, packet, 0));
    found.into_iter().find_map(|ends| match &ends[..] {
        [End::Translated(rule)] => Some(*rule),
        _ => None,
    })
}

/// The rule that throws a packet away on its way through a hook, if one does.
pub fn dropped<'r>(rules: &'r [Rule], hook: &str, packet: Packet<'_>) -> Option<&'r Rule> {
    chains(rules, hook).into_iter().find_map(|(table, chain)| match walk(rules, table, chain, packet, 0) {
        End::Dropped(rule) => Some(rule),
        _ => None,
    })
}

/// The chains that the kernel calls at a hook.
fn chains<'r>(rules: &'r [Rule], hook: &str) -> Vec<(&'r str, &'r str)> {
    let mut seen = Vec::new();
    for rule in rules.iter().filter(|rule| rule.hook.as_deref() == Some(hook)) {
        let chain = (rule.table.as_str(), rule.chain.as_str());
        if !seen.contains(&chain) {
            seen.push(chain);
        }
    }
    seen
}

/// How the way through a chain ends.
#[derive(Clone, Debug, PartialEq)]
enum End<'r> {
    Dropped(&'r Rule),
    Rejected(&'r Rule, Rejection),
    Translated(&'r Rule),
    Accepted,
    Through,
}

const DEEPEST: u8 = 16;

/// Every end that is possible, those first that come first; one alone is certain.
fn possible<'r>(rules: &'r [Rule], table: &str, chain: &str, packet: Packet<'_>, depth: u8) -> Vec<End<'r>> {
    let mut ends: Vec<End<'r>> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.table == table && rule.chain == chain) {
        let met = rule.meets(packet);
        if depth > DEEPEST || met == Some(false) || rule.packets == Some(0) && !rule.policy {
            continue;
        }
        let mut own = match &rule.verdict {
            Verdict::Drop => vec![End::Dropped(rule)],
            Verdict::Reject(how) => vec![End::Rejected(rule, *how)],
            Verdict::Accept => vec![End::Accepted],
            Verdict::Return => vec![End::Through],
            Verdict::Jump(to) => possible(rules, table, to, packet, depth + 1),
            Verdict::Dnat(_) | Verdict::Redirect(_) | Verdict::Snat(_) | Verdict::Masquerade => {
                vec![End::Translated(rule)]
            }
            Verdict::Other => continue,
        };
        // What a chain below lets through comes back here.
        let goes_on = matches!(rule.verdict, Verdict::Jump(_)) && own.contains(&End::Through);
        if goes_on {
            own.retain(|end| *end != End::Through);
        }
        for end in own {
            if !ends.contains(&end) {
                ends.push(end);
            }
        }
        if met == Some(true) && !goes_on {
            return ends;
        }
    }
    if !ends.contains(&End::Through) {
        ends.push(End::Through);
    }
    ends
}

/// The end that is certain, with rules that are not understood passed over.
fn walk<'r>(rules: &'r [Rule], table: &str, chain: &str, packet: Packet<'_>, depth: u8) -> End<'r> {
    for rule in rules.iter().filter(|rule| rule.table == table && rule.chain == chain && !rule.policy) {
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
            _ => {}
        }
    }
    End::Through
}
