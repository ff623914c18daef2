//! Follows a packet from machine to machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Chosen, Direction, End, Hop, Way, Ways,
    routing::{add, route},
};
use crate::{
    causes::Lack,
    evidence::{
        Citation, Fact, Interface, Judgement, Packet, Protocol, Route, Rule, Tracked, Verdict, judge, translated,
    },
    model::Model,
};

/// See [`super::ways`].
pub(super) fn ways(model: &Model<'_>, from: &str, destination: IpAddr, port: u16, protocol: Protocol) -> Ways {
    let first = Packet { protocol, opens: protocol == Protocol::Tcp, ..Packet::tcp(None, destination, port) };
    let there = follow(model, from, first, &Known::of(Tracked::New));
    let back = arrived_at(model, &there).map(|server| back(model, server, &there, first));
    let later = back.as_ref().and_then(|back| later(model, &there, back, first));
    Ways { there, back, later }
}

/// What machines know of a connection from its first packet.
pub(super) struct Known<'w> {
    /// How they track a packet that they know nothing of otherwise.
    tracked: Tracked,
    /// The way of the first packet and to where it was sent, where this one goes back.
    there: Option<(&'w Way, IpAddr)>,
}

impl<'w> Known<'w> {
    /// The same of every machine.
    pub(super) fn of(tracked: Tracked) -> Self {
        Self { tracked, there: None }
    }

    fn tracked(&self, host: &str) -> Tracked {
        match self.there {
            Some((way, _)) if way.hosts().any(|other| other == host) => Tracked::Established,
            _ => self.tracked,
        }
    }

    /// Source and destination of an answer at a machine that has changed one of them for the question.
    fn restored(&self, host: &str, packet: Packet<'_>) -> (Option<IpAddr>, IpAddr) {
        let Some((way, asked)) = self.there else { return (packet.source, packet.destination) };
        let index = way.hops.iter().position(|hop| hop.host == host && hop.translated.is_some());
        let Some((index, hop)) = index.map(|index| (index, &way.hops[index])) else {
            return (packet.source, packet.destination);
        };
        let before = index.checked_sub(1).map(|index| &way.hops[index]);
        if packet.source != Some(hop.destination) || Some(packet.destination) != hop.source {
            return (packet.source, packet.destination);
        }
        let source = before.map_or(asked, |before| before.destination);
        let destination = before.map_or(hop.source, |before| before.source).unwrap_or(packet.destination);
        (Some(source), destination)
    }
}

/// Where the way there leads, whether or not it is let in.
fn arrived_at<'w>(model: &Model<'_>, there: &'w Way) -> Option<&'w str> {
    let last = there.hops.last()?;
    let own = model.machines.interfaces(&last.host)?.iter().any(|interface| interface.has(last.destination));
    own.then_some(last.host.as_str())
}

/// The way of the answer.
fn back(model: &Model<'_>, server: &str, there: &Way, first: Packet<'_>) -> Way {
    let last = there.hops.last();
    let Some((source, destination)) = last.and_then(|hop| Some((hop.source?, hop.destination))) else {
        return Way {
            hops: vec![],
            end: End::Lacks(lacks_addresses(model, server)),
            lacks: vec![],
            assumed: vec![],
            one_sided: false,
        };
    };
    let answer = Packet { source: Some(source), destination, ..first }.answer();
    let known = |tracked| Known { tracked, there: Some((there, first.destination)) };
    let mut way = follow(model, server, answer, &known(Tracked::Invalid));
    if matches!(way.end, End::Dropped { .. } | End::Rejected { .. }) {
        let seen_both = follow(model, server, answer, &known(Tracked::Established));
        way.one_sided = seen_both.end.host() != way.end.host() || seen_both.end.arrives();
    }
    way
}

/// What befalls the packets after the first two: a filter that has seen one direction alone takes them for invalid.
fn later(model: &Model<'_>, there: &Way, back: &Way, first: Packet<'_>) -> Option<(Direction, End)> {
    if !there.end.arrives() || !back.end.arrives() {
        return None;
    }
    let forwards = there.hops.iter().skip(1).filter(|hop| hop.oif.is_some());
    forwards.filter(|hop| !back.hosts().any(|host| host == hop.host)).find_map(|hop| {
        let rules = model.evidence.hosts.rules(&hop.host).seen()?;
        let packet = Packet {
            source: hop.source,
            destination: hop.destination,
            tracked: Tracked::Invalid,
            opens: false,
            iif: hop.iif.as_ref().map(|interface| interface.name.as_str()),
            oif: hop.oif.as_ref().map(|interface| interface.name.as_str()),
            ..first
        };
        Some((Direction::There, ended(&hop.host, "forward", judge(&rules, "forward", packet))?))
    })
}

/// How a packet ends at a hook, where it does.
fn ended(host: &str, hook: &'static str, judged: Judgement<'_>) -> Option<End> {
    let host = host.to_owned();
    Some(match judged {
        Judgement::Passes => return None,
        Judgement::Dropped(rule) => End::Dropped { host, hook, rule: rule.clone() },
        Judgement::Rejected(rule, how) => End::Rejected { host, hook, rule: rule.clone(), how },
        Judgement::Unclear(rule) => End::Unclear { host, rule: rule.clone() },
    })
}

/// The readings that would say whose an address is: those of machines of which no addresses are known.
fn lacks_addresses(model: &Model<'_>, own: &str) -> Vec<Lack> {
    let unknown = model.evidence.hosts.names().chain([own]).filter(|host| model.machines.interfaces(host).is_none());
    let mut hosts: Vec<&str> = unknown.collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts.into_iter().map(|host| Lack::host_fact(host, "ip-addr", "ip addr", "not collected".to_owned())).collect()
}

/// A packet under way, at one machine.
struct Walk<'m, 'e> {
    model: &'m Model<'e>,
    way: Way,
}

/// Follows a packet of `from` until it ends.
pub(super) fn follow(model: &Model<'_>, from: &str, packet: Packet<'_>, known: &Known<'_>) -> Way {
    let way = Way { hops: vec![], end: End::Lacks(vec![]), lacks: vec![], assumed: vec![], one_sided: false };
    let mut walk = Walk { model, way };
    let mut at = (from.to_owned(), None::<Interface>, packet.source, packet.destination, packet.port);
    let end = loop {
        let (host, iif, source, destination, port) = at;
        if walk.way.hosts().any(|known| known == host) {
            break End::Loops(host);
        }
        let name = iif.as_ref().map(|interface| interface.name.clone());
        let here = Packet {
            source,
            destination,
            port,
            tracked: known.tracked(&host),
            iif: Some(name.as_deref().unwrap_or_default()),
            oif: Some(""),
            ..packet
        };
        let (source, destination) = known.restored(&host, here);
        let here = Packet { source, destination, ..here };
        match walk.step(&host, iif, here) {
            Step::On(next, interface, source, destination, port) => {
                at = (next, Some(interface), source, destination, port);
            }
            Step::Ends(end) => break end,
        }
    };
    walk.way.end = end;
    walk.way
}

enum Step {
    On(String, Interface, Option<IpAddr>, IpAddr, (u16, u16)),
    Ends(End),
}

impl Walk<'_, '_> {
    fn step(&mut self, host: &str, iif: Option<Interface>, mut packet: Packet<'_>) -> Step {
        let model = self.model;
        let arrived = iif.is_some();
        let rules = self.rules(host);
        let mut hop = Hop {
            host: host.to_owned(),
            iif,
            oif: None,
            route: None,
            next: None,
            source: packet.source,
            destination: packet.destination,
            translated: None,
        };
        let opens = packet.tracked == Tracked::New;
        let before = if arrived { "prerouting" } else { "output" };
        if let Some(rule) = translated(&rules, before, packet).filter(|_| opens)
            && let Some((address, port)) = destination(rule, host, model, hop.iif.as_ref())
        {
            packet.destination = address.unwrap_or(packet.destination);
            packet.port = port.map_or(packet.port, |port| (port, port));
            hop.translated = Some(rule.clone());
        }
        hop.destination = packet.destination;
        let Some(interfaces) = model.machines.interfaces(host) else {
            self.way.hops.push(hop);
            return Step::Ends(End::Lacks(lacks_addresses(model, host)));
        };
        if let (Some(iif), Some(source)) = (hop.iif.clone(), packet.source)
            && let Some(end) = self.reverse_path(host, &iif, source, packet.destination)
        {
            self.way.hops.push(hop);
            return Step::Ends(end);
        }
        let own =
            interfaces.iter().any(|interface| interface.has(packet.destination)) || packet.destination.is_loopback();
        if own {
            let iif = packet.iif.filter(|name| !name.is_empty()).unwrap_or("lo");
            hop.source = packet.source.or(Some(packet.destination));
            let end =
                ended(host, "input", judge(&rules, "input", Packet { source: hop.source, ..packet }.between(iif, "")));
            self.way.hops.push(hop);
            return Step::Ends(end.unwrap_or_else(|| End::Arrives(host.to_owned())));
        }
        if arrived && let Some(end) = self.forwards(host, packet.destination) {
            self.way.hops.push(hop);
            return Step::Ends(end);
        }
        let unspecified: IpAddr =
            if packet.destination.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let source = packet.source.unwrap_or(unspecified);
        let came_by = packet.iif.filter(|name| !name.is_empty());
        let machine = host.to_owned();
        let chosen = match route(model, host, source, packet.destination, came_by, &mut self.way.assumed) {
            Chosen::Route(route) => Ok(route),
            Chosen::Nothing(cited) => Err(End::NoRoute { host: machine, cited }),
            Chosen::Refused(route, cited) => Err(End::Blackhole { host: machine, route, cited }),
            Chosen::Lacks(lacks) => Err(End::Lacks(lacks)),
        };
        let route = match chosen {
            Ok(route) => route,
            Err(end) => {
                self.way.hops.push(hop);
                return Step::Ends(end);
            }
        };
        let oif = out(interfaces, &route, packet.destination).cloned();
        let next = route.via.or_else(|| oif.as_ref().and_then(other_end)).unwrap_or(packet.destination);
        packet.source = packet.source.or_else(|| own_address(&route, oif.as_ref(), next));
        (hop.source, hop.next, hop.route, hop.oif) = (packet.source, Some(next), Some(route.clone()), oif.clone());
        if let Some(interface) = oif.as_ref().filter(|interface| !interface.up || !interface.carrier) {
            let end = End::Down { host: host.to_owned(), interface: interface.clone() };
            self.way.hops.push(hop);
            return Step::Ends(end);
        }
        let by = oif.as_ref().map(|interface| interface.name.clone()).or_else(|| route.dev.clone());
        let leaving = Packet { oif: by.as_deref(), ..packet };
        let hook = if arrived { "forward" } else { "output" };
        if let Some(end) = ended(host, hook, judge(&rules, hook, leaving)) {
            self.way.hops.push(hop);
            return Step::Ends(end);
        }
        if let Some(rule) = translated(&rules, "postrouting", leaving).filter(|_| opens)
            && let Some(address) = source_of(rule, oif.as_ref(), next)
        {
            packet.source = Some(address);
            hop.source = packet.source;
            hop.translated = Some(rule.clone());
        }
        self.way.hops.push(hop);
        self.hand_on(host, oif.as_ref(), next, route, packet)
    }

    /// To whoever has the next address.
    fn hand_on(&self, host: &str, oif: Option<&Interface>, next: IpAddr, route: Route, packet: Packet<'_>) -> Step {
        let machines = &self.model.machines;
        let owner = machines.owner(next).filter(|(owner, _)| *owner != host);
        if let Some((owner, interface)) = owner.or_else(|| oif.and_then(|oif| self.through_tunnel(host, oif))) {
            if !interface.up {
                return Step::Ends(End::Down { host: owner.to_owned(), interface: interface.clone() });
            }
            let iif = interface.clone();
            return Step::On(owner.to_owned(), iif, packet.source, packet.destination, packet.port);
        }
        // A machine of which no addresses are known may have it.
        let lacks = lacks_addresses(self.model, host);
        Step::Ends(if lacks.is_empty() {
            End::LeavesTo { host: host.to_owned(), next, route }
        } else {
            End::Lacks(lacks)
        })
    }

    /// The machine at the other end of a link between two: the only other one with an address in the same network, or the one
    /// that has the address at which the tunnel ends.
    fn through_tunnel(&self, host: &str, oif: &Interface) -> Option<(&str, &Interface)> {
        let machines = &self.model.machines;
        if let Some((from, to)) = oif.carried {
            let (owner, _) = machines.owner(to)?;
            let theirs = machines.interfaces(owner)?;
            let ends_there = |interface: &&Interface| interface.carried == Some((to, from));
            return theirs.iter().find(ends_there).map(|interface| (owner, interface));
        }
        if !oif.point_to_point {
            return None;
        }
        let mut others = machines.hosts().filter(|other| *other != host).flat_map(|other| {
            let ends = machines.addresses(other).filter(|(address, interface)| {
                interface.point_to_point
                    && (oif.reaches(*address) || oif.addresses.iter().any(|a| interface.reaches(a.addr())))
            });
            ends.map(move |(_, interface)| (other, interface))
        });
        let found = others.next()?;
        others.next().is_none().then_some(found)
    }

    /// The rules of a machine's packet filter; those that were not collected are lacking.
    fn rules(&mut self, host: &str) -> Vec<Rule> {
        match self.model.evidence.hosts.rules(host) {
            Fact::Seen(rules) => rules,
            Fact::Missed(why) => {
                add(&mut self.way.lacks, Lack::host_fact(host, "nft", "nft list ruleset", why));
                vec![]
            }
        }
    }

    /// Whether a machine that forwards nothing ends it.
    fn forwards(&mut self, host: &str, destination: IpAddr) -> Option<End> {
        let key = if destination.is_ipv4() { "net.ipv4.ip_forward" } else { "net.ipv6.conf.all.forwarding" };
        match self.model.evidence.hosts.sysctl(host, key) {
            Fact::Seen((0, cited)) => Some(End::NotForwarded { host: host.to_owned(), cited }),
            Fact::Seen(_) => None,
            Fact::Missed(why) => {
                add(&mut self.way.assumed, Lack::host_fact(host, "sysctl", &format!("sysctl {key}"), why));
                None
            }
        }
    }

    /// Whether a machine throws away what comes in by another interface than it would answer by (RFC 3704, rp_filter).
    fn reverse_path(&mut self, host: &str, iif: &Interface, source: IpAddr, destination: IpAddr) -> Option<End> {
        if source.is_ipv6() || iif.is_loopback() {
            return None;
        }
        let answers_by = match route(self.model, host, destination, source, None, &mut self.way.assumed) {
            Chosen::Route(route) => {
                let out = self.model.machines.interfaces(host).and_then(|own| out(own, &route, source));
                if out.map(|interface| &interface.name).or(route.dev.as_ref()) == Some(&iif.name) {
                    return None;
                }
                Some(route.cite())
            }
            Chosen::Nothing(cited) | Chosen::Refused(_, cited) => Some(cited),
            // What is lacking is lacking for the way itself as well.
            Chosen::Lacks(_) => return None,
        };
        let loose = answers_by.as_ref().is_some_and(|cited| !cited.path.is_empty());
        let keys = ["all".to_owned(), iif.name.replace('.', "/")].map(|name| format!("net.ipv4.conf.{name}.rp_filter"));
        let settings = keys.each_ref().map(|key| self.model.evidence.hosts.sysctl(host, key));
        let highest = settings.iter().filter_map(|fact| match fact {
            Fact::Seen((value, cited)) => Some((*value, cited.clone())),
            Fact::Missed(_) => None,
        });
        // The greater of the two counts (ip-sysctl.rst).
        let highest = highest.max_by_key(|(value, _)| *value);
        let unknown = settings.iter().any(|fact| matches!(fact, Fact::Missed(_)));
        match highest {
            Some((1, cited)) if !unknown => Some(self.wrong(host, cited, answers_by)),
            Some((2, cited)) if !loose => Some(self.wrong(host, cited, answers_by)),
            Some((0, _)) if !unknown => None,
            Some((2, _)) => None,
            _ => {
                let why = "it decides about packets that come in by another interface than answers leave by";
                let how = format!("sysctl {}", keys.join(" "));
                add(&mut self.way.lacks, Lack::host_fact(host, "sysctl", &how, why.to_owned()));
                None
            }
        }
    }

    fn wrong(&self, host: &str, setting: Citation, answers_by: Option<Citation>) -> End {
        End::WrongInterface { host: host.to_owned(), cited: [setting].into_iter().chain(answers_by).collect() }
    }
}

/// The interface a route leads to.
pub(super) fn out<'i>(interfaces: &'i [Interface], route: &Route, destination: IpAddr) -> Option<&'i Interface> {
    match &route.dev {
        Some(dev) => interfaces.iter().find(|interface| interface.name == *dev),
        None => interfaces.iter().find(|interface| interface.reaches(route.via.unwrap_or(destination))),
    }
}

/// The address at the other end of a link between two.
fn other_end(interface: &Interface) -> Option<IpAddr> {
    interface.peer.filter(|_| interface.point_to_point)
}

/// The address a machine sends its own packets from.
fn own_address(route: &Route, oif: Option<&Interface>, next: IpAddr) -> Option<IpAddr> {
    let nets = || oif.into_iter().flat_map(|interface| &interface.addresses);
    let same =
        nets().find(|net| net.contains(&next)).or_else(|| nets().find(|net| net.addr().is_ipv4() == next.is_ipv4()));
    route.src.or_else(|| same.map(|net| net.addr()))
}

/// Where a rule sends a packet instead.
fn destination(
    rule: &Rule,
    host: &str,
    model: &Model<'_>,
    iif: Option<&Interface>,
) -> Option<(Option<IpAddr>, Option<u16>)> {
    match &rule.verdict {
        Verdict::Dnat(to) => {
            let (address, port) = crate::evidence::host_and_port(to);
            Some((Some(address.parse().ok()?), port))
        }
        Verdict::Redirect(port) => {
            let own = iif.and_then(|interface| interface.addresses.first()).map(|net| net.addr());
            let own = own.or_else(|| model.machines.addresses(host).next().map(|(address, _)| address))?;
            Some((Some(own), *port))
        }
        _ => None,
    }
}

/// The source that a rule puts in.
fn source_of(rule: &Rule, oif: Option<&Interface>, next: IpAddr) -> Option<IpAddr> {
    match &rule.verdict {
        Verdict::Snat(to) => crate::evidence::host_and_port(to).0.split('-').next()?.parse().ok(),
        Verdict::Masquerade => {
            let nets = &oif?.addresses;
            nets.iter().find(|net| net.contains(&next)).or(nets.first()).map(|net| net.addr())
        }
        _ => None,
    }
}
