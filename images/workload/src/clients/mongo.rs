//! MongoDB: one document inserted by the official driver, acknowledged by the majority.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use mongodb::{
    Client,
    bson::doc,
    error::{Error, ErrorKind, WriteFailure},
    event::{EventHandler, cmap::CmapEvent, command::CommandEvent, sdam::SdamEvent},
    options::{Acknowledgment, ClientOptions, Credential, ServerAddress, WriteConcern},
};
use tokio::net::lookup_host;

use super::{
    Attempted, Said, Target, Task,
    connect::{io_error, resolve},
    progress::Progress,
};

/// Inserts one document. The driver goes on until a server suits or the time is nearly over, as every client's does.
pub async fn insert(target: &Target, task: &Task) -> Attempted {
    let (addresses, none) = resolve(&target.hosts, task).await;
    let Some(first) = addresses.first() else { return Err(none) };
    task.progress.connect(*first);
    let (database, collection) = target.place("orders");
    let seen = Arc::new(Seen { progress: Arc::clone(&task.progress), servers: Mutex::default() });
    let client = Client::with_options(options(target, task, &seen).map_err(Said::failed)?)
        .map_err(|error| Said::failed(error.to_string()))?;
    let database = client.database(if database.is_empty() { "orders" } else { database });
    let result = database.collection(collection).insert_one(doc! {"note": "x".repeat(task.bytes)}).await;
    let server = seen.servers().last.clone();
    if let Some(address) = lookup_host(&server).await.ok().and_then(|mut found| found.next()) {
        task.progress.peer(address.to_string());
    }
    match result {
        Ok(_) => {
            Ok(Said::new("answered", format!("one document more in {}.{collection} on {server}", database.name())))
        }
        Err(error) => Err(said(&error, &seen.servers())),
    }
}

fn options(target: &Target, task: &Task, seen: &Arc<Seen>) -> Result<ClientOptions, String> {
    let hosts = target.hosts.iter().map(|(host, port)| ServerAddress::Tcp { host: host.clone(), port: Some(*port) });
    let mut options = ClientOptions::builder().hosts(hosts.collect::<Vec<_>>()).build();
    options.app_name = Some("workload".to_owned());
    options.repl_set_name = target.setting("replicaSet").map(str::to_owned);
    options.direct_connection = target.setting("directConnection").map(|text| text == "true");
    // Each gives up a little before the one around it, so that the reason is known when the time is over.
    options.connect_timeout = Some(task.left().mul_f64(0.6));
    options.server_selection_timeout = Some(task.left().mul_f64(0.85));
    options.write_concern =
        Some(WriteConcern::builder().w(Acknowledgment::Majority).w_timeout(task.left().mul_f64(0.7)).build());
    // What a server answers is to be seen, not what came of a second try.
    options.retry_writes = Some(false);
    if let Some(user) = &target.user {
        let source = target.setting("authSource").unwrap_or("admin").to_owned();
        let mut credential = Credential::builder().username(user.clone()).source(source).build();
        credential.password = target.password()?;
        options.credential = Some(credential);
    }
    let events = Arc::clone(seen);
    options.sdam_event_handler = Some(EventHandler::callback(move |event| events.server(event)));
    let events = Arc::clone(seen);
    options.cmap_event_handler = Some(EventHandler::callback(move |event| events.connection(event)));
    let events = Arc::clone(seen);
    options.command_event_handler = Some(EventHandler::callback(move |event| events.command(event)));
    Ok(options)
}

/// What the driver tells while it works.
struct Seen {
    progress: Arc<Progress>,
    servers: Mutex<Servers>,
}

#[derive(Default)]
struct Servers {
    /// Those that answered the last time they were asked.
    alive: BTreeSet<String>,
    /// Why the others did not.
    failures: BTreeMap<String, Said>,
    /// The last that something was tried with.
    last: String,
}

impl Seen {
    fn servers(&self) -> MutexGuard<'_, Servers> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn server(&self, event: SdamEvent) {
        let mut servers = self.servers();
        match event {
            SdamEvent::ServerHeartbeatStarted(event) if !event.awaited && servers.alive.is_empty() => {
                servers.last = event.server_address.to_string();
                self.progress.at(format!("connecting to {}", servers.last));
            }
            SdamEvent::ServerHeartbeatSucceeded(event) => {
                let server = event.server_address.to_string();
                servers.failures.remove(&server);
                if servers.alive.insert(server.clone()) {
                    self.progress.at(format!("connected to {server}, waiting for a server that takes writes"));
                    servers.last = server;
                }
            }
            SdamEvent::ServerHeartbeatFailed(event) => {
                let server = event.server_address.to_string();
                servers.alive.remove(&server);
                if servers.alive.is_empty() {
                    servers.last = server.clone();
                }
                let failure = said(&event.failure, &Servers { last: server.clone(), ..Servers::default() });
                servers.failures.insert(server, failure);
            }
            _ => {}
        }
    }

    fn connection(&self, event: CmapEvent) {
        if let CmapEvent::ConnectionCreated(event) = event {
            self.servers().last = event.address.to_string();
            self.progress.at(format!("connecting to {} and logging in", event.address));
        }
    }

    fn command(&self, event: CommandEvent) {
        if let CommandEvent::Started(event) = event {
            let server = event.connection.address.to_string();
            self.progress.at(format!("connected to {server}, waiting for the answer to {}", event.command_name));
            self.servers().last = server;
        }
    }
}

/// The server's code, name and message; or what came of the connections.
fn said(error: &Error, servers: &Servers) -> Said {
    let coded = |code: i32, name: &str, message: &str| Said::failed(format!("{code} {name}: {message}"));
    match error.kind.as_ref() {
        ErrorKind::Command(refused) => coded(refused.code, &refused.code_name, &refused.message),
        ErrorKind::Write(WriteFailure::WriteError(refused)) => {
            coded(refused.code, refused.code_name.as_deref().unwrap_or("WriteError"), &refused.message)
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(refused)) => {
            coded(refused.code, &refused.code_name, &refused.message)
        }
        ErrorKind::Io(io) => io_error(io, &servers.last),
        ErrorKind::DnsResolve { message, .. } => Said::new("name-not-found", message.clone()),
        ErrorKind::ServerSelection { message, .. } | ErrorKind::ConnectionPoolCleared { message, .. } => {
            // Where one of them answers, it is they who have no primary; where none does, it is the connections.
            let silent = servers.failures.values().next().filter(|_| servers.alive.is_empty());
            Said::new(silent.map_or("failed", |failure| failure.outcome), message.clone())
        }
        _ => Said::failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn nobody_there_is_told_from_nobody_who_leads() {
        let refused = Error::from(io::Error::from(io::ErrorKind::ConnectionRefused));
        let mut servers = Servers { last: "a:27017".to_owned(), ..Servers::default() };
        let failure = said(&refused, &servers);
        assert_eq!(failure.outcome, "refused");
        assert!(failure.text.starts_with("a:27017: "), "{}", failure.text);
        servers.failures.insert("a:27017".to_owned(), failure);
        assert_eq!(said(&Error::custom("x"), &servers).outcome, "failed");
    }
}
