//! By which host and which match a request goes to which cluster.

use serde_json::{Value, json};

use super::registry::{Host, Registry, items, text};

/// The routes of a port, by its number; `None` where that is none.
pub fn of(registry: &Registry, name: &str) -> Option<Value> {
    let port: u64 = name.parse().ok()?;
    let hosts = registry.hosts();
    let here = hosts.iter().filter(|host| host.ports.iter().any(|own| own.number == port));
    let mut virtual_hosts: Vec<Value> = here
        .map(|host| json!({"name": format!("{}:{port}", host.name), "domains": host.domains, "routes": routes(registry, host, port)}))
        .collect();
    // Whatever nobody declared goes where the client meant it to go: outboundTrafficPolicy ALLOW_ANY, Istio's default.
    virtual_hosts.push(json!({"name": "allow_any", "domains": ["*"], "routes": [
        {"name": "allow_any", "match": {"prefix": "/"}, "route": {"cluster": "PassthroughCluster", "timeout": "0s"}}]}));
    Some(json!({"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": name,
        "ignore_port_in_host_matching": true, "validate_clusters": false, "virtual_hosts": virtual_hosts}))
}

fn routes(registry: &Registry, host: &Host<'_>, port: u64) -> Vec<Value> {
    let Some(routing) = registry.routing(&host.name) else {
        let cluster = format!("outbound|{port}||{}", host.name);
        return vec![
            json!({"name": "default", "match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}}),
        ];
    };
    let mut routes = vec![];
    for rule in items(&routing["spec"]["http"]) {
        let weighted: Vec<Value> = items(&rule["route"])
            .map(|route| {
                let destination = &route["destination"];
                let to = destination["port"]["number"].as_u64().unwrap_or(port);
                let name = registry.whole(text(&destination["host"]));
                json!({"name": format!("outbound|{to}|{}|{name}", text(&destination["subset"])), "weight": route["weight"].as_u64().unwrap_or(100)})
            })
            .collect();
        let mut action = match &weighted[..] {
            [one] => json!({"cluster": one["name"]}),
            _ => json!({"weighted_clusters": {"clusters": weighted}}),
        };
        action["timeout"] = json!(rule["timeout"].as_str().unwrap_or("0s"));
        if let Some(attempts) = rule["retries"]["attempts"].as_u64().filter(|attempts| *attempts > 0) {
            action["retry_policy"] = json!({"num_retries": attempts, "retry_on": rule["retries"]["retryOn"].as_str().unwrap_or("connect-failure,refused-stream")});
        }
        let every = [Value::Null];
        let matches = rule["match"].as_array().map_or(&every[..], Vec::as_slice);
        routes.extend(matches.iter().map(
            |one| json!({"name": rule["name"].as_str().unwrap_or("default"), "match": matching(one), "route": action}),
        ));
    }
    routes
}

/// A match of a VirtualService as Envoy writes it: by path and by method.
fn matching(one: &Value) -> Value {
    let mut matching = match (&one["uri"]["exact"], &one["uri"]["prefix"]) {
        (Value::String(path), _) => json!({"path": path}),
        (_, Value::String(prefix)) => json!({"prefix": prefix}),
        _ => json!({"prefix": "/"}),
    };
    if let Some(method) = one["method"]["exact"].as_str() {
        matching["headers"] = json!([{"name": ":method", "string_match": {"exact": method}}]);
    }
    matching
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn names_are_those_of_istio_and_what_is_not_known_passes_through() {
        let service = json!({"metadata": {"name": "api"}, "spec": {"clusterIP": "10.96.0.7", "ports": [{"name": "http", "port": 80}]}});
        let routing = json!({"spec": {"hosts": ["api"], "http": [
            {"match": [{"method": {"exact": "POST"}}], "route": [{"destination": {"host": "api", "subset": "v1"}}]},
            {"route": [{"destination": {"host": "elsewhere"}}]}]}});
        let lists = BTreeMap::from([("services", vec![service]), ("virtualservices", vec![routing])]);
        let found = of(&Registry::new("shop".to_owned(), lists), "80").unwrap();
        let host = &found["virtual_hosts"][0];
        assert!(items(&host["domains"]).any(|domain| domain == "api.shop"));
        assert_eq!(host["routes"][0]["route"]["cluster"], "outbound|80|v1|api.shop.svc.cluster.local");
        assert_eq!(host["routes"][0]["match"]["headers"][0]["string_match"]["exact"], "POST");
        assert_eq!(host["routes"][1]["route"]["cluster"], "outbound|80||elsewhere.shop.svc.cluster.local");
        assert_eq!(found["virtual_hosts"][1]["routes"][0]["route"]["cluster"], "PassthroughCluster");
    }
}
