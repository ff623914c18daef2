//! The requests behind a symptom as rows: each request of the outermost hop, joined by its id with what the hops behind
//! it logged, so that the pod and node that served it are attributes of it like its path and size.

use std::collections::BTreeMap;

use super::{Scope, Table, Value, narrow};
use crate::{
    evidence::{RequestRecord, deepest_first},
    model::Model,
    subject::Subject,
    symptoms::{Observation, Symptom, alike, observation, outermost, steady},
};

/// Failing requests of a symptom set against those that went well in the same time.
#[derive(Clone, Debug, PartialEq)]
pub struct Narrowed {
    /// What separates them; `None` where nothing does.
    pub scope: Option<Scope>,
    /// How many failed so.
    pub failed: usize,
    /// How many went well.
    pub passed: usize,
}

/// What separates the failing requests of each symptom; `None` for symptoms that are not seen in requests.
pub(crate) fn of(model: &Model<'_>, symptoms: &[Symptom]) -> Vec<Option<Narrowed>> {
    let records: Vec<&RequestRecord> = steady(outermost(model).into_iter().map(|(_, record)| record).collect());
    let hops = Hops::new(model);
    // Symptoms of several kinds of request that fail alike are one question.
    let mut known: BTreeMap<String, Narrowed> = BTreeMap::new();
    let mut narrowed = |symptom: &Symptom| {
        if !symptom.user || !symptom.is_of_requests() {
            return None;
        }
        let key = match symptom.seen {
            Observation::Status(status, _) => status.to_string(),
            seen => format!("{seen:?}"),
        };
        Some(known.entry(key).or_insert_with(|| hops.narrowed(model, &records, symptom.seen)).clone())
    };
    symptoms.iter().map(&mut narrowed).collect()
}

/// Whether a record shows what a symptom is about.
fn shows(record: &RequestRecord, seen: Observation) -> bool {
    match seen {
        Observation::Slow(late) => record.seconds.is_some_and(|seconds| seconds >= late / 2.0),
        seen => record.failed() && alike(observation(record), seen),
    }
}

/// The records of every request that has an id, and the hops behind the outermost one.
struct Hops<'a> {
    by_id: BTreeMap<&'a str, Vec<&'a RequestRecord>>,
    /// Each with the first pod that logged something there.
    all: BTreeMap<&'a str, Option<Subject>>,
}

impl<'a> Hops<'a> {
    fn new(model: &Model<'a>) -> Self {
        let mut by_id: BTreeMap<&str, Vec<&RequestRecord>> = BTreeMap::new();
        let mut all: BTreeMap<&str, Option<Subject>> = BTreeMap::new();
        for record in &model.evidence.traffic {
            let first = all.entry(&record.hop).or_default();
            if first.is_none() {
                *first = record.pod();
            }
            if let Some(id) = record.id.as_deref().filter(|id| !id.is_empty()) {
                by_id.entry(id).or_default().push(record);
            }
        }
        by_id.values_mut().for_each(|records| deepest_first(records));
        Self { by_id, all }
    }

    fn narrowed(&self, model: &Model<'_>, records: &[&RequestRecord], seen: Observation) -> Narrowed {
        // What went before the first failure says nothing of what fails since.
        let first = records.iter().position(|record| shows(record, seen)).unwrap_or_default();
        let rows: Vec<(Vec<Option<Value>>, bool)> = records[first..]
            .iter()
            .map(|record| (record, shows(record, seen)))
            .filter(|(record, failed)| *failed || !record.failed())
            .map(|(record, failed)| (self.attributes(model, record), failed))
            .collect();
        let failed = rows.iter().filter(|(_, failed)| *failed).count();
        Narrowed { scope: narrow(&Table::new(&self.names(), &rows)), failed, passed: rows.len() - failed }
    }

    /// In the order in which people would name them: what the request is, whose it is, where it went, when.
    fn names(&self) -> Vec<String> {
        let fixed = ["method", "path", "bytes", "user", "client", "zone"].map(str::to_owned);
        let hops = ["pod", "node"].into_iter().flat_map(|what| self.all.keys().map(move |hop| format!("{hop} {what}")));
        fixed.into_iter().chain(hops).chain(["time".to_owned()]).collect()
    }

    fn attributes(&self, model: &Model<'_>, record: &RequestRecord) -> Vec<Option<Value>> {
        let text = |text: &str| (!text.is_empty()).then(|| Value::Text(text.to_owned()));
        // A client's replicas come and go; whose they are stays.
        let client = if record.hop == "client" {
            record.pod().map(|pod| model.workload_of(&pod).to_string())
        } else {
            record.client.clone()
        };
        #[allow(clippy::cast_precision_loss)]
        let mut values = vec![
            text(&record.method),
            text(&record.path),
            record.bytes.map(|bytes| Value::Number(bytes as f64)),
            record.user.as_deref().and_then(text),
            client.as_deref().and_then(text),
            record.zone.as_deref().and_then(text),
        ];
        let pods: Vec<Option<Subject>> = self.all.keys().map(|hop| self.served(model, record, hop)).collect();
        let node =
            |pod: &Option<Subject>| model.node_of(pod.as_ref()?).map(|node| model.evidence.machine(node).to_string());
        values.extend(pods.iter().map(|pod| pod.as_ref().and_then(|pod| text(&pod.to_string()))));
        values.extend(pods.iter().map(|pod| node(pod).as_deref().and_then(text)));
        values.push(record.time.map(Value::Time));
        values
    }

    /// The pod of a hop that a request was served by, or that it was sent to where it did not arrive.
    fn served(&self, model: &Model<'_>, record: &RequestRecord, hop: &str) -> Option<Subject> {
        let joined = self.by_id.get(record.id.as_deref()?)?;
        let here = joined.iter().find(|other| other.hop == hop && record.hop != hop);
        here.and_then(|other| other.pod()).or_else(|| {
            let sent = joined.iter().filter_map(|other| model.resolve(other.upstream.as_deref()?, None));
            let mut pods = sent.filter(|subject| subject.is("pod"));
            pods.find(|pod| self.is_of(model, pod, hop))
        })
    }

    /// Whether a pod belongs to a hop, as other records show.
    fn is_of(&self, model: &Model<'_>, pod: &Subject, hop: &str) -> bool {
        let known = self.all.get(hop).and_then(Option::as_ref);
        known.is_some_and(|known| known == pod || model.workload_of(known) == model.workload_of(pod))
    }
}
