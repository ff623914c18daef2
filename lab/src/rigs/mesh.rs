//! The service mesh: Istio's kinds of objects in the lab's cluster. Where an Istio is installed, they are there already and
//! Istio follows them; elsewhere the lab defines them, and the control plane of its own in a world follows them.

use std::time::Duration;

use diagnoser::Subject;
use serde_json::{Value, json};

use super::{Kind, KindCluster, LABEL, Now, kind_of, kinds, until};
use crate::LabError;

/// How long the API server may take to serve a kind that was defined.
const SERVED: Duration = Duration::from_secs(20);

impl KindCluster {
    /// What configures sidecars where no Istio does.
    pub const OWN_MESH: &'static str = "Envoy, configured by the lab as Istio would";

    /// Sees to it that the cluster knows the mesh's kinds. Definitions belong to the cluster, never to a world: worlds side
    /// by side share them.
    ///
    /// # Errors
    /// When the API server refuses, or does not serve them in time.
    pub async fn define_mesh(&self) -> Result<(), LabError> {
        for kind in kinds().filter(|kind| kind.version.contains(".istio.io/")) {
            if self.api.list(kind, None, "").await.is_ok() {
                continue;
            }
            self.api.apply_of(kind_of("CustomResourceDefinition")?, &definition(kind)).await?;
            until(&format!("the cluster to know {}", kind.plural), SERVED, async || {
                Ok(match self.api.list(kind, None, "").await {
                    Ok(_) => Now::Holds(()),
                    Err(error) => Now::NotYet(error.to_string()),
                })
            })
            .await?;
        }
        Ok(())
    }

    /// What configures sidecars here, in words.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn mesh(&self) -> Result<&'static str, LabError> {
        let istiod = Subject::namespaced("deployment", "istio-system", "istiod");
        Ok(match self.api.get(&istiod).await? {
            Some(_) => "Istio, which follows the same objects",
            None => Self::OWN_MESH,
        })
    }
}

/// A kind as the API server takes it, with whatever fields: what they mean is up to who follows them.
fn definition(kind: &Kind) -> Value {
    let (group, version) = kind.version.split_once('/').unwrap_or_default();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{}.{group}", kind.plural), "labels": {LABEL: "lab"}},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": kind.kind, "plural": kind.plural, "singular": kind.kind.to_ascii_lowercase()},
            "versions": [{"name": version, "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_named_after_its_kind() {
        let kind = kinds().find(|kind| kind.kind == "ServiceEntry").unwrap();
        let defined = definition(kind);
        assert_eq!(defined["metadata"]["name"], "serviceentries.networking.istio.io");
        assert_eq!(defined["spec"]["versions"][0]["name"], "v1");
    }
}
