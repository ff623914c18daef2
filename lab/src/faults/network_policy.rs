//! A NetworkPolicy is put over pods and denies them traffic.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Break;
use crate::{
    LabError,
    ledger::Mutation,
    rigs::{LABEL, Live, Now, WORKLOAD},
};

/// `network-policy: {name: web-baseline, pods: {app: web}, deny: ingress}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPolicy {
    /// The policy's name.
    pub name: String,
    /// The labels of the pods it is put over; a workload of the world has them.
    pub pods: BTreeMap<String, String>,
    /// The direction in which everything is denied.
    pub deny: Deny,
}

/// A direction, seen from the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deny {
    /// What comes in.
    Ingress,
}

impl NetworkPolicy {
    /// The workload whose pods the policy is put over.
    fn workload<'a>(&self, live: &'a Live) -> Result<&'a diagnoser::Subject, LabError> {
        let labels = |object: &'a Value| object.pointer("/spec/template/metadata/labels");
        let selected = live.objects.iter().find(|(_, object)| {
            labels(object).is_some_and(|labels| self.pods.iter().all(|(key, value)| labels[key] == json!(value)))
        });
        selected.map(|(subject, _)| subject).ok_or_else(|| LabError::BadInput {
            place: format!("network-policy {}", self.name),
            what: format!("no workload of the world has the labels {:?}", self.pods),
            next: "Give labels of a pod template in the world's manifests.".to_owned(),
        })
    }
}

impl Break for NetworkPolicy {
    fn mutations<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Vec<Mutation>, LabError>> {
        Box::pin(async move {
            let Deny::Ingress = self.deny;
            let policy = json!({
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": self.name, "namespace": self.workload(live)?.namespace(), "labels": {LABEL: "lab"}},
                "spec": {"podSelector": {"matchLabels": self.pods}, "policyTypes": ["Ingress"]},
            });
            Ok(vec![Mutation::apply(&policy)?])
        })
    }

    /// A connection of the client to one of the pods gets no answer.
    fn effect<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<Now<String>, LabError>> {
        Box::pin(async move {
            let denied = live.running_pod(self.workload(live)?).await?;
            let address = denied.pointer("/status/podIP").and_then(Value::as_str).unwrap_or_default();
            let port = denied.pointer("/spec/containers/0/ports/0/containerPort").and_then(Value::as_u64).unwrap_or(80);
            let client = live.running_pod(live.world.place("client")?).await?;
            let dial = format!("{} dial --timeout 1s {address}:{port}", WORKLOAD);
            let seen = live.probe(&client, &dial).await?;
            let outcome = seen.first().and_then(|line| line["outcome"].as_str()).unwrap_or("no result").to_owned();
            let says = format!("the client's connection to {address}:{port}: {outcome}");
            Ok(if outcome == "timeout" { Now::Holds(says) } else { Now::NotYet(says) })
        })
    }
}
