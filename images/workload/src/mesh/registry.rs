//! What the objects say of hosts, of those behind them, and of how to reach them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The objects of one namespace.
pub struct Registry {
    /// Its name.
    pub namespace: String,
    lists: BTreeMap<&'static str, Vec<Value>>,
}

/// A host that sidecars know: a Service, or what a ServiceEntry declares.
pub struct Host<'r> {
    /// Its whole name: `api.shop.svc.cluster.local`.
    pub name: String,
    /// Every name a client of the namespace may use for it.
    pub domains: Vec<String>,
    /// Its ports.
    pub ports: Vec<Port<'r>>,
    /// Whether sidecars look its endpoints up by name.
    pub by_name: bool,
}

/// A port of a host that speaks HTTP.
pub struct Port<'r> {
    /// Its number.
    pub number: u64,
    /// Who answers on it.
    pub endpoints: Vec<Endpoint<'r>>,
}

/// One address behind a host.
pub struct Endpoint<'r> {
    /// An address, or a name.
    pub address: &'r str,
    /// The port there.
    pub port: u64,
    /// Its labels, which subsets select by.
    pub labels: Option<&'r Value>,
    /// Whether it has a sidecar, which takes mutual TLS.
    pub sidecar: bool,
}

impl Registry {
    /// Of objects by plural.
    pub fn new(namespace: String, lists: BTreeMap<&'static str, Vec<Value>>) -> Self {
        Self { namespace, lists }
    }

    fn list(&self, plural: &str) -> &[Value] {
        self.lists.get(plural).map_or(&[], Vec::as_slice)
    }

    /// A pod by name.
    pub fn pod(&self, name: &str) -> Option<&Value> {
        self.list("pods").iter().find(|pod| pod["metadata"]["name"] == name)
    }

    /// The whole name of a host as an object of this namespace writes it: `api` is `api.shop.svc.cluster.local`.
    pub fn whole(&self, host: &str) -> String {
        if host.contains('.') { host.to_owned() } else { format!("{host}.{}.svc.cluster.local", self.namespace) }
    }

    /// Every host.
    pub fn hosts(&self) -> Vec<Host<'_>> {
        let services = self.list("services").iter().filter(|service| {
            // An ExternalName is an alias for clients outside of the mesh; one that is exported to nobody is not known.
            service["spec"]["type"] != "ExternalName"
                && service["metadata"]["annotations"]["networking.istio.io/exportTo"] != "~"
        });
        services
            .map(|service| self.service(service))
            .chain(self.list("serviceentries").iter().flat_map(entry))
            .collect()
    }

    fn service<'r>(&'r self, service: &'r Value) -> Host<'r> {
        let (name, namespace) = (text(&service["metadata"]["name"]), &self.namespace);
        let whole = self.whole(name);
        let mut domains =
            vec![name.to_owned(), format!("{name}.{namespace}"), format!("{name}.{namespace}.svc"), whole.clone()];
        domains.extend(service["spec"]["clusterIP"].as_str().filter(|ip| *ip != "None").map(str::to_owned));
        let http = items(&service["spec"]["ports"]).filter(|port| text(&port["name"]).starts_with("http"));
        let ports = http.map(|port| Port { number: number(&port["port"]), endpoints: self.endpoints(name, port) });
        Host { name: whole, domains, ports: ports.collect(), by_name: false }
    }

    fn endpoints<'r>(&'r self, service: &str, port: &Value) -> Vec<Endpoint<'r>> {
        let slices = self.list("endpointslices").iter();
        let own = slices.filter(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == service);
        let each = own.flat_map(|slice| {
            let number = items(&slice["ports"]).find(|p| p["name"] == port["name"]).map(|p| number(&p["port"]));
            items(&slice["endpoints"]).filter_map(move |endpoint| Some((endpoint, number?)))
        });
        let ready = each.filter(|(endpoint, _)| endpoint["conditions"]["ready"] != false);
        ready
            .map(|(endpoint, port)| {
                let pod = self.pod(text(&endpoint["targetRef"]["name"]));
                Endpoint {
                    address: text(&endpoint["addresses"][0]),
                    port,
                    labels: pod.map(|pod| &pod["metadata"]["labels"]),
                    sidecar: pod.is_some_and(has_sidecar),
                }
            })
            .collect()
    }

    /// The DestinationRule of a host.
    pub fn rule(&self, host: &str) -> Option<&Value> {
        self.list("destinationrules").iter().find(|rule| self.whole(text(&rule["spec"]["host"])) == host)
    }

    /// The VirtualService by which sidecars route a host.
    pub fn routing(&self, host: &str) -> Option<&Value> {
        self.list("virtualservices").iter().find(|routing| {
            let gateways = &routing["spec"]["gateways"];
            let for_sidecars = gateways.is_null() || items(gateways).any(|gateway| gateway == "mesh");
            for_sidecars && items(&routing["spec"]["hosts"]).any(|own| self.whole(text(own)) == host)
        })
    }

    /// Whether a pod takes nothing but mutual TLS: the policy that selects it decides, else that of the namespace.
    pub fn is_strict(&self, pod: &Value) -> bool {
        let policies = self.list("peerauthentications").iter();
        let mode = |of: &dyn Fn(&Value) -> bool| {
            policies.clone().find(|policy| of(&policy["spec"]["selector"]["matchLabels"]))?["spec"]["mtls"]["mode"]
                .as_str()
        };
        let own = mode(&|labels| !labels.is_null() && selects(labels, &pod["metadata"]["labels"]));
        own.or_else(|| mode(&Value::is_null)) == Some("STRICT")
    }

    /// The ports on which Services lead to a pod.
    pub fn inbound(&self, pod: &Value) -> Vec<u64> {
        let address = &pod["status"]["podIP"];
        let services = self.list("services").iter().filter(|service| {
            let selector = &service["spec"]["selector"];
            selector.is_object() && selects(selector, &pod["metadata"]["labels"])
        });
        let mut ports: Vec<u64> = services
            .flat_map(|service| items(&service["spec"]["ports"]))
            .filter_map(|port| match &port["targetPort"] {
                Value::String(name) => items(&pod["spec"]["containers"])
                    .flat_map(|container| items(&container["ports"]))
                    .find(|port| port["name"] == name.as_str())?["containerPort"]
                    .as_u64(),
                Value::Null => port["port"].as_u64(),
                number => number.as_u64(),
            })
            .filter(|_| address.is_string())
            .collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

/// What a ServiceEntry declares. Without endpoints, the name itself is looked up.
fn entry(entry: &Value) -> impl Iterator<Item = Host<'_>> {
    let spec = &entry["spec"];
    items(&spec["hosts"]).filter_map(Value::as_str).map(move |name| {
        let http = items(&spec["ports"]).filter(|port| port["protocol"] == "HTTP");
        let ports = http.map(|port| {
            let own = port["targetPort"].as_u64().unwrap_or_else(|| number(&port["number"]));
            let declared = items(&spec["endpoints"]).map(|endpoint| Endpoint {
                address: text(&endpoint["address"]),
                port: endpoint["ports"][text(&port["name"])].as_u64().unwrap_or(own),
                labels: Some(&endpoint["labels"]),
                sidecar: false,
            });
            let mut endpoints: Vec<Endpoint<'_>> = declared.collect();
            if endpoints.is_empty() {
                endpoints.push(Endpoint { address: name, port: own, labels: None, sidecar: false });
            }
            Port { number: number(&port["number"]), endpoints }
        });
        let ports = ports.collect();
        Host { name: name.to_owned(), domains: vec![name.to_owned()], ports, by_name: spec["resolution"] != "STATIC" }
    })
}

/// Whether labels are all among others.
pub fn selects(labels: &Value, others: &Value) -> bool {
    let empty = Map::new();
    labels.as_object().unwrap_or(&empty).iter().all(|(key, value)| others[key] == *value)
}

fn has_sidecar(pod: &Value) -> bool {
    items(&pod["spec"]["containers"]).any(|container| container["name"] == "istio-proxy")
}

/// The items of a list; of anything else, none.
pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A text; of anything else, the empty one.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}
