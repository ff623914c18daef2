//! Which route a machine takes for a packet: the rules in their order, then the longest prefix of the table they lead to.

use std::net::IpAddr;

use crate::{
    causes::Lack,
    evidence::{Citation, Fact, Hosts, Route, RouteKind, RuleAction, usual_rules},
    model::Model,
};

/// What a machine chooses.
#[derive(Clone, Debug)]
pub enum Chosen {
    /// This route.
    Route(Route),
    /// None is there.
    Nothing(Citation),
    /// A rule or route that loses it on purpose.
    Refused(Option<Route>, Citation),
    /// That is not known without these.
    Lacks(Vec<Lack>),
}

/// The route of `host` for a packet from `source` (unspecified where it is still to be chosen) to `destination`, which came in
/// by `iif` (`None` for its own). What is taken for granted is added to `assumed`.
pub fn route(
    model: &Model<'_>,
    host: &str,
    source: IpAddr,
    destination: IpAddr,
    iif: Option<&str>,
    assumed: &mut Vec<Lack>,
) -> Chosen {
    let lack = |fact: &str, command: &str, why: &str| Lack::host_fact(host, fact, command, why.to_owned());
    let routes = match model.evidence.hosts.routes(host) {
        Fact::Seen(routes) => routes,
        Fact::Missed(why) => return Chosen::Lacks(vec![lack("ip-route", "ip route", &why)]),
    };
    let rules = match model.evidence.hosts.route_rules(host) {
        Fact::Seen(rules) => rules,
        Fact::Missed(why) => {
            add(assumed, lack("ip-rule", "ip rule", &why));
            usual_rules()
        }
    };
    for rule in rules {
        if rule.meets(source, destination, iif) != Some(true) {
            continue;
        }
        let table = match &rule.action {
            // The machine's own addresses, which whoever asks has looked at.
            RuleAction::Table(table) if table == "local" || table == "255" => continue,
            RuleAction::Table(table) if table == "254" => "main",
            RuleAction::Table(table) => table,
            RuleAction::Refuse(_) => return Chosen::Refused(None, rule.cite()),
            RuleAction::Other => continue,
        };
        if !routes.knows(table) {
            // Hardly anybody fills this one.
            if table == "default" || table == "253" {
                continue;
            }
            return Chosen::Lacks(vec![lack(
                "ip-route-all",
                "ip route show table all",
                "its table is not in ip-route",
            )]);
        }
        let best = routes.best(table, destination);
        let Some(first) = best.first() else { continue };
        if rule.suppress.is_some_and(|length| first.to.prefix_len() <= length) || first.kind == RouteKind::Throw {
            continue;
        }
        if first.leads_nowhere() {
            return Chosen::Refused(Some((*first).clone()), first.cite());
        }
        let ways_apart = best.iter().any(|route| (route.via, &route.dev) != (first.via, &first.dev));
        if ways_apart && best.iter().all(|route| route.to == first.to) && best.len() > 1 {
            // Which of several next hops it is, the kernel alone knows.
            let get = format!("ip route get {destination}");
            let Some(told) = told(model, host, destination, &best) else {
                return Chosen::Lacks(vec![lack(
                    &format!("ip-route-get-{destination}"),
                    &get,
                    "there are several next hops",
                )]);
            };
            return Chosen::Route(told.clone());
        }
        return Chosen::Route((*first).clone());
    }
    Chosen::Nothing(Citation::new(
        Hosts::file(host, "ip-route"),
        "",
        format!("{} routes, none for {destination}", routes.routes.len()),
    ))
}

/// The one of several next hops that `ip route get` names.
fn told<'r>(model: &Model<'_>, host: &str, destination: IpAddr, best: &[&'r Route]) -> Option<&'r Route> {
    let text = model.evidence.hosts.text(host, &format!("ip-route-get-{destination}")).seen()?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let after = |key: &str| words.iter().position(|word| *word == key).and_then(|at| words.get(at + 1)).copied();
    let (via, dev) = (after("via").and_then(|via| via.parse().ok()), after("dev"));
    best.iter().copied().find(|route| route.via == via && route.dev.as_deref() == dev)
}

/// Adds what is new.
pub(super) fn add(known: &mut Vec<Lack>, lack: Lack) {
    if !known.contains(&lack) {
        known.push(lack);
    }
}
