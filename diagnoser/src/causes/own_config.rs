//! What a program's own configuration says, where it stands in a ConfigMap that its pods mount; and how a change of it is
//! brought to them.

use std::collections::{BTreeMap, BTreeSet};

use crate::json::{Value, json};

use super::Lack;
use crate::{
    diagnosis::Change,
    evidence::{Citation, Fact, Object},
    model::Model,
    subject::Subject,
};

/// A file of a ConfigMap.
#[derive(Clone, Copy)]
pub(super) struct File<'e> {
    /// The ConfigMap.
    pub map: &'e Object,
    key: &'e str,
    /// What stands in the file.
    pub text: &'e str,
}

impl File<'_> {
    fn pointer(&self) -> String {
        format!("/data/{}", self.key.replace('~', "~0").replace('/', "~1"))
    }

    /// A citation of the place of the file at `offset` bytes.
    pub fn cite(&self, offset: usize, says: impl Into<String>) -> Citation {
        let line = self.text[..offset].matches('\n').count() + 1;
        self.map.cite(&self.pointer(), format!("{} line {line}: {}", self.key, says.into()))
    }

    /// The change of the file, and the restart of those who read it when they start.
    pub fn change(&self, model: &Model<'_>, to: String, pods: &BTreeSet<Subject>) -> Vec<Change> {
        let object = self.map.subject().clone();
        let change = Change::Set { object, path: self.pointer(), from: json!(self.text), to: json!(to) };
        [change].into_iter().chain(restart(model, pods)).collect()
    }
}

/// The files that these pods mount out of ConfigMaps, or what is missing of them.
pub(super) fn files<'e>(model: &Model<'e>, pods: &BTreeSet<Subject>) -> Result<Vec<File<'e>>, Vec<Lack>> {
    let mut found: BTreeMap<(Subject, String), File<'e>> = BTreeMap::new();
    for pod in pods.iter().filter_map(|pod| model.object(pod)) {
        for name in mounted(pod) {
            let subject = Subject::namespaced("configmap", pod.namespace(), name);
            let Some(map) = model.object(&subject) else {
                if let Fact::Missed(why) = model.evidence.listed("configmap", "configmaps") {
                    return Err(vec![Lack::objects("configmaps", Some(pod.namespace()), why)]);
                }
                continue;
            };
            for (key, text) in map.map("/data") {
                found.insert((subject.clone(), key.to_owned()), File { map, key, text });
            }
        }
    }
    Ok(found.into_values().collect())
}

/// The ConfigMaps among a pod's volumes.
fn mounted(pod: &Object) -> BTreeSet<&str> {
    let volumes = pod.list("/spec/volumes").iter();
    let projected = volumes.clone().flat_map(|volume| volume["projected"]["sources"].as_array().into_iter().flatten());
    volumes.chain(projected).filter_map(|source| source["configMap"]["name"].as_str()).collect()
}

/// What `kubectl rollout restart` does, for the workloads of these pods.
pub(super) fn restart(model: &Model<'_>, pods: &BTreeSet<Subject>) -> Vec<Change> {
    const RESTARTED: &str = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
    let workloads: BTreeSet<Subject> = pods.iter().map(|pod| model.workload_of(pod)).collect();
    let restarted = |workload: &Subject| ["daemonset", "deployment", "statefulset"].contains(&workload.kind.as_str());
    let time = model.now.map_or_else(|| "by hand".to_owned(), |time| time.to_string());
    workloads
        .into_iter()
        .filter(restarted)
        .map(|object| {
            let from = model.object(&object).and_then(|object| object.get(RESTARTED)).cloned().unwrap_or(Value::Null);
            Change::Set { object, path: RESTARTED.to_owned(), from, to: json!(time) }
        })
        .collect()
}
