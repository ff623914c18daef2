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
    let (listener, address) = server::listen(port)?;
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
