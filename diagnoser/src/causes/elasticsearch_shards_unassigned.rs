//! A primary shard of Elasticsearch is on no node, because settings of allocation allow none: its index cannot be used.
//!
//! # What it looks like
//! Searches of the index are answered 503 at once (`all shards failed`, `no_shard_available_action_exception`), writes after a
//! minute or the time-out they ask for (`primary shard is not active`). `_cluster/health` is red. An unassigned replica makes it
//! yellow, and nobody suffers.
//!
//! # Confirm by hand
//! `curl localhost:9200/_cat/shards?v` shows `p` and `UNASSIGNED`; `curl localhost:9200/_cluster/allocation/explain?pretty` says of
//! each node which decider says NO and by which setting.
//!
//! # Fix
//! Take back the setting that the explanation names (`index.routing.allocation.require.*`, `cluster.routing.allocation.enable`),
//! or give a node what it asks for.
//!
//! # Who acts
//! Whoever runs the cluster, with the owner of the index.
//!
//! # Source
//! elastic.co, Elasticsearch reference, "Cluster allocation explain API", "Index-level shard allocation filtering"; the
//! explanations are those of FilterAllocationDecider and EnableAllocationDecider.

use std::collections::{BTreeMap, BTreeSet};

use crate::json::{Value, json};

use super::{Case, Cause, Finding, Lack, State, elasticsearch};
use crate::{
    diagnosis::{Change, Fix},
    model::Model,
    propagation::Mode,
};

/// See the module's comment.
pub struct ElasticsearchShardsUnassigned;

impl Cause for ElasticsearchShardsUnassigned {
    fn id(&self) -> &'static str {
        "elasticsearch-shards-unassigned"
    }

    fn source(&self) -> &'static str {
        include_str!("elasticsearch_shards_unassigned.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let hosts = elasticsearch::hosts(case);
        let effects = elasticsearch::effects(case.model, &hosts, Mode::Errors);
        let looked = hosts.iter().map(|host| {
            let state = examine(case.model, &hosts, host);
            (host, state.unwrap_or_else(|lack| State::Undecided(vec![lack])))
        });
        looked
            .map(|(host, state)| Finding {
                subject: case.model.evidence.machine(host),
                effects: effects.clone(),
                state,
            })
            .collect()
    }
}

fn examine(model: &Model<'_>, hosts: &[String], host: &str) -> Result<State, Lack> {
    let services = &model.evidence.services;
    let explained = elasticsearch::answer(model, host, "allocation")?;
    let cite = |pointer: &str, says: String| services.cite_json(host, "allocation", pointer, says);
    let Some(index) = explained["index"].as_str() else {
        // 400 is the answer where no shard is unassigned.
        return match explained["status"].as_u64() {
            Some(400) => Ok(State::excluded("every shard is on a node", vec![cite("/status", "400".to_owned())])),
            _ => Err(elasticsearch::lack(model, host, "allocation", "no shard is explained in it".to_owned())),
        };
    };
    let what = format!("shard {} of {index}", explained["shard"]);
    if explained["primary"] != true || explained["current_state"] != "unassigned" {
        let says = format!("{what} is no unassigned primary");
        return Ok(State::excluded(says.clone(), vec![cite("/primary", says)]));
    }
    let mut evidence = vec![cite("/current_state", format!("the primary of {what} is unassigned"))];
    let mut settings: BTreeSet<(bool, String)> = BTreeSet::new();
    let mut unknown = false;
    for (n, node) in explained["node_allocation_decisions"].as_array().into_iter().flatten().enumerate() {
        for (d, decider) in node["deciders"].as_array().into_iter().flatten().enumerate() {
            let explanation = decider["explanation"].as_str().unwrap_or_default();
            match forbidding(explanation).filter(|_| decider["decision"] == "NO") {
                Some(found) => {
                    settings.extend(found);
                    let name = node["node_name"].as_str().unwrap_or_default();
                    let pointer = format!("/node_allocation_decisions/{n}/deciders/{d}/explanation");
                    evidence.push(cite(&pointer, format!("{name}: {explanation}")));
                }
                None => unknown |= decider["decision"] == "NO",
            }
        }
    }
    if settings.is_empty() {
        return Ok(State::excluded("no setting of allocation forbids it", evidence));
    }
    evidence.extend(elasticsearch::complaint(model, hosts, &[503]));
    Ok(State::holds(evidence, fix(host, index, &settings, unknown)))
}

/// The settings by which a decider says no, each of the index (`true`) or of the cluster.
fn forbidding(explanation: &str) -> Option<Vec<(bool, String)>> {
    let (of_index, rest) = match explanation.split_once("index setting [") {
        Some((_, rest)) => (true, rest),
        None => (false, explanation.split_once("cluster setting [")?.1),
    };
    let (setting, rest) = rest.split_once(']')?;
    // `... [cluster.routing.allocation.enable=none]`
    if let Some((name, _)) = setting.split_once('=') {
        return name.ends_with("routing.allocation.enable").then(|| vec![(of_index, name.to_owned())]);
    }
    // `... [index.routing.allocation.require] filters [box:"hot",zone:"b"]`
    let kind = setting.rsplit_once('.')?.1;
    let filters = rest.split_once("filters [")?.1.split_once(']')?.0;
    let names = filters.split("\",").filter_map(|filter| filter.split_once(':')).map(|(name, _)| name.trim());
    let known = matches!(kind, "require" | "include" | "exclude");
    let found: Vec<(bool, String)> = names.map(|name| (of_index, format!("{setting}.{name}"))).collect();
    (known && !found.is_empty()).then_some(found)
}

/// Takes the settings back; where something else forbids it as well, that is for a person to see to.
fn fix(host: &str, index: &str, settings: &BTreeSet<(bool, String)>, unknown: bool) -> Fix {
    let names: Vec<&str> = settings.iter().map(|(_, name)| name.as_str()).collect();
    let rest = if unknown { ", then see to what else forbids it" } else { "" };
    let summary = format!("Take back {}, or give a node what it asks for{rest}", names.join(" and "));
    let nothing = |of_index: bool| -> BTreeMap<&String, Value> {
        let those = settings.iter().filter(|(index, _)| *index == of_index);
        those.map(|(_, name)| (name, Value::Null)).collect()
    };
    let (of_index, of_cluster) = (nothing(true), nothing(false));
    let mut patch: Vec<Change> = Vec::new();
    if !of_index.is_empty() {
        patch.push(elasticsearch::put(host, &format!("{index}/_settings"), &json!(of_index)));
    }
    if !of_cluster.is_empty() {
        patch.push(elasticsearch::put(
            host,
            "_cluster/settings",
            &json!({"persistent": of_cluster, "transient": of_cluster}),
        ));
    }
    Fix { summary, patch }
}

#[cfg(test)]
mod tests {
    use super::forbidding;
    use crate::sketch::check;

    const WORLD: &str = r#"machine client 10.80.1.10/24
        machine es 10.80.1.40/24 listens 0.0.0.0:9200
        probe host/client -> http://find.example.test:9200/x/_search  503 in 5ms  at 10.80.1.40:9200"#;

    fn explained(primary: bool, explanation: &str) -> String {
        let explanation = explanation.replace('"', "\\\"");
        format!(
            r#"file services/es/allocation.json | {{"index": "x", "shard": 0, "primary": {primary}, "current_state": "unassigned", "node_allocation_decisions": [{{"node_name": "n", "deciders": [{{"decider": "d", "decision": "NO", "explanation": "{explanation}"}}]}}]}}"#
        )
    }

    const FILTER: &str = r#"node does not match index setting [index.routing.allocation.require] filters [box:"hot"]"#;

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{}\n=> elasticsearch-shards-unassigned host/es", explained(true, FILTER)));
        let none = "no allocations are allowed due to cluster setting [cluster.routing.allocation.enable=none]";
        check(&format!("{WORLD}\n{}\n=> elasticsearch-shards-unassigned host/es", explained(true, none)));
    }

    #[test]
    fn twins_a_replica_and_another_reason() {
        check(&format!("{WORLD}\n{}\n=> unknown", explained(false, FILTER)));
        check(&format!("{WORLD}\n{}\n=> unknown", explained(true, "a copy of this shard is already allocated")));
        check(&format!("{WORLD}\nfile services/es/allocation.json | {{\"status\": 400}}\n=> unknown"));
    }

    #[test]
    fn twin_refused_with_another_status() {
        check(&format!("{}\n{}\n=> unknown", WORLD.replace("503", "429"), explained(true, FILTER)));
    }

    #[test]
    fn unknown_without_the_explanation() {
        check(&format!("{WORLD}\n=> unknown lacks services/es/allocation.json"));
    }

    #[test]
    fn settings_by_which_it_is_forbidden() {
        let two =
            r#"node matches cluster setting [cluster.routing.allocation.exclude] filters [_name:"a OR b",zone:"c"]"#;
        let names: Vec<String> = forbidding(two).unwrap_or_default().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["cluster.routing.allocation.exclude._name", "cluster.routing.allocation.exclude.zone"]);
    }
}
