//! `workload`: the one small program that plays every application and client of the lab's worlds, and makes its probes.
//!
//! Every request it serves or sends is one JSON line on stdout ([`log`]), with the request id that all hops share.

mod application;
mod behaviour;
mod client;
mod clients;
mod cpu;
mod database;
mod dial;
mod fetch;
mod job;
mod limits;
mod log;
mod memory;
mod mesh;
mod outcome;
mod request;
mod resolve;
mod rude;
mod serve;
mod spool;

use std::process::ExitCode;

use clap::Parser;

/// Applications, clients and probes for the lab's worlds.
#[derive(Parser)]
#[command(version)]
enum Workload {
    /// Serve HTTP: answer by itself or pass requests on.
    Serve(Box<serve::Serve>),
    /// Send a steady trickle of requests.
    Client(client::Client),
    /// Send one request, of any protocol that is spoken here, and say how it ended.
    Fetch(fetch::Fetch),
    /// Ask an application for a lot, for a while.
    Job(job::Job),
    /// Try TCP connections, side by side, and say how each ended.
    Dial(dial::Dial),
    /// Configure the sidecars of a service mesh, as Istio's control plane does.
    Mesh(mesh::Mesh),
    /// Look names up with the system's resolver.
    Resolve(resolve::Resolve),
}

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            log::message("error", &error.to_string());
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(work());
    // A look-up that was given up goes on in the C library for as long as its resolver is patient; nobody waits for it.
    runtime.shutdown_background();
    code
}

async fn work() -> ExitCode {
    // Whoever speaks TLS here does so with ring; a second provider cannot be there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let work = async {
        match Workload::parse() {
            Workload::Serve(serve) => serve.run().await,
            Workload::Client(client) => client.run().await,
            Workload::Fetch(fetch) => fetch.run().await,
            Workload::Job(job) => job.run().await,
            Workload::Dial(dial) => dial.run().await,
            Workload::Mesh(mesh) => mesh.run().await,
            Workload::Resolve(resolve) => resolve.run().await,
        }
    };
    tokio::select! {
        result = work => match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                log::message("error", &error);
                ExitCode::FAILURE
            }
        },
        // As PID 1 nothing ends us unless we do it ourselves.
        () = terminated() => ExitCode::SUCCESS,
    }
}

async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}
