//! The heap of an Elasticsearch node is in use up to the limit of its parent circuit breaker, and it refuses work.
//!
//! # What it looks like
//! Requests of every kind are refused with 429 and a `circuit_breaking_exception`: `[parent] Data too large ... real usage`. A lock
//! of an index for want of disk space has the same status, and refuses writes alone.
//!
//! # Confirm by hand
//! `curl localhost:9200/_nodes/stats/jvm,breaker`: `breakers.parent.estimated_size` beside `limit_size`, `tripped` that rises,
//! `jvm.mem.heap_max`; `journalctl -u elasticsearch | grep 'heap size'` says how large the heap was at each start.
//!
//! # Fix
//! Give the node the heap that it had or needs (half of the machine's memory at most), and restart it; else less work: fewer
//! shards, smaller aggregations and bulks.
//!
//! # Who acts
//! Whoever runs the cluster, with those who search in it.
//!
//! # Source
//! elastic.co, Elasticsearch reference, "Circuit breaker settings", "Circuit breaker errors"; HierarchyCircuitBreakerService.

use super::{Case, Cause, Finding, Lack, Proof, State, elasticsearch};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact},
    model::Model,
    propagation::Mode,
};

/// See the module's comment.
pub struct ElasticsearchHeapExhausted;

/// The share of the breaker's limit from which on it counts as reached: the use goes up and down between two readings.
const REACHED: f64 = 0.95;

impl Cause for ElasticsearchHeapExhausted {
    fn id(&self) -> &'static str {
        "elasticsearch-heap-exhausted"
    }

    fn source(&self) -> &'static str {
        include_str!("elasticsearch_heap_exhausted.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let hosts = elasticsearch::hosts(case);
        let mut found = Vec::new();
        for host in &hosts {
            let finding = |host: &str, state| {
                let subject = model.evidence.machine(host);
                Finding { effects: vec![(subject.clone(), Mode::Rejects)], subject, state }
            };
            match elasticsearch::nodes(model, host) {
                Err(lack) => found.push(finding(host, State::Undecided(vec![lack]))),
                Ok(nodes) => {
                    found.extend(nodes.iter().map(|node| finding(&node.host, examine(model, &hosts, host, node))));
                }
            }
        }
        found
    }
}

fn examine(model: &Model<'_>, hosts: &[String], host: &str, node: &elasticsearch::Node) -> State {
    const PARENT: &str = "/breakers/parent";
    let number = |name: &str| node.number(&format!("{PARENT}/{name}"));
    let (Some(used), Some(limit), Some(tripped)) =
        (number("estimated_size_in_bytes"), number("limit_size_in_bytes"), number("tripped"))
    else {
        let why = "the parent breaker is not in it".to_owned();
        return State::Undecided(vec![elasticsearch::lack(model, host, "nodes-stats", why)]);
    };
    let cite = |pointer: &str, says: String| {
        model.evidence.services.cite_json(host, "nodes-stats", &format!("{}{pointer}", node.pointer), says)
    };
    let says = format!("{}: {used} of {limit} bytes are in use, refused {tripped} times", node.name);
    let breaker = cite(PARENT, says);
    #[allow(clippy::cast_precision_loss)]
    if tripped == 0 || (used as f64) < REACHED * limit as f64 {
        return State::excluded(format!("the parent breaker of {} lets requests through", node.name), vec![breaker]);
    }
    let mut evidence = vec![breaker];
    let max = node.number("/jvm/mem/heap_max_in_bytes");
    evidence.extend(max.map(|max| cite("/jvm/mem/heap_max_in_bytes", format!("the heap has {max} bytes"))));
    evidence.extend(elasticsearch::complaint(model, hosts, &[429]));
    let (fix, wants) = fix(model, &node.host, max, &mut evidence);
    State::Holds(Box::new(Proof { evidence, fix, wants, changed: None }))
}

/// Gives it the larger heap back that it had at an earlier start; where it had none, somebody has to decide.
fn fix(model: &Model<'_>, host: &str, max: Option<u64>, evidence: &mut Vec<Citation>) -> (Fix, Vec<Lack>) {
    let services = &model.evidence.services;
    let nobody = || Fix { summary: format!("Give Elasticsearch on {host} more heap, or less work"), patch: vec![] };
    let lack = |name: &str, command: &str, why: String| Lack {
        what: services.file(host, name),
        why,
        how: format!("{command}   on {host}"),
        request: None,
    };
    let starts = match services.text(host, "heap-sizes") {
        Fact::Missed(why) => {
            return (nobody(), vec![lack("heap-sizes", "journalctl -u elasticsearch | grep 'heap size'", why)]);
        }
        Fact::Seen(text) => text,
    };
    let sizes: Vec<(usize, &str, f64)> = starts
        .lines()
        .enumerate()
        .filter_map(|(line, said)| {
            let size = said.split_once("heap size [")?.1.split(']').next()?;
            Some((line + 1, size, elasticsearch::bytes(size)?))
        })
        .collect();
    #[allow(clippy::cast_precision_loss)]
    let now = max.map(|max| max as f64);
    let earlier = sizes.iter().rev().find(|(_, _, size)| now.is_some_and(|now| *size > now));
    let Some((line, size, wanted)) = earlier else { return (nobody(), vec![]) };
    evidence.push(services.cite(host, "heap-sizes", *line, format!("heap size [{size}] at an earlier start")));
    let summary = format!("Give Elasticsearch on {host} the heap of {size} back that it had, and restart it");
    let text = match services.text(host, "environment") {
        Fact::Missed(why) => {
            let lack = lack("environment", "cat /etc/default/elasticsearch", why);
            return (Fix { summary, patch: vec![] }, vec![lack]);
        }
        Fact::Seen(text) => text,
    };
    let options = |kind: &str| text.split(['"', '\'', ' ', '\n', '=']).find_map(|word| word.strip_prefix(kind));
    let Some(highest) = options("-Xmx") else { return (Fix { summary, patch: vec![] }, vec![]) };
    let lowest = options("-Xms").unwrap_or(highest);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let wanted = format!("{}m", (wanted / 1_048_576.0) as u64);
    let script = format!(
        "sed -i 's/-Xms{lowest}/-Xms{wanted}/; s/-Xmx{highest}/-Xmx{wanted}/' /etc/default/elasticsearch && systemctl restart elasticsearch && \
         timeout 80 bash -c 'until curl -s -o /dev/null http://localhost:9200/; do sleep 1; done'"
    );
    (Fix { summary, patch: vec![Change::shell(host, script)] }, vec![])
}

#[cfg(test)]
mod tests {
    use crate::sketch::{check, patch};

    const WORLD: &str = r#"machine client 10.80.1.10/24
        machine es 10.80.1.40/24 listens 0.0.0.0:9200
        probe host/client -> http://find.example.test:9200/x/_search  429 in 5ms  at 10.80.1.40:9200
        file services/es/index-settings.json | {}"#;

    fn stats(used: u64, tripped: u64) -> String {
        format!(
            r#"file services/es/nodes-stats.json | {{"nodes": {{"a": {{"name": "n", "host": "10.80.1.40", "jvm": {{"mem": {{"heap_max_in_bytes": 67108864}}}}, "breakers": {{"parent": {{"limit_size_in_bytes": 40000000, "estimated_size_in_bytes": {used}, "tripped": {tripped}}}}}}}}}}}"#
        )
    }

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{}\n=> elasticsearch-heap-exhausted host/es", stats(50_000_000, 9)));
    }

    #[test]
    fn the_heap_that_it_had_comes_back() {
        let starts = "file services/es/heap-sizes.txt | heap size [384mb], x | heap size [64mb], x";
        let options = "file services/es/environment.txt | ES_JAVA_OPTS=\"-Xms64m -Xmx64m -XX:Y=1\"";
        let sketch = format!("{WORLD}\n{}\n{starts}\n{options}", stats(50_000_000, 9));
        let patch = patch(&sketch);
        assert!(patch.contains("s/-Xms64m/-Xms384m/; s/-Xmx64m/-Xmx384m/"), "{patch}");
    }

    #[test]
    fn twin_the_breaker_lets_requests_through() {
        check(&format!("{WORLD}\n{}\n=> unknown", stats(20_000_000, 9)));
        check(&format!("{WORLD}\n{}\n=> unknown", stats(50_000_000, 0)));
    }

    #[test]
    fn twin_an_error_of_another_kind() {
        check(&format!("{}\n{}\n=> unknown", WORLD.replace("429", "503"), stats(50_000_000, 9)));
    }

    #[test]
    fn unknown_without_the_statistics() {
        check(&format!("{WORLD}\n=> unknown lacks services/es/nodes-stats.json"));
    }
}
