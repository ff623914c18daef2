//! A world of machines as evidence: attempts from them, what ordinary commands print on them, what their servers say.

use std::collections::{BTreeMap, BTreeSet};

use diagnoser::{Request, Subject, request::Reading};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::{
    APART, Part, hosts, lines,
    machine_facts::{self, FACTS},
    pretty,
    servers::SERVER_FACTS,
    traffic,
};
use crate::{
    LabError,
    replay::Files,
    rigs::{Machines, Node, lines_of},
    scenario::Check,
};

/// Lines of a journal that say nothing more than the others: what goes with every log-in, what MongoDB says of every connection,
/// and the frames of its stack when it ends.
const NOISE: &str = " (Received disconnect|pam_unix|pam_env)|\"msg\":\"(client metadata|Interrupted op|Frame\"|BACKTRACE\")|\"c\":\"CONNPOOL\"";
/// At most so many lines of a unit's journal are kept, the last ones, and so many bytes of them.
const LINES: usize = 60;
const BYTES: usize = 12_000;
/// ... and of each line so much: some programs list all of their settings in one, and some say at its end why they failed.
const LENGTH: usize = 1000;

/// Collects everything about a world of machines that has run since `begun`; of its traffic the last `requests` before now.
///
/// # Errors
/// When a machine cannot be reached at all; a single reading that fails is said in `coverage.json`.
pub async fn of_machines(machines: &Machines, begun: Timestamp, requests: usize) -> Result<Files, LabError> {
    let end = Timestamp::now();
    let checks: Vec<_> = machines.world.healthy.iter().map(|Check::Probe(probe)| probe).collect();
    let fetched = machines.fetch(&checks).await?;
    let since = begun.as_second().to_string();
    let nodes = machines.nodes();
    let earlier =
        hosts::of_all(&nodes, &[("conntrack.earlier", "conntrack -S"), ("tc.earlier", "tc -s qdisc")], &since).await?;
    let again = Instant::now() + APART;
    let tried = try_join_all(nodes.iter().map(|node| tried(machines, node))).await?;
    sleep_until(again).await;
    let collected = Timestamp::now();
    let facts = hosts::of_all(&nodes, &FACTS, &since).await?;
    let mut whole = Part::default();
    let mut records = vec![];
    for part in try_join_all(nodes.iter().map(|node| of_units(machines, node, &since))).await? {
        let (part, requests) = part;
        whole.merge(part);
        records.extend(requests);
    }
    whole.merge(earlier);
    whole.merge(facts);
    let mut probes: Vec<Value> = fetched.into_iter().chain(tried.into_iter().flatten()).collect();
    for probe in probes.iter_mut().filter_map(Value::as_object_mut) {
        probe.retain(|_, value| !value.is_null());
    }
    whole.files.insert("probes.json".to_owned(), lines(&probes));
    whole.files.insert("traffic.jsonl".to_owned(), traffic::last(records, end, requests));
    let coverage = json!({"collected": collected, "missed": whole.missed()});
    whole.files.insert("coverage.json".to_owned(), pretty(&coverage));
    redact(machines, &mut whole.files);
    Ok(whole.files)
}

/// The versions of the kernel, the engine and the servers.
///
/// # Errors
/// When the engine does not answer.
pub async fn components_of_machines(machines: &Machines) -> Result<BTreeMap<String, String>, LabError> {
    let mut found = BTreeMap::from([("engine".to_owned(), machines.rig.engine.version().await?)]);
    let versions = "uname -r | sed 's/^/kernel /'; cat /etc/lab-versions 2>/dev/null; true";
    for node in machines.nodes() {
        for line in node.shell(versions).await?.lines() {
            if let Some((name, version)) = line.split_once(' ') {
                found.insert(name.to_owned(), version.trim().to_owned());
            }
        }
    }
    Ok(found)
}

/// Takes one reading that the diagnoser asks for.
///
/// # Errors
/// Why it cannot be had.
pub async fn answer_of_machines(machines: &Machines, request: &Request, begun: Timestamp) -> Result<Files, String> {
    let Reading::HostFact { host, fact } = &request.reading else {
        return Err("these are machines and no cluster".to_owned());
    };
    let node = machines.machine(host).map_err(|error| error.to_string())?;
    let command = machine_facts::command_of(fact).ok_or(format!("the lab has no command for `{fact}`"))?;
    let mut files = hosts::asked(&node, fact, &command, &begun.as_second().to_string()).await?;
    redact(machines, &mut files);
    Ok(files)
}

/// Connections and look-ups tried from a machine, to wherever the world's checks go.
async fn tried(machines: &Machines, node: &Node) -> Result<Vec<Value>, LabError> {
    let urls = machines.world.healthy.iter().flat_map(|Check::Probe(probe)| targets(&probe.url));
    let targets: BTreeSet<(String, u16)> = urls.collect();
    let names: BTreeSet<&str> = targets.iter().map(|(host, _)| host.as_str()).collect();
    let names: Vec<&str> = names.into_iter().filter(|name| name.parse::<std::net::IpAddr>().is_err()).collect();
    let targets: Vec<String> = targets.iter().map(|(host, port)| format!("{host}:{port}")).collect();
    let mut commands = vec![];
    if !targets.is_empty() {
        commands.push(format!("workload dial {}", targets.join(" ")));
    }
    if !names.is_empty() {
        commands.push(format!("workload resolve {}", names.join(" ")));
    }
    let from = Subject::global("host", &node.name);
    let outputs = node.side_by_side(&commands).await?;
    let mut probes: Vec<Value> = outputs.iter().flat_map(|output| lines_of(&output.stdout, &from)).collect();
    probes.sort_by_key(|probe| (probe["kind"].to_string(), probe["target"].to_string()));
    Ok(probes)
}

/// Hosts and ports of a URL to which everybody may connect. Log-ins often lead through other machines, and then nobody else may.
fn targets(url: &str) -> Vec<(String, u16)> {
    let Some((scheme, rest)) = url.split_once("://") else { return vec![] };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
    let usual = match scheme {
        "http" => 80,
        "kafka" => 9092,
        "mongodb" => 27017,
        "postgres" => 5432,
        "ssh" => return vec![],
        _ => 0,
    };
    let each = authority.split(',').filter_map(|server| match server.rsplit_once(':') {
        Some((host, port)) => Some((host.to_owned(), port.parse().ok()?)),
        None => Some((server.to_owned(), usual)),
    });
    each.filter(|(_, port)| *port != 0).collect()
}

/// State and journal of a machine's services, what its servers say of themselves, and the requests that any of them logged.
async fn of_units(
    machines: &Machines,
    node: &Node,
    since: &str,
) -> Result<(Part, Vec<(Option<Timestamp>, Value)>), LabError> {
    let units = machines.world.machines.get(&node.name).map_or(&[][..], |machine| machine.start.as_slice());
    let servers = SERVER_FACTS.iter().filter(|fact| units.iter().any(|unit| unit == fact.unit));
    let each = units.iter().flat_map(|unit| {
        [
            (
                format!("hosts/{}/systemctl-{unit}.txt", node.name),
                format!("systemctl status {unit} --no-pager -n 0 | sed '/CGroup:/,$d'; true"),
            ),
            (
                format!("hosts/{}/journal-{unit}.txt", node.name),
                format!(
                    "text=$(journalctl -u {unit} --no-pager -o short-iso --since @{since}) || exit; \
                     grep -v -E '{NOISE}' <<<\"$text\"; true"
                ),
            ),
        ]
    });
    let files: Vec<(String, String)> = each
        .chain(servers.map(|fact| (format!("services/{}/{}", node.name, fact.file), fact.command.to_owned())))
        .chain([("access".to_owned(), "cat /var/log/nginx/access.log 2>/dev/null; true".to_owned())])
        .collect();
    let commands: Vec<String> = files.iter().map(|(_, command)| command.clone()).collect();
    let mut part = Part::default();
    let mut records = vec![];
    for ((file, _), output) in files.iter().zip(node.side_by_side(&commands).await?) {
        match output.ok() {
            Err(why) if file != "access" => part.miss(file, why),
            Err(_) => {}
            Ok(text) if file == "access" || file.contains("/journal-") => {
                let (other, requests) = apart(&text, &node.name);
                records.extend(requests);
                if file != "access" {
                    part.files.insert(file.clone(), other);
                }
            }
            Ok(text) => drop(part.files.insert(file.clone(), text)),
        }
    }
    Ok((part, records))
}

/// The lines of a log that are no requests, and the requests.
fn apart(text: &str, machine: &str) -> (String, Vec<(Option<Timestamp>, Value)>) {
    let mut requests = vec![];
    let mut other = vec![];
    for line in text.lines() {
        // journalctl puts time, machine and process before what was written.
        let json = line.find('{').and_then(|start| traffic::record(&line[start..]));
        match json {
            Some(mut record) => {
                record.insert("from".to_owned(), format!("host/{machine}").into());
                requests.push(traffic::dated(record));
            }
            None => other.push(line),
        }
    }
    let mut bytes = 0;
    let fits = |line: &&&str| {
        bytes += line.len().min(LENGTH);
        bytes <= BYTES
    };
    let count = other.iter().rev().take(LINES).take_while(fits).count();
    let kept = &other[other.len() - count..];
    let kept = kept.iter().map(|line| line.chars().take(LENGTH).chain(['\n']));
    (kept.flatten().collect(), requests)
}

/// Takes out what the world's files keep secret.
fn redact(machines: &Machines, files: &mut Files) {
    let of_world = machines.world.machines.values().flat_map(|machine| &machine.files);
    let secrets = of_world.filter(|(path, text)| path.contains("password") && text.trim().len() >= 4);
    for (_, secret) in secrets {
        files.values_mut().for_each(|text| *text = text.replace(secret.trim(), "redacted"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_it_goes() {
        let of = |url: &str| targets(url).into_iter().map(|(host, port)| format!("{host}:{port}")).collect::<Vec<_>>();
        assert_eq!(of("postgres://app@db.example.test/orders?statement=insert"), ["db.example.test:5432"]);
        assert_eq!(of("http://app.example.test:8080/x"), ["app.example.test:8080"]);
        assert_eq!(of("mongodb://a:27018,b/shop?replicaSet=rs0"), ["a:27018", "b:27017"]);
        assert!(of("dns://app.example.test").is_empty());
        assert!(of("ssh://app.example.test:22").is_empty());
    }

    #[test]
    fn requests_are_told_from_what_else_stands_in_a_journal() {
        let text = "2026-11-24T10:00:00+00:00 client workload[7]: {\"time\":\"2026-11-24T10:00:00Z\",\"hop\":\"client\",\"method\":\"QUERY\",\"path\":\"/orders\"}\n\
                    2026-11-24T10:00:01+00:00 client systemd[1]: Started app.service.\n";
        let (other, requests) = apart(text, "client");
        assert!(other.lines().count() == 1 && other.contains("Started"));
        assert_eq!(requests[0].1["from"], "host/client");
    }
}
