//! What the causes of Kafka share: whose connections are of Kafka, and what a machine's broker says of itself.

use super::Lack;
use crate::{
    connections::Connection,
    evidence::{Fact, KafkaSettings},
    model::Model,
};

/// Whether a connection is that of a producer or consumer.
pub(super) fn is_client(connection: &Connection) -> bool {
    let of_kafka = |what: &str| ["PRODUCE ", "FETCH ", "CONSUME "].iter().any(|verb| what.starts_with(verb));
    connection
        .attempts
        .iter()
        .any(|attempt| attempt.protocol == "kafka" || attempt.what.as_deref().is_some_and(of_kafka))
}

/// The settings of a machine's broker, or the lack of them.
pub(super) fn settings(model: &Model<'_>, host: &str) -> Result<KafkaSettings, Lack> {
    match model.evidence.services.kafka_settings(host) {
        Fact::Seen(settings) => Ok(settings),
        Fact::Missed(why) => Err(Lack::service(host, "server.properties.txt", "cat /etc/kafka/server.properties", why)),
    }
}

/// Where the settings are kept: as the unit's command line says, else where packages put them.
pub(super) fn properties_file(model: &Model<'_>, host: &str) -> String {
    let status = model.evidence.hosts.text(host, &format!("systemctl-{}", unit(model, host)));
    let status = status.seen().unwrap_or_default();
    let file = status.split_whitespace().find(|word| word.starts_with('/') && word.ends_with(".properties"));
    file.unwrap_or("/etc/kafka/server.properties").to_owned()
}

/// The unit that the broker runs as.
pub(super) fn unit(model: &Model<'_>, host: &str) -> String {
    let units = model.evidence.hosts.units(host).seen().unwrap_or_default();
    let found = units.into_iter().map(|unit| unit.name).find(|name| name.contains("kafka"));
    found.map_or_else(|| "kafka".to_owned(), |name| name.trim_end_matches(".service").to_owned())
}
