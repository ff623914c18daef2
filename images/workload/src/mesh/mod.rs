//! A small control plane of a service mesh: it reads Istio's objects and serves Envoy sidecars what Istio's would, under the
//! same names (clusters `outbound|80|v1|api.shop.svc.cluster.local`, `PassthroughCluster`; listeners, routes).
//!
//! Only what a world of the lab needs is read: hosts, subsets, routes with matches, timeouts of requests and connections,
//! requests a connection, mutual TLS. It serves one namespace, its own. Sidecars poll (REST xDS), so a change of an object is
//! in force within three seconds.

mod clusters;
mod identity;
mod kubernetes;
mod listeners;
mod registry;
mod routes;

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing,
};
use clap::Args;
use serde_json::{Value, json};

use crate::log;
use identity::Authority;
use kubernetes::Kubernetes;
use registry::Registry;

/// How often the API server is asked.
const EVERY: Duration = Duration::from_secs(1);

/// See the module's comment.
#[derive(Args)]
pub struct Mesh {
    /// Where to listen for sidecars.
    #[arg(long, default_value = "0.0.0.0:15010")]
    listen: SocketAddr,
    /// The API server, where it is not the one of the pod's own cluster: http://127.0.0.1:8001.
    #[arg(long)]
    api: Option<String>,
    /// The namespace, where it is not the pod's own.
    #[arg(long)]
    namespace: Option<String>,
}

/// What is served: the objects as they were last read, and who signs certificates.
struct Plane {
    registry: Mutex<Option<Arc<Registry>>>,
    authority: Authority,
}

impl Mesh {
    /// Serves until it is told to stop.
    pub async fn run(self) -> Result<(), String> {
        let kubernetes = Kubernetes::new(self.api, self.namespace)?;
        let authority = Authority::new().map_err(|error| error.to_string())?;
        let plane = Arc::new(Plane { registry: Mutex::default(), authority });
        tokio::spawn(follow(kubernetes, Arc::clone(&plane)));
        let router = Router::new()
            .route("/ready", routing::get(ready))
            .route("/v3/{what}", routing::post(discover))
            .with_state(plane);
        let listener = tokio::net::TcpListener::bind(self.listen)
            .await
            .map_err(|error| format!("cannot listen on {}: {error}", self.listen))?;
        log::message("info", &format!("listening on {}", self.listen));
        axum::serve(listener, router).await.map_err(|error| error.to_string())
    }
}

/// Reads the objects again and again. What cannot be read leaves what is known in force.
async fn follow(kubernetes: Kubernetes, plane: Arc<Plane>) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        match kubernetes.read().await {
            Ok(registry) => *lock(&plane.registry) = Some(Arc::new(registry)),
            Err(error) => log::message("error", &format!("reading objects: {error}")),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn ready(State(plane): State<Arc<Plane>>) -> StatusCode {
    if lock(&plane.registry).is_some() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// Answers one poll: 304 where the sidecar has this version already.
async fn discover(State(plane): State<Arc<Plane>>, Path(what): Path<String>, Json(request): Json<Value>) -> Response {
    let registry = lock(&plane.registry).clone();
    let id = request["node"]["id"].as_str().unwrap_or_default();
    // sidecar~ADDRESS~POD.NAMESPACE~DOMAIN, as Istio's agent names a sidecar.
    let pod = id.split('~').nth(2).and_then(|name| name.split('.').next()).unwrap_or_default();
    let known = registry.as_ref().and_then(|registry| registry.pod(pod));
    let (Some(registry), Some(pod)) = (&registry, known) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let kind = what.trim_start_matches("discovery:");
    let resources = match kind {
        "clusters" => clusters::of(registry, pod, &plane.authority),
        "listeners" => listeners::of(registry, pod, &plane.authority),
        "routes" => {
            let names = request["resource_names"].as_array().into_iter().flatten();
            names.filter_map(|name| routes::of(registry, name.as_str()?)).collect()
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let mut hasher = DefaultHasher::new();
    Value::Array(resources.clone()).to_string().hash(&mut hasher);
    let version = format!("{:016x}", hasher.finish());
    if request["version_info"] == version.as_str() {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    Json(json!({"version_info": version, "resources": resources, "type_url": request["type_url"]})).into_response()
}
