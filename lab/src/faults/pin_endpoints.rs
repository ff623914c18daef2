//! A Service's endpoints are kept by hand, at an address that nobody has any more.

use diagnoser::Subject;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Break, service_target_port::slices};
use crate::{
    LabError,
    ledger::Mutation,
    rigs::{Action, LABEL, Live, Now},
};

/// `pin-endpoints: {service: traefik, to: worker, host: 250}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinEndpoints {
    /// The Service.
    pub service: String,
    /// The node in whose pod network the address lies, by role.
    pub to: String,
    /// The last number of the address; no pod has it.
    pub host: u8,
}

impl PinEndpoints {
    async fn address(&self, live: &Live) -> Result<String, LabError> {
        let node = live.read(&Subject::global("node", &live.rig.node(&self.to)?.name)).await?;
        let network = node.pointer("/spec/podCIDR").and_then(Value::as_str).unwrap_or_default();
        let start = network.rsplit_once('.').map(|(start, _)| start).unwrap_or_default();
        Ok(format!("{start}.{}", self.host))
    }
}

impl Break for PinEndpoints {
    fn mutations<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Vec<Mutation>, LabError>> {
        Box::pin(async move {
            let service = live.find("service", &self.service)?;
            let now = live.read(service).await?;
            let slice = json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                "metadata": {"name": format!("{}-1", self.service), "namespace": service.namespace(),
                    "labels": {"kubernetes.io/service-name": self.service, LABEL: "lab"}},
                "ports": now.pointer("/spec/ports").and_then(Value::as_array).map(|ports| ports.iter().map(|port| {
                    json!({"name": port["name"], "port": port["targetPort"], "protocol": "TCP"})
                }).collect::<Vec<_>>()),
                "endpoints": [{"addresses": [self.address(live).await?], "conditions": {"ready": true}}],
            });
            let mut all = vec![Mutation::set(&now, service, "/spec/selector", Value::Null), Mutation::apply(&slice)?];
            // What Kubernetes made it makes anew once there is a selector again. Endpoints of a Service without one would be
            // mirrored to slices (endpointslicemirroring_controller.go).
            let endpoints = Subject::namespaced("endpoints", service.namespace(), &self.service);
            all.push(Mutation::passing(format!("delete {endpoints}"), Action::Delete(endpoints)));
            for made in slices(live, &self.service).await? {
                let name = made["metadata"]["name"].as_str().unwrap_or_default();
                let subject = Subject::namespaced("endpointslice", service.namespace(), name);
                all.push(Mutation::passing(format!("delete {subject}"), Action::Delete(subject)));
            }
            Ok(all)
        })
    }

    /// Only the address kept by hand is left.
    fn effect<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Now<String>, LabError>> {
        Box::pin(async move {
            let address = self.address(live).await?;
            let slices = slices(live, &self.service).await?;
            let endpoints = slices.iter().filter_map(|slice| slice["endpoints"].as_array()).flatten();
            let all = endpoints.filter_map(|endpoint| endpoint["addresses"][0].as_str()).collect::<Vec<_>>();
            let says = format!("the endpoints of {} are {all:?}", self.service);
            Ok(if all == [address] { Now::Holds(says) } else { Now::NotYet(says) })
        })
    }
}
