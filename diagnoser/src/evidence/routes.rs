//! `hosts/<host>/ip-route.txt`: the routes of a host, as `ip route` prints them (also `ip route show table all`, fact
//! `ip-route-all`), or `route -n` and `netstat -rn` (fact `route`).

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Citation, Fact, Hosts, interfaces::prefix};

/// What becomes of packets by a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// They are sent on.
    Unicast,
    /// They are for the host itself.
    Local,
    /// They are dropped in silence.
    Blackhole,
    /// They are answered with "host unreachable".
    Unreachable,
    /// They are answered with "administratively prohibited".
    Prohibit,
    /// The table is left and the next rule asked.
    Throw,
    /// For many at once.
    Many,
}

/// One route; one with several next hops is several routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What becomes of packets by it.
    pub kind: RouteKind,
    /// The destinations it is for.
    pub to: IpNet,
    /// The router it leads to; `None` where the destination is on the link itself.
    pub via: Option<IpAddr>,
    /// The interface it leaves by.
    pub dev: Option<String>,
    /// The table it stands in: `main` where nothing is said.
    pub table: String,
    /// Its cost; of two for the same destinations the lower goes first.
    pub metric: u32,
    /// The address packets of the host itself are sent from.
    pub src: Option<IpAddr>,
    /// The largest packet it takes, where it says.
    pub mtu: Option<u32>,
    /// Whether it is out of use, for its interface has no link.
    pub dead: bool,
    /// As printed.
    pub text: String,
    /// The file it stands in, relative to the evidence folder.
    pub file: String,
    /// The line in the file, from 1.
    pub line: usize,
}

impl Route {
    /// Whether packets by it are lost on purpose.
    pub fn leads_nowhere(&self) -> bool {
        matches!(self.kind, RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit)
    }

    /// Whether it is for whatever no other route is for.
    pub fn is_default(&self) -> bool {
        self.to.prefix_len() == 0
    }

    /// A citation of it.
    pub fn cite(&self) -> Citation {
        Citation::line(&self.file, self.line, &self.text)
    }

    /// The command that deletes this very route.
    pub fn delete(&self) -> Vec<String> {
        self.command("del")
    }

    /// The command that makes it.
    pub fn add(&self) -> Vec<String> {
        self.command("add")
    }

    fn command(&self, verb: &str) -> Vec<String> {
        let kind = match self.kind {
            RouteKind::Blackhole => Some("blackhole"),
            RouteKind::Unreachable => Some("unreachable"),
            RouteKind::Prohibit => Some("prohibit"),
            RouteKind::Throw => Some("throw"),
            _ => None,
        };
        let mut words: Vec<String> = ["ip", "route", verb].into_iter().chain(kind).map(str::to_owned).collect();
        words.push(if self.is_default() { "default".to_owned() } else { self.to.to_string() });
        let mut also =
            |key: &str, value: Option<String>| words.extend(value.into_iter().flat_map(|v| [key.to_owned(), v]));
        also("via", self.via.map(|via| via.to_string()));
        also("dev", self.dev.clone().filter(|_| kind.is_none()));
        also("metric", (self.metric > 0).then(|| self.metric.to_string()));
        also("table", Some(self.table.clone()).filter(|table| table != MAIN));
        words
    }
}

/// The table that is asked where no rule says another.
pub const MAIN: &str = "main";

/// The routes of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    /// All that were read.
    pub routes: Vec<Route>,
    /// Whether those of every table were, and not of the main one alone.
    pub all_tables: bool,
}

impl Routes {
    /// The routes of a table that go first for an address: those of the longest prefix and, among these, of the lowest metric.
    pub fn best(&self, table: &str, address: IpAddr) -> Vec<&Route> {
        let fits = |route: &&Route| {
            route.table == table && route.kind != RouteKind::Many && !route.dead && route.to.contains(&address)
        };
        let rank = |route: &Route| (std::cmp::Reverse(route.to.prefix_len()), route.metric);
        let Some(best) = self.routes.iter().filter(fits).map(rank).min() else { return vec![] };
        self.routes.iter().filter(fits).filter(|route| rank(route) == best).collect()
    }

    /// Whether anything is known of a table.
    pub fn knows(&self, table: &str) -> bool {
        self.all_tables || table == MAIN || self.routes.iter().any(|route| route.table == table)
    }
}

impl Hosts {
    /// The routes of a host.
    pub fn routes(&self, host: &str) -> Fact<Routes> {
        let mut why = "not collected".to_owned();
        for fact in ["ip-route-all", "ip-route", "route"] {
            let Fact::Seen(text) = self.text(host, fact) else { continue };
            let routes = parse(&Self::file(host, fact), text);
            // Nothing at all in it is a reading: a host may have no route.
            if routes.is_empty() && !text.trim().is_empty() {
                "no route in it".clone_into(&mut why);
                continue;
            }
            let all_tables = fact == "ip-route-all" || routes.iter().any(|route| route.table == "local");
            return Fact::Seen(Routes { routes, all_tables });
        }
        Fact::Missed(why)
    }
}

fn parse(file: &str, text: &str) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    let mut several: Option<Route> = None;
    let mut header: Option<Vec<&str>> = None;
    for (index, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.first() == Some(&"Destination") {
            header = Some(words);
            continue;
        }
        if let Some(header) = &header {
            routes.extend(row(header, &words).map(|route| placed(route, file, index, line)));
            continue;
        }
        if words.first() == Some(&"nexthop") {
            // Each next hop of the route above is a route of its own.
            if let Some(above) = &several {
                routes.push(placed(attributes(above.clone(), &words[1..]), file, index, line));
            }
            continue;
        }
        let Some(route) = route(&words).map(|route| placed(route, file, index, line)) else { continue };
        several = Some(route.clone());
        // One that has neither next hop nor interface is the head of several, unless it leads nowhere.
        if route.via.is_some() || route.dev.is_some() || route.kind != RouteKind::Unicast {
            routes.push(route);
        }
    }
    routes
}

fn placed(route: Route, file: &str, index: usize, line: &str) -> Route {
    Route { file: file.to_owned(), line: index + 1, text: line.trim().to_owned(), ..route }
}

/// `[KIND] PREFIX [via ADDRESS] [dev NAME] ...`
fn route(words: &[&str]) -> Option<Route> {
    let kind = match *words.first()? {
        "unicast" => Some(RouteKind::Unicast),
        "local" => Some(RouteKind::Local),
        "blackhole" => Some(RouteKind::Blackhole),
        "unreachable" => Some(RouteKind::Unreachable),
        "prohibit" => Some(RouteKind::Prohibit),
        "throw" => Some(RouteKind::Throw),
        "broadcast" | "multicast" | "anycast" => Some(RouteKind::Many),
        _ => None,
    };
    let words = if kind.is_some() { &words[1..] } else { words };
    let six = words.iter().skip(1).any(|word| word.contains(':') && word.parse::<std::net::Ipv6Addr>().is_ok());
    let to = network(words.first()?, six)?;
    Some(attributes(Route { kind: kind.unwrap_or(RouteKind::Unicast), ..empty(to) }, &words[1..]))
}

fn empty(to: IpNet) -> Route {
    Route {
        kind: RouteKind::Unicast,
        to,
        via: None,
        dev: None,
        table: MAIN.to_owned(),
        metric: 0,
        src: None,
        mtu: None,
        dead: false,
        text: String::new(),
        file: String::new(),
        line: 0,
    }
}

fn attributes(mut route: Route, words: &[&str]) -> Route {
    for (at, key) in words.iter().enumerate() {
        let value = words.get(at + 1).copied().unwrap_or_default();
        match *key {
            // `via inet6 fe80::1` for a route of the other family.
            "via" => route.via = value.parse().ok().or_else(|| words.get(at + 2)?.parse().ok()),
            "dev" => route.dev = Some(value.to_owned()),
            "table" => value.clone_into(&mut route.table),
            "metric" => route.metric = value.parse().unwrap_or_default(),
            "src" => route.src = value.parse().ok(),
            "mtu" => route.mtu = value.parse().ok().or_else(|| words.get(at + 2)?.parse().ok()),
            "dead" => route.dead = true,
            _ => {}
        }
    }
    route
}

/// `default`, `10.0.0.0/8`, `10.0.0.1`.
fn network(word: &str, six: bool) -> Option<IpNet> {
    match word {
        "default" if six => "::/0".parse().ok(),
        "default" => "0.0.0.0/0".parse().ok(),
        _ => word.parse().ok().or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from)),
    }
}

/// A row of `route -n` or `netstat -rn`, whose columns the header names.
fn row(header: &[&str], words: &[&str]) -> Option<Route> {
    let column = |name: &str| words.get(header.iter().position(|word| *word == name)?).copied();
    let mask = prefix(column("Genmask")?)?;
    let address: IpAddr = match column("Destination")? {
        "default" => "0.0.0.0".parse().ok()?,
        word => word.parse().ok()?,
    };
    let flags = column("Flags")?;
    let mut route = empty(IpNet::new(address, mask).ok()?);
    // `!` marks a route that refuses.
    route.kind = if flags.contains('!') { RouteKind::Unreachable } else { RouteKind::Unicast };
    let gateway: Option<IpAddr> = column("Gateway").and_then(|word| word.parse().ok());
    route.via = gateway.filter(|gateway| flags.contains('G') && !gateway.is_unspecified());
    route.dev = column("Iface").filter(|dev| *dev != "-").map(str::to_owned);
    route.metric = column("Metric").and_then(|metric| metric.parse().ok()).unwrap_or_default();
    Some(route)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IP_ROUTE: &str = "default via 10.80.1.1 dev eth0 proto static metric 100
10.80.1.0/24 dev eth0 proto kernel scope link src 10.80.1.10
10.80.9.0/24 via 10.80.1.7 dev eth0 mtu lock 1300
blackhole 10.80.9.128/25
unreachable default metric 4278198272
172.17.0.0/16 dev docker0 proto kernel scope link src 172.17.0.1 linkdown
10.70.0.0/16 proto static metric 20
\tnexthop via 10.80.1.2 dev eth0 weight 1
\tnexthop via 10.80.1.3 dev eth0 weight 1
default via 10.80.1.8 dev eth0 table 100
local 127.0.0.1 dev lo table local proto kernel scope host src 127.0.0.1
broadcast 10.80.1.255 dev eth0 table local proto kernel scope link src 10.80.1.10
fe80::/64 dev eth0 proto kernel metric 256 pref medium
default via fe80::1 dev eth0 metric 1024
";
    const ROUTE_N: &str = "Kernel IP routing table
Destination     Gateway         Genmask         Flags Metric Ref    Use Iface
0.0.0.0         10.80.1.1       0.0.0.0         UG    0      0        0 eth0
10.80.1.0       0.0.0.0         255.255.255.0   U     0      0        0 eth0
10.80.9.1       -               255.255.255.255 !H    0      -        0 -
";
    const NETSTAT: &str = "Kernel IP routing table
Destination     Gateway         Genmask         Flags   MSS Window  irtt Iface
default         10.80.1.1       0.0.0.0         UG        0 0          0 eth0
";

    fn best(text: &str, address: &str) -> Vec<String> {
        let routes = Routes { routes: parse("f", text), all_tables: true };
        routes.best(MAIN, address.parse().unwrap()).into_iter().map(|route| route.text.clone()).collect()
    }

    #[test]
    fn the_longest_prefix_goes_first_then_the_lowest_metric() {
        assert_eq!(best(IP_ROUTE, "192.0.2.1"), ["default via 10.80.1.1 dev eth0 proto static metric 100"]);
        assert_eq!(best(IP_ROUTE, "10.80.9.5"), ["10.80.9.0/24 via 10.80.1.7 dev eth0 mtu lock 1300"]);
        assert_eq!(best(IP_ROUTE, "10.80.9.200"), ["blackhole 10.80.9.128/25"]);
        assert_eq!(best(IP_ROUTE, "10.70.1.1").len(), 2);
        assert_eq!(best(IP_ROUTE, "2001:db8::1"), ["default via fe80::1 dev eth0 metric 1024"]);
        assert_eq!(
            best(ROUTE_N, "10.80.1.4"),
            ["10.80.1.0       0.0.0.0         255.255.255.0   U     0      0        0 eth0"]
        );
        assert_eq!(best(ROUTE_N, "10.80.2.4").len(), 1);
    }

    #[test]
    fn attributes_are_read() {
        let routes = parse("f", IP_ROUTE);
        assert_eq!(routes[2].mtu, Some(1300));
        assert_eq!(routes[0].metric, 100);
        assert_eq!(routes[1].src.map(|src| src.to_string()).as_deref(), Some("10.80.1.10"));
        let other = routes.iter().find(|route| route.table == "100").unwrap();
        assert_eq!(other.delete().join(" "), "ip route del default via 10.80.1.8 dev eth0 table 100");
        assert_eq!(routes[3].delete().join(" "), "ip route del blackhole 10.80.9.128/25");
        assert!(parse("f", ROUTE_N)[2].leads_nowhere());
        assert!(parse("f", NETSTAT)[0].is_default());
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), cut in 0usize..900) {
            parse("f", &text);
            for whole in [IP_ROUTE, ROUTE_N, NETSTAT] {
                let some = &whole[..cut.min(whole.len())];
                let lines = &some[..some.rfind('\n').map_or(0, |at| at + 1)];
                parse("f", some);
                prop_assert!(parse("f", whole).starts_with(&parse("f", lines)));
            }
        }
    }
}
