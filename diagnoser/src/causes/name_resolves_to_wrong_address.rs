//! A name resolves, to an address that is not that of the system behind it: requests go to somebody else.
//!
//! # What it looks like
//! Everything of one name fails, and the edge has none of it in its log. What clients see depends on who is at the address:
//! 404 from another application, a refusal, silence.
//!
//! # Confirm by hand
//! `dig +short NAME` from a client (`kubectl -n NS exec POD -- getent hosts NAME`) and compare with the address of the edge
//! (`kubectl -n EDGE-NS get svc`). For names that the cluster's DNS answers itself:
//! `kubectl -n kube-system get configmap coredns -o yaml`.
//!
//! # Fix
//! Correct the record: in the cluster's DNS its line in the Corefile (then restart CoreDNS), elsewhere in the zone. Mind the
//! time to live of the wrong answer.
//!
//! # Who acts
//! Whoever runs the zone: for the cluster's DNS the cluster's operators, for public names the DNS provider's account holder.
//!
//! # Source
//! coredns.io, plugins "rewrite" (rule name) and "hosts"; kubernetes.io, Customizing DNS Service.

use std::collections::BTreeSet;

use super::{
    Case, Cause, Finding, Lack, Proof, State,
    own_config::{File, files},
    route_fault::lack_traffic,
    served::{Front, Word, front, word},
};
use crate::{
    diagnosis::Fix,
    evidence::{Citation, Fact, ProbeKind, Target},
    model::Model,
    propagation::Mode,
    subject::Subject,
    symptoms::{Asked, Observation, Symptom},
};

/// See the module's comment.
pub struct NameResolvesToWrongAddress;

/// Whoever is at the address, or nobody.
const MODES: [Mode; 6] = [Mode::NotFound, Mode::Rejects, Mode::Errors, Mode::Refused, Mode::Silent, Mode::Broken];

impl Cause for NameResolvesToWrongAddress {
    fn id(&self) -> &'static str {
        "name-resolves-to-wrong-address"
    }

    fn source(&self) -> &'static str {
        include_str!("name_resolves_to_wrong_address.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        case.symptoms.iter().filter_map(|symptom| examine(case.model, symptom)).collect()
    }
}

fn examine(model: &Model<'_>, symptom: &Symptom) -> Option<Finding> {
    let asked = symptom.asked()?;
    if symptom.connection.is_some()
        || !symptom.subject.is("name")
        || !matches!(symptom.seen, Observation::Status(..) | Observation::Failed(_))
    {
        return None;
    }
    let effects = MODES.iter().map(|mode| (asked.subject(), *mode)).collect();
    let finding = |subject: Subject, state| Some(Finding { subject, effects, state });
    let unseen = match word(model, symptom) {
        Word::Elsewhere(cited) => cited,
        Word::Nobody(why) if matches!(symptom.seen, Observation::Status(404, _)) => {
            return finding(asked.name(), State::Undecided(vec![lack_traffic(why)]));
        }
        _ => {
            return finding(
                asked.name(),
                State::excluded("the edge has these requests in its log", symptom.evidence.clone()),
            );
        }
    };
    let Some(right) = front(model, &asked) else {
        let why = "no earlier request for the name shows whose it is".to_owned();
        return finding(asked.name(), State::Undecided(vec![lack_traffic(why)]));
    };
    let Some((address, resolved)) = address_now(model, &asked) else {
        let lack = Lack {
            what: "probes.json".to_owned(),
            why: format!("nobody looked {} up", asked.host),
            how: format!("getent hosts {}   in a client's pod", asked.host),
            request: None,
        };
        return finding(asked.name(), State::Undecided(vec![lack]));
    };
    if model.resolve(&address, None).as_ref() == Some(&right.service) {
        let says = format!("it resolves to {}", right.service);
        return finding(asked.name(), State::excluded(says, vec![resolved]));
    }
    let evidence = vec![resolved, unseen, right.evidence.clone()];
    let (subject, proof) = match record(model, &asked) {
        Err(lacks) => return finding(asked.name(), State::Undecided(lacks)),
        Ok(Some((file, pods, line))) => in_cluster(model, &asked, &right, file, &pods, line, evidence),
        Ok(None) => {
            let summary =
                format!("Let {} resolve to the address of {}, in the zone it comes from", asked.host, right.service);
            let fix = Fix { summary, patch: vec![] };
            (asked.name(), Proof { evidence, fix, wants: vec![], changed: None })
        }
    };
    finding(subject, State::Holds(Box::new(proof)))
}

/// What the name resolves to: as the client of the last failing request saw it, or as a look-up answered last.
fn address_now(model: &Model<'_>, asked: &Asked) -> Option<(String, Citation)> {
    let told = |address: &str, source: &str, place: String| {
        let who = model.resolve(address, None).map_or_else(|| "nobody known here".to_owned(), |who| who.to_string());
        let says = format!("{} resolves to {address}, which is {who}", asked.host);
        Some((address.to_owned(), Citation::new(source, place, says)))
    };
    let records = model.evidence.traffic.iter().enumerate();
    let failing = records.filter(|(_, record)| {
        record.hop == "client"
            && record.failed()
            && Asked::from_record(record).is_some_and(|other| other.host == asked.host)
    });
    let told_address = failing.filter_map(|(index, record)| Some((record.time, index, record.address.as_deref()?)));
    if let Some((_, index, address)) = told_address.max_by_key(|(time, index, _)| (*time, *index)) {
        let address = address.rsplit_once(':').map_or(address, |(address, _)| address);
        return told(address, "traffic.jsonl", format!("line {}", index + 1));
    }
    let probes = model.evidence.probes.iter().enumerate();
    let looked_up = probes.filter(|(_, probe)| {
        probe.kind == ProbeKind::Dns && matches!(probe.target(), Target::Name(name) if name == asked.host)
    });
    let (index, probe) = looked_up.max_by_key(|(index, probe)| (probe.time, *index))?;
    let mut words = probe.address.as_deref().or(probe.text.as_deref())?.split([' ', ',']);
    told(words.find(|word| word.parse::<std::net::IpAddr>().is_ok())?, "probes.json", format!("/{index}"))
}

/// The file that a name stands in, what it leads to there, and the line.
type Written<'e> = (File<'e>, BTreeSet<Subject>, usize);

/// Where the cluster's own DNS answers for this name: file, pods and place of the line.
fn record<'e>(model: &Model<'e>, asked: &Asked) -> Result<Option<Written<'e>>, Vec<Lack>> {
    let objects = &model.evidence.objects;
    let services = objects.in_namespace("service", "kube-system");
    let dns = services.filter(|service| service.map("/spec/selector").get("k8s-app") == Some(&"kube-dns"));
    let pods: BTreeSet<Subject> =
        dns.flat_map(|service| model.selected_pods(service)).map(|pod| pod.subject().clone()).collect();
    if pods.is_empty()
        && let Fact::Missed(why) = model.evidence.listed("pod", "pods")
    {
        return Err(vec![Lack::objects("pods", Some("kube-system"), why)]);
    }
    for file in files(model, &pods)? {
        let mut start = 0;
        for line in file.text.split_inclusive('\n') {
            let named = line.split_whitespace().any(|word| word.trim_end_matches('.') == asked.host);
            if named && !line.trim_start().starts_with('#') {
                return Ok(Some((file, pods, start)));
            }
            start += line.len();
        }
    }
    Ok(None)
}

/// The record stands in the cluster's DNS.
fn in_cluster(
    model: &Model<'_>,
    asked: &Asked,
    right: &Front,
    file: File<'_>,
    pods: &BTreeSet<Subject>,
    start: usize,
    mut evidence: Vec<Citation>,
) -> (Subject, Proof) {
    let line = file.text[start..].lines().next().unwrap_or_default();
    evidence.push(file.cite(start, line.trim()));
    let cluster_address = || model.object(&right.service)?.text("/spec/clusterIP");
    // `rewrite name exact NAME TARGET`, or `ADDRESS NAME` of the hosts plugin.
    let wrong = line.split_whitespace().skip_while(|word| word.trim_end_matches('.') != asked.host).nth(1);
    let first = line.split_whitespace().next().unwrap_or_default();
    let mended = match (wrong, first.parse::<std::net::IpAddr>()) {
        (_, Ok(_)) => cluster_address().map(|address| line.replacen(first, address, 1)),
        (Some(wrong), Err(_)) => {
            let domain = wrong.split_once(".svc").map_or("", |(_, domain)| domain);
            let target = format!("{}.{}.svc{domain}", right.service.name, right.service.namespace());
            Some(line.replacen(wrong, &target, 1)).filter(|_| wrong.contains(".svc"))
        }
        (None, Err(_)) => None,
    };
    let patch = mended.map_or_else(Vec::new, |mended| {
        let text = format!("{}{mended}{}", &file.text[..start], &file.text[start + line.len()..]);
        file.change(model, text, pods)
    });
    let subject = file.map.subject().clone();
    let summary =
        format!("Let {} resolve to {} again, in {subject}, and start the DNS anew", asked.host, right.service);
    (subject, Proof { evidence, fix: Fix { summary, patch }, wants: vec![], changed: None })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = "service e/edge  selector app=edge  80 -> 80
         service shop/info  selector app=info  80 -> 80
         service kube-system/kube-dns  selector k8s-app=kube-dns  53 -> 53
         pod e/edge-1  app=edge  ready
         pod shop/info-1  app=info  ready
         pod kube-system/dns-1  k8s-app=kube-dns  ready
         set pod/kube-system/dns-1  spec.volumes[0].configMap.name=coredns
         pod c/c-1  app=c  ready
         request hop=client method=GET path=/ status=200 upstream=shop.test:80 pod=c/c-1 id=o at=-60 x3
         request hop=edge method=GET path=/ status=200 upstream=10.9.9.9:80 pod=e/edge-1 id=o at=-60 x3";
    const FAILING: &str = "request hop=client method=GET path=/ status=404 upstream=shop.test:80 pod=c/c-1 id=r x6
         request hop=info method=GET path=/ status=404 pod=shop/info-1 id=r x6";
    const RECORD: &str = "object ConfigMap kube-system/coredns  data.Corefile=\".:53 { rewrite name exact shop.test info.shop.svc.cluster.local }\"";

    fn with_look_up(sketch: &str, address: &str) -> String {
        let sent = "status=404 upstream=shop.test:80";
        sketch.replace(sent, &format!("{sent} address={address}:80"))
    }

    #[test]
    fn holds() {
        let sketch = with_look_up(&format!("{WORLD}\n{FAILING}\n{RECORD}"), "10.96.0.2");
        check(&format!("{sketch}\n=> name-resolves-to-wrong-address configmap/kube-system/coredns"));
    }

    #[test]
    fn holds_for_a_name_of_another_zone() {
        let sketch = with_look_up(&format!("{WORLD}\n{FAILING}"), "10.96.0.2");
        check(&format!(
            "{sketch}\nobject ConfigMap kube-system/coredns  data.Corefile=\".:53 {{ forward . /etc/resolv.conf }}\"\n=> name-resolves-to-wrong-address name/shop.test"
        ));
    }

    #[test]
    fn twin_the_right_address() {
        let sketch = with_look_up(&format!("{WORLD}\n{FAILING}\n{RECORD}"), "10.96.0.1");
        check(&format!("{sketch}\n=> unknown"));
    }

    #[test]
    fn unknown_without_the_dns_configuration() {
        let sketch = with_look_up(&format!("{WORLD}\n{FAILING}"), "10.96.0.2");
        check(&format!("{sketch}\nmissed configmaps forbidden\n=> unknown lacks configmaps of namespace kube-system"));
    }

    #[test]
    fn unknown_without_a_look_up() {
        check(&format!("{WORLD}\n{FAILING}\n{RECORD}\n=> unknown lacks probes.json"));
    }
}
