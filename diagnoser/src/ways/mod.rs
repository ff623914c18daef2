//! The ways of packets between machines, hop by hop, computed from what each machine on them says of itself: its interfaces,
//! its routes and the rules that choose among them, its packet filter. Nothing is judged by names, and a machine whose facts
//! were not collected is something that is lacking, never something that is taken to be well.
//!
//! Source: netfilter.org, packet flow; ip-route(8); ip-rule(8); Documentation/networking/ip-sysctl.rst.

mod mtu;
mod routing;
#[cfg(test)]
mod tests;
mod trace;

use std::{collections::BTreeSet, net::IpAddr};

use crate::{
    causes::Lack,
    evidence::{Citation, Hosts, Interface, Protocol, Rejection, Route, Rule},
    model::Model,
    propagation::Mode,
    subject::Subject,
};
pub use mtu::{Bottleneck, bottlenecks};
pub use routing::{Chosen, route};

/// One machine on the way.
#[derive(Clone, Debug)]
pub struct Hop {
    /// The machine, as under `hosts/`.
    pub host: String,
    /// The interface packets come in by; `None` at the sender.
    pub iif: Option<Interface>,
    /// The interface they leave by; `None` where they go no further.
    pub oif: Option<Interface>,
    /// The route they follow.
    pub route: Option<Route>,
    /// To whom they are handed on.
    pub next: Option<IpAddr>,
    /// From where and to where they are as they leave.
    pub source: Option<IpAddr>,
    /// See `source`.
    pub destination: IpAddr,
    /// The rule that has changed one of the two here.
    pub translated: Option<Rule>,
}

impl Hop {
    /// What is known of it, for a proof: the route, and the interface it leads to.
    pub fn cites(&self) -> Vec<Citation> {
        self.route.iter().map(Route::cite).collect()
    }
}

/// How a way ends.
#[derive(Clone, Debug)]
pub enum End {
    /// At the machine it was meant for, which lets it in.
    Arrives(String),
    /// This machine has no route for the destination.
    NoRoute {
        /// The machine.
        host: String,
        /// Its routes.
        cited: Citation,
    },
    /// This machine's route loses it on purpose.
    Blackhole {
        /// The machine.
        host: String,
        /// The route, where it is one and no rule.
        route: Option<Route>,
        /// Where it stands.
        cited: Citation,
    },
    /// It is handed to an address that no known machine has.
    LeavesTo {
        /// Who hands it on.
        host: String,
        /// To whom.
        next: IpAddr,
        /// By which route.
        route: Route,
    },
    /// The interface it would leave by is down or has no link.
    Down {
        /// The machine.
        host: String,
        /// The interface.
        interface: Interface,
    },
    /// A rule of this machine's filter throws it away in silence.
    Dropped {
        /// The machine.
        host: String,
        /// `input`, `forward`, `output` ...
        hook: &'static str,
        /// The rule.
        rule: Rule,
    },
    /// A rule of this machine's filter refuses it and says so.
    Rejected {
        /// The machine.
        host: String,
        /// `input`, `forward`, `output` ...
        hook: &'static str,
        /// The rule.
        rule: Rule,
        /// How it is answered.
        how: Rejection,
    },
    /// This machine forwards nothing (`net.ipv4.ip_forward = 0`).
    NotForwarded {
        /// The machine.
        host: String,
        /// The setting.
        cited: Citation,
    },
    /// It came in by another interface than this machine would answer by, which is forbidden there (`rp_filter`).
    WrongInterface {
        /// The machine.
        host: String,
        /// The setting, and the route by which it would answer.
        cited: Vec<Citation>,
    },
    /// It comes round to a machine that has had it already.
    Loops(String),
    /// It depends on what is not understood of this rule.
    Unclear {
        /// The machine.
        host: String,
        /// The rule.
        rule: Rule,
    },
    /// It is not known how it goes on.
    Lacks(Vec<Lack>),
}

impl End {
    /// Whether it gets where it was meant to.
    pub fn arrives(&self) -> bool {
        matches!(self, Self::Arrives(_))
    }

    /// The machine at which it ends.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Arrives(host)
            | Self::NoRoute { host, .. }
            | Self::Blackhole { host, .. }
            | Self::LeavesTo { host, .. }
            | Self::Down { host, .. }
            | Self::Dropped { host, .. }
            | Self::Rejected { host, .. }
            | Self::NotForwarded { host, .. }
            | Self::WrongInterface { host, .. }
            | Self::Loops(host)
            | Self::Unclear { host, .. } => Some(host),
            Self::Lacks(_) => None,
        }
    }

    /// How whoever sends finds out: what a connection comes to when its packets end so. A router's word may be lost.
    pub fn modes(&self) -> &'static [Mode] {
        match self {
            Self::Rejected { how: Rejection::Reset, .. } => &[Mode::Refused],
            // The kernel says so only so often (icmp(7), icmp_ratelimit): some hear nothing.
            Self::Rejected { how: Rejection::PortUnreachable, .. } => &[Mode::Refused, Mode::Silent],
            Self::Rejected { how: Rejection::Unreachable, .. } => &[Mode::Unreachable, Mode::Silent],
            Self::NoRoute { .. }
            | Self::Down { .. }
            | Self::LeavesTo { .. }
            | Self::Blackhole { .. }
            | Self::Loops(_) => &[Mode::Unreachable, Mode::Silent],
            Self::Dropped { .. } | Self::NotForwarded { .. } | Self::WrongInterface { .. } => &[Mode::Silent],
            Self::Arrives(_) | Self::Unclear { .. } | Self::Lacks(_) => &[],
        }
    }

    /// The reading by which it ends so.
    pub fn cites(&self) -> Vec<Citation> {
        match self {
            Self::NoRoute { cited, .. } | Self::Blackhole { cited, .. } | Self::NotForwarded { cited, .. } => {
                vec![cited.clone()]
            }
            Self::LeavesTo { route, .. } => vec![route.cite()],
            Self::Down { interface, .. } => vec![interface.cite()],
            Self::Dropped { host, rule, .. } | Self::Rejected { host, rule, .. } | Self::Unclear { host, rule } => {
                vec![Hosts::cite_rule(host, rule)]
            }
            Self::WrongInterface { cited, .. } => cited.clone(),
            Self::Arrives(_) | Self::Loops(_) | Self::Lacks(_) => vec![],
        }
    }

    /// In words.
    pub fn says(&self) -> String {
        match self {
            Self::Arrives(_) => "arrives".to_owned(),
            Self::NoRoute { .. } => "no route".to_owned(),
            Self::Blackhole { .. } => "its route leads nowhere".to_owned(),
            Self::LeavesTo { next, .. } => format!("leaves to {next}, which no known machine has"),
            Self::Down { interface, .. } => format!("{} is down", interface.name),
            Self::Dropped { hook, .. } => format!("dropped at {hook}"),
            Self::Rejected { hook, .. } => format!("refused at {hook}"),
            Self::NotForwarded { .. } => "forwards nothing".to_owned(),
            Self::WrongInterface { .. } => "came in by an interface that it does not answer by".to_owned(),
            Self::Loops(_) => "goes in a circle".to_owned(),
            Self::Unclear { .. } => "depends on a rule that is not understood".to_owned(),
            Self::Lacks(lacks) => {
                let what: Vec<&str> = lacks.iter().map(|lack| lack.what.as_str()).collect();
                format!("unknown without {}", what.join(", "))
            }
        }
    }
}

/// The way of a packet.
#[derive(Clone, Debug)]
pub struct Way {
    /// The machines on it, the sender first.
    pub hops: Vec<Hop>,
    /// How it ends.
    pub end: End,
    /// What was not collected of machines that it was followed through all the same, and could end it there: their packet
    /// filters. Whoever relies on its passing them lacks these.
    pub lacks: Vec<Lack>,
    /// What was not collected and was taken to be as it is on machines on which nobody has set it (rules of routing,
    /// forwarding): worth asking for.
    pub assumed: Vec<Lack>,
    /// Whether it ends where it does only because a filter there has seen the other direction nowhere (the two ways differ), and
    /// would go on if it had.
    pub one_sided: bool,
}

impl Way {
    /// The machines on it.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hops.iter().map(|hop| hop.host.as_str())
    }

    /// The hop at a machine.
    pub fn at(&self, host: &str) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.host == host)
    }

    /// Everything that is lacking before it is sure how it ends.
    pub fn all_lacks(&self) -> Vec<Lack> {
        let own = match &self.end {
            End::Lacks(lacks) => lacks.as_slice(),
            _ => &[],
        };
        self.lacks.iter().chain(own).cloned().collect()
    }
}

/// Which of the ways something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    There,
    /// From the server to the client.
    Back,
}

/// The ways of a connection: there, and back.
#[derive(Clone, Debug)]
pub struct Ways {
    /// From the client to the server.
    pub there: Way,
    /// From the server to the client; `None` where the way there does not lead to a known machine.
    pub back: Option<Way>,
    /// Where packets of the established connection are dropped although those that open it pass: at a filter that has seen
    /// only one direction and so takes the rest for invalid.
    pub later: Option<(Direction, End)>,
}

impl Ways {
    /// The first end that is no arrival, and on which way.
    pub fn fault(&self) -> Option<(Direction, &End)> {
        if !self.there.end.arrives() {
            return Some((Direction::There, &self.there.end));
        }
        let back = self.back.as_ref().map(|back| &back.end).filter(|end| !end.arrives());
        back.map(|end| (Direction::Back, end)).or_else(|| self.later.as_ref().map(|(way, end)| (*way, end)))
    }

    /// Every end that is no arrival.
    pub fn faults(&self) -> Vec<(Direction, &End)> {
        let there = Some((Direction::There, &self.there.end));
        let back = self.back.as_ref().map(|back| (Direction::Back, &back.end));
        let later = self.later.as_ref().map(|(way, end)| (*way, end));
        there.into_iter().chain(back).chain(later).filter(|(_, end)| !end.arrives()).collect()
    }

    /// Both ways, with their direction.
    pub fn each(&self) -> impl Iterator<Item = (Direction, &Way)> {
        [(Direction::There, &self.there)].into_iter().chain(self.back.iter().map(|back| (Direction::Back, back)))
    }

    /// The machines on both.
    pub fn hosts(&self) -> BTreeSet<&str> {
        self.each().flat_map(|(_, way)| way.hosts()).collect()
    }

    /// Machines that forward on one of the two ways and not on the other.
    pub fn one_way_only(&self) -> Vec<(Direction, &str)> {
        let Some(back) = &self.back else { return vec![] };
        let there: BTreeSet<&str> = self.there.hosts().collect();
        let returning: BTreeSet<&str> = back.hosts().collect();
        let only = |own: &BTreeSet<&'_ str>, other: &BTreeSet<&'_ str>| -> Vec<String> {
            own.difference(other).map(|host| (*host).to_owned()).collect()
        };
        let (a, b) = (only(&there, &returning), only(&returning, &there));
        let of = |names: &[String], host: &str| names.iter().any(|name| name == host);
        let first = self.there.hosts().filter(|host| of(&a, host)).map(|host| (Direction::There, host));
        let second = back.hosts().filter(|host| of(&b, host)).map(|host| (Direction::Back, host));
        first.chain(second).collect()
    }

    /// Everything that is lacking before it is sure that both arrive.
    pub fn lacks(&self) -> Vec<Lack> {
        let mut all: Vec<Lack> = self.each().flat_map(|(_, way)| way.all_lacks()).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Whether both arrive, for certain.
    pub fn pass(&self) -> bool {
        self.back.is_some() && self.fault().is_none() && self.lacks().is_empty()
    }
}

/// The ways of a connection from a machine to an address and port.
pub fn ways(model: &Model<'_>, from: &str, destination: IpAddr, port: u16, protocol: Protocol) -> Ways {
    trace::ways(model, from, destination, port, protocol)
}

/// The machine of a subject, where it is one.
pub fn machine(subject: &Subject) -> Option<&str> {
    (subject.is("host") || subject.is("node")).then_some(subject.name.as_str())
}
