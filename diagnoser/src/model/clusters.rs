//! Servers of a cluster that count on each other: where a server says itself that it lacks some of its peers, and refuses
//! requests for it, whoever takes those peers away is behind the refusals.
//!
//! Source of the words: Kafka's protocol, "Error codes" (NOT_ENOUGH_REPLICAS, LEADER_NOT_AVAILABLE); MongoDB's server selection
//! specification (ReplicaSetNoPrimary) and error codes (NotWritablePrimary).

use std::collections::BTreeMap;

use super::{Model, Relation};
use crate::{
    connections::{self, Connection},
    evidence::{Citation, Fact, KafkaPartition, host_and_port},
    subject::Subject,
};

impl Model<'_> {
    /// Edges from servers that refuse for want of others to those others, and to their own connections with them.
    pub(super) fn add_clusters(&mut self) {
        let mut edges: Vec<(Subject, Subject, Citation)> = Vec::new();
        for connection in &self.connections {
            let wanted = self.wanted(connection);
            for server in connection.hosts(self) {
                for (peer, port, cited) in wanted.iter().filter(|(peer, _, _)| *peer != server.name) {
                    let to = self.connections.iter().filter(|own| {
                        own.from.as_ref() == Some(&server) && own.port == *port && own.host(self) == Some(peer)
                    });
                    let to = to.map(Connection::subject).chain([self.evidence.machine(peer)]);
                    edges.extend(to.map(|to| (server.clone(), to, cited.clone())));
                }
            }
        }
        for (from, to, cited) in edges {
            self.add(&from, &to, Relation::CountsOn, cited);
        }
    }

    /// The machines that the server of a connection lacks, as it or its cluster says, each with the port it is asked on.
    fn wanted(&self, connection: &Connection) -> Vec<(String, Option<u16>, Citation)> {
        let said = connection.failing().into_iter().filter(|attempt| attempt.in_words);
        let said: Vec<&str> = said.filter_map(|attempt| attempt.text.as_deref()).collect();
        let mut wanted = Vec::new();
        if said.iter().any(|text| lacks_replicas(text)) {
            wanted.extend(self.kafka_brokers_wanted(&said));
        }
        if said.iter().any(|text| lacks_primary(text)) {
            wanted.extend(self.members_wanted());
        }
        wanted
    }

    fn kafka_brokers_wanted(&self, said: &[&str]) -> Vec<(String, Option<u16>, Citation)> {
        let brokers = kafka_brokers(self);
        let short = short_partitions(self);
        // Words that name a topic are of that topic.
        let named = |partition: &KafkaPartition| said.iter().any(|text| text.contains(&partition.topic));
        let any = short.iter().any(named);
        let mut wanted = Vec::new();
        for partition in short.iter().filter(|partition| !any || named(partition)) {
            let away =
                partition.absent().chain(partition.in_sync.iter().copied().filter(|_| partition.leader.is_none()));
            for (host, port) in away.filter_map(|id| brokers.get(&id)) {
                wanted.push((host.clone(), *port, partition.cited.clone()));
            }
        }
        wanted
    }

    fn members_wanted(&self) -> Vec<(String, Option<u16>, Citation)> {
        let mut wanted = Vec::new();
        for machine in self.evidence.services.machines() {
            let Fact::Seen(set) = self.evidence.services.replica_set(machine) else { continue };
            for member in set.missing() {
                let (name, port) = host_and_port(&member.name);
                let from = self.evidence.machine(machine);
                let address = self.machines.meaning(name, Some(&from)).into_iter().next();
                if let Some((host, _)) = address.and_then(|(address, _)| self.machines.owner(address)) {
                    wanted.push((host.to_owned(), port, member.cited.clone()));
                }
            }
        }
        wanted
    }
}

/// Whether a broker says that a partition lacks replicas or a leader.
pub(crate) fn lacks_replicas(text: &str) -> bool {
    ["NOT_ENOUGH_REPLICAS", "NotEnoughReplicas", "LEADER_NOT_AVAILABLE", "LeaderNotAvailable"]
        .iter()
        .any(|words| text.contains(words))
}

/// Whether a driver or a member of a replica set says that there is no primary.
pub(crate) fn lacks_primary(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["primary", "not master"].iter().any(|words| text.contains(words))
}

/// The machine of every broker that is known by its settings, and the port that clients are told.
pub(crate) fn kafka_brokers(model: &Model<'_>) -> BTreeMap<i32, (String, Option<u16>)> {
    let services = &model.evidence.services;
    let brokers = services.machines().filter_map(|machine| {
        let settings = services.kafka_settings(machine).seen()?;
        let told = settings.listeners("advertised.listeners").into_iter().chain(settings.listeners("listeners"));
        let port = told.map(|listener| listener.port).next();
        Some((settings.id()?, (machine.to_owned(), port)))
    });
    brokers.collect()
}

/// The partitions that have no leader, or fewer replicas in sync than acks=all takes.
pub(crate) fn short_partitions(model: &Model<'_>) -> Vec<KafkaPartition> {
    let services = &model.evidence.services;
    let mut short: Vec<KafkaPartition> = Vec::new();
    for machine in services.machines() {
        let Fact::Seen(partitions) = services.kafka_partitions(machine) else { continue };
        for partition in partitions {
            if partition.leader.is_none() || partition.in_sync.len() < least(model, machine, &partition) {
                short.push(partition);
            }
        }
    }
    short
}

/// How many replicas have to be in sync: as the topic says, or the broker, or by Kafka's default one.
pub(crate) fn least(model: &Model<'_>, machine: &str, partition: &KafkaPartition) -> usize {
    let settings = || model.evidence.services.kafka_settings(machine).seen();
    let of_broker = || settings()?.get("min.insync.replicas")?.parse().ok();
    partition.least.or_else(of_broker).unwrap_or(1)
}

/// The connections that a server of a cluster refuses in words of this kind.
pub(crate) fn refused<'m>(model: &'m Model<'_>, says: fn(&str) -> bool) -> impl Iterator<Item = &'m Connection> {
    model.connections().iter().filter(move |connection| {
        let mut said = connection.failing().into_iter().filter(|attempt| attempt.in_words);
        said.any(|attempt: &connections::Attempt| attempt.text.as_deref().is_some_and(says))
    })
}
