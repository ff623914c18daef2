//! `traffic.jsonl`: the access logs of all hops in one form. Each line says which form it has, so nothing is configured.

use std::collections::{BTreeMap, HashMap, HashSet};

use diagnoser::{Evidence, evidence::RequestRecord};
use jiff::{Timestamp, ToSpan};
use serde_json::{Map, Value, json};

use crate::replay::Files;

/// So many requests are kept of those that no client has in its log.
const OTHERS: usize = 100;

/// The requests in these logs, in the order of time: of those whose client was done with them by `end` the last `most`, and some
/// without a client, each with what every hop logged of it, whenever that was.
pub(super) fn from_logs(logs: &Files, objects: &[Value], end: Timestamp, most: usize) -> String {
    let places = places(objects);
    let mut records: Vec<(Option<Timestamp>, Value)> = vec![];
    for (file, text) in logs.iter().filter(|(file, _)| !file.ends_with(".previous.txt")) {
        let mut names = file.trim_start_matches("logs/").split('_');
        let (Some(namespace), Some(pod)) = (names.next(), names.next()) else { continue };
        let pod = format!("{namespace}/{pod}");
        for line in text.lines() {
            let Some(mut record) = record(line) else { continue };
            record.insert("pod".to_owned(), pod.clone().into());
            record.insert("zone".to_owned(), places.get(&pod).cloned().unwrap_or(Value::Null));
            records.push(dated(record));
        }
    }
    last(records, end, most)
}

/// The last `most` requests in logs of anyone's, from when on all of them go back to: where one begins later, that a request
/// is not in it says nothing. Nothing where none of them failed: that all went well in what happens to be logged is no sign of
/// health.
pub(crate) fn of_logs(files: &Files, objects: &[Value], most: usize) -> String {
    let logs = files.iter().filter(|(name, _)| name.starts_with("logs/"));
    let begins = |text: &str| text.lines().filter_map(record).filter_map(|record| dated(record).0).min();
    let from = logs.clone().filter_map(|(_, text)| begins(text)).max();
    let logs: Files = logs.map(|(name, text)| (name.clone(), text.clone())).collect();
    let requests = from_logs(&logs, objects, Timestamp::MAX, most);
    let whole = requests.lines().filter(|line| record(line).is_some_and(|record| dated(record).0 >= from));
    let whole: String = whole.flat_map(|line| [line, "\n"]).collect();
    let failing = Evidence::from_files(&[("traffic.jsonl".to_owned(), whole.clone())].into())
        .is_ok_and(|evidence| evidence.traffic.iter().any(RequestRecord::failed));
    if failing { whole } else { String::new() }
}

/// A line of a log as a record, where it is a request; `kubectl logs --timestamps` puts a time in front of it.
pub(super) fn record(line: &str) -> Option<Map<String, Value>> {
    let line = match line.split_once(' ') {
        Some((stamp, rest)) if rest.starts_with('{') && stamp.parse::<Timestamp>().is_ok() => rest,
        _ => line,
    };
    serde_json::from_str(line).ok().and_then(|line: Value| normal(&line))
}

/// A record with its time, and without what it does not say.
pub(super) fn dated(mut record: Map<String, Value>) -> (Option<Timestamp>, Value) {
    record.retain(|_, value| !value.is_null() && value != "");
    let time = record.get("time").and_then(Value::as_str).and_then(|time| time.parse().ok());
    (time, Value::Object(record))
}

/// The last requests before `end`, `most` of those that clients made, one record a line.
pub(super) fn last(mut records: Vec<(Option<Timestamp>, Value)>, end: Timestamp, most: usize) -> String {
    records.sort_by_cached_key(|(time, record)| (*time, record.to_string()));
    let in_time = |time: &Option<Timestamp>| time.is_none_or(|time| time <= end);
    let id = |record: &Value| record["id"].as_str().unwrap_or_default().to_owned();
    let clients: HashMap<String, bool> = records
        .iter()
        .filter(|(_, record)| record["hop"] == "client")
        .map(|(time, record)| (id(record), in_time(time)))
        .collect();
    records.retain(|(time, record)| clients.get(&id(record)).copied().unwrap_or_else(|| in_time(time)));
    // What others ask for, a job say, takes no client's place.
    let mut last = [HashSet::new(), HashSet::new()];
    let kept = records.iter().rev().filter(|(_, record)| {
        let id = id(record);
        let of_client = clients.contains_key(&id);
        let ids = &mut last[usize::from(of_client)];
        if ids.len() < if of_client { most } else { OTHERS } {
            ids.insert(id);
            true
        } else {
            id.is_empty() || ids.contains(&id)
        }
    });
    let mut lines: Vec<String> = kept.map(|(_, record)| format!("{record}\n")).collect();
    lines.reverse();
    lines.concat()
}

/// Whether a line of a log is a request, which stands in `traffic.jsonl`.
pub(super) fn is_request(line: &str) -> bool {
    record(line).is_some()
}

/// The zone of every pod, by `namespace/name`.
fn places(objects: &[Value]) -> BTreeMap<String, Value> {
    let of_kind = |kind: &'static str| objects.iter().filter(move |object| object["kind"] == kind);
    let zones: BTreeMap<&str, &Value> = of_kind("Node")
        .filter_map(|node| {
            Some((node["metadata"]["name"].as_str()?, &node["metadata"]["labels"]["topology.kubernetes.io/zone"]))
        })
        .collect();
    of_kind("Pod")
        .filter_map(|pod| {
            let name = format!("{}/{}", pod["metadata"]["namespace"].as_str()?, pod["metadata"]["name"].as_str()?);
            Some((name, (*zones.get(pod["spec"]["nodeName"].as_str()?)?).clone()))
        })
        .collect()
}

/// A line of an access log in the form of `traffic.jsonl`; `None` where it is no request.
fn normal(line: &Value) -> Option<Map<String, Value>> {
    let record = if line.get("RequestMethod").is_some() {
        traefik(line)?
    } else if line.get("response_flags").is_some() {
        envoy(line)?
    } else if line.get("hop").is_some() && line.get("method").is_some() {
        if line.get("upstream_status").is_some() { nginx(line)? } else { line.clone() }
    } else {
        return None;
    };
    match record {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

/// nginx logs when a request ended, in seconds; several upstreams tried are separated by commas, the last one answered.
fn nginx(line: &Value) -> Option<Value> {
    let last = |key: &str| {
        let text = line[key].as_str()?.rsplit(", ").next()?.trim();
        (!text.is_empty() && text != "-").then(|| text.to_owned())
    };
    let time = line["msec"].as_f64().and_then(at);
    let mut record = line.clone();
    record["time"] = time.map_or(line["time"].clone(), |time| json!(time));
    record["upstream"] = json!(last("upstream"));
    record["upstream_status"] = json!(last("upstream_status").and_then(|status| status.parse::<u16>().ok()));
    for gone in ["msec", "upstream_connect_seconds"] {
        record.as_object_mut()?.remove(gone);
    }
    Some(record)
}

/// Traefik logs when a request began, and durations in nanoseconds.
fn traefik(line: &Value) -> Option<Value> {
    let nanoseconds = line["Duration"].as_i64().unwrap_or_default();
    let began: Timestamp = line["StartUTC"].as_str()?.parse().ok()?;
    let ended = began.checked_add(nanoseconds.nanoseconds()).ok()?;
    let text = |key: &str| line[key].as_str().filter(|text| !text.is_empty() && *text != "-");
    let status = |key: &str| line[key].as_u64().filter(|status| *status > 0);
    Some(json!({
        "time": ended,
        "hop": "ingress",
        "id": text("request_X-Request-Id"),
        "method": text("RequestMethod"),
        "path": text("RequestPath"),
        "bytes": line["RequestContentSize"],
        "status": status("DownstreamStatus"),
        "seconds": (nanoseconds as f64 / 1e9 * 1e6).round() / 1e6,
        "upstream": text("ServiceAddr"),
        "upstream_status": status("OriginStatus"),
        "client": text("ClientHost"),
        "service": text("ServiceName"),
        "router": text("RouterName"),
    }))
}

/// Envoy, as a sidecar of Istio's writes it: when a request began, and durations in milliseconds. Lines of connections that
/// carried no request have no method.
fn envoy(line: &Value) -> Option<Value> {
    let text = |key: &str| line[key].as_str().filter(|text| !text.is_empty() && *text != "-");
    let milliseconds = line["duration"].as_i64().unwrap_or_default();
    let began: Timestamp = text("start_time")?.parse().ok()?;
    let ended = began.checked_add(milliseconds.milliseconds()).ok()?;
    let path = text("path")?;
    // In the pod itself: that is the application, which logs for itself.
    let upstream = text("upstream_host").filter(|address| !address.starts_with("127."));
    Some(json!({
        "time": ended,
        "hop": "sidecar",
        "id": text("request_id"),
        "method": text("method")?,
        "path": path.split_once('?').map_or(path, |(path, _)| path),
        "bytes": line["bytes_received"],
        "status": line["response_code"].as_u64().filter(|status| *status > 0),
        "seconds": milliseconds as f64 / 1000.0,
        "upstream": upstream,
        "client": text("downstream_remote_address").and_then(|address| Some(address.rsplit_once(':')?.0)),
        "host": text("authority"),
        "response_flags": text("response_flags"),
        "details": text("response_code_details"),
        "upstream_cluster": text("upstream_cluster"),
        "transport_failure": text("upstream_transport_failure_reason"),
        "route": text("route_name"),
    }))
}

/// A time in seconds since 1970.
fn at(seconds: f64) -> Option<Timestamp> {
    #[allow(clippy::cast_possible_truncation)]
    Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_of_all_kinds_come_to_one_form() {
        let edge = r#"{"time":"2026-11-23T09:00:00+00:00","msec":1795424400.25,"hop":"edge","id":"a","method":"GET","path":"/","status":502,"seconds":0.003,"upstream":"10.96.1.2:80","upstream_status":"502","client":"10.244.0.4"}"#;
        let ingress = r#"{"StartUTC":"2026-11-23T09:00:00.100Z","Duration":2000000,"RequestMethod":"GET","RequestPath":"/","DownstreamStatus":502,"OriginStatus":502,"ServiceAddr":"10.244.1.3:8080","request_X-Request-Id":"a","ServiceName":"s@kubernetes"}"#;
        let web = r#"{"time":"2026-11-23T09:00:00.101Z","hop":"web","id":"a","method":"GET","path":"/","status":null,"error":"timeout: x"}"#;
        let sidecar = r#"{"start_time":"2026-11-23T09:00:00.101Z","duration":2000,"authority":"api.s","method":"GET","path":"/stock?x=1","request_id":"a","response_code":503,"response_flags":"UF","response_code_details":"upstream_reset_before_response_started{connection_timeout}","upstream_cluster":"outbound|80||api.s.svc.cluster.local","upstream_host":"10.244.1.9:80"}"#;
        let refused = r#"{"start_time":"2026-11-23T09:00:00.101Z","duration":0,"method":null,"path":null,"response_code":0,"response_flags":"NR"}"#;
        let other = "listening on 80";
        let logs = Files::from([
            ("logs/e_edge-1_edge.txt".to_owned(), format!("{other}\n{edge}\n")),
            ("logs/i_traefik-1_traefik.txt".to_owned(), ingress.to_owned()),
            ("logs/s_web-1_istio-proxy.txt".to_owned(), format!("{sidecar}\n{refused}\n")),
            ("logs/s_web-1_web.txt".to_owned(), web.to_owned()),
        ]);
        let objects = [
            json!({"kind": "Node", "metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "z"}}}),
            json!({"kind": "Pod", "metadata": {"namespace": "s", "name": "web-1"}, "spec": {"nodeName": "n"}}),
        ];
        let until = |end: &str| -> Vec<Value> {
            let text = from_logs(&logs, &objects, end.parse().unwrap(), 100);
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        assert_eq!(until("2026-11-23T09:00:00.11Z").len(), 2, "the edge ended later, the sidecar as well");
        let lines = until("2026-11-23T09:00:03Z");
        assert_eq!(lines.len(), 4);
        let of = |hop: &str| lines.iter().find(|line| line["hop"] == hop).unwrap();
        assert_eq!(of("edge")["time"], "2026-11-23T09:00:00.25Z");
        assert_eq!(of("edge")["upstream"], "10.96.1.2:80");
        assert_eq!(of("ingress")["time"], "2026-11-23T09:00:00.102Z");
        assert_eq!((&of("ingress")["seconds"], &of("ingress")["upstream"]), (&json!(0.002), &json!("10.244.1.3:8080")));
        assert_eq!(
            (&of("sidecar")["time"], &of("sidecar")["path"]),
            (&json!("2026-11-23T09:00:02.101Z"), &json!("/stock"))
        );
        assert_eq!((&of("sidecar")["response_flags"], &of("sidecar")["seconds"]), (&json!("UF"), &json!(2.0)));
        assert_eq!((&of("web")["zone"], &of("web")["pod"]), (&json!("z"), &json!("s/web-1")));
    }
}
