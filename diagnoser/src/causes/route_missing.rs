//! A machine has no route for a destination, or only a default route that leads away from it: the client, a router on the way,
//! or the server, which then cannot answer.
//!
//! # What it looks like
//! "Network is unreachable" at once where the client itself has none, "No route to host" where a router says so, silence where
//! packets leave to somebody who throws them away or where it is the answers that get lost. Other destinations are reached.
//!
//! # Confirm by hand
//! `ip route get ADDRESS` on the client, then on each router that it names, and the same from the server for the client's address.
//! Where the answer is an error, or a next hop that is not on the way, the route is missing there. A capture on the server that
//! shows the packets arrive proves that it is the way back.
//!
//! # Fix
//! `ip route add NETWORK via ROUTER`, and in what sets the routes of that machine (netplan, NetworkManager, a VPN's settings).
//!
//! # Who acts
//! Whoever runs that machine, or the network.
//!
//! # Source
//! ip-route(8); connect(2), ENETUNREACH; RFC 1812, 5.2.7.1 (what a router without a route answers).

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Case, Cause, Finding, Lack, Proof, State, filters};
use crate::{
    connections::Connection,
    diagnosis::{Change, Fix},
    evidence::{Citation, Interface, Protocol, Route},
    model::Model,
    propagation::Mode,
    subject::Subject,
    ways::{self, End, Way, Ways},
};

/// See the module's comment.
pub struct RouteMissing;

impl Cause for RouteMissing {
    fn id(&self) -> &'static str {
        "route-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("route_missing.rs")
    }

    fn owner(&self) -> &'static str {
        "network"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        filters::ends(case).filter_map(|(connection, ways, way)| look(case.model, connection, ways, way)).collect()
    }
}

fn look(model: &Model<'_>, connection: &Connection, ways: &Ways, way: &Way) -> Option<Finding> {
    let modes = [Mode::Unreachable, Mode::Silent];
    let effects: Vec<(Subject, Mode)> = modes.into_iter().map(|mode| (connection.subject(), mode)).collect();
    let finding =
        |host: &str, state| Some(Finding { subject: model.evidence.machine(host), effects: effects.clone(), state });
    let destination = way.hops.first()?.destination;
    // A filter that was not collected may translate, and then it is another address that the way back has to lead to.
    let wants =
        || ways.each().flat_map(|(_, way)| way.assumed.iter().chain(&way.lacks).cloned()).collect::<Vec<Lack>>();
    let proof = |missing: Missing, mut evidence: Vec<Citation>| {
        evidence.extend(connection.cites());
        let (host, fix) = (missing.host.clone(), missing.fix());
        finding(&host, State::Holds(Box::new(Proof { evidence, fix, wants: wants(), changed: None })))
    };
    match &way.end {
        End::NoRoute { host, cited } => {
            // Somebody before it on the way may have had a better one to choose.
            let missing = missing(model, way, destination).unwrap_or_else(|| Missing {
                host: host.clone(),
                network: network(model, destination),
                by: None,
            });
            let used = way.at(&missing.host).and_then(|hop| hop.route.as_ref()).map(Route::cite);
            let cited = if missing.host == *host { cited.clone() } else { used.unwrap_or_else(|| cited.clone()) };
            proof(missing, vec![cited])
        }
        End::LeavesTo { host, next, route } => match missing(model, way, destination) {
            Some(missing) => {
                let used = way.at(&missing.host).and_then(|hop| hop.route.as_ref()).unwrap_or(route).cite();
                let known = model.machines.owner(destination).map(|(_, interface)| interface.cite());
                proof(missing, [used].into_iter().chain(known).collect())
            }
            // Where nobody is known who leads there, the next one may.
            None if route.is_default() => finding(
                host,
                State::Undecided(vec![Lack {
                    what: format!("hosts/{next}/ip-route.txt"),
                    why: format!("{host} hands it on to {next}, of which nothing is known"),
                    how: format!("ip addr and ip route on the machine that has {next}"),
                    request: None,
                }]),
            ),
            None => None,
        },
        End::Lacks(lacks) => {
            let own: Vec<Lack> = lacks.clone();
            let host = own.iter().find_map(|lack| filters::host_of(lack)).map(str::to_owned)?;
            finding(&host, State::Undecided(own))
        }
        _ => {
            let last = way.hops.last()?;
            let cited: Vec<Citation> = way.hops.iter().filter_map(|hop| hop.route.as_ref()).map(Route::cite).collect();
            finding(&last.host, State::excluded("every machine on the way has a route", cited))
        }
    }
}

/// What a machine lacks.
struct Missing {
    host: String,
    network: Option<IpNet>,
    /// By whom it should go: a router's address, or the interface of a tunnel.
    by: Option<By>,
}

enum By {
    Router(IpAddr),
    Tunnel(String),
}

impl Missing {
    fn fix(&self) -> Fix {
        let (Some(network), Some(by)) = (self.network, &self.by) else {
            let summary = format!("Give {} a route for it, by the router that leads there", self.host);
            return Fix { summary, patch: vec![] };
        };
        let by = match by {
            By::Router(address) => ["via".to_owned(), address.to_string()],
            By::Tunnel(name) => ["dev".to_owned(), name.clone()],
        };
        let words = ["ip", "route", "replace"].map(str::to_owned).into_iter().chain([network.to_string()]);
        let command: Vec<String> = words.chain(by.clone()).collect();
        Fix {
            summary: format!("Give {} a route for {network} {}", self.host, by.join(" ")),
            patch: vec![Change::Run { host: self.host.clone(), command }],
        }
    }
}

/// The first machine on the way that has only its default route for a destination, or none, beside somebody who leads there.
fn missing(model: &Model<'_>, way: &Way, destination: IpAddr) -> Option<Missing> {
    way.hops.iter().find_map(|hop| {
        if hop.route.as_ref().is_some_and(|route| !route.is_default()) {
            return None;
        }
        let tunnel = |interface: &Interface| interface.point_to_point.then(|| By::Tunnel(interface.name.clone()));
        let mut beside = neighbours(model, &hop.host);
        beside.retain(|(other, address, _)| {
            hop.next != Some(*address) && !way.hosts().any(|known| known == *other) && leads(model, other, destination)
        });
        // The nearest to the destination, and of two the one that others of the network go by.
        let rank = |(other, address, _): &(&str, IpAddr, &Interface)| {
            let way = ways::ways(model, other, destination, 0, Protocol::Tcp).there;
            (way.hops.len(), std::cmp::Reverse(users(model, *address)), *address)
        };
        let (_, address, interface) = beside.into_iter().min_by_key(rank)?;
        let by = tunnel(interface).unwrap_or(By::Router(address));
        Some(Missing { host: hop.host.clone(), network: network(model, destination), by: Some(by) })
    })
}

/// How many machines send by a router.
fn users(model: &Model<'_>, router: IpAddr) -> usize {
    let routes = model.machines.hosts().filter_map(|host| model.evidence.hosts.routes(host).seen());
    routes.filter(|routes| routes.routes.iter().any(|route| route.via == Some(router))).count()
}

/// The network of a destination, as the machine that has it says.
fn network(model: &Model<'_>, destination: IpAddr) -> Option<IpNet> {
    let (_, interface) = model.machines.owner(destination)?;
    let net = interface.addresses.iter().find(|net| net.addr() == destination)?.trunc();
    // A link between two has no network behind it.
    Some(if interface.point_to_point { IpNet::from(destination) } else { net })
}

/// Whether a machine has a way to a destination and forwards.
fn leads(model: &Model<'_>, host: &str, destination: IpAddr) -> bool {
    let forwards = model.evidence.hosts.sysctl(host, "net.ipv4.ip_forward").seen().is_some_and(|(value, _)| value > 0);
    let way = ways::ways(model, host, destination, 0, Protocol::Tcp).there;
    // That its filters let through is not asked here, nor whether it is the destination itself.
    let last = way.hops.last().map(|hop| hop.host.clone());
    let owner = model.machines.owner(destination).map(|(owner, _)| owner.to_owned());
    forwards && last == owner && owner.as_deref() != Some(host)
}

/// Machines with an address in a network of this one, or at the other end of a tunnel: who, by which address, on which of its
/// own interfaces.
fn neighbours<'m>(model: &'m Model<'_>, host: &str) -> Vec<(&'m str, IpAddr, &'m Interface)> {
    let own: Vec<(IpAddr, &Interface)> = model.machines.addresses(host).collect();
    let mut found = Vec::new();
    for other in model.machines.hosts().filter(|other| *other != host) {
        for (address, theirs) in model.machines.addresses(other) {
            let near = |interface: &Interface| interface.up && theirs.up && interface.reaches(address);
            let on = own_interfaces(model, host).iter().find(|interface| near(interface));
            if let Some(interface) = on.filter(|_| !own.iter().any(|(mine, _)| *mine == address)) {
                found.push((other, address, interface));
            }
        }
    }
    found
}

fn own_interfaces<'m>(model: &'m Model<'_>, host: &str) -> &'m [Interface] {
    model.machines.interfaces(host).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine client 10.80.1.10/24 via 10.80.1.1
        machine router 10.80.1.1/24 10.80.2.1/24
        machine app 10.80.2.10/24 via 10.80.2.1 listens 0.0.0.0:80";
    const SILENT: &str = "probe host/client -> tcp://app.example.test:80  timeout in 3s  at 10.80.2.10:80";
    const TOLD: &str = "probe host/client -> tcp://app.example.test:80  unreachable in 1ms  at 10.80.2.10:80";

    #[test]
    fn holds_for_the_client_and_for_the_server() {
        let none = "route client - default via 10.80.1.1 dev eth0";
        check(&format!("{WORLD}\n{none}\n{TOLD}\n=> route-missing host/client"));
        let back = "route app - default via 10.80.2.1 dev eth0";
        check(&format!("{WORLD}\n{back}\n{SILENT}\n=> route-missing host/app"));
    }

    #[test]
    fn holds_where_a_default_leads_away() {
        let away = "route client - default via 10.80.1.1 dev eth0\nroute client default via 10.80.1.254 dev eth0";
        check(&format!("{WORLD}\n{away}\n{SILENT}\n=> route-missing host/client"));
        // The other router is known, and knows no way.
        let known = format!("{away}\nmachine gate 10.80.1.254/24 192.0.2.7/24");
        check(&format!("{WORLD}\n{known}\n{TOLD}\n=> route-missing host/client"));
    }

    #[test]
    fn twin_a_filter() {
        check(&format!(
            "{WORLD}\n{SILENT}\nfilter router forward ip daddr 10.80.2.10 drop\n=> firewall-drop host/router"
        ));
    }

    #[test]
    fn twin_refused_is_no_missing_route() {
        let refused = TOLD.replace("unreachable", "refused");
        let none = "route client - default via 10.80.1.1 dev eth0";
        check(&format!("{WORLD}\n{none}\n{refused}\n=> unknown"));
    }

    #[test]
    fn unknown_where_nobody_is_known_who_leads_there() {
        check(
            "machine client 10.80.1.10/24 via 10.80.1.254
             machine app 10.80.2.10/24 via 10.80.2.1 listens 0.0.0.0:80
             probe host/client -> tcp://app.example.test:80  timeout in 3s  at 10.80.2.10:80
             => unknown lacks hosts/10.80.1.254/ip-route.txt",
        );
    }

    #[test]
    fn unknown_without_the_routes() {
        let none = "route client - default via 10.80.1.1 dev eth0\nwithout hosts/client/ip-route.txt";
        check(&format!("{WORLD}\n{none}\n{TOLD}\n=> unknown lacks hosts/client/ip-route.txt"));
        let back = "route app - default via 10.80.2.1 dev eth0\nwithout hosts/app/ip-route.txt";
        check(&format!("{WORLD}\n{back}\n{SILENT}\n=> unknown lacks hosts/app/ip-route.txt"));
    }
}
