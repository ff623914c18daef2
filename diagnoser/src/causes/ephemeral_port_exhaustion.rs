//! A caller has used up its ports: each connection that was closed keeps its port for a minute, and the range is too small
//! for the rate at which it opens new ones to one address.
//!
//! # What it looks like
//! After a while more and more requests fail at once, in the caller, before anything is sent: `Cannot assign requested
//! address` (EADDRNOTAVAIL). It was not refused and it did not wait, and the one it calls is well and hears nothing of it.
//!
//! # Confirm by hand
//! On the calling machine, or in the pod's network (`kubectl debug -it POD --image=...`): `ss -tan state time-wait | wc -l` beside
//! `sysctl net.ipv4.ip_local_port_range`; `kubectl get pod POD -o jsonpath={.spec.securityContext.sysctls}`.
//!
//! # Fix
//! Take the range back to its default (32768 to 60999), and keep connections open between requests instead of making one
//! for each. `net.ipv4.tcp_tw_reuse=1` lets new outgoing connections have ports that wait (TIME-WAIT); it helps only
//! whoever closes first and so has the ports that wait, not a server, and it frees no port of a connection still open.
//!
//! # Who acts
//! The owner of the calling workload or machine.
//!
//! # Source
//! connect(2), EADDRNOTAVAIL; ip(7) and Documentation/networking/ip-sysctl.rst, `ip_local_port_range`; TIME-WAIT lasts 60
//! seconds (TCP_TIMEWAIT_LEN in include/net/tcp.h).

use std::collections::BTreeMap;

use super::{Case, Cause, Finding, Lack, Proof, State, ports, rollout};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts, Object, RequestRecord, lacks_own_address},
    model::Model,
    propagation::Mode,
    subject::Subject,
    symptoms::Symptom,
};

/// See the module's comment.
pub struct EphemeralPortExhaustion;

/// The share of the range from which on it counts as used up: the sockets are read some time after the failures.
pub(super) const FULL: f64 = 0.8;
/// Nobody waited.
const AT_ONCE: f64 = 1.0;
pub(super) const RANGE: &str = "net.ipv4.ip_local_port_range";

impl Cause for EphemeralPortExhaustion {
    fn id(&self) -> &'static str {
        "ephemeral-port-exhaustion"
    }

    fn source(&self) -> &'static str {
        include_str!("ephemeral_port_exhaustion.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let mut found: Vec<Finding> = Vec::new();
        for symptom in case.symptoms.iter().filter(|symptom| symptom.user && symptom.origin.is_some()) {
            for pod in callers(case.model, symptom) {
                let workload = case.model.workload_of(pod.subject());
                let state = examine(case.model, pod, &workload);
                let effects = vec![(pod.subject().clone(), Mode::Errors)];
                let holds = matches!(state, State::Holds(_));
                match found.iter_mut().find(|known| known.subject == workload) {
                    // One pod that has none left is enough; its replicas lend it their effects.
                    Some(known) => {
                        known.effects.extend(effects);
                        if holds && !matches!(known.state, State::Holds(_)) {
                            known.state = state;
                        }
                    }
                    None => found.push(Finding { subject: workload, effects, state }),
                }
            }
        }
        found.extend(ports::of_hosts(case.model));
        found
    }
}

/// Pods at which the failing requests end at once on their way to somebody, of an error that is none of a connection's own
/// (refused, reset, timed out, not resolved), or of the very one.
fn callers<'e>(model: &Model<'e>, symptom: &Symptom) -> Vec<&'e Object> {
    let Some(origin) = &symptom.origin else { return Vec::new() };
    let telling = |record: &&RequestRecord| {
        record.hop == origin.hop
            && record.failed()
            && record.upstream.is_some()
            && record.upstream_status.is_none()
            && record.seconds.is_none_or(|seconds| seconds < AT_ONCE)
            && record.error.as_deref().is_some_and(|error| lacks_own_address(error) || error.starts_with("failed"))
    };
    let records = model.evidence.traffic.iter().filter(telling);
    let pods: std::collections::BTreeSet<Subject> = records.filter_map(RequestRecord::pod).collect();
    pods.iter().filter(|pod| origin.pods.contains(pod)).filter_map(|pod| model.object(pod)).collect()
}

fn examine(model: &Model<'_>, pod: &Object, workload: &Subject) -> State {
    let Some(node) = model.node_of(pod.subject()) else {
        return State::excluded(format!("{} runs nowhere", pod.subject()), vec![]);
    };
    let name = |fact: &str| format!("{fact}-{}_{}", pod.namespace(), pod.name());
    let lack = |fact: &str, command: &str, why: String| Lack::pod_fact(pod.subject(), node, fact, command, why);
    let range = range(model, pod, node, &name("sysctl"));
    let sockets = model.evidence.hosts.text(node, &name("ss-all"));
    let (low, high, range_at, sockets) = match (range, sockets) {
        (Fact::Seen((low, high, cited)), Fact::Seen(sockets)) => (low, high, cited, sockets),
        (range, sockets) => {
            let mut lacks = Vec::new();
            if let Fact::Missed(why) = sockets {
                lacks.push(lack("ss-all", "ss -tan", why));
            }
            if let Fact::Missed(why) = range {
                lacks.push(lack("sysctl", &format!("sysctl {RANGE}"), why));
            }
            return State::Undecided(lacks);
        }
    };
    // A port is taken for each address it calls apart from the others.
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    for line in sockets.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [state, .., local, peer] = words[..] else { continue };
        let port = local.rsplit_once(':').and_then(|(_, port)| port.parse::<u32>().ok());
        if state != "LISTEN" && port.is_some_and(|port| (low..=high).contains(&port)) {
            *taken.entry(peer).or_default() += 1;
        }
    }
    let (peer, most) = taken.into_iter().max_by_key(|(_, count)| *count).unwrap_or_default();
    let size = high + 1 - low;
    let used = Citation::new(
        Hosts::file(node, &name("ss-all")),
        "",
        format!("{most} of the {size} ports {low} to {high} are taken by connections to {peer}"),
    );
    #[allow(clippy::cast_precision_loss)]
    if (most as f64) < FULL * f64::from(size) {
        return State::excluded(format!("{} has ports left to call from", pod.subject()), vec![range_at, used]);
    }
    let mut evidence = vec![used, range_at];
    let failing = model.evidence.traffic.iter().enumerate().rev().find(|(_, record)| {
        record.pod().as_ref() == Some(pod.subject()) && record.error.as_deref().is_some_and(lacks_own_address)
    });
    evidence.extend(
        failing
            .map(|(line, record)| Citation::line("traffic.jsonl", line + 1, record.error.clone().unwrap_or_default())),
    );
    State::Holds(Box::new(Proof { evidence, fix: fix(model, workload), wants: vec![], changed: None }))
}

/// First and last port of the range: the pod's own setting, else what its network says.
fn range(model: &Model<'_>, pod: &Object, node: &str, fact: &str) -> Fact<(u32, u32, Citation)> {
    let numbers = |text: &str| {
        let mut words = text.split_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    for (s, setting) in pod.list("/spec/securityContext/sysctls").iter().enumerate() {
        if setting["name"] == RANGE
            && let Some(text) = setting["value"].as_str()
            && let Some((low, high)) = numbers(text)
        {
            let cited = pod.cite(&format!("/spec/securityContext/sysctls/{s}"), format!("{RANGE} = {text}"));
            return Fact::Seen((low, high, cited));
        }
    }
    match model.evidence.hosts.text(node, fact) {
        Fact::Missed(why) => Fact::Missed(why),
        Fact::Seen(text) => {
            let found = text.lines().enumerate().find_map(|(i, line)| {
                let (key, value) = line.split_once('=')?;
                let (low, high) = (key.trim() == RANGE).then(|| numbers(value))??;
                Some((low, high, Citation::line(&Hosts::file(node, fact), i + 1, line.trim())))
            });
            found.map_or_else(|| Fact::Missed(format!("{RANGE} is not in it")), Fact::Seen)
        }
    }
}

/// Takes a range of the workload's own back; where it has none its code has to keep connections.
fn fix(model: &Model<'_>, workload: &Subject) -> Fix {
    const FIELD: &str = "/spec/template/spec/securityContext/sysctls";
    let summary = format!("Let {workload} call from more ports, and keep its connections open between requests");
    let template = model.object(workload);
    let settings = template.map(|object| object.list(FIELD)).unwrap_or_default();
    let Some(index) = settings.iter().position(|setting| setting["name"] == RANGE) else {
        return Fix { summary, patch: vec![] };
    };
    if let Some(earlier) = rollout::previous(model, workload) {
        let own: Vec<String> = earlier
            .changed()
            .into_iter()
            .filter(|changed| FIELD.ends_with(changed.as_str()) || changed.contains("sysctls"))
            .collect();
        if !own.is_empty() {
            return Fix { summary, patch: earlier.restore(model, &own) };
        }
    }
    let (object, from) = (workload.clone(), settings[index].clone());
    Fix { summary, patch: vec![Change::Unset { object, path: format!("{FIELD}/{index}"), from }] }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  ready  listens 0.0.0.0:80
             deployment a/w  app=w
             service a/w  selector app=w  80 -> 80
             pod a/w-1  app=w  ready  listens 0.0.0.0:80  calls s:80  owner deployment/a/w
             request hop=client method=GET path=/ status=502 seconds=0.01 upstream=w.a:80 id=r at=0 x20
             request hop=w method=GET path=/ status=502 seconds=0.005 upstream=s:80 pod=a/w-1 error="failed: Cannot assign requested address (os error 99)" id=r at=0 x20"#;
    const RANGE: &str = "file hosts/n1/sysctl-a_w-1.txt | net.ipv4.ip_local_port_range = 40000 40003";

    const HOSTS: &str = r#"machine client 10.80.1.10/24
        machine app 10.80.1.20/24 listens 0.0.0.0:80
        file hosts/client/sysctl.txt | net.ipv4.ip_local_port_range = 40000 40003
        request from=host/client hop=client method=GET path=/ error="failed: Cannot assign requested address (os error 99)" seconds=0.001 upstream=app.example.test:80 address=10.80.1.20:80 id=b at=-3 x5"#;

    fn own(ports: &[u16]) -> String {
        let rows: String =
            ports.iter().map(|port| format!(" | TIME-WAIT 0 0 10.80.1.10:{port} 10.80.1.20:80")).collect();
        format!("file hosts/client/ss-all.txt | LISTEN 0 128 0.0.0.0:80 0.0.0.0:*{rows}")
    }

    #[test]
    fn holds_on_a_machine() {
        check(&format!("{HOSTS}\n{}\n=> ephemeral-port-exhaustion host/client", own(&[40000, 40001, 40002, 40003])));
        // Those are of another time, when the range was another.
        check(&format!("{HOSTS}\n{}\n=> unknown", own(&[50000, 50001, 50002, 50003])));
        check(&format!("{HOSTS}\n=> unknown lacks hosts/client/ss-all.txt"));
        let own = own(&[40000, 40001, 40002, 40003]);
        check(&format!("{HOSTS}\n{own}\nwithout hosts/client/sysctl.txt\n=> unknown lacks hosts/client/sysctl.txt"));
        check(&format!(
            "{}\n{own}\n=> unknown",
            HOSTS.replace("failed: Cannot assign requested address (os error 99)", "refused: no")
        ));
    }

    /// The sockets of the caller on these ports.
    fn sockets(ports: &[u16]) -> String {
        let rows: String =
            ports.iter().map(|port| format!(" | TIME-WAIT 0 0 10.244.0.5:{port} 10.96.0.1:80")).collect();
        format!("file hosts/n1/ss-all-a_w-1.txt | LISTEN 0 128 0.0.0.0:80 0.0.0.0:*{rows}")
    }

    #[test]
    fn holds() {
        let full = sockets(&[40000, 40001, 40002, 40003]);
        check(&format!("{WORLD}\n{RANGE}\n{full}\n=> ephemeral-port-exhaustion deployment/a/w"));
    }

    #[test]
    fn holds_where_a_probe_could_not_be_sent_either() {
        let full = sockets(&[40000, 40001, 40002, 40003]);
        let mut files = crate::sketch::evidence(&format!("{WORLD}\n{RANGE}\n{full}"));
        let probe = r#"[{"kind":"tcp","from":"pod/a/w-1","target":"service/a/s:80","outcome":"failed",
            "text":"Cannot assign requested address (os error 99)"}]"#;
        files.insert("probes.json".to_owned(), probe.to_owned());
        assert_eq!(crate::sketch::diagnose(files).roots().len(), 1);
    }

    #[test]
    fn twin_ports_are_left() {
        check(&format!("{WORLD}\n{RANGE}\n{}\n=> unknown", sockets(&[40000])));
    }

    #[test]
    fn twin_refused() {
        let refused = WORLD.replace("failed: Cannot assign requested address (os error 99)", "refused: no");
        let full = sockets(&[40000, 40001, 40002, 40003]);
        check(&format!("{refused}\n{RANGE}\n{full}\n=> unknown"));
    }

    #[test]
    fn unknown_without_the_sockets() {
        check(&format!("{WORLD}\n{RANGE}\n=> unknown lacks hosts/n1/ss-all-a_w-1.txt"));
    }

    #[test]
    fn unknown_without_the_range() {
        let full = sockets(&[40000, 40001, 40002, 40003]);
        check(&format!("{WORLD}\n{full}\n=> unknown lacks hosts/n1/sysctl-a_w-1.txt"));
    }
}
