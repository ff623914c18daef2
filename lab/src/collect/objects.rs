//! `objects.json`: the world's objects, those of the whole cluster, and those of kube-system.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::{Value, json};

use super::{Part, changes, pretty, redact::redact};
use crate::{
    LabError,
    rigs::{Kind, Live, kind_of, kinds},
};

/// What belongs to the cluster and not to a world, and still decides about it.
const SYSTEM: &str = "kube-system";

/// Kinds that say what someone may do, of which a cluster has a hundred of its own.
const LEFT_OUT: [&str; 4] = ["clusterroles", "clusterrolebindings", "roles", "rolebindings"];

/// Every object, how many of each resource were listed, and the objects themselves.
pub(super) async fn collect(live: &Live) -> Result<(Part, BTreeMap<&'static str, usize>, Vec<Value>), LabError> {
    let (mut part, mut listed, mut items) = (Part::default(), BTreeMap::new(), vec![]);
    let mut changed = vec![];
    let wanted: Vec<&Kind> = kinds().filter(|kind| !LEFT_OUT.contains(&kind.plural)).collect();
    for (kind, result) in wanted.iter().zip(join_all(wanted.iter().map(|kind| list(live, kind))).await) {
        match result {
            Ok(mut objects) => {
                listed.insert(kind.plural, objects.len());
                changed.extend(changes::of(&objects));
                objects.iter_mut().for_each(redact);
                items.extend(objects);
            }
            Err(error) => part.miss(kind.plural, error.to_string()),
        }
    }
    part.files.insert("objects.json".to_owned(), as_list(&items));
    part.files.insert("changes.json".to_owned(), pretty(&Value::Array(changed)));
    Ok((part, listed, items))
}

/// All objects of one resource in the places that are collected.
async fn list(live: &Live, kind: &Kind) -> Result<Vec<Value>, LabError> {
    let mut objects = live.rig.api.list(kind, None, "").await?;
    let mut places = live.namespaces();
    places.push(SYSTEM.to_owned());
    let inside =
        |namespace: Option<&str>| namespace.is_none_or(|namespace| places.iter().any(|place| place == namespace));
    objects.retain(|object| inside(object["metadata"]["namespace"].as_str()));
    objects.sort_by_key(|object| {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
        (text("namespace"), text("name"))
    });
    Ok(objects)
}

/// One more resource, asked for by the diagnoser, put among what is there.
pub(super) async fn answer(live: &Live, resource: &str, namespace: Option<&str>) -> Result<String, LabError> {
    let kind = kind_of(resource)?;
    let (_, _, mut items) = collect(live).await?;
    items.retain(|item| item["kind"] != kind.kind);
    let mut more = live.rig.api.list(kind, namespace, "").await?;
    more.iter_mut().for_each(redact);
    items.extend(more);
    Ok(as_list(&items))
}

fn as_list(items: &[Value]) -> String {
    pretty(&json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items}))
}
