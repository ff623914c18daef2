//! A Service's selector is changed to labels that no pod carries.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Break, service_target_port::slices};
use crate::{
    LabError,
    ledger::Mutation,
    rigs::{Live, Now},
};

/// `service-selector: {service: web, labels: {app: web-v2}}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSelector {
    /// The Service's name.
    pub service: String,
    /// The wrong selector, whole.
    pub labels: BTreeMap<String, String>,
}

impl Break for ServiceSelector {
    fn mutations<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Vec<Mutation>, LabError>> {
        Box::pin(async move {
            let service = live.find("service", &self.service)?;
            Ok(vec![Mutation::set(&live.read(service).await?, service, "/spec/selector", json!(self.labels))])
        })
    }

    /// The Service has no endpoint left.
    fn effect<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Now<String>, LabError>> {
        Box::pin(async move {
            let slices = slices(live, &self.service).await?;
            let count: usize = slices.iter().filter_map(|slice| slice["endpoints"].as_array()).map(Vec::len).sum();
            let says = format!("{} has {count} endpoints", self.service);
            Ok(if count == 0 { Now::Holds(says) } else { Now::NotYet(says) })
        })
    }
}
