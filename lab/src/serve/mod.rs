//! A recording served: a read-only Kubernetes API over evidence, good enough for kubectl, for clients that list and watch, and
//! for other diagnosers. Nothing is served but the evidence; what is not in it is refused with the reason, never shown as absent.
//!
//! Reading order: [`cluster`] (what is served), [`ask`] and [`answer`] (a request and its answer), [`api`] (the API as a
//! function), then its parts; [`server`] is the only file that listens. What may not enter: scenarios, histories, the truth.

mod access;
mod ages;
mod answer;
mod api;
mod ask;
mod cluster;
mod discovery;
mod events;
mod kubeconfig;
mod logs;
mod openapi;
mod resources;
mod restored;
mod selectors;
mod server;
mod tables;
mod watch;

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::{LabError, replay::Files};
use cluster::Cluster;
pub(crate) use resources::{plural, singular};
pub(crate) use server::listen;

/// Who everyone is to this API.
const USER: &str = "reader";
/// Why nothing can be changed.
const READ_ONLY: &str = "this is a recording, which can only be read";

/// A server that runs until it is dropped.
pub struct Served {
    address: SocketAddr,
    now: Timestamp,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A request that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When, UTC.
    pub time: Timestamp,
    /// `GET` ...
    pub method: String,
    /// `/api/v1/namespaces/shop/pods?limit=500`: path and parameters, as they came.
    pub path: String,
}

/// Serves the objects and logs of an evidence folder on 127.0.0.1, on this port or a free one. Answers before it returns.
///
/// # Errors
/// When the evidence holds no objects or they do not parse, or the port cannot be had.
pub fn start(evidence: &Files, port: Option<u16>) -> Result<Served, LabError> {
    let cluster = Cluster::of(evidence)?;
    let (listener, address) = listen(port.unwrap_or(0))?;
    let now = cluster.now;
    let asked = Arc::default();
    let (stop, stopped) = oneshot::channel();
    let fail = |error: std::io::Error| LabError::Live {
        what: "starting the server".to_owned(),
        why: error.to_string(),
        next: "Is the limit of processes (ulimit -u) or of open files (ulimit -n) reached?".to_owned(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
    let log = Arc::clone(&asked);
    let work = move || {
        if let Err(error) = runtime.block_on(server::serve(listener, cluster, log, stopped)) {
            tracing::error!("the server ended: {error}");
        }
    };
    let thread = thread::Builder::new().name("serve".to_owned()).spawn(work).map_err(fail)?;
    Ok(Served { address, now, asked, stop: Some(stop), thread: Some(thread) })
}

impl Served {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The time that counts as now: when the evidence was taken.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Writes a kubeconfig for it, whole or not at all.
    ///
    /// # Errors
    /// When a file is there that is none of these, or it cannot be written.
    pub fn write_kubeconfig(&self, path: &Path) -> Result<(), LabError> {
        kubeconfig::write(path, &kubeconfig::text(self.address))
    }

    /// Removes that kubeconfig, if it is still there and still this server's.
    pub fn remove_kubeconfig(&self, path: &Path) {
        kubeconfig::remove(path, &kubeconfig::text(self.address));
    }

    /// What was asked so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::env;

    use futures::{StreamExt, pin_mut};
    use k8s_openapi::api::core::v1::Pod;
    use kube::{
        Api, Client, Config,
        config::{KubeConfigOptions, Kubeconfig},
        runtime::watcher::{self, Event, watcher},
    };
    use serde_json::json;

    use super::*;

    /// What a controller, a dashboard or another diagnoser does: it lists and watches, in either of the ways there are.
    #[tokio::test(flavor = "multi_thread")]
    async fn clients_that_list_and_watch_have_everything() {
        let pod = |name: &str| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "a"}});
        let objects = json!({"kind": "List", "items": [pod("x"), pod("y")]}).to_string();
        let served = start(&[("objects.json".to_owned(), objects)].into(), None).expect("it can be served");
        let path = env::temp_dir().join(format!("lab-serve-{}", std::process::id()));
        served.write_kubeconfig(&path).expect("the kubeconfig can be written");
        let config = Kubeconfig::read_from(&path).expect("it can be read");
        served.remove_kubeconfig(&path);
        assert!(!path.exists());
        let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.expect("it is whole");
        let client = Client::try_from(config).expect("a client");
        for how in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
            let events = watcher(Api::<Pod>::all(client.clone()), how);
            pin_mut!(events);
            let mut names = Vec::new();
            loop {
                match events.next().await.expect("it goes on").expect("no error") {
                    Event::InitApply(pod) => names.extend(pod.metadata.name),
                    Event::InitDone => break,
                    _ => {}
                }
            }
            assert_eq!(names, ["x", "y"]);
        }
        assert!(served.asked().iter().any(|asked| asked.path.contains("sendInitialEvents=true")));
    }
}
