//! The requests on record, by the pod that logged them and by the id that all hops share.

use std::collections::BTreeMap;

use super::Model;
use crate::{
    evidence::{Evidence, RequestRecord},
    subject::Subject,
};

/// Places in the list of records, in their order.
pub(super) struct Records<'e> {
    by_pod: BTreeMap<Subject, Vec<usize>>,
    by_id: BTreeMap<&'e str, Vec<usize>>,
}

impl<'e> Records<'e> {
    pub(super) fn new(evidence: &'e Evidence) -> Self {
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut by_id: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, record) in evidence.traffic.iter().enumerate() {
            if let Some(name) = record.pod.as_deref() {
                by_name.entry(name).or_default().push(index);
            }
            if let Some(id) = record.id.as_deref() {
                by_id.entry(id).or_default().push(index);
            }
        }
        let pods = by_name.into_values().filter_map(|places| Some((evidence.traffic[places[0]].pod()?, places)));
        Self { by_pod: pods.collect(), by_id }
    }
}

impl<'e> Model<'e> {
    /// The requests that a pod logged, each with its place in the list.
    pub(crate) fn records_of<'m>(
        &'m self,
        pod: &Subject,
    ) -> impl DoubleEndedIterator<Item = (usize, &'e RequestRecord)> + use<'m, 'e> {
        self.records_at(self.records.by_pod.get(pod))
    }

    /// What the hops logged of the request with this id.
    pub(crate) fn records_with<'m>(&'m self, id: &str) -> impl Iterator<Item = &'e RequestRecord> + use<'m, 'e> {
        self.records_at(self.records.by_id.get(id)).map(|(_, record)| record)
    }

    fn records_at<'m>(
        &'m self,
        places: Option<&'m Vec<usize>>,
    ) -> impl DoubleEndedIterator<Item = (usize, &'e RequestRecord)> + use<'m, 'e> {
        let traffic = &self.evidence.traffic;
        places.into_iter().flatten().map(|place| (*place, &traffic[*place]))
    }
}
