//! A node of Elasticsearch has less disk space than the flood-stage watermark, and its indices are locked against writes.
//!
//! # What it looks like
//! Whatever adds or changes documents is refused with 429 (403 before version 7.4) and a `cluster_block_exception`; searches and
//! deletions go on, and `_cluster/health` stays green. The file system has space left: Elasticsearch stops at 95 % of use, or
//! where the setting says, and not at "No space left on device".
//!
//! # Confirm by hand
//! `curl localhost:9200/_all/_settings?filter_path=*.settings.index.blocks` shows `read_only_allow_delete`;
//! `curl localhost:9200/_cat/allocation?v` beside `curl localhost:9200/_cluster/settings?include_defaults=true` (watermark);
//! `curl localhost:9200/_health_report/disk`.
//!
//! # Fix
//! Make room where the data are: delete old indices, add nodes or disk, move away what is no index. From 7.4 on the lock goes by
//! itself once less than the high watermark is used; before, set `index.blocks.read_only_allow_delete` to null. Raising the
//! watermark buys some hours.
//!
//! # Who acts
//! Whoever runs the cluster.
//!
//! # Source
//! elastic.co, Elasticsearch reference, "Disk-based shard allocation settings" and "Fix watermark errors".

use std::collections::BTreeMap;

use super::{Case, Cause, Finding, Lack, Proof, State, elasticsearch};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts},
    model::Model,
    propagation::Mode,
};

/// See the module's comment.
pub struct ElasticsearchFloodStage;

const WATERMARK: &str = "cluster.routing.allocation.disk.watermark.flood_stage";
const HIGH: &str = "cluster.routing.allocation.disk.watermark.high";
const LOCK: &str = "settings.index.blocks.read_only_allow_delete";
/// What Elasticsearch itself keeps where its data are.
const OWN: [&str; 5] = ["_state", "indices", "node.lock", "nodes", "snapshot_cache"];

impl Cause for ElasticsearchFloodStage {
    fn id(&self) -> &'static str {
        "elasticsearch-flood-stage"
    }

    fn source(&self) -> &'static str {
        include_str!("elasticsearch_flood_stage.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let hosts = elasticsearch::hosts(case);
        let effects = elasticsearch::effects(case.model, &hosts, Mode::Rejects);
        let looked = hosts.iter().flat_map(|host| {
            examine(case.model, &hosts, host).unwrap_or_else(|lack| vec![(host.clone(), State::Undecided(vec![lack]))])
        });
        looked
            .map(|(host, state)| Finding {
                subject: case.model.evidence.machine(&host),
                effects: effects.clone(),
                state,
            })
            .collect()
    }
}

/// What a node that was asked says, by the machine that it is about.
fn examine(model: &Model<'_>, hosts: &[String], host: &str) -> Result<Vec<(String, State)>, Lack> {
    let services = &model.evidence.services;
    let indices = elasticsearch::answer(model, host, "index-settings")?;
    let locked =
        indices.as_object().into_iter().flatten().filter(|(_, index)| {
            elasticsearch::flat(index).iter().any(|(name, value)| name == LOCK && value == "true")
        });
    let locked: Vec<&str> = locked.map(|(name, _)| name.as_str()).collect();
    let Some(first) = locked.first() else {
        let cited = services.cite_json(host, "index-settings", "", "no index has the block read_only_allow_delete");
        return Ok(vec![(host.to_owned(), State::excluded("no index is locked for want of space", vec![cited]))]);
    };
    let lock = services.cite_json(
        host,
        "index-settings",
        &format!("/{first}/settings"),
        format!("index.blocks.read_only_allow_delete = true of {}", locked.join(", ")),
    );
    let settings = elasticsearch::flat(&elasticsearch::answer(model, host, "cluster-settings")?);
    let Some((from, mark)) = effective(&settings, WATERMARK) else {
        let why = format!("{WATERMARK} is not in it");
        return Err(elasticsearch::lack(model, host, "cluster-settings", why));
    };
    let nodes = elasticsearch::nodes(model, host)?;
    let mut found = Vec::new();
    for node in nodes {
        let paths = node.value["fs"]["data"].as_array().unwrap_or_default();
        for (index, path) in paths.iter().enumerate() {
            let number = |key: &str| path[key].as_u64();
            let Some((total, free)) = number("total_in_bytes").zip(number("available_in_bytes")) else { continue };
            let Some(wanted) = wanted(&settings, WATERMARK, mark, total) else { continue };
            let stands = format!("{}/fs/data/{index}", node.pointer);
            let says = format!("{}: {} of {} bytes free", node.name, free, total);
            let cited = services.cite_json(host, "nodes-stats", &stands, says);
            #[allow(clippy::cast_precision_loss)]
            let over = (free as f64) < wanted;
            if !over {
                let because = format!("{} has more space than the flood-stage watermark asks for", node.name);
                found.push((node.host.clone(), State::excluded(because, vec![cited])));
                continue;
            }
            let place = format!("/{}", from.replace('.', "/"));
            let setting = services.cite_json(host, "cluster-settings", &place, format!("{WATERMARK} = {mark}"));
            let mut evidence = vec![lock.clone(), cited, setting];
            evidence.extend(elasticsearch::complaint(model, hosts, &[429, 403]));
            let path = path["path"].as_str().unwrap_or_default();
            let high = effective(&settings, HIGH).and_then(|(_, mark)| self::wanted(&settings, HIGH, mark, total));
            #[allow(clippy::cast_precision_loss)]
            let short = high.unwrap_or(wanted).max(wanted) - free as f64;
            let (fix, wants) = fix(model, &node.host, path, short, &mut evidence);
            found.push((node.host.clone(), State::Holds(Box::new(Proof { evidence, fix, wants, changed: None }))));
        }
    }
    Ok(found)
}

/// A setting of the cluster, where it stands first in the order that counts.
fn effective<'s>(settings: &'s BTreeMap<String, String>, name: &str) -> Option<(String, &'s str)> {
    ["transient", "persistent", "defaults"].iter().find_map(|from| {
        let name = format!("{from}.{name}");
        settings.get(&name).map(|value| (name, value.as_str()))
    })
}

/// How many bytes a watermark wants free of so many: it is written as bytes free, or as the share in use, which large file systems
/// need not keep to (`max_headroom`).
fn wanted(settings: &BTreeMap<String, String>, name: &str, mark: &str, total: u64) -> Option<f64> {
    if let Some(bytes) = elasticsearch::bytes(mark) {
        return Some(bytes);
    }
    let share: f64 = match mark.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
        None => mark.parse().ok()?,
    };
    let headroom = effective(settings, &format!("{name}.max_headroom"));
    let headroom = headroom.and_then(|(_, text)| elasticsearch::bytes(text)).filter(|bytes| *bytes > 0.0);
    #[allow(clippy::cast_precision_loss)]
    let free = total as f64 * (1.0 - share);
    Some(headroom.map_or(free, |headroom| free.min(headroom)))
}

/// Moves away what lies beside the data and is no part of them, where that is enough; else somebody has to decide.
fn fix(model: &Model<'_>, host: &str, path: &str, short: f64, evidence: &mut Vec<Citation>) -> (Fix, Vec<Lack>) {
    let df = model.evidence.hosts.file_systems(host, "df").seen().unwrap_or_default();
    let on = df.iter().filter(|row| row.holds(path)).max_by_key(|row| row.mount_point.len());
    if let Some(row) = on.filter(|row| !row.is_full()) {
        let says = format!("{}: {} of {} blocks free, so it is not full", row.mount_point, row.free, row.total);
        evidence.push(Hosts::cite(host, "df", row.line, says));
    }
    let nobody = || Fix { summary: format!("Make room on {path} of {host}: old indices, or more disk"), patch: vec![] };
    match model.evidence.services.text(host, "data-usage") {
        Fact::Missed(why) => {
            let what = model.evidence.services.file(host, "data-usage");
            let how = format!("du -xa -B1 -d1 {path} | sort -rn | head   on {host}");
            (nobody(), vec![Lack { what, why, how, request: None }])
        }
        Fact::Seen(text) => {
            let mut rows = text.lines().enumerate().filter_map(|(line, row)| {
                let (size, name) = row.split_once(char::is_whitespace)?;
                Some((line + 1, size.parse::<f64>().ok()?, name.trim()))
            });
            let foreign = |name: &str| {
                let inside = name.strip_prefix(path.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
                inside.is_some_and(|inside| !inside.is_empty() && !OWN.contains(&inside))
            };
            let Some((line, size, name)) = rows.find(|(_, size, name)| *size >= short && foreign(name)) else {
                return (nobody(), vec![]);
            };
            let says = format!("{size} bytes in {name}, which is no data of Elasticsearch");
            evidence.push(model.evidence.services.cite(host, "data-usage", line, says));
            let summary = format!("Move {name} off the file system that {host} keeps its indices on");
            let command = ["mv", name, "/var/tmp/"].map(str::to_owned).to_vec();
            (Fix { summary, patch: vec![Change::Run { host: host.to_owned(), command }] }, vec![])
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"machine client 10.80.1.10/24
        machine es 10.80.1.40/24 listens 0.0.0.0:9200
        probe host/client -> http://find.example.test:9200/x/_doc  429 in 5ms  at 10.80.1.40:9200
        file services/es/allocation.json | {"status": 400}
        file services/es/cluster-settings.json | {"persistent": {"cluster": {"routing": {"allocation": {"disk": {"watermark": {"flood_stage": "50mb"}}}}}}, "defaults": {"cluster": {"routing": {"allocation": {"disk": {"watermark": {"high": "90%"}}}}}}}"#;
    const LOCKED: &str = r#"file services/es/index-settings.json | {"x": {"settings": {"index": {"blocks": {"read_only_allow_delete": "true"}}}}}"#;

    /// The statistics of a node with so much space left, and a heap that is not the matter.
    fn stats(free: u64) -> String {
        format!(
            r#"file services/es/nodes-stats.json | {{"nodes": {{"a": {{"name": "n", "fs": {{"data": [{{"path": "/data", "total_in_bytes": 1000000000, "available_in_bytes": {free}}}]}}, "breakers": {{"parent": {{"limit_size_in_bytes": 100, "estimated_size_in_bytes": 10, "tripped": 0}}}}}}}}}}"#
        )
    }

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{LOCKED}\n{}\n=> elasticsearch-flood-stage host/es", stats(40_000_000)));
        let share = WORLD.replace("50mb", "95%");
        check(&format!("{share}\n{LOCKED}\n{}\n=> elasticsearch-flood-stage host/es", stats(49_000_000)));
    }

    #[test]
    fn twin_there_is_space_and_no_lock() {
        check(&format!("{WORLD}\n{LOCKED}\n{}\n=> unknown", stats(60_000_000)));
        let open = LOCKED.replace("true", "false");
        check(&format!("{WORLD}\n{open}\n{}\n=> unknown", stats(40_000_000)));
    }

    #[test]
    fn twin_refused_with_another_status() {
        let failed = WORLD.replace("429", "503");
        check(&format!("{failed}\n{LOCKED}\n{}\n=> unknown", stats(40_000_000)));
    }

    #[test]
    fn unknown_without_any_of_the_three() {
        let all = format!("{WORLD}\n{LOCKED}\n{}", stats(40_000_000));
        for file in ["cluster-settings", "index-settings", "nodes-stats"] {
            let file = format!("services/es/{file}.json");
            check(&format!("{all}\nwithout {file}\n=> unknown lacks {file}"));
        }
    }
}
