//! What leads to pods, and what may not pass.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Column, Printer, age, count, joined, labels, list, name, none_if_empty, or, selector, text, three_and_more, wide,
};

const SERVICES: &[Column] = &[
    text("Name"),
    text("Type"),
    text("Cluster-IP"),
    text("External-IP"),
    text("Port(s)"),
    text("Age"),
    wide("Selector"),
];
const ENDPOINTS: &[Column] = &[text("Name"), text("Endpoints"), text("Age")];
const SLICES: &[Column] = &[text("Name"), text("AddressType"), text("Ports"), text("Endpoints"), text("Age")];
const INGRESSES: &[Column] = &[text("Name"), text("Class"), text("Hosts"), text("Address"), text("Ports"), text("Age")];
const CLASSES: &[Column] = &[text("Name"), text("Controller"), text("Parameters"), text("Age")];
const POLICIES: &[Column] = &[text("Name"), text("Pod-Selector"), text("Age")];
const RANGES: &[Column] = &[text("Name"), text("CIDRs"), text("Age")];
const ADDRESSES: &[Column] = &[text("Name"), text("ParentRef")];

pub(super) fn printer(kind: &str) -> Option<Printer> {
    let (columns, cells): (_, fn(&Value, Timestamp) -> Vec<Value>) = match kind {
        "EndpointSlice" => (SLICES, slice),
        "Endpoints" => (ENDPOINTS, endpoints),
        "IPAddress" => (ADDRESSES, address),
        "Ingress" => (INGRESSES, ingress),
        "IngressClass" => (CLASSES, class),
        "NetworkPolicy" => (POLICIES, policy),
        "Service" => (SERVICES, service),
        "ServiceCIDR" => (RANGES, range),
        _ => return None,
    };
    Some(Printer { columns, cells })
}

fn service(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let ports = list(&spec["ports"]).map(|port| {
        let node = count(&port["nodePort"]);
        let node = if node > 0 { format!(":{node}") } else { String::new() };
        format!("{}{node}/{}", count(&port["port"]), or(&port["protocol"], "TCP"))
    });
    let ports = none_if_empty(ports.collect::<Vec<_>>().join(","));
    vec![
        name(object),
        or(&spec["type"], "ClusterIP").into(),
        or(&spec["clusterIPs"][0], or(&spec["clusterIP"], "<none>")).into(),
        outside(object).into(),
        ports.into(),
        age(object, now),
        labels(&spec["selector"]).into(),
    ]
}

/// Under what address a Service is reached from outside.
fn outside(service: &Value) -> String {
    let spec = &service["spec"];
    let balancer = balancer(service);
    let own = list(&spec["externalIPs"]).filter_map(Value::as_str);
    match or(&spec["type"], "ClusterIP") {
        "LoadBalancer" => {
            let all = joined(balancer.iter().map(String::as_str).chain(own), ",");
            if all.is_empty() { "<pending>".to_owned() } else { all }
        }
        "ExternalName" => or(&spec["externalName"], "").to_owned(),
        _ => none_if_empty(joined(own, ",")),
    }
}

/// The addresses of load balancers in a status, sorted.
fn balancer(object: &Value) -> BTreeSet<String> {
    let all = list(&object["status"]["loadBalancer"]["ingress"]);
    all.map(|each| or(&each["ip"], or(&each["hostname"], "")).to_owned()).filter(|text| !text.is_empty()).collect()
}

fn endpoints(object: &Value, now: Timestamp) -> Vec<Value> {
    let mut all = Vec::new();
    for subset in list(&object["subsets"]) {
        let addresses = || list(&subset["addresses"]).map(|address| or(&address["ip"], "").to_owned());
        match subset["ports"].as_array() {
            Some(ports) if !ports.is_empty() => {
                all.extend(ports.iter().flat_map(|port| addresses().map(move |address| at(&address, port))));
            }
            _ => all.extend(addresses()),
        }
    }
    let shown = if all.is_empty() && list(&object["subsets"]).next().is_some() {
        String::new()
    } else {
        three_and_more(&all).replace("<unset>", "<none>")
    };
    vec![name(object), shown.into(), age(object, now)]
}

fn at(address: &str, port: &Value) -> String {
    let port = count(&port["port"]);
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

fn slice(object: &Value, now: Timestamp) -> Vec<Value> {
    let port = |port: &Value| port["port"].as_i64().map_or(or(&port["name"], "*").to_owned(), |port| port.to_string());
    let ports: Vec<String> = list(&object["ports"]).map(port).collect();
    let addresses = list(&object["endpoints"]).flat_map(|endpoint| list(&endpoint["addresses"]));
    let addresses: Vec<String> = addresses.filter_map(|address| Some(address.as_str()?.to_owned())).collect();
    vec![
        name(object),
        or(&object["addressType"], "").into(),
        three_and_more(&ports).into(),
        three_and_more(&addresses).into(),
        age(object, now),
    ]
}

fn ingress(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let tls = list(&spec["tls"]).next().is_some();
    vec![
        name(object),
        or(&spec["ingressClassName"], "<none>").into(),
        hosts(&spec["rules"]).into(),
        balancer(object).into_iter().collect::<Vec<_>>().join(",").into(),
        if tls { "80, 443" } else { "80" }.into(),
        age(object, now),
    ]
}

/// The hosts of an Ingress' rules: three of those that have one, and how many rules there are beyond three.
fn hosts(rules: &Value) -> String {
    let rules: Vec<&str> = list(rules).map(|rule| or(&rule["host"], "")).collect();
    let named: Vec<&str> = rules.iter().copied().filter(|host| !host.is_empty()).collect();
    if named.is_empty() {
        return "*".to_owned();
    }
    let shown = joined(named.iter().copied().take(3), ",");
    // A fourth rule counts once three hosts are shown, whether or not it has one.
    let third = rules.iter().enumerate().filter(|(_, host)| !host.is_empty()).nth(2).map(|(index, _)| index);
    match third {
        Some(third) if rules.len() > third + 1 => format!("{shown} + {} more...", rules.len() - 3),
        _ => shown,
    }
}

fn class(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let parameters = match &spec["parameters"] {
        Value::Null => "<none>".to_owned(),
        parameters => {
            let group = parameters["apiGroup"].as_str().map_or(String::new(), |group| format!(".{group}"));
            format!("{}{group}/{}", or(&parameters["kind"], ""), or(&parameters["name"], ""))
        }
    };
    vec![name(object), or(&spec["controller"], "").into(), parameters.into(), age(object, now)]
}

fn policy(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), selector(&object["spec"]["podSelector"]).into(), age(object, now)]
}

fn range(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), joined(list(&object["spec"]["cidrs"]).filter_map(Value::as_str), ",").into(), age(object, now)]
}

fn address(object: &Value, _now: Timestamp) -> Vec<Value> {
    let parent = &object["spec"]["parentRef"];
    let parts = ["resource", "namespace", "name"].map(|key| or(&parent[key], ""));
    vec![name(object), none_if_empty(joined(parts.into_iter().filter(|part| !part.is_empty()), "/")).into()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_many_three_are_shown() {
        let slice_of = |count: u8| {
            let endpoints: Vec<Value> = (0..count).map(|n| json!({"addresses": [format!("10.0.0.{n}")]})).collect();
            let object = json!({"metadata": {"name": "s"}, "addressType": "IPv4", "ports": [{"port": 80}], "endpoints": endpoints});
            slice(&object, Timestamp::UNIX_EPOCH)[3].clone()
        };
        assert_eq!(slice_of(0), "<unset>");
        assert_eq!(slice_of(3), "10.0.0.0,10.0.0.1,10.0.0.2");
        assert_eq!(slice_of(5), "10.0.0.0,10.0.0.1,10.0.0.2 + 2 more...");
        let rule = |host: &str| json!({"host": host});
        assert_eq!(hosts(&json!([{}])), "*");
        assert_eq!(hosts(&json!([rule("a"), rule("b")])), "a,b");
        assert_eq!(hosts(&json!([rule("a"), rule("b"), rule("c"), rule("d"), {}])), "a,b,c + 2 more...");
    }
}
