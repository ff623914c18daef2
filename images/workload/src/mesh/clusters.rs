//! Where a sidecar can send what: one cluster for each port of each host and for each of its subsets, and those that every
//! sidecar has.

use serde_json::{Value, json};

use super::{
    identity::Authority,
    registry::{Endpoint, Host, Registry, items, selects, text},
};

/// How long a connection may take to be made where no DestinationRule says so, as with Istio.
const CONNECT_TIMEOUT: &str = "10s";

/// The clusters of a pod's sidecar.
pub fn of(registry: &Registry, pod: &Value, authority: &Authority) -> Vec<Value> {
    let tls = tls(&context(registry, pod, authority));
    let mut all = vec![
        json!({"@type": TYPE, "name": "PassthroughCluster", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "connect_timeout": CONNECT_TIMEOUT}),
    ];
    for port in registry.inbound(pod) {
        let endpoints = [Endpoint { address: "127.0.0.1", port, labels: None, sidecar: false }];
        all.push(json!({"@type": TYPE, "name": format!("inbound|{port}||"), "type": "STATIC", "connect_timeout": CONNECT_TIMEOUT,
            "load_assignment": assignment(&format!("inbound|{port}||"), &endpoints.iter().collect::<Vec<_>>())}));
    }
    for host in registry.hosts() {
        all.extend(of_host(registry, &host, &tls));
    }
    all
}

/// The certificates of a pod's service account.
pub fn context(registry: &Registry, pod: &Value, authority: &Authority) -> Value {
    authority.context(&registry.namespace, text(&pod["spec"]["serviceAccountName"]))
}

fn of_host(registry: &Registry, host: &Host<'_>, tls: &Value) -> Vec<Value> {
    let rule = registry.rule(&host.name);
    let general = rule.map_or(&Value::Null, |rule| &rule["spec"]["trafficPolicy"]);
    let mut all = vec![];
    for port in &host.ports {
        let name = |subset: &str| format!("outbound|{}|{subset}|{}", port.number, host.name);
        let every: Vec<&Endpoint<'_>> = port.endpoints.iter().collect();
        all.push(cluster(&name(""), host, &every, &[general], tls));
        for subset in rule.into_iter().flat_map(|rule| items(&rule["spec"]["subsets"])) {
            let carries = |labels: &Value| selects(&subset["labels"], labels);
            let own: Vec<&Endpoint<'_>> =
                every.iter().filter(|endpoint| endpoint.labels.is_some_and(carries)).copied().collect();
            let policies = [&subset["trafficPolicy"], general];
            all.push(cluster(&name(text(&subset["name"])), host, &own, &policies, tls));
        }
    }
    all
}

const TYPE: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const HTTP: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// A cluster; of the traffic policies the first that says something decides.
fn cluster(name: &str, host: &Host<'_>, endpoints: &[&Endpoint<'_>], policies: &[&Value], tls: &Value) -> Value {
    let said = |pointer: &str| policies.iter().find_map(|policy| policy.pointer(pointer));
    let mut cluster = json!({
        "@type": TYPE, "name": name, "type": if host.by_name { "STRICT_DNS" } else { "STATIC" }, "lb_policy": "LEAST_REQUEST",
        "connect_timeout": said("/connectionPool/tcp/connectTimeout").map_or(CONNECT_TIMEOUT, text),
        "load_assignment": assignment(name, endpoints),
    });
    if let Some(most) = said("/connectionPool/http/maxRequestsPerConnection") {
        cluster["typed_extension_protocol_options"][HTTP] = json!({"@type": format!("type.googleapis.com/{HTTP}"),
            "common_http_protocol_options": {"max_requests_per_connection": most}, "explicit_http_config": {"http_protocol_options": {}}});
    }
    match said("/tls/mode").map(text) {
        Some("DISABLE") => {}
        Some("ISTIO_MUTUAL") => cluster["transport_socket"] = tls.clone(),
        // Nothing said: those that have a sidecar are spoken to with mutual TLS, the others as they are.
        _ => {
            cluster["transport_socket_matches"] = json!([
                {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": tls},
                {"name": "tlsMode-disabled", "match": {}, "transport_socket": {"name": "envoy.transport_sockets.raw_buffer",
                    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"}}},
            ]);
        }
    }
    cluster
}

fn assignment(cluster: &str, endpoints: &[&Endpoint<'_>]) -> Value {
    let each = endpoints.iter().map(|endpoint| {
        let mut one = json!({"endpoint": {"address": {"socket_address": {"address": endpoint.address, "port_value": endpoint.port}}}});
        if endpoint.sidecar {
            one["metadata"]["filter_metadata"]["envoy.transport_socket_match"]["tlsMode"] = "istio".into();
        }
        one
    });
    json!({"cluster_name": cluster, "endpoints": [{"lb_endpoints": each.collect::<Vec<_>>()}]})
}

fn tls(context: &Value) -> Value {
    json!({"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", "common_tls_context": context}})
}
