//! A gateway routes the requests that are meant for a Service to another one.
//!
//! # What it looks like
//! Every request below one path is answered 404 (or 405) at once, by an application that is well and has no such path; the one that
//! has it is well too, and gets no request. Other paths through the gateway are served.
//!
//! # Confirm by hand
//! `kubectl -n NS get configmap GATEWAY -o yaml`: the route whose `Path` matches has the `uri` of another Service, and no route
//! leads to the one that is meant. Asked directly (`curl http://SERVICE.NS:PORT/PATH`) it answers.
//!
//! # Fix
//! Correct the `uri` of the route and let the gateway's pods start anew.
//!
//! # Who acts
//! The owner of the gateway.
//!
//! # Source
//! Spring Cloud Gateway, Route Predicate Factories (`Path`), "uri" (`lb://SERVICE`).

use std::collections::BTreeSet;

use super::{Case, Cause, Finding, Lack, State, rollout};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Alert, Fact, Object},
    model::Model,
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct GatewayRouteWrongBackend;

impl Cause for GatewayRouteWrongBackend {
    fn id(&self) -> &'static str {
        "gateway-route-wrong-backend"
    }

    fn source(&self) -> &'static str {
        include_str!("gateway_route_wrong_backend.rs")
    }

    /// The Service that does not get its requests is the subject: one table has the routes of many.
    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let mut found = Vec::new();
        for alert in model.evidence.alerts.iter().filter(|alert| matches!(alert.status, Some(404 | 405))) {
            let mut named = model.evidence.objects.of_kind("service").filter(|service| service.name() == alert.entity);
            let (Some(meant), None) = (named.next(), named.next()) else { continue };
            let Some(path) = alert.path.as_deref() else { continue };
            if let Some(state) = look(model, alert, meant, path) {
                let subject = meant.subject().clone();
                found.push(Finding { effects: vec![(subject.clone(), Mode::NotFound)], subject, state });
            }
        }
        found
    }
}

fn look(model: &Model<'_>, alert: &Alert, meant: &Object, path: &str) -> Option<State> {
    if let Fact::Missed(why) = model.evidence.listed("configmap", "configmaps") {
        return Some(State::Undecided(vec![Lack::objects("configmaps", Some(meant.namespace()), why)]));
    }
    for map in model.evidence.objects.in_namespace("configmap", meant.namespace()) {
        for (key, text) in map.map("/data") {
            let routes = routes(text);
            let Some(route) = routes.iter().find(|route| route.paths.iter().any(|pattern| matches(pattern, path)))
            else {
                continue;
            };
            let users = users(model, map);
            if users.is_empty() {
                continue;
            }
            let pointer = format!("/data/{}", key.replace('~', "~0").replace('/', "~1"));
            let cited = map.cite(&pointer, format!("{path} is routed to {}", route.host));
            let leads_to = |route: &Route<'_>| model.resolve(&route.host, Some(meant.namespace()));
            if routes.iter().any(|route| leads_to(route).as_ref() == Some(meant.subject())) {
                return Some(State::excluded("a route leads to it", vec![cited]));
            }
            let other = leads_to(route)?;
            let other = model.object(&other).filter(|other| other.subject().is("service"))?;
            let mended = text.replacen(route.line, &route.line.replacen(&route.host, meant.name(), 1), 1);
            let mut patch = vec![Change::Set {
                object: map.subject().clone(),
                path: pointer.clone(),
                from: text.into(),
                to: mended.into(),
            }];
            // Where the line stands twice, only a person can tell which.
            if text.matches(route.line).count() > 1 {
                patch.clear();
            } else {
                patch.extend(users.iter().filter_map(|user| rollout::restart(model, user)));
            }
            let evidence = vec![
                alert.cited.clone(),
                cited,
                map.cite(&pointer, format!("no route leads to {}", meant.subject())),
                other.cite("/metadata/name", format!("{} exists and is another", other.subject())),
            ];
            let summary = format!("Route {path} to {} instead of {}", meant.subject(), other.subject());
            return Some(State::holds(evidence, Fix { summary, patch }));
        }
    }
    None
}

/// The workloads whose pods read a ConfigMap as files.
fn users(model: &Model<'_>, map: &Object) -> BTreeSet<Subject> {
    let pods = model.evidence.objects.in_namespace("pod", map.namespace());
    let reads = |pod: &&Object| {
        pod.list("/spec/volumes").iter().any(|volume| {
            let name = &volume["configMap"]["name"];
            name.as_str() == Some(map.name())
        })
    };
    pods.filter(reads).map(|pod| model.workload_of(pod.subject())).collect()
}

/// A route of the table.
struct Route<'t> {
    host: String,
    /// The line that has the host.
    line: &'t str,
    paths: Vec<&'t str>,
}

/// The routes of a gateway, in their order.
fn routes(text: &str) -> Vec<Route<'_>> {
    let mut found: Vec<Route<'_>> = Vec::new();
    for line in text.lines() {
        let said = line.trim().trim_start_matches("- ").trim();
        if let Some(uri) = said.strip_prefix("uri:") {
            found.push(Route { host: host(uri.trim().trim_matches(['"', '\''])), line, paths: vec![] });
        } else if let Some(paths) = said.strip_prefix("Path=")
            && let Some(route) = found.last_mut()
        {
            route.paths.extend(paths.split(',').map(str::trim));
        }
    }
    found.retain(|route| !route.paths.is_empty() && !route.host.is_empty());
    found
}

/// The host of a route: what stands after the scheme, of a placeholder what it falls back to.
fn host(uri: &str) -> String {
    let authority = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let named = match authority.strip_prefix("${") {
        Some(rest) => rest.split('}').next().and_then(|inside| inside.split_once(':')).map_or("", |(_, name)| name),
        None => authority,
    };
    named.split([':', '/']).next().unwrap_or_default().to_owned()
}

/// Whether a pattern (`/a/**`, `/a/*/b`, `/a/{id}`) matches a path.
fn matches(pattern: &str, path: &str) -> bool {
    let mut path = path.split('?').next().unwrap_or_default().split('/');
    for part in pattern.split('/') {
        if part == "**" {
            return true;
        }
        match path.next() {
            Some(own) if own == part || part == "*" || part.starts_with('{') => {}
            _ => return false,
        }
    }
    path.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::{host, matches};
    use crate::sketch::check;

    fn world(uri: &str, more: &str, status: &str) -> String {
        let table = format!(
            "routes:\\n- id: api\\n  uri: {uri}\\n  predicates:\\n  - Path=/v1/api/**\\n- id: web\\n  uri: lb://web\\n  predicates:\\n  - Path=/v1/web/**\\n{more}"
        );
        format!(
            "service a/api  selector app=api  80 -> 80
             pod a/api-1  app=api  ready  listens 0.0.0.0:80
             service a/web  selector app=web  80 -> 80
             pod a/web-1  app=web  ready  listens 0.0.0.0:80
             object ConfigMap a/table
             set configmap/a/table data={{\"routes~yml\":\"{}\"}}
             pod a/gateway-1  app=gateway  ready
             set pod/a/gateway-1 spec.volumes[0].configMap.name=table
             probe service/a/api:80  connected in 1ms
             file alerts.json | [{{\"entry_service\":\"api\",\"url\":\"/v1/api/items\",\"raw_error\":\"Error('{status} x')\"}}]\n",
            table.replace(' ', "\\u0020")
        )
    }

    #[test]
    fn holds_where_the_route_leads_to_another() {
        check(&format!("{}=> gateway-route-wrong-backend service/a/api", world("lb://web", "", "404")));
        check(&format!("{}=> gateway-route-wrong-backend service/a/api", world("http://${API_HOST:web}", "", "404")));
    }

    #[test]
    fn twins_a_right_route_and_a_failing_application() {
        check(&format!("{}=> unknown", world("lb://api", "", "404")));
        check(&format!("{}=> unknown", world("lb://web", "", "503")));
        let beside = "- id: old\\n  uri: lb://api\\n  predicates:\\n  - Path=/v0/api/**\\n";
        check(&format!("{}=> unknown", world("lb://web", beside, "404")));
    }

    #[test]
    fn unknown_without_the_table() {
        let none: String = world("lb://web", "", "404")
            .lines()
            .filter(|l| !l.contains("configmap/a/table") && !l.contains("ConfigMap"))
            .map(|l| format!("{l}\n"))
            .collect();
        check(&format!("{none}missed configmaps forbidden\n=> unknown lacks configmaps of namespace a"));
    }

    #[test]
    fn parts() {
        assert_eq!((host("lb://${A_HOST:a-b}").as_str(), host("http://a.b:80/c").as_str()), ("a-b", "a.b"));
        assert!(
            matches("/a/**", "/a/b/c")
                && matches("/a/*/c", "/a/b/c")
                && !matches("/a/*", "/a/b/c")
                && !matches("/b/**", "/a/b")
        );
    }
}
