//! `objects.json`: all objects of the cluster but those of other worlds that are up beside this one.

use std::collections::BTreeMap;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Part, changes, lines, redact::redact};
use crate::{
    LabError,
    rigs::{Kind, Live, is_owned, kind_of, kinds},
};

/// How long events of the cluster's own parts are looked back on.
const LONG: SignedDuration = SignedDuration::from_mins(10);

/// Kinds that say what someone may do. A cluster has a hundred of its own; those made with the world are kept.
const ROLES: [&str; 4] = ["clusterroles", "clusterrolebindings", "roles", "rolebindings"];

/// Every object, how many of each resource were listed, and the objects themselves.
pub(super) async fn collect(live: &Live) -> Result<(Part, BTreeMap<&'static str, usize>, Vec<Value>), LabError> {
    let (mut part, mut listed, mut items) = (Part::default(), BTreeMap::new(), vec![]);
    let mut changed = vec![];
    let wanted: Vec<&Kind> = kinds().collect();
    let places = places(live).await?;
    for (kind, result) in wanted.iter().zip(join_all(wanted.iter().map(|kind| list(live, kind, &places))).await) {
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

/// The namespaces that are collected: the world's and the cluster's own.
///
/// # Errors
/// When the API server refuses or does not answer.
pub(super) async fn places(live: &Live) -> Result<Vec<String>, LabError> {
    let own = live.namespaces();
    let all = live.rig.api.list(kind_of("Namespace")?, None, "").await?;
    let names =
        all.iter().filter_map(|object| Some((object["metadata"]["name"].as_str()?.to_owned(), is_owned(object))));
    Ok(names.filter(|(name, of_a_world)| !of_a_world || own.contains(name)).map(|(name, _)| name).collect())
}

/// All objects of one resource in the places that are collected.
async fn list(live: &Live, kind: &Kind, places: &[String]) -> Result<Vec<Value>, LabError> {
    let mut objects = live.rig.api.list(kind, None, "").await?;
    let inside =
        |namespace: Option<&str>| namespace.is_none_or(|namespace| places.iter().any(|place| place == namespace));
    objects.retain(|object| inside(object["metadata"]["namespace"].as_str()));
    if ROLES.contains(&kind.plural) {
        objects.retain(is_owned);
    }
    // Another world, up beside this one, is nobody's business here.
    let foreign = |object: &Value| {
        // Definitions are shared.
        is_owned(object)
            && kind.kind != "CustomResourceDefinition"
            && object["metadata"]["namespace"].is_null()
            && !live.objects.iter().any(|(subject, _)| {
                object["metadata"]["name"] == subject.name.as_str() && subject.is(&kind.kind.to_ascii_lowercase())
            })
    };
    objects.retain(|object| !foreign(object));
    let of_the_world = |object: &Value| {
        let namespace = object["metadata"]["namespace"].as_str();
        namespace.is_some_and(|namespace| live.namespaces().iter().any(|own| own == namespace))
    };
    // What happened to the cluster itself long ago is over.
    let long_ago = |object: &Value| {
        let time =
            ["lastTimestamp", "eventTime"].iter().find_map(|key| object[*key].as_str()?.parse::<Timestamp>().ok());
        time.is_some_and(|time| Timestamp::now().duration_since(time) > LONG)
    };
    if kind.kind == "Event" {
        objects.retain(|object| of_the_world(object) || !long_ago(object));
    }
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

/// A List with one object a line: a recording holds some hundred of them.
pub(crate) fn as_list(items: &[impl ToString]) -> String {
    format!("{{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": {}}}\n", lines(items).trim_end())
}
