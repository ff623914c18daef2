//! Kafka: the bootstrap server says who leads the partition, and one record is produced there.
//!
//! Written on the protocol's own messages, for it is to be seen which of the two connections fails, and no retry may hide
//! what a broker answers.

use std::{io, net::SocketAddr};

use kafka_protocol::{
    error::ResponseError,
    messages::{
        ApiKey, MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse, RequestHeader, ResponseHeader,
        TopicName,
        metadata_request::MetadataRequestTopic,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::{Decodable, Encodable, HeaderVersion, StrBytes},
    records::{
        Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record,
        RecordBatchEncoder, RecordEncodeOptions, TimestampType,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    Attempted, Said, Target, Task,
    connect::{connect, io_error},
};

/// A request with the version in which it is asked; brokers from 2.8 to 4.x speak these.
trait Ask: Encodable + HeaderVersion {
    const KEY: ApiKey;
    const VERSION: i16;
    type Answer: Decodable + HeaderVersion;
}

impl Ask for MetadataRequest {
    const KEY: ApiKey = ApiKey::Metadata;
    const VERSION: i16 = 9;
    type Answer = MetadataResponse;
}

impl Ask for ProduceRequest {
    const KEY: ApiKey = ApiKey::Produce;
    const VERSION: i16 = 9;
    type Answer = ProduceResponse;
}

/// More is no answer of a broker to what is asked here.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// Produces one record with acks=all and awaits them.
pub async fn produce(target: &Target, task: &Task) -> Attempted {
    let topic = target.path.trim_matches('/');
    let partition = target.setting("partition").and_then(|text| text.parse().ok()).unwrap_or(0);
    let (stream, bootstrap) = connect(&target.hosts, task).await?;
    let mut broker = Broker { stream, address: bootstrap, task };
    let ask = MetadataRequest::default()
        .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name(topic)))]))
        .with_allow_auto_topic_creation(true);
    let metadata = broker.ask(&ask, "who leads").await?;
    let leader = leader(&metadata, topic, partition)?;
    drop(broker);

    let advertised = format!("{}:{}", leader.1.0, leader.1.1);
    let way =
        format!("bootstrap {bootstrap} names broker {} at {advertised} as leader of {topic}-{partition}; ", leader.0);
    task.progress.sent_on(way);
    let (stream, address) = connect(&[leader.1], task).await?;
    let mut broker = Broker { stream, address, task };
    // The broker is to say that the replicas are late before our own time is over.
    let patience = i32::try_from(task.left().mul_f64(0.8).as_millis()).unwrap_or(i32::MAX);
    let batch = batch(task.bytes).map_err(Said::failed)?;
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch.into()));
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(patience)
        .with_topic_data(vec![TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![data])]);
    let answer = broker.ask(&request, "the acknowledgement of a record").await?;
    let partition = answer.responses.first().and_then(|topic| topic.partition_responses.first());
    let Some(partition) = partition else { return Err(Said::failed("an empty answer to a record")) };
    match ResponseError::try_from_code(partition.error_code) {
        None => Ok(Said::new("answered", format!("acknowledged at offset {}", partition.base_offset))),
        Some(error) => {
            let words = partition.error_message.as_ref().map(|words| format!(": {}", words.as_str()));
            Err(Said::failed(format!("{}{}", screaming(error), words.unwrap_or_default())))
        }
    }
}

/// The number of the broker that leads a partition, and where it says it is.
fn leader(metadata: &MetadataResponse, topic: &str, partition: i32) -> Result<(i32, (String, u16)), Said> {
    let failed = |error: ResponseError| Said::failed(format!("{}: {topic}-{partition}", screaming(error)));
    let found = metadata.topics.first().ok_or_else(|| failed(ResponseError::UnknownTopicOrPartition))?;
    if let Some(error) = ResponseError::try_from_code(found.error_code) {
        return Err(failed(error));
    }
    let part = found.partitions.iter().find(|part| part.partition_index == partition);
    let part = part.ok_or_else(|| failed(ResponseError::UnknownTopicOrPartition))?;
    // A partition without a leader still has its error; one of its replicas being away is none of ours.
    let broker = metadata.brokers.iter().find(|broker| broker.node_id == part.leader_id);
    let Some(broker) = broker else {
        return Err(failed(ResponseError::try_from_code(part.error_code).unwrap_or(ResponseError::LeaderNotAvailable)));
    };
    let port = u16::try_from(broker.port).map_err(|_| Said::failed("a broker without a port"))?;
    Ok((broker.node_id.0, (broker.host.as_str().to_owned(), port)))
}

/// A connection with a broker.
struct Broker<'a> {
    stream: TcpStream,
    address: SocketAddr,
    task: &'a Task,
}

impl Broker<'_> {
    /// Sends a request and awaits its answer.
    async fn ask<R: Ask>(&mut self, request: &R, what: &str) -> Result<R::Answer, Said> {
        let step = format!("connected to {}, waiting for {what}", self.address);
        self.task.progress.at(&step);
        let bytes = encode(request).map_err(Said::failed)?;
        let answer = self.exchange(&bytes).await.map_err(|error| io_error(&error, &step))?;
        let mut rest = answer.as_slice();
        ResponseHeader::decode(&mut rest, R::Answer::header_version(R::VERSION))
            .and_then(|_| R::Answer::decode(&mut rest, R::VERSION))
            .map_err(|error| Said::failed(format!("{step}: that is no answer of a broker: {error}")))
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        self.stream.write_all(request).await?;
        let length = self.stream.read_u32().await? as usize;
        if length > LONGEST_ANSWER {
            return Err(io::Error::other("that is no answer of a broker"));
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await?;
        Ok(answer)
    }
}

/// A request with its header and its length before it.
fn encode<R: Ask>(request: &R) -> Result<Vec<u8>, String> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY as i16)
        .with_request_api_version(R::VERSION)
        .with_correlation_id(1)
        .with_client_id(Some(StrBytes::from_static_str("workload")));
    let mut body = Vec::new();
    header
        .encode(&mut body, R::header_version(R::VERSION))
        .and_then(|()| request.encode(&mut body, R::VERSION))
        .map_err(|error| error.to_string())?;
    let length = u32::try_from(body.len()).map_err(|error| error.to_string())?;
    Ok([length.to_be_bytes().as_slice(), &body].concat())
}

/// A batch of one record.
fn batch(bytes: usize) -> Result<Vec<u8>, String> {
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: NO_SEQUENCE,
        timestamp: jiff::Timestamp::now().as_millisecond(),
        key: None,
        value: Some(vec![b'x'; bytes].into()),
        headers: Default::default(),
    };
    let mut buffer = Vec::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut buffer, [&record], &options).map_err(|error| error.to_string())?;
    Ok(buffer)
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

/// `NOT_ENOUGH_REPLICAS`, as Kafka's own clients write it.
fn screaming(error: ResponseError) -> String {
    if let ResponseError::Unknown(code) = error {
        return format!("error {code}");
    }
    let mut name = String::new();
    for (index, letter) in error.to_string().chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{
        BrokerId,
        metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
    };

    use super::*;

    fn metadata(leader_id: i32, error_code: i16) -> MetadataResponse {
        let broker = MetadataResponseBroker::default()
            .with_node_id(BrokerId(2))
            .with_host(StrBytes::from_static_str("localhost"))
            .with_port(9092);
        let part = MetadataResponsePartition::default().with_leader_id(BrokerId(leader_id)).with_error_code(error_code);
        let topic = MetadataResponseTopic::default().with_partitions(vec![part]);
        MetadataResponse::default().with_brokers(vec![broker]).with_topics(vec![topic])
    }

    #[test]
    fn the_advertised_address_of_the_leader_is_where_to_go() {
        assert_eq!(leader(&metadata(2, 0), "t", 0), Ok((2, ("localhost".to_owned(), 9092))));
        let none = leader(&metadata(-1, 5), "t", 0).unwrap_err();
        assert_eq!((none.outcome, none.text.as_str()), ("failed", "LEADER_NOT_AVAILABLE: t-0"));
        assert!(leader(&metadata(2, 0), "t", 7).unwrap_err().text.starts_with("UNKNOWN_TOPIC_OR_PARTITION"));
    }

    #[test]
    fn errors_have_the_names_that_kafka_gives_them() {
        assert_eq!(screaming(ResponseError::NotEnoughReplicas), "NOT_ENOUGH_REPLICAS");
        assert_eq!(screaming(ResponseError::Unknown(999)), "error 999");
    }
}
