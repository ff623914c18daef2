//! How far an attempt has got, for what is said when its time is over.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Where an attempt is; drivers tell it from tasks of their own.
#[derive(Default)]
pub struct Progress(Mutex<State>);

#[derive(Default)]
struct State {
    step: String,
    looking_up: bool,
    address: Option<String>,
    way: String,
}

impl Progress {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is being done from now on: `waiting for the answer of 10.80.2.10:5432`.
    pub fn at(&self, step: impl Into<String>) {
        let mut state = self.state();
        (state.step, state.looking_up) = (step.into(), false);
    }

    /// A name is being looked up.
    pub fn look_up(&self, name: &str) {
        let mut state = self.state();
        (state.step, state.looking_up) = (format!("looking up {name}"), true);
    }

    /// A connection to this address is tried.
    pub fn connect(&self, address: SocketAddr) {
        self.peer(address.to_string());
        self.at(format!("connecting to {address}"));
    }

    /// Whom the last connection is with.
    pub fn peer(&self, address: String) {
        self.state().address = Some(address);
    }

    /// By whom the attempt was sent on to whom; everything that is said from now on begins with it.
    pub fn sent_on(&self, way: String) {
        self.state().way = way;
    }

    /// What to begin with.
    pub fn way(&self) -> String {
        self.state().way.clone()
    }

    /// The peer of the last connection tried.
    pub fn address(&self) -> Option<String> {
        self.state().address.clone()
    }

    /// What it means that the time is over now, and what was being done. A look-up that is not answered is no answer for the name.
    pub fn late(&self) -> (&'static str, String) {
        let state = self.state();
        (if state.looking_up { "name-not-found" } else { "timeout" }, state.step.clone())
    }
}
