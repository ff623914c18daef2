//! A Service forwards to another port than its pods listen on.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Break;
use crate::{
    LabError,
    ledger::Mutation,
    rigs::{Live, Now, kind_of},
};

/// `service-target-port: {service: web, port: 8080}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceTargetPort {
    /// The Service's name; its first port is meant.
    pub service: String,
    /// The wrong targetPort.
    pub port: u16,
}

const FIELD: &str = "/spec/ports/0/targetPort";

impl Break for ServiceTargetPort {
    fn mutations<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Vec<Mutation>, LabError>> {
        Box::pin(async move {
            let service = live.find("service", &self.service)?;
            Ok(vec![Mutation::set(&live.read(service).await?, service, FIELD, json!(self.port))])
        })
    }

    /// Every EndpointSlice of the Service carries the wrong port.
    fn effect<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Now<String>, LabError>> {
        Box::pin(async move {
            let slices = slices(live, &self.service).await?;
            let ports: Vec<u64> =
                slices.iter().filter_map(|slice| slice.pointer("/ports/0/port").and_then(Value::as_u64)).collect();
            let all = !ports.is_empty() && ports.iter().all(|port| *port == u64::from(self.port));
            let says = format!("the endpoints of {} are on port {ports:?}", self.service);
            Ok(if all { Now::Holds(says) } else { Now::NotYet(says) })
        })
    }
}

/// The EndpointSlices of a Service.
pub(super) async fn slices(live: &Live, service: &str) -> Result<Vec<Value>, LabError> {
    let subject = live.find("service", service)?;
    let selector = format!("kubernetes.io/service-name={service}");
    live.rig.api.list(kind_of("endpointslice")?, subject.namespace.as_deref(), &selector).await
}
