//! `objects.json`: the world's objects, those of the whole cluster, and those of kube-system.

use std::collections::BTreeMap;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Part, changes, lines, redact::redact};
use crate::{
    LabError,
    rigs::{Kind, Live, is_owned, kind_of, kinds},
};

/// What belongs to the cluster and not to a world, and still decides about it.
const SYSTEM: &str = "kube-system";

/// How long events of the cluster's own parts are looked back on.
const LONG: SignedDuration = SignedDuration::from_mins(10);

/// Kinds that say what someone may do. A cluster has a hundred of its own; those made with the world are kept.
const ROLES: [&str; 4] = ["clusterroles", "clusterrolebindings", "roles", "rolebindings"];

/// Every object, how many of each resource were listed, and the objects themselves.
pub(super) async fn collect(live: &Live) -> Result<(Part, BTreeMap<&'static str, usize>, Vec<Value>), LabError> {
    let (mut part, mut listed, mut items) = (Part::default(), BTreeMap::new(), vec![]);
    let mut changed = vec![];
    // Endpoints say the same as EndpointSlices, and less of it.
    let wanted: Vec<&Kind> = kinds().filter(|kind| kind.kind != "Endpoints").collect();
    for (kind, result) in wanted.iter().zip(join_all(wanted.iter().map(|kind| list(live, kind))).await) {
        match result {
            Ok(mut objects) => {
                if ROLES.contains(&kind.plural) {
                    part.miss(kind.plural, "only those made with this world are kept");
                } else {
                    listed.insert(kind.plural, objects.len());
                }
                changed.extend(changes::of(&objects));
                objects.iter_mut().for_each(redact);
                items.extend(objects);
            }
            Err(error) => part.miss(kind.plural, error.to_string()),
        }
    }
    part.files.insert("objects.json".to_owned(), as_list(&items));
    part.files.insert("changes.json".to_owned(), lines(&changed));
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
    if ROLES.contains(&kind.plural) {
        objects.retain(is_owned);
    }
    // Another world, up beside this one, is nobody's business here.
    let foreign = |object: &Value| {
        is_owned(object)
            && object["metadata"]["namespace"].is_null()
            && !live.objects.iter().any(|(subject, _)| {
                object["metadata"]["name"] == subject.name.as_str() && subject.is(&kind.kind.to_ascii_lowercase())
            })
    };
    objects.retain(|object| !foreign(object));
    // What happened to the cluster itself long ago, too.
    let long_ago = |object: &Value| {
        let time =
            ["lastTimestamp", "eventTime"].iter().find_map(|key| object[*key].as_str()?.parse::<Timestamp>().ok());
        time.is_some_and(|time| Timestamp::now().duration_since(time) > LONG)
    };
    if kind.kind == "Event" {
        objects.retain(|object| object["metadata"]["namespace"] != SYSTEM || !long_ago(object));
        objects.retain(|object| !is_routine(object));
    }
    // The controllers' own accounts, forty of them, say nothing, nor does a control plane that is well.
    if kind.kind == "ServiceAccount" {
        objects.retain(|object| object["metadata"]["namespace"] != SYSTEM);
    }
    if kind.kind == "Pod" {
        objects.retain(|object| !is_static(object) || !is_well(object));
    }
    objects.sort_by_key(|object| {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
        (text("namespace"), text("name"))
    });
    Ok(objects)
}

/// Whether a pod is one of the control plane, that its node starts from a file (kubernetes.io, Create static Pods).
fn is_static(pod: &Value) -> bool {
    pod["metadata"]["ownerReferences"][0]["kind"] == "Node"
}

fn is_well(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Whether an event only says that a start went on as it should.
fn is_routine(event: &Value) -> bool {
    event["type"] == "Normal"
        && matches!(event["reason"].as_str(), Some("Created" | "LeaderElection" | "Pulled" | "Scheduled" | "Started"))
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

/// A List with one object a line: a recording holds some hundred of them.
pub(crate) fn as_list(items: &[Value]) -> String {
    format!("{{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": {}}}\n", lines(items).trim_end())
}
