//! What Kafka brokers say: `services/<machine>/server.properties.txt`, and `topics.txt` as `kafka-topics.sh --describe` prints it.

use super::{Citation, Fact, Services, host_and_port, text};

const PROPERTIES: &str = "server.properties.txt";
const TOPICS: &str = "topics.txt";

/// The settings of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSettings {
    file: String,
    rows: Vec<(String, String, usize)>,
}

/// One of a broker's listeners: `INTERNAL://10.0.0.1:9092`, `PLAINTEXT://:9092`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaListener {
    /// What it is called, which is what the two settings are matched by.
    pub name: String,
    /// The host; empty for all addresses.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl KafkaSettings {
    /// A setting; of one that is written twice the last counts, as in every Java properties file.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.rows.iter().rev().find(|(key, _, _)| key == name).map(|(_, value, _)| value.as_str())
    }

    /// Where a setting stands.
    pub fn cite(&self, name: &str) -> Option<Citation> {
        let (key, value, line) = self.rows.iter().rev().find(|(key, _, _)| key == name)?;
        Some(Citation::line(&self.file, *line, format!("{key}={value}")))
    }

    /// The number of the broker.
    pub fn id(&self) -> Option<i32> {
        self.get("node.id").or_else(|| self.get("broker.id"))?.parse().ok()
    }

    /// The listeners that a setting (`listeners`, `advertised.listeners`) names.
    pub fn listeners(&self, name: &str) -> Vec<KafkaListener> {
        let entries = self.get(name).unwrap_or_default().split(',');
        let listener = |entry: &str| {
            let (name, address) = entry.trim().split_once("://")?;
            let (host, port) = host_and_port(address);
            Some(KafkaListener { name: name.to_owned(), host: host.to_owned(), port: port? })
        };
        entries.filter_map(listener).collect()
    }
}

/// A partition, as one of the brokers describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaPartition {
    /// The topic.
    pub topic: String,
    /// Its number.
    pub number: u32,
    /// The broker that leads it, where one does.
    pub leader: Option<i32>,
    /// The brokers that it is meant to be on.
    pub replicas: Vec<i32>,
    /// Those of them that have all of it.
    pub in_sync: Vec<i32>,
    /// How many have to be in sync for acks=all, where the topic says so itself.
    pub least: Option<usize>,
    /// Where it stands.
    pub cited: Citation,
}

impl KafkaPartition {
    /// The brokers that should have all of it and do not.
    pub fn absent(&self) -> impl Iterator<Item = i32> {
        self.replicas.iter().copied().filter(|id| !self.in_sync.contains(id))
    }
}

impl Services {
    /// What the properties of a machine's broker say.
    pub fn kafka_settings(&self, machine: &str) -> Fact<KafkaSettings> {
        let Fact::Seen(found) = self.text(machine, PROPERTIES) else { return Fact::Missed("not collected".to_owned()) };
        let rows = text::lines(found).filter_map(|(line, said)| {
            let said = said.trim();
            let (key, value) = said.split_once(['=', ':']).filter(|_| !said.starts_with(['#', '!']))?;
            Some((key.trim().to_owned(), value.trim().to_owned(), line))
        });
        let settings = KafkaSettings { file: self.file(machine, PROPERTIES), rows: rows.collect() };
        match settings.rows.is_empty() {
            true => Fact::Missed("no settings in it".to_owned()),
            false => Fact::Seen(settings),
        }
    }

    /// The partitions of all topics, as a machine's broker describes them.
    pub fn kafka_partitions(&self, machine: &str) -> Fact<Vec<KafkaPartition>> {
        let Fact::Seen(found) = self.text(machine, TOPICS) else { return Fact::Missed("not collected".to_owned()) };
        let file = self.file(machine, TOPICS);
        let mut partitions = Vec::new();
        let mut least: Option<(String, usize)> = None;
        for (line, said) in text::lines(found) {
            let Some(topic) = value(&said, "Topic:").filter(|topic| !topic.is_empty()) else { continue };
            let ids = |key| -> Option<Vec<i32>> {
                let ids = value(&said, key)?.split(',').map(str::trim).filter(|id| !id.is_empty());
                ids.map(|id| id.parse().ok()).collect()
            };
            let Some(number) = value(&said, "Partition:") else {
                let configs = value(&said, "Configs:").unwrap_or_default();
                let own = configs.split(',').find_map(|config| config.trim().strip_prefix("min.insync.replicas="));
                least = own.and_then(|own| Some((topic.to_owned(), own.parse().ok()?)));
                continue;
            };
            let (Ok(number), Some(replicas), Some(in_sync)) = (number.parse(), ids("Replicas:"), ids("Isr:")) else {
                continue;
            };
            partitions.push(KafkaPartition {
                topic: topic.to_owned(),
                number,
                leader: value(&said, "Leader:").and_then(|leader| leader.parse().ok()).filter(|leader| *leader >= 0),
                replicas,
                in_sync,
                least: least.as_ref().filter(|(of, _)| of == topic).map(|(_, least)| *least),
                cited: Citation::line(&file, line, said.split_whitespace().collect::<Vec<_>>().join(" ")),
            });
        }
        let nothing = partitions.is_empty() && !found.trim().is_empty();
        if nothing { Fact::Missed("no partition in it".to_owned()) } else { Fact::Seen(partitions) }
    }
}

/// The word behind a key, empty where the next key follows at once: `Topic: t  Leader: 1  Isr: 1,2  Elr:`.
fn value<'t>(line: &'t str, key: &str) -> Option<&'t str> {
    let mut words = line.split_whitespace().skip_while(|word| *word != key);
    words.next()?;
    Some(words.next().filter(|word| !word.ends_with(':')).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(name: &str, text: &str) -> Services {
        let mut services = Services::default();
        services.add(&format!("k/{name}"), text);
        services
    }

    #[test]
    fn settings_and_listeners() {
        let text = "# broker\r\nbroker.id = 3\nlisteners=A://:9092,B://[::1]:9093\nadvertised.listeners=A://k.example.test:9092\n";
        let settings = services(PROPERTIES, text).kafka_settings("k").seen().unwrap();
        assert_eq!(settings.id(), Some(3));
        let listeners = settings.listeners("listeners");
        assert_eq!((listeners[0].host.as_str(), listeners[0].port), ("", 9092));
        assert_eq!((listeners[1].name.as_str(), listeners[1].host.as_str()), ("B", "::1"));
        assert_eq!(settings.cite("advertised.listeners").unwrap().path, "line 4");
    }

    #[test]
    fn partitions_of_old_and_new_versions() {
        let text = "Topic: o\tTopicId: x\tPartitionCount: 2\tReplicationFactor: 3\tConfigs: a=1,min.insync.replicas=2\n\
                    \tTopic: o\tPartition: 0\tLeader: 1\tReplicas: 1,2,3\tIsr: 1\tElr: 3\tLastKnownElr: \n\
                    \tTopic: o\tPartition: 1\tLeader: none\tReplicas: 2\tIsr: 2\n\
                    Topic: p\tPartitionCount: 1\tReplicationFactor: 1\tConfigs: \n\
                    \tTopic: p\tPartition: 0\tLeader: -1\tReplicas: 2\tIsr: \n";
        let found = services(TOPICS, text).kafka_partitions("k").seen().unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].least, found[0].leader), (Some(2), Some(1)));
        assert_eq!(found[0].absent().collect::<Vec<_>>(), [2, 3]);
        assert_eq!((found[1].leader, found[2].leader, found[2].least), (None, None, None));
        assert_eq!(found[2].in_sync, [0_i32; 0]);
    }
}
