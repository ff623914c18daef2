//! A Kafka topic wants more replicas in sync than it has at all: no record with acks=all is ever taken.
//!
//! # What it looks like
//! Producers with acks=all are refused with NOT_ENOUGH_REPLICAS although every broker is up. Where replicas are merely away the
//! words are the same, and the brokers that are missing from the replicas in sync are what to look for.
//!
//! # Confirm by hand
//! `kafka-topics.sh --bootstrap-server BROKER:9092 --describe --topic TOPIC`: the number of `Replicas` is smaller than
//! `min.insync.replicas`, of the topic or else of `server.properties`.
//!
//! # Fix
//! Give the topic more replicas (`kafka-reassign-partitions.sh`), or a smaller `min.insync.replicas` (`kafka-configs.sh --alter`).
//!
//! # Who acts
//! Whoever runs the brokers, with the owner of the topic.
//!
//! # Source
//! kafka.apache.org, Topic Configs, `min.insync.replicas`; Kafka protocol, "Error codes", NOT_ENOUGH_REPLICAS.

use super::{Case, Cause, Finding, Lack, State};
use crate::{
    connections::Connection,
    diagnosis::{Change, Fix},
    evidence::{Fact, KafkaPartition},
    model::{Model, clusters},
    propagation::Mode,
};

/// See the module's comment.
pub struct KafkaMinInsyncReplicas;

impl Cause for KafkaMinInsyncReplicas {
    fn id(&self) -> &'static str {
        "kafka-min-insync-replicas"
    }

    fn source(&self) -> &'static str {
        include_str!("kafka_min_insync_replicas.rs")
    }

    fn owner(&self) -> &'static str {
        "application"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let refused = clusters::refused(case.model, clusters::lacks_replicas);
        let findings = refused.filter_map(|connection| {
            let host = connection.host(case.model)?;
            Some(Finding {
                subject: case.model.evidence.machine(host),
                effects: vec![(connection.subject(), Mode::Errors)],
                state: one(case.model, connection, host),
            })
        });
        findings.collect()
    }
}

fn one(model: &Model<'_>, connection: &Connection, host: &str) -> State {
    let services = &model.evidence.services;
    let described: Vec<(&str, Vec<KafkaPartition>)> =
        services.machines().filter_map(|machine| Some((machine, services.kafka_partitions(machine).seen()?))).collect();
    if described.is_empty() {
        let Fact::Missed(why) = services.kafka_partitions(host) else { return State::Undecided(vec![]) };
        let command = "kafka-topics.sh --bootstrap-server localhost:9092 --describe";
        return State::Undecided(vec![Lack::service(host, "topics.txt", command, why)]);
    }
    let too_few = described.iter().find_map(|(machine, partitions)| {
        let partition = partitions.iter().find(|p| clusters::least(model, machine, p) > p.replicas.len());
        partition.map(|partition| (*machine, partition))
    });
    if let Some((machine, partition)) = too_few {
        let least = clusters::least(model, machine, partition);
        let (topic, has) = (&partition.topic, partition.replicas.len());
        let mut evidence = vec![partition.cited.clone()];
        evidence.extend(services.kafka_settings(machine).seen().and_then(|s| s.cite("min.insync.replicas")));
        evidence.extend(connection.cites());
        let lower = has.saturating_sub(1).max(1);
        let script = format!(
            "kafka-configs.sh --bootstrap-server localhost:9092 --alter --entity-type topics --entity-name {topic} \
             --add-config min.insync.replicas={lower}"
        );
        let summary = format!(
            "Topic {topic} wants {least} replicas in sync and has {has}: lower min.insync.replicas to {lower}, or add replicas"
        );
        return State::holds(evidence, Fix { summary, patch: vec![Change::shell(machine, script)] });
    }
    let brokers = clusters::kafka_brokers(model);
    let short = clusters::short_partitions(model);
    // A broker of which nothing is known may be what is missing.
    let unknown = short.iter().flat_map(KafkaPartition::absent).find(|id| !brokers.contains_key(id));
    if let Some(id) = unknown {
        return State::Undecided(vec![Lack {
            what: format!("services/<broker {id}>/server.properties.txt"),
            why: format!("broker {id} is missing from the replicas in sync, and which machine it is on is not known"),
            how: "grep -e node.id -e listeners /etc/kafka/server.properties   on every broker".to_owned(),
            request: None,
        }]);
    }
    let cited = short.into_iter().map(|partition| partition.cited).collect();
    State::excluded("the topics have as many replicas as they want in sync", cited)
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "machine client 10.80.1.10/24
        machine one 10.80.1.31/24 listens *:9092
        machine two 10.80.1.32/24 listens *:9092
        file services/one/server.properties.txt | node.id=1 | listeners=A://:9092
        probe host/client -> kafka://10.80.1.31:9092/t  failed in 5ms  at 10.80.1.31:9092  says NOT_ENOUGH_REPLICAS";
    const WIDE: &str = "file services/one/topics.txt | Topic: t ReplicationFactor: 2 Configs: min.insync.replicas=2 | Topic: t Partition: 0 Leader: 1 Replicas: 1,2 Isr: 1";

    #[test]
    fn holds() {
        let topics = "file services/one/topics.txt | Topic: t ReplicationFactor: 1 Configs: min.insync.replicas=2 | Topic: t Partition: 0 Leader: 1 Replicas: 1 Isr: 1";
        check(&format!("{WORLD}\n{topics}\n=> kafka-min-insync-replicas host/one"));
    }

    #[test]
    fn twin_a_broker_is_away() {
        let two = "file services/two/server.properties.txt | broker.id=2 | listeners=A://:9092";
        let world = WORLD.replace("10.80.1.32/24 listens *:9092", "10.80.1.32/24 listens *:22");
        let own = "probe host/one -> tcp://10.80.1.32:9092  refused in 1ms  at 10.80.1.32:9092\nunit two kafka inactive (dead)";
        check(&format!("{world}\n{two}\n{WIDE}\n{own}\n=> process-not-listening host/two"));
    }

    #[test]
    fn twin_a_broker_is_cut_off() {
        let two = "file services/two/server.properties.txt | broker.id=2 | listeners=A://:9092";
        let own = "probe host/one -> tcp://10.80.1.32:9092  timeout in 3s  at 10.80.1.32:9092\nfilter two input tcp dport 9092 drop";
        check(&format!("{WORLD}\n{two}\n{WIDE}\n{own}\n=> firewall-drop host/two"));
    }

    #[test]
    fn unknown_without_what_the_topics_are_like() {
        check(&format!("{WORLD}\n=> unknown lacks services/one/topics.txt"));
        check(&format!("{WORLD}\n{WIDE}\n=> unknown lacks services/<broker 2>/server.properties.txt"));
    }
}
