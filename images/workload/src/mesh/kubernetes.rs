//! The API server, of which only lists are asked.

use std::{collections::BTreeMap, fs, time::Duration};

use reqwest::{Certificate, Client};
use serde_json::Value;

use super::registry::Registry;

/// Where a pod finds who it is.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// What is read, by plural, with the path of its group.
const RESOURCES: [(&str, &str); 7] = [
    ("api/v1", "pods"),
    ("api/v1", "services"),
    ("apis/discovery.k8s.io/v1", "endpointslices"),
    ("apis/networking.istio.io/v1", "destinationrules"),
    ("apis/networking.istio.io/v1", "serviceentries"),
    ("apis/networking.istio.io/v1", "virtualservices"),
    ("apis/security.istio.io/v1", "peerauthentications"),
];

/// A connection to it.
pub struct Kubernetes {
    client: Client,
    base: String,
    namespace: String,
}

impl Kubernetes {
    /// With what the pod's service account is given, or without any (`api`).
    pub fn new(api: Option<String>, namespace: Option<String>) -> Result<Self, String> {
        let text = |name: &str| {
            fs::read_to_string(format!("{ACCOUNT}/{name}")).map_err(|error| format!("{ACCOUNT}/{name}: {error}"))
        };
        let namespace = namespace.map_or_else(|| text("namespace"), Ok)?;
        let mut builder = Client::builder().timeout(Duration::from_secs(5)).no_proxy();
        let base = match api {
            Some(api) => {
                builder = builder.tls_certs_only([]);
                api
            }
            None => {
                let authority = Certificate::from_pem(text("ca.crt")?.as_bytes()).map_err(|error| error.to_string())?;
                builder = builder.tls_certs_only([authority]);
                let of = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set: this is no pod"));
                format!("https://{}:{}", of("KUBERNETES_SERVICE_HOST")?, of("KUBERNETES_SERVICE_PORT")?)
            }
        };
        Ok(Self { client: builder.build().map_err(|error| error.to_string())?, base, namespace })
    }

    /// Everything, as it is now.
    pub async fn read(&self) -> Result<Registry, String> {
        // Tokens are renewed while the pod lives.
        let token = fs::read_to_string(format!("{ACCOUNT}/token")).unwrap_or_default();
        let mut lists = BTreeMap::new();
        for (group, plural) in RESOURCES {
            let url = format!("{}/{group}/namespaces/{}/{plural}", self.base, self.namespace);
            let answer = self.client.get(&url).bearer_auth(token.trim()).send().await;
            let answer = answer.and_then(reqwest::Response::error_for_status).map_err(|error| error.to_string())?;
            let list: Value = answer.json().await.map_err(|error| error.to_string())?;
            lists.insert(plural, list["items"].as_array().cloned().unwrap_or_default());
        }
        Ok(Registry::new(self.namespace.clone(), lists))
    }
}
