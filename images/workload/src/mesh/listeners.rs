//! What a sidecar takes: what its pod sends out (15001), what comes in to its pod (15006), the kubelet's checks (15020).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{clusters, identity::Authority, registry::Registry};

const TYPE: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const MANAGER: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// The listeners of a pod's sidecar.
pub fn of(registry: &Registry, pod: &Value, authority: &Authority) -> Vec<Value> {
    let ports: BTreeSet<u64> = registry.hosts().iter().flat_map(|host| &host.ports).map(|port| port.number).collect();
    let mut all: Vec<Value> = ports.into_iter().map(outbound).collect();
    all.push(json!({
        "@type": TYPE, "name": "virtualOutbound", "address": address(15001), "use_original_dst": true, "traffic_direction": "OUTBOUND",
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "PassthroughCluster", "cluster": "PassthroughCluster", "access_log": access_log()}}]}],
    }));
    let inbound = registry.inbound(pod);
    all.extend(inbound.first().map(|port| checks(*port)));
    if !inbound.is_empty() {
        all.push(self::inbound(&inbound, registry.is_strict(pod), &clusters::context(registry, pod, authority)));
    }
    all
}

/// What goes out to a port on which hosts speak HTTP, whichever they are.
fn outbound(port: u64) -> Value {
    json!({
        "@type": TYPE, "name": format!("0.0.0.0_{port}"), "address": address(port), "bind_to_port": false, "traffic_direction": "OUTBOUND",
        "filter_chains": [{"filters": [manager(&format!("outbound_0.0.0.0_{port}"), true, json!({
            "rds": {"route_config_name": port.to_string(), "config_source": {"resource_api_version": "V3", "api_config_source": {
                "api_type": "REST", "transport_api_version": "V3", "cluster_names": ["xds"], "refresh_delay": "1s"}}}}))]}],
    })
}

/// What comes in: by mutual TLS, and, where that is allowed, as it is.
fn inbound(ports: &[u64], strict: bool, context: &Value) -> Value {
    let mut chains = vec![];
    for port in ports {
        let route = json!({"route_config": {"name": format!("inbound|{port}||"), "virtual_hosts": [{"name": format!("inbound|http|{port}"),
            "domains": ["*"], "routes": [{"name": "default", "match": {"prefix": "/"}, "route": {"cluster": format!("inbound|{port}||"), "timeout": "0s"}}]}]}});
        let filters = json!([manager(&format!("inbound_0.0.0.0_{port}"), true, route)]);
        chains.push(
            json!({"filter_chain_match": {"destination_port": port, "transport_protocol": "tls"}, "filters": filters,
            "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "require_client_certificate": true, "common_tls_context": context}}}),
        );
        if !strict {
            chains.push(json!({"filter_chain_match": {"destination_port": port, "transport_protocol": "raw_buffer"}, "filters": filters}));
        }
    }
    json!({
        "@type": TYPE, "name": "virtualInbound", "address": address(15006), "traffic_direction": "INBOUND", "access_log": no_chain(),
        "listener_filters": [
            {"name": "envoy.filters.listener.original_dst", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst"}},
            {"name": "envoy.filters.listener.tls_inspector", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}],
        "filter_chains": chains,
    })
}

/// The kubelet's checks have no certificate: they come in on a port of their own, and go on to the application.
fn checks(port: u64) -> Value {
    let route = json!({"route_config": {"virtual_hosts": [{"name": "checks", "domains": ["*"], "routes": [
        {"match": {"prefix": "/app-health/"}, "route": {"cluster": format!("inbound|{port}||"),
            "regex_rewrite": {"pattern": {"regex": "^/app-health/[^/]+/readyz"}, "substitution": "/healthz"}}}]}]}});
    json!({"@type": TYPE, "name": "checks", "address": address(15020), "filter_chains": [{"filters": [manager("checks", false, route)]}]})
}

fn address(port: u64) -> Value {
    json!({"socket_address": {"address": "0.0.0.0", "port_value": port}})
}

fn manager(prefix: &str, logged: bool, route: Value) -> Value {
    let mut manager = json!({"@type": MANAGER, "stat_prefix": prefix, "preserve_external_request_id": true,
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]});
    if logged {
        manager["access_log"] = access_log();
    }
    if let (Some(manager), Value::Object(route)) = (manager.as_object_mut(), route) {
        manager.extend(route);
    }
    json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": manager})
}

/// Istio's access log, as it writes it with `accessLogEncoding: JSON`.
fn access_log() -> Value {
    const FIELDS: [(&str, &str); 24] = [
        ("authority", "%REQ(:AUTHORITY)%"),
        ("bytes_received", "%BYTES_RECEIVED%"),
        ("bytes_sent", "%BYTES_SENT%"),
        ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"),
        ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
        ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
        ("duration", "%DURATION%"),
        ("method", "%REQ(:METHOD)%"),
        ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
        ("protocol", "%PROTOCOL%"),
        ("request_id", "%REQ(X-REQUEST-ID)%"),
        ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
        ("response_code", "%RESPONSE_CODE%"),
        ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
        ("response_flags", "%RESPONSE_FLAGS%"),
        ("route_name", "%ROUTE_NAME%"),
        ("start_time", "%START_TIME%"),
        ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
        ("upstream_host", "%UPSTREAM_HOST%"),
        ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
        ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
        ("upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
        ("user_agent", "%REQ(USER-AGENT)%"),
        ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
    ];
    let fields: serde_json::Map<String, Value> =
        FIELDS.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    json!([{"name": "envoy.access_loggers.stdout", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", "log_format": {"json_format": fields}}}])
}

/// Of connections that are refused before anything takes them, as those without TLS are where it is demanded.
fn no_chain() -> Value {
    let mut log = access_log();
    log[0]["filter"] = json!({"response_flag_filter": {"flags": ["NR"]}});
    log
}
