//! A machine answers by another router than it was asked through, and that one throws half of a connection away.
//!
//! # What it looks like
//! Connections time out for whoever comes over a router; neighbours are served. A capture on the server shows packets arriving and
//! answers leaving. The router on the way back keeps track of connections and never saw this one begin: to it the answer is
//! invalid. Or the answer comes in by an interface that strict reverse path filtering does not allow.
//!
//! # Confirm by hand
//! `ip route get CLIENT` on the server names another router than `ip route get SERVER` on the client leads through; `nft list
//! ruleset` on the router of the way back counts at a rule for `ct state invalid`; `tcpdump` there shows answers and no questions.
//!
//! # Fix
//! Let both ways go through the same router: remove the route that leads elsewhere, or give both routers the state of both
//! (conntrackd). Letting invalid packets pass only hides it.
//!
//! # Who acts
//! The network's people, together with whoever configures the server's routes.
//!
//! # Source
//! netfilter.org, conntrack states (INVALID); Documentation/networking/ip-sysctl.rst, rp_filter; RFC 3704.

use std::net::IpAddr;

use super::{Case, Cause, Finding, Lack, State};
use crate::{
    connections::Connection,
    diagnosis::{Change, Fix},
    evidence::Fact,
    model::Model,
    propagation::Mode,
    ways::{End, Hop, Ways},
};

/// See the module's comment.
pub struct AsymmetricRouting;

impl Cause for AsymmetricRouting {
    fn id(&self) -> &'static str {
        "asymmetric-routing"
    }

    fn source(&self) -> &'static str {
        include_str!("asymmetric_routing.rs")
    }

    fn owner(&self) -> &'static str {
        "network"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let failing = model.connections().iter().filter(|connection| connection.fails());
        failing.filter_map(|connection| of(model, connection)).collect()
    }
}

fn of(model: &Model<'_>, connection: &Connection) -> Option<Finding> {
    let ways = connection.ways()?;
    // The ways part where a router is on one of them alone.
    if ways.one_way_only().is_empty() {
        return None;
    }
    let server = ways.back.as_ref()?.hops.first()?;
    let subject = model.evidence.machine(&server.host);
    let effects = vec![(connection.subject(), Mode::Silent)];
    Some(Finding { subject, effects, state: one(model, connection, ways, server) })
}

fn one(model: &Model<'_>, connection: &Connection, ways: &Ways, server: &Hop) -> State {
    let back = ways.back.as_ref();
    let lost = match (back.map(|back| &back.end), &ways.later) {
        // A rule that drops whatever it sees has nothing to do with the way.
        (Some(end @ End::Dropped { .. }), None) if back.is_some_and(|back| !back.one_sided) => {
            return State::excluded("the rule drops it whichever way it came", end.cites());
        }
        (Some(end @ (End::Dropped { .. } | End::WrongInterface { .. })), _) | (_, Some((_, end))) => end,
        _ => {
            let lacks: Vec<Lack> = ways.lacks();
            if !lacks.is_empty() {
                return State::Undecided(lacks);
            }
            return State::excluded("both ways let it pass, although they differ", vec![]);
        }
    };
    let mut evidence = connection.cites();
    let there = ways.there.hops.iter().rev().nth(1);
    evidence.extend(there.into_iter().flat_map(Hop::cites));
    evidence.extend(server.cites());
    evidence.extend(lost.cites());
    State::holds(evidence, fix(model, ways, server))
}

/// Back through the router it came by: away with the route that leads elsewhere, where a wider one leads there; else that route
/// to that router.
fn fix(model: &Model<'_>, ways: &Ways, server: &Hop) -> Fix {
    let summary = format!("Let {} answer through the router that it is asked through", server.host);
    let last = ways.there.hops.iter().rev().nth(1).and_then(|hop| hop.oif.as_ref());
    let router: Option<IpAddr> = last.and_then(|interface| interface.addresses.first()).map(|net| net.addr());
    let (Some(route), Some(router)) = (&server.route, router) else { return Fix { summary, patch: vec![] } };
    let wider = match model.evidence.hosts.routes(&server.host) {
        Fact::Seen(routes) => routes.routes.iter().any(|other| {
            other.via == Some(router) && other.table == route.table && other.to.prefix_len() < route.to.prefix_len()
        }),
        Fact::Missed(_) => false,
    };
    let destination = if route.to.prefix_len() == 0 { "default".to_owned() } else { route.to.to_string() };
    let command = if wider {
        format!("ip route del {destination}")
    } else {
        format!("ip route replace {destination} via {router}")
    };
    let command = command.split(' ').map(str::to_owned).collect();
    Fix { summary, patch: vec![Change::Run { host: server.host.clone(), command }] }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine c 10.80.1.10/24 via 10.80.1.1
         machine r1 10.80.1.1/24 10.80.2.1/24
         machine r2 10.80.1.2/24 10.80.2.2/24
         machine s 10.80.2.10/24 via 10.80.2.1 listens 0.0.0.0:80
         probe host/c -> tcp://10.80.2.10:80  timeout in 3s at 10.80.2.10:80";

    #[test]
    fn holds_where_the_way_back_keeps_track() {
        check(&format!(
            "{WORLD}\nroute s 10.80.1.0/24 via 10.80.2.2 dev eth0\nfilter r2 forward ct state invalid drop\n=> asymmetric-routing host/s"
        ));
    }

    #[test]
    fn twin_the_rule_drops_anything() {
        check(&format!(
            "{WORLD}\nroute s 10.80.1.0/24 via 10.80.2.2 dev eth0\nfilter r2 forward tcp sport 80 drop\n=> firewall-drop host/r2"
        ));
    }

    #[test]
    fn twin_two_ways_that_both_let_it_pass_hurt_nobody() {
        check(&format!("{WORLD}\nroute s 10.80.1.0/24 via 10.80.2.2 dev eth0\n=> unknown"));
    }

    #[test]
    fn unknown_without_the_rules_of_the_way_back() {
        check(&format!(
            "{WORLD}\nroute s 10.80.1.0/24 via 10.80.2.2 dev eth0\nwithout hosts/r2/nft.txt\n=> unknown lacks hosts/r2/nft.txt"
        ));
    }
}
