//! A cluster of the user's own, read and never changed: get, list and logs, in pages, a few at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use kube::{
    Api, Client, Config,
    api::{DynamicObject, ListParams, LogParams, ObjectList},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::Serialize;
use serde_json::{Value, json};

use diagnoser::Subject;

use crate::{LabError, rigs::Kind};

/// How many objects are asked for at once: the API server's own chunks are 500 (kubectl's --chunk-size), this is two of them.
const PAGE: u32 = 1000;
/// Of a log only its end is read: so many lines, and so many bytes at most.
const LINES: i64 = 300;
const BYTES: i64 = 256 << 10;

/// A cluster that is only read.
pub struct ClusterReader {
    client: Client,
    asked: AtomicUsize,
}

/// Why a reading cannot be had.
pub enum Refusal {
    /// The cluster has no objects of that kind, because it does not know the kind.
    NoSuchKind,
    /// Anything else, in words.
    Why(String),
}

impl ClusterReader {
    /// Connects in this context of the user's kubeconfig (`KUBECONFIG`, else `~/.kube/config`).
    ///
    /// # Errors
    /// When there is no such file or context, or it cannot be used.
    pub async fn connect(context: &str) -> Result<Self, LabError> {
        let bad = |what: String, next: String| LabError::BadInput { place: format!("--context {context}"), what, next };
        let config = Kubeconfig::read().map_err(|error| {
            bad(error.to_string(), "KUBECONFIG names the file; without it ~/.kube/config is read.".to_owned())
        })?;
        let known: Vec<&str> = config.contexts.iter().map(|context| context.name.as_str()).collect();
        if !known.contains(&context) {
            return Err(LabError::unknown_name(
                "context",
                context,
                known.iter().copied(),
                format!("The kubeconfig has: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") }),
            ));
        }
        let options = KubeConfigOptions { context: Some(context.to_owned()), ..Default::default() };
        let unusable = |error: String| bad(error, format!("kubectl --context {context} version says more."));
        let config =
            Config::from_custom_kubeconfig(config, &options).await.map_err(|error| unusable(error.to_string()))?;
        let reader = Self::of(Client::try_from(config).map_err(|error| unusable(error.to_string()))?);
        reader.asked.fetch_add(1, Ordering::Relaxed);
        reader.client.apiserver_version().await.map_err(|error| LabError::Live {
            what: format!("asking the cluster of {context} for its version"),
            why: error.to_string(),
            next: format!("kubectl --context {context} version says whether it can be reached."),
        })?;
        Ok(reader)
    }

    /// Reads what this client reaches.
    pub fn of(client: Client) -> Self {
        Self { client, asked: AtomicUsize::new(0) }
    }

    /// The client it reads with, for what the user asks for beyond reading.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// How many requests were made.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Gives all objects of a kind, of a namespace or of the whole cluster, to `take`, a page at a time: large clusters are never
    /// held whole as what the API server says of them. Of secrets only the metadata: their values never leave the API server.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub async fn list(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        mut take: impl FnMut(Vec<Value>),
    ) -> Result<(), Refusal> {
        let api: Api<DynamicObject> = match namespace.filter(|_| kind.namespaced) {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &kind.resource()),
            None => Api::all_with(self.client.clone(), &kind.resource()),
        };
        let mut parameters = ListParams::default().limit(PAGE);
        loop {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let listed = match kind.kind {
                "Secret" => api.list_metadata(&parameters).await.map(page),
                _ => api.list(&parameters).await.map(page),
            };
            let (page, next) = listed.map_err(|error| refusal(&error))?;
            let named = page.into_iter().map(|mut object| {
                (object["apiVersion"], object["kind"]) = (json!(kind.version), json!(kind.kind));
                object
            });
            take(named.collect());
            match next.filter(|next| !next.is_empty()) {
                Some(next) => parameters = parameters.continue_token(&next),
                None => return Ok(()),
            }
        }
    }

    /// The end of a container's log, with times; of the instance before the last restart where `previous`.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn log(&self, pod: &Subject, container: &str, previous: bool) -> Result<String, String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let api: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(self.client.clone(), pod.namespace());
        let parameters = LogParams {
            container: Some(container.to_owned()),
            previous,
            tail_lines: Some(LINES),
            limit_bytes: Some(BYTES),
            timestamps: true,
            ..Default::default()
        };
        api.logs(&pod.name, &parameters).await.map_err(|error| error.to_string())
    }
}

/// The objects of a page, and what asks for the next one.
fn page<T: Clone + Serialize>(listed: ObjectList<T>) -> (Vec<Value>, Option<String>) {
    let objects = listed.items.into_iter().filter_map(|object| serde_json::to_value(object).ok());
    (objects.collect(), listed.metadata.continue_)
}

fn refusal(error: &kube::Error) -> Refusal {
    match error {
        kube::Error::Api(status) if status.code == 404 => Refusal::NoSuchKind,
        other => Refusal::Why(other.to_string()),
    }
}
