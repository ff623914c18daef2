//! A Kafka broker tells its clients an address of itself that does not lead them to it.
//!
//! # What it looks like
//! The bootstrap server takes the connection and answers; then the client goes on to the address that the leader of the partition
//! advertises, and is refused, hears nothing, or cannot look it up. Its errors name that second address ("Connection to node 1
//! (localhost/127.0.0.1:9092) could not be established") and not the one it was configured with. On the broker's own machine the
//! tools work.
//!
//! # Confirm by hand
//! `kafka-broker-api-versions.sh --bootstrap-server BROKER:9092` from the client's machine prints the address that each broker
//! tells; `grep listeners /etc/kafka/server.properties` on the broker shows where it comes from. Look that address up on the client.
//!
//! # Fix
//! Set `advertised.listeners` to the name or address by which the clients of that listener reach the broker, and restart it.
//!
//! # Who acts
//! Whoever runs the brokers.
//!
//! # Source
//! kafka.apache.org, Broker Configs, `advertised.listeners`; Kafka protocol guide, "Partitioning and bootstrapping".

use std::net::IpAddr;

use super::{Case, Cause, Finding, Lack, Proof, State, kafka};
use crate::{
    connections::Connection,
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts, KafkaListener, KafkaSettings, Outcome},
    model::Model,
    propagation::Mode,
};

/// See the module's comment.
pub struct KafkaAdvertisedListeners;

impl Cause for KafkaAdvertisedListeners {
    fn id(&self) -> &'static str {
        "kafka-advertised-listeners"
    }

    fn source(&self) -> &'static str {
        include_str!("kafka_advertised_listeners.rs")
    }

    fn owner(&self) -> &'static str {
        "application"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let clients = model.connections().iter().filter(|connection| kafka::is_client(connection));
        clients.filter(|connection| lost(connection)).flat_map(|connection| of(model, connection)).collect()
    }
}

const ENDS: [Outcome; 4] = [Outcome::Refused, Outcome::Timeout, Outcome::NameNotFound, Outcome::Unreachable];

/// Whether it fails as a connection does, and not by a broker's word.
fn lost(connection: &Connection) -> bool {
    connection.comes_to(&ENDS)
}

/// What each machine that the client may have asked tells it.
fn of(model: &Model<'_>, connection: &Connection) -> Vec<Finding> {
    let meant = model.machines.meaning(&connection.to, connection.from.as_ref());
    let mut asked: Vec<&str> =
        meant.iter().filter_map(|(address, _)| model.machines.owner(*address)).map(|(host, _)| host).collect();
    asked.dedup();
    let modes = [Mode::Refused, Mode::Silent, Mode::Unresolved, Mode::Unreachable];
    let effects: Vec<_> = modes.into_iter().map(|mode| (connection.subject(), mode)).collect();
    // Whoever is bootstrap server tells of all brokers of its cluster.
    let services = &model.evidence.services;
    let known = services.machines().filter(|machine| services.kafka_settings(machine).seen().is_some());
    let mut brokers: Vec<&str> = asked.iter().copied().chain(known).collect();
    brokers.sort_unstable();
    brokers.dedup();
    let finding = |broker: &str| Finding {
        subject: model.evidence.machine(broker),
        effects: effects.clone(),
        state: one(model, connection, &asked, broker),
    };
    brokers.into_iter().map(finding).collect()
}

fn one(model: &Model<'_>, connection: &Connection, asked: &[&str], broker: &str) -> State {
    let settings = match kafka::settings(model, broker) {
        Ok(settings) => settings,
        Err(lack) => return State::Undecided(vec![lack]),
    };
    // Where not even the bootstrap server listens, nobody was told anything.
    let listening = asked.iter().map(|host| (host, model.evidence.hosts.listeners(host, "ss")));
    let mut bootstraps = Vec::new();
    let mut lacks = Vec::new();
    for (host, sockets) in listening {
        match sockets {
            Fact::Missed(why) => lacks.push(Lack::host_fact(host, "ss", "ss -tlnp", why)),
            Fact::Seen(sockets) => {
                let open = sockets.iter().find(|socket| Some(socket.port) == connection.port && !socket.is_loopback());
                bootstraps.extend(open.map(|socket| {
                    let says = format!("{host} listens on {}:{}", socket.address, socket.port);
                    Citation::line(&Hosts::file(host, "ss"), socket.line, says)
                }));
            }
        }
    }
    let Some(bootstrap) = bootstraps.into_iter().next() else {
        return match lacks.is_empty() {
            true => State::excluded("no bootstrap server listens", connection.cites()),
            false => State::Undecided(lacks),
        };
    };
    let Some((told, setting)) = told(&settings, connection.port) else {
        return State::excluded("it has no listener on that port", settings.cite("listeners").into_iter().collect());
    };
    let cited: Vec<Citation> = settings.cite(setting).into_iter().collect();
    let wrong = match leads_elsewhere(model, connection, broker, &told) {
        Leads::Home(more) => {
            return State::excluded(format!("{broker} tells an address of its own"), [cited, more].concat());
        }
        Leads::Unknown(lack) => return State::Undecided(vec![*lack]),
        Leads::Elsewhere(wrong) => wrong,
    };
    let failing = connection.failing();
    // The client went to where it was told to: by the address it had gone to, or by the name it could not look up.
    let went = failing.iter().rfind(|attempt| {
        let by_name = attempt.text.as_deref().is_some_and(|text| text.contains(&told.host));
        by_name || attempt.address.is_some_and(|address| wrong.addresses.contains(&address))
    });
    let Some(went) = went else {
        return State::excluded(format!("the client did not go to {}", told.host), cited);
    };
    let mut evidence = vec![went.cited.clone()];
    evidence.extend(cited);
    evidence.push(bootstrap);
    evidence.extend(wrong.cited);
    State::Holds(Box::new(Proof {
        evidence,
        fix: fix(model, connection, broker, &settings, &told),
        wants: vec![],
        changed: None,
    }))
}

/// What a broker tells clients of the listener on this port, and the setting that says so.
fn told(settings: &KafkaSettings, port: Option<u16>) -> Option<(KafkaListener, &'static str)> {
    let listener = settings.listeners("listeners").into_iter().find(|listener| Some(listener.port) == port)?;
    let advertised = settings.listeners("advertised.listeners");
    match advertised.into_iter().find(|told| told.name == listener.name) {
        Some(told) => Some((told, "advertised.listeners")),
        // Without the setting it tells the address it listens on; what it tells in place of all addresses is not known here.
        None => (!listener.host.is_empty()).then_some((listener, "listeners")),
    }
}

enum Leads {
    /// To the broker.
    Home(Vec<Citation>),
    /// Somewhere else, or nowhere.
    Elsewhere(Wrong),
    /// That is not known.
    Unknown(Box<Lack>),
}

struct Wrong {
    addresses: Vec<IpAddr>,
    cited: Vec<Citation>,
}

/// Where an address that a broker tells leads the client.
fn leads_elsewhere(model: &Model<'_>, connection: &Connection, broker: &str, told: &KafkaListener) -> Leads {
    let client = connection.client().unwrap_or_default();
    let own: Vec<IpAddr> = model.machines.addresses(broker).map(|(address, _)| address).collect();
    if own.is_empty() {
        let why = "not collected".to_owned();
        return Leads::Unknown(Box::new(Lack::host_fact(broker, "ip-addr", "ip addr", why)));
    }
    let meant = model.machines.meaning(&told.host, connection.from.as_ref());
    let mut addresses: Vec<IpAddr> = meant.iter().map(|(address, _)| *address).collect();
    if told.host == "localhost" {
        addresses.extend([IpAddr::from([127, 0, 0, 1]), std::net::Ipv6Addr::LOCALHOST.into()]);
    }
    let mut cited: Vec<Citation> = meant.into_iter().filter_map(|(_, cited)| cited.cloned()).take(1).collect();
    if client == broker || addresses.iter().any(|address| own.contains(address)) {
        return Leads::Home(cited);
    }
    let interfaces = model.machines.addresses(broker).map(|(_, interface)| interface.cite());
    cited.extend(interfaces.take(1));
    let unresolved = addresses.is_empty() && connection.comes_to(&[Outcome::NameNotFound]);
    // An address that nobody here has may be one that somebody translates.
    let strange = |address: &IpAddr| !address.is_loopback() && model.machines.owner(*address).is_none();
    if addresses.is_empty() && !unresolved {
        let lack = Lack {
            what: format!("probes.json: what {} means on {client}", told.host),
            why: "nobody looked it up".to_owned(),
            how: format!("getent hosts {}   on {client}", told.host),
            request: None,
        };
        return Leads::Unknown(Box::new(lack));
    }
    if addresses.iter().all(strange) && !unresolved && connection.comes_to(&[Outcome::Refused]) {
        // Somebody alive answers there, who is none of the machines known.
        cited.truncate(1);
    }
    Leads::Elsewhere(Wrong { addresses, cited })
}

/// The same setting with the address by which the client reached the bootstrap server, or the broker's own.
fn fix(
    model: &Model<'_>,
    connection: &Connection,
    broker: &str,
    settings: &KafkaSettings,
    told: &KafkaListener,
) -> Fix {
    let own: Vec<IpAddr> = model.machines.addresses(broker).map(|(address, _)| address).collect();
    let meant = model.machines.meaning(&connection.to, connection.from.as_ref());
    let by_name = !meant.is_empty() && meant.iter().all(|(address, _)| own.contains(address));
    let near = own.iter().find(|address| address.is_ipv4()).or(own.first()).map(ToString::to_string);
    let host = if by_name { connection.to.clone() } else { near.unwrap_or_else(|| connection.to.clone()) };
    let mut listeners = settings.listeners("advertised.listeners");
    if listeners.is_empty() {
        listeners.push(told.clone());
    }
    let write = |listener: KafkaListener| {
        let host = if listener.name == told.name { host.clone() } else { listener.host };
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        format!("{}://{host}:{}", listener.name, listener.port)
    };
    let value = listeners.into_iter().map(write).collect::<Vec<_>>().join(",");
    let (file, unit) = (kafka::properties_file(model, broker), kafka::unit(model, broker));
    let script = format!(
        "sed -i '/^ *advertised\\.listeners *[=:]/d' {file} && echo 'advertised.listeners={value}' >>{file} && systemctl restart {unit}"
    );
    Fix {
        summary: format!("Set advertised.listeners of {broker} to {value}, and restart it"),
        patch: vec![Change::shell(broker, script)],
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine client 10.80.1.10/24
        machine broker 10.80.1.31/24 listens *:9092 *:9093
        file hosts/client/hosts-file.txt | 10.80.1.31 kafka.example.test";

    fn settings(told: &str) -> String {
        format!(
            "file services/broker/server.properties.txt | node.id=1 | listeners=A://:9092,C://:9093 | advertised.listeners=A://{told}"
        )
    }

    #[test]
    fn holds_where_it_leads_the_client_to_itself() {
        let told = settings("127.0.0.1:9092");
        let probe = "probe host/client -> kafka://kafka.example.test:9092/t  refused in 2ms  at 127.0.0.1:9092";
        check(&format!("{WORLD}\n{told}\n{probe}\n=> kafka-advertised-listeners host/broker"));
        let told = settings("localhost:9092");
        check(&format!("{WORLD}\n{told}\n{probe}\n=> kafka-advertised-listeners host/broker"));
    }

    #[test]
    fn holds_where_the_name_means_nothing_to_the_client() {
        let told = settings("broker.internal:9092");
        let probe = "probe host/client -> kafka://kafka.example.test:9092/t  name-not-found in 9ms  says looking up broker.internal";
        check(&format!("{WORLD}\n{told}\n{probe}\n=> kafka-advertised-listeners host/broker"));
    }

    #[test]
    fn twin_the_broker_is_not_there() {
        let told = settings("127.0.0.1:9092");
        let probe = "probe host/client -> kafka://kafka.example.test:9092/t  refused in 2ms  at 10.80.1.31:9092";
        let world = WORLD.replace("listens *:9092 *:9093", "listens *:22");
        check(&format!(
            "{world}\n{told}\n{probe}\nunit broker kafka inactive (dead)\n=> process-not-listening host/broker"
        ));
    }

    #[test]
    fn twin_a_rule_on_the_broker() {
        let told = settings("kafka.example.test:9092");
        let probe = "probe host/client -> kafka://kafka.example.test:9092/t  timeout in 3s  at 10.80.1.31:9092";
        let rule = "filter broker input tcp dport 9092 drop";
        check(&format!("{WORLD}\n{told}\n{probe}\n{rule}\n=> firewall-drop host/broker"));
    }

    #[test]
    fn unknown_without_the_settings() {
        let probe = "probe host/client -> kafka://kafka.example.test:9092/t  refused in 2ms  at 127.0.0.1:9092";
        check(&format!("{WORLD}\n{probe}\n=> unknown lacks services/broker/server.properties.txt"));
    }
}
