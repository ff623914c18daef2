//! MongoDB: one document inserted by the official driver, acknowledged by the majority.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use mongodb::{
    Client, ServerInfo, ServerType,
    bson::doc,
    error::{Error, ErrorKind, WriteFailure},
    event::{EventHandler, cmap::CmapEvent, command::CommandEvent, sdam::SdamEvent},
    options::{Acknowledgment, ClientOptions, Credential, ServerAddress, WriteConcern},
};
use tokio::net::lookup_host;

use super::{
    Attempted, Said, Target, Task,
    connect::{connect, io_error, resolve},
    progress::Progress,
    target::parse_host,
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
        Err(error) => {
            let said = said(&error, &seen.servers());
            if said.outcome != "timeout" {
                return Err(said);
            }
            // The driver does not tell whether a silent server takes connections.
            let host = parse_host(&server, 27017).map_err(Said::failed)?;
            connect(&[host], task).await?;
            Err(Said { text: format!("connected to {server}, waiting for an answer: {}", said.text), ..said })
        }
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
    /// What kind of set they are taken for.
    kind: String,
    /// Each with its part in it, or with why it has none.
    each: BTreeMap<String, Result<String, Said>>,
    /// The last that something was tried with.
    last: String,
}

impl Servers {
    /// Whether one of them answers.
    fn alive(&self) -> bool {
        self.each.values().any(Result::is_ok)
    }

    /// `ReplicaSetNoPrimary: a:27017 RsSecondary; b:27017: Connection refused (os error 111)`.
    fn told(&self) -> String {
        let each = self.each.iter().map(|(server, state)| match state {
            Ok(part) => format!("{server} {part}"),
            Err(failure) => failure.text.clone(),
        });
        format!("{}: {}", self.kind, each.collect::<Vec<_>>().join("; "))
    }
}

impl Seen {
    fn servers(&self) -> MutexGuard<'_, Servers> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn server(&self, event: SdamEvent) {
        let mut servers = self.servers();
        match event {
            SdamEvent::ServerHeartbeatStarted(event) if !servers.alive() => {
                servers.last = event.server_address.to_string();
                self.progress.at(format!("connecting to {}", servers.last));
            }
            SdamEvent::ServerHeartbeatSucceeded(event) if !servers.alive() => {
                servers.last = event.server_address.to_string();
                self.progress.at(format!("connected to {}, waiting for a server that takes writes", servers.last));
            }
            SdamEvent::TopologyDescriptionChanged(event) => {
                let all = event.new_description;
                servers.kind = all.topology_type().to_string();
                servers.each = all.servers().into_iter().map(|(address, server)| state(address, &server)).collect();
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
        ErrorKind::ServerSelection { .. } | ErrorKind::ConnectionPoolCleared { .. } => {
            // Where one of them answers, it is they who have no primary; where none does, it is the connections.
            let silent = servers.each.values().filter(|_| !servers.alive()).find_map(|state| state.as_ref().err());
            let text = format!("no server to write to: {}", servers.told());
            Said::new(silent.map_or("failed", |failure| failure.outcome), text)
        }
        // A refused log-in is in what lies beneath.
        _ => match std::error::Error::source(error).and_then(|source| source.downcast_ref::<Box<Error>>()) {
            Some(source) => said(source, servers),
            None => Said::failed(error.kind.to_string()),
        },
    }
}

/// A server's part, or why it has none; one that has not answered yet counts as silent.
fn state(address: &ServerAddress, server: &ServerInfo<'_>) -> (String, Result<String, Said>) {
    let name = address.to_string();
    let state = match (server.error(), server.server_type()) {
        (Some(error), _) => Err(said(error, &Servers { last: name.clone(), ..Servers::default() })),
        (None, ServerType::Unknown) => Err(Said::new("timeout", format!("{name}: not heard of"))),
        (None, part) => Ok(part.to_string()),
    };
    (name, state)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn nobody_there_is_told_from_nobody_who_leads() {
        let refused = Error::from(io::Error::from(io::ErrorKind::ConnectionRefused));
        let mut servers = Servers { last: "a:27017".to_owned(), kind: "Unknown".to_owned(), ..Servers::default() };
        let failure = said(&refused, &servers);
        assert_eq!(failure.outcome, "refused");
        servers.each.insert("a:27017".to_owned(), Err(failure));
        assert!(!servers.alive());
        assert!(servers.told().starts_with("Unknown: a:27017: "), "{}", servers.told());
        servers.each.insert("b:27017".to_owned(), Ok("RsSecondary".to_owned()));
        assert!(servers.alive() && servers.told().ends_with("; b:27017 RsSecondary"));
    }
}
