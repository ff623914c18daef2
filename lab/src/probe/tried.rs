//! What the pod wrote, as `probes.json` has it.

use diagnoser::{Subject, evidence::Outcome};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::pod::MARK;

/// The probes in a log with times. Other lines are left alone.
pub(super) fn probes(log: &str, from: &Subject) -> Vec<Value> {
    let mut probes: Vec<Value> = log.lines().filter_map(|line| probe(line, from)).collect();
    probes.sort_by_key(|probe| {
        let text = |key: &str| probe[key].as_str().unwrap_or_default().to_owned();
        (text("kind"), text("target"), text("time"))
    });
    probes
}

fn probe(line: &str, from: &Subject) -> Option<Value> {
    let (time, rest) = line.split_once(' ')?;
    let time: Timestamp = time.parse().ok()?;
    let mut words = rest.splitn(8, ' ');
    let mut next = || words.next();
    if next()? != MARK {
        return None;
    }
    let (kind, target, address) = (next()?, next()?, next()?);
    let (begun, ended): (f64, f64) = (next()?.parse().ok()?, next()?.parse().ok()?);
    let code: i32 = next()?.parse().ok()?;
    let said = next().unwrap_or_default();
    let (outcome, status) = match kind {
        "tcp" => (connection(code, said), None),
        "dns" => (look_up(code, said), None),
        "http" => request(code, said),
        _ => return None,
    };
    let mut probe = json!({
        "kind": kind,
        "from": from.to_string(),
        "target": target,
        "outcome": outcome,
        "text": if kind == "dns" { addresses(said) } else { said.to_owned() },
        "time": time,
    });
    // The clock has hundredths; what took less took a time that is not known.
    let hundredths = ((ended - begun) * 100.0).round();
    if hundredths > 0.0 {
        probe["seconds"] = (hundredths / 100.0).into();
    }
    if address != "-" {
        probe["address"] = address.into();
    }
    if let Some(status) = status {
        probe["status"] = status.into();
    }
    if kind == "http" {
        probe["method"] = "GET".into();
    }
    Some(probe)
}

/// What agnhost says of a connection (kubernetes/kubernetes, test/images/agnhost/connect/connect.go).
fn connection(code: i32, said: &str) -> &'static str {
    match said.split([':', ' ']).next() {
        _ if code == 0 => "connected",
        Some("REFUSED") => "refused",
        Some("TIMEOUT") => "timeout",
        Some("DNS") => "name-not-found",
        _ => in_words(said),
    }
}

/// What dig says: exit code 9 where no server answered (dig(1), RETURN CODES), else the status of the answer.
fn look_up(code: i32, said: &str) -> &'static str {
    match code {
        9 => "timeout",
        0 if said.contains("status: NOERROR") && !addresses(said).is_empty() => "answered",
        0 if said.contains("status: NOERROR") || said.contains("status: NXDOMAIN") => "name-not-found",
        _ => in_words(said),
    }
}

/// What curl says: the status on stdout, and why there is none in words (curl(1), EXIT CODES).
fn request(code: i32, said: &str) -> (&'static str, Option<u16>) {
    let status = said.rsplit(' ').next().and_then(|status| status.parse().ok()).filter(|status| *status > 0);
    match code {
        0 => ("answered", status),
        28 => ("timeout", None),
        52 => ("reset", None),
        _ => (in_words(said), None),
    }
}

fn in_words(said: &str) -> &'static str {
    match Outcome::from_words(said) {
        Some(Outcome::Refused) => "refused",
        Some(Outcome::Timeout) => "timeout",
        Some(Outcome::Reset) => "reset",
        Some(Outcome::NameNotFound) => "name-not-found",
        Some(Outcome::Unreachable) => "unreachable",
        _ => "failed",
    }
}

/// The addresses in an answer of dig: `web. 5 IN A 10.96.0.7`.
fn addresses(said: &str) -> String {
    let words: Vec<&str> = said.split(' ').collect();
    let found = words.windows(3).filter(|three| three[0] == "IN" && three[1] == "A").map(|three| three[2]);
    found.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(line: &str) -> String {
        let from = Subject::namespaced("pod", "shop", "probe-1");
        let probe = probe(&format!("2026-11-23T09:00:00.5Z attempt {line}"), &from).expect("a probe");
        // It is one for the diagnoser as well.
        let read: diagnoser::evidence::Probe = serde_json::from_value(probe.clone()).expect("a probe");
        format!("{} {}", read.outcome, probe["status"].as_u64().map(|status| status.to_string()).unwrap_or_default())
    }

    #[test]
    fn what_the_tools_say() {
        let tcp = "tcp service/shop/web:80 10.96.0.7:80 7.10 7.11";
        assert_eq!(outcome(&format!("{tcp} 0 ")), "connected ");
        assert_eq!(outcome(&format!("{tcp} 1 REFUSED")), "refused ");
        assert_eq!(outcome(&format!("{tcp} 1 TIMEOUT")), "timeout ");
        assert_eq!(
            outcome(&format!("{tcp} 1 OTHER: dial tcp 10.96.0.7:80: connect: no route to host")),
            "unreachable "
        );
        assert_eq!(outcome(&format!("{tcp} 127 sh: /agnhost: not found")), "failed ");
        let dns = "dns web.shop.svc.cluster.local - 7.10 7.11";
        let header = ";; Got answer: ;; ->>HEADER<<- opcode: QUERY, status:";
        assert_eq!(outcome(&format!("{dns} 0 {header} NOERROR, id: 1 web. 5 IN A 10.96.0.7")), "answered ");
        assert_eq!(outcome(&format!("{dns} 0 {header} NXDOMAIN, id: 1")), "name not found ");
        assert_eq!(outcome(&format!("{dns} 9 ;; no servers could be reached")), "timeout ");
        assert_eq!(outcome(&format!("{dns} 0 {header} SERVFAIL, id: 1")), "failed ");
        let http = "http http://10.96.0.7:80/ 10.96.0.7:80 7.10 7.11";
        assert_eq!(outcome(&format!("{http} 0 502")), "answered 502");
        assert_eq!(outcome(&format!("{http} 7 curl: (7) Failed to connect: Connection refused 000")), "refused ");
        assert_eq!(outcome(&format!("{http} 28 curl: (28) Operation timed out 000")), "timeout ");
        assert_eq!(outcome(&format!("{http} 52 curl: (52) Empty reply from server 000")), "reset ");
    }

    #[test]
    fn what_is_no_attempt_is_left_alone() {
        let from = Subject::namespaced("pod", "shop", "probe-1");
        let log =
            "2026-11-23T09:00:00Z hello\nattempt tcp a b 1 2 0\n2026-11-23T09:00:00Z attempt dns x - 1.0 1.5 9 none\n";
        let probes = probes(log, &from);
        assert_eq!(probes.len(), 1);
        assert_eq!((&probes[0]["seconds"], &probes[0]["from"]), (&json!(0.5), &json!("pod/shop/probe-1")));
    }
}
