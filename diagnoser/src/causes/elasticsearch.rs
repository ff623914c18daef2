//! What the causes of Elasticsearch share: the machines that run it, and what a node says of itself and of its cluster over HTTP,
//! in `services/<machine>/`.

use std::collections::{BTreeMap, BTreeSet};

use crate::json::{Text, Value};

use super::{Case, Lack};
use crate::{
    connections::Connection,
    diagnosis::Change,
    evidence::{Citation, Fact},
    model::Model,
    propagation::Mode,
    subject::Subject,
};

const PORT: u16 = 9200;
const NAME: &str = "elasticsearch";
/// What is asked of a node, by file.
const QUESTIONS: [(&str, &str); 4] = [
    ("allocation", "_cluster/allocation/explain"),
    ("cluster-settings", "_cluster/settings?include_defaults=true"),
    ("index-settings", "_all/_settings"),
    ("nodes-stats", "_nodes/stats/jvm,breaker,fs"),
];

/// The machines that run Elasticsearch and are asked by whoever suffers.
pub(super) fn hosts(case: &Case<'_, '_>) -> Vec<String> {
    let model = case.model;
    let evidence = model.evidence;
    let by_port = model.connections().iter().filter(|connection| connection.port == Some(PORT));
    let by_port = by_port.filter_map(|connection| connection.host(model));
    let by_words = evidence.services.machines().filter(|machine| {
        QUESTIONS.iter().any(|(name, _)| matches!(evidence.services.text(machine, name), Fact::Seen(_)))
    });
    let by_unit = evidence.hosts.names().filter(|host| unit_is_there(model, host));
    let all: BTreeSet<&str> = by_port.chain(by_words).chain(by_unit).collect();
    all.into_iter().filter(|host| case.in_scope(&evidence.machine(host))).map(str::to_owned).collect()
}

/// Whether the service manager of a machine knows Elasticsearch.
fn unit_is_there(model: &Model<'_>, host: &str) -> bool {
    let hosts = &model.evidence.hosts;
    hosts.units(host).seen().unwrap_or_default().iter().any(|unit| unit.is(NAME) && unit.exists())
        || hosts.fact_names(host).any(|fact| fact == "systemctl-elasticsearch")
}

/// Every machine of the case that runs Elasticsearch fails so: the nodes of a cluster answer alike.
pub(super) fn effects(model: &Model<'_>, hosts: &[String], mode: Mode) -> Vec<(Subject, Mode)> {
    hosts.iter().map(|host| (model.evidence.machine(host), mode)).collect()
}

/// An answer of the node on a machine.
pub(super) fn answer(model: &Model<'_>, host: &str, name: &str) -> Result<Value, Lack> {
    match model.evidence.services.json(host, name) {
        Fact::Seen(value) => Ok(value),
        Fact::Missed(why) => Err(lack(model, host, name, why)),
    }
}

/// That an answer is lacking.
pub(super) fn lack(model: &Model<'_>, host: &str, name: &str, why: String) -> Lack {
    let question = QUESTIONS.iter().find(|(file, _)| *file == name).map_or("", |(_, question)| question);
    Lack {
        what: model.evidence.services.file(host, name).replace(".txt", ".json"),
        why,
        how: format!("curl 'http://localhost:{PORT}/{question}'   on {host}"),
        request: None,
    }
}

/// Settings, nested or flat, as flat names and values.
pub(super) fn flat(value: &Value) -> BTreeMap<String, String> {
    fn walk(value: &Value, name: &str, into: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let dot = if name.is_empty() { "" } else { "." };
                    walk(value, &format!("{name}{dot}{key}"), into);
                }
            }
            Value::String(text) => drop(into.insert(name.to_owned(), text.to_string())),
            other => drop(into.insert(name.to_owned(), other.to_string())),
        }
    }
    let mut found = BTreeMap::new();
    walk(value, "", &mut found);
    found
}

/// A node, as its cluster's statistics have it.
pub(super) struct Node {
    /// The machine it runs on.
    pub host: String,
    pub name: String,
    pub value: Value,
    /// The JSON pointer to it.
    pub pointer: String,
}

impl Node {
    /// A number at a JSON pointer.
    pub fn number(&self, pointer: &str) -> Option<u64> {
        self.value.pointer(pointer)?.as_u64()
    }
}

/// The nodes that the statistics taken on a machine are about, with the machine of each.
pub(super) fn nodes(model: &Model<'_>, host: &str) -> Result<Vec<Node>, Lack> {
    let stats = answer(model, host, "nodes-stats")?;
    let Some(nodes) = stats["nodes"].as_object() else {
        return Err(lack(model, host, "nodes-stats", "no nodes in it".to_owned()));
    };
    let only = nodes.len() == 1;
    let of = |(id, value): (&Text, &Value)| {
        let address = value["host"].as_str().and_then(|address| address.parse().ok());
        let owner = address.and_then(|address| model.machines.owner(address)).map(|(owner, _)| owner.to_owned());
        Some(Node {
            host: owner.or(only.then(|| host.to_owned()))?,
            name: value["name"].as_str().unwrap_or(id).to_owned(),
            value: value.clone(),
            pointer: format!("/nodes/{id}"),
        })
    };
    Ok(nodes.iter().filter_map(of).collect())
}

/// A reading of somebody who is refused by one of the machines with one of these statuses.
pub(super) fn complaint(model: &Model<'_>, hosts: &[String], statuses: &[u16]) -> Option<Citation> {
    let here =
        |connection: &&Connection| connection.host(model).is_some_and(|host| hosts.iter().any(|known| known == host));
    let attempts = model.connections().iter().filter(here).flat_map(|connection| connection.failing());
    let mut refused = attempts.filter(|attempt| attempt.status.is_some_and(|status| statuses.contains(&status)));
    refused.next_back().map(|attempt| attempt.cited.clone())
}

/// A request to the node on a machine that changes settings.
pub(super) fn put(host: &str, path: &str, body: &Value) -> Change {
    let url = format!("http://localhost:{PORT}/{path}");
    let body = body.to_string();
    let command = ["curl", "-sf", "-XPUT", &url, "-H", "content-type: application/json", "-d", &body];
    Change::Run { host: host.to_owned(), command: command.map(str::to_owned).to_vec() }
}

/// A number of bytes as Elasticsearch writes them: `60mb`, `100GB`.
pub(super) fn bytes(text: &str) -> Option<f64> {
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &lower[number.len()..] {
        "b" => 0,
        "k" | "kb" => 1,
        "m" | "mb" => 2,
        "g" | "gb" => 3,
        "t" | "tb" => 4,
        "p" | "pb" => 5,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * 1024f64.powi(factor))
}
