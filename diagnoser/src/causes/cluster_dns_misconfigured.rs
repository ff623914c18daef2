//! The cluster's DNS runs with a configuration in which it does not answer for the cluster's own names.
//!
//! # What it looks like
//! No Service's name resolves, for anybody; the DNS pods are ready and answer at once that there is no such name. Or they do
//! not start, and their log names the line of the Corefile they cannot read.
//!
//! # Confirm by hand
//! `kubectl -n kube-system get configmap coredns -o jsonpath={.data.Corefile}`: the zones after `kubernetes` must cover the
//! cluster's domain, which stands in a pod's `/etc/resolv.conf` (`search NS.svc.DOMAIN ...`).
//!
//! # Fix
//! Correct the Corefile; then `kubectl -n kube-system rollout restart deployment coredns`, or wait for the `reload` plugin.
//!
//! # Who acts
//! Whoever runs the cluster.
//!
//! # Source
//! coredns.io, plugins / kubernetes ("ZONES"); kubernetes.io, Customizing DNS Service and Debugging DNS Resolution.

use crate::json::{Value, json};

use super::{
    Case, Cause, Finding, Lack, Proof, State,
    corefile::{Serves, serves, with_zone},
    rollout,
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Object, Outcome, ProbeKind, Target},
    model::{Model, Resolver, is_down, is_ready, resolver},
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct ClusterDnsMisconfigured;

impl Cause for ClusterDnsMisconfigured {
    fn id(&self) -> &'static str {
        "cluster-dns-misconfigured"
    }

    fn source(&self) -> &'static str {
        include_str!("cluster_dns_misconfigured.rs")
    }

    fn owner(&self) -> &'static str {
        "platform"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let Some(dns) = case.model.dns() else { return vec![] };
        let pods = case.model.selected_pods(dns);
        let Some(pod) = pods.first() else { return vec![] };
        let config = config_of(pod);
        let down = pods.iter().filter(|pod| is_down(pod)).map(|pod| (pod.subject().clone(), Mode::Down));
        let effects = std::iter::once((dns.subject().clone(), Mode::Errors)).chain(down).collect();
        vec![Finding { state: examine(case.model, pods, &config), subject: config, effects }]
    }
}

/// The key of the file in its ConfigMap, as every installation has it.
const KEY: &str = "Corefile";

/// The ConfigMap that the DNS reads its Corefile from.
fn config_of(pod: &Object) -> Subject {
    let volumes = pod.list("/spec/volumes");
    let has_key = |volume: &&Value| {
        let items = volume["configMap"]["items"].as_array();
        items.is_none_or(|items| items.iter().any(|item| item["key"] == KEY))
    };
    let mut named = volumes.iter().filter(has_key).filter_map(|volume| volume["configMap"]["name"].as_str());
    Subject::namespaced("configmap", pod.namespace(), named.next().unwrap_or("coredns"))
}

fn examine(model: &Model<'_>, pods: &[&Object], config: &Subject) -> State {
    if let Some(unread) = pods.iter().filter(|pod| is_down(pod)).find_map(|pod| cannot_read(model, pod)) {
        let fix = Fix { summary: format!("Correct the line of {config} that the log names"), patch: vec![] };
        return State::Holds(Box::new(Proof { evidence: vec![unread], fix, wants: vec![], changed: None }));
    }
    if let Some(answer) = look_up(model, |outcome| outcome == Outcome::Answered) {
        return State::excluded("names of Services are answered", vec![answer]);
    }
    let Some(object) = model.object(config) else {
        return match model.evidence.listed("configmap", "configmaps") {
            Fact::Seen(()) => State::excluded("its configuration is missing, not wrong", vec![]),
            Fact::Missed(why) => State::Undecided(vec![Lack::objects("configmaps", Some(config.namespace()), why)]),
        };
    };
    let place = format!("/data/{KEY}");
    let Some(corefile) = object.text(&place) else {
        return State::excluded("it has no Corefile", vec![object.cite("/data", "")]);
    };
    let Some((domain, said)) = domain(model) else { return State::Undecided(lack_domain(model)) };
    let plugin = match serves(corefile, &domain) {
        Serves::Yes => {
            return State::excluded(
                format!("it answers for {domain}"),
                vec![object.cite(&place, "its zones cover that")],
            );
        }
        Serves::Elsewhere => {
            return State::excluded("parts of it stand in files of its own", vec![object.cite(&place, "import")]);
        }
        Serves::No(plugin) => plugin,
    };
    if !pods.iter().any(|pod| is_ready(pod)) {
        return State::excluded(
            "its pods are not ready, and not for this",
            vec![pods[0].cite("/status/conditions", "not ready")],
        );
    }
    let zones = plugin.as_ref().map_or("nothing".to_owned(), |(_, zones)| zones.join(" "));
    let mut evidence = vec![object.cite(&place, format!("answers for {zones}")), said];
    evidence.extend(look_up(model, |outcome| outcome != Outcome::Answered));
    let patch = plugin.map_or(vec![], |(line, _)| {
        let right = with_zone(corefile, line, &domain);
        let set = Change::Set { object: config.clone(), path: place, from: json!(corefile), to: json!(right) };
        std::iter::once(set).chain(rollout::restart(model, &model.workload_of(pods[0].subject()))).collect()
    });
    let fix = Fix { summary: format!("Let {config} answer for {domain}"), patch };
    State::holds(evidence, fix)
}

/// `Corefile:7 - Error during parsing: Unknown directive 'x'` (coredns/caddy, caddyfile).
fn cannot_read(model: &Model<'_>, pod: &Object) -> Option<Citation> {
    let logs = model.evidence.logs.of(pod.subject()).iter();
    logs.filter_map(|log| log.last_line(|line| line.contains("Error during parsing"))).next()
}

/// A look-up of a Service's name by somebody who asks the cluster's DNS, that ended so.
fn look_up(model: &Model<'_>, ended: impl Fn(Outcome) -> bool) -> Option<Citation> {
    let probes = model
        .evidence
        .probes
        .iter()
        .enumerate()
        .filter(|(_, probe)| probe.kind == ProbeKind::Dns && ended(probe.outcome));
    let mut of_services = probes.filter(|(_, probe)| {
        let asks = probe
            .from
            .as_ref()
            .and_then(|from| model.object(from))
            .is_none_or(|pod| resolver(pod) == Resolver::Cluster);
        asks && matches!(probe.target(), Target::Name(name) if name.contains(".svc."))
    });
    of_services.next().map(|(index, probe)| probe.cite(index))
}

/// The cluster's domain: as the kubelets are told to write it into resolv.conf, as it stands there, or as names are asked for.
fn domain(model: &Model<'_>) -> Option<(String, Citation)> {
    let kubelet = model.object(&Subject::namespaced("configmap", "kube-system", "kubelet-config"));
    let said = kubelet.and_then(|config| {
        let line = config.text("/data/kubelet")?.lines().find_map(|line| line.strip_prefix("clusterDomain:"))?;
        Some((line.trim().to_owned(), config.cite("/data/kubelet", format!("clusterDomain:{line}"))))
    });
    let written = || {
        let pods = model.evidence.objects.of_kind("pod").filter(|pod| resolver(pod) == Resolver::Cluster);
        pods.into_iter().find_map(|pod| {
            let (host, fact) = (pod.node()?, format!("resolv-{}_{}", pod.namespace(), pod.name()));
            let text = model.evidence.hosts.text(host, &fact).seen()?;
            let words = text.lines().find_map(|line| line.strip_prefix("search "))?.split_whitespace();
            let domain = words.into_iter().find_map(|word| word.strip_prefix("svc."))?.to_owned();
            Some((
                domain,
                Citation::new(crate::evidence::Hosts::file(host, &fact), "", text.lines().next().unwrap_or_default()),
            ))
        })
    };
    let asked = || {
        model.evidence.probes.iter().enumerate().filter(|(_, probe)| probe.kind == ProbeKind::Dns).find_map(
            |(index, probe)| {
                let (_, domain) = probe.target.split_once(".svc.")?;
                Some((domain.trim_end_matches('.').to_owned(), probe.cite(index)))
            },
        )
    };
    said.or_else(written).or_else(asked)
}

fn lack_domain(model: &Model<'_>) -> Vec<Lack> {
    let why = "the cluster's domain stands there".to_owned();
    let pods = model.evidence.objects.of_kind("pod");
    let asking = pods
        .into_iter()
        .find(|pod| is_ready(pod) && pod.namespace() != "kube-system" && resolver(pod) == Resolver::Cluster);
    let lack = asking.and_then(|pod| {
        Some(Lack::pod_fact(pod.subject(), pod.node()?, "resolv", "cat /etc/resolv.conf", why.clone()))
    });
    vec![lack.unwrap_or_else(|| Lack::objects("configmaps", Some("kube-system"), why))]
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    /// A client that cannot resolve `web`; the Corefile is added.
    const WORLD: &str = "service a/web  selector app=web  80 -> 80
         service kube-system/kube-dns  selector k8s-app=kube-dns  53 -> 53
         deployment kube-system/dns  k8s-app=kube-dns
         pod a/web-1  app=web  ready  listens 0.0.0.0:80
         pod b/c-1  app=c  ready
         request hop=client method=GET path=/ seconds=0.02 upstream=web.a:80 pod=b/c-1 error=\"dns: x\" at=-1 x9";
    const READY: &str = "pod kube-system/dns-1  k8s-app=kube-dns  ready  owner deployment/kube-system/dns
         set pod/kube-system/dns-1 spec.dnsPolicy=Default";
    const DOMAIN: &str = "object ConfigMap kube-system/kubelet-config data.kubelet=\"clusterDomain: c.local\"";

    fn corefile(zone: &str) -> String {
        let file = format!(r#"".:53 {{\n  kubernetes {zone} in-addr.arpa {{\n  }}\n}}\n""#);
        format!("object ConfigMap kube-system/coredns\nset configmap/kube-system/coredns data={{\"Corefile\":{file}}}")
    }

    #[test]
    fn holds_where_it_answers_for_another_domain() {
        check(&format!(
            "{WORLD}\n{READY}\n{DOMAIN}\n{}\n=> cluster-dns-misconfigured configmap/kube-system/coredns",
            corefile("c.locl")
        ));
    }

    #[test]
    fn holds_by_what_a_pod_is_told() {
        check(&format!(
            "{WORLD}\n{READY}\n{}\nfile hosts/n1/resolv-b_c-1.txt | search b.svc.c.local svc.c.local c.local | nameserver 10.96.0.10
             => cluster-dns-misconfigured configmap/kube-system/coredns",
            corefile("c.locl")
        ));
    }

    #[test]
    fn holds_where_it_cannot_be_read() {
        check(&format!(
            "{WORLD}\npod kube-system/dns-1  k8s-app=kube-dns  unready  owner deployment/kube-system/dns
             log kube-system/dns-1 Corefile:7 - Error during parsing: Unknown directive 'kuberntes'
             => cluster-dns-misconfigured configmap/kube-system/coredns"
        ));
    }

    #[test]
    fn twin_the_right_domain() {
        check(&format!("{WORLD}\n{READY}\n{DOMAIN}\n{}\n=> unknown", corefile("c.local")));
    }

    #[test]
    fn twin_it_has_no_pod() {
        check(&format!(
            "{WORLD}\n{DOMAIN}\n{}\nset deployment/kube-system/dns spec.replicas=0\n=> cluster-dns-down deployment/kube-system/dns",
            corefile("c.locl")
        ));
    }

    #[test]
    fn unknown_without_the_domain() {
        check(&format!("{WORLD}\n{READY}\n{}\n=> unknown lacks hosts/n1/resolv-a_web-1.txt", corefile("c.locl")));
    }

    #[test]
    fn unknown_without_the_configuration() {
        check(&format!(
            "{WORLD}\n{READY}\n{DOMAIN}\nmissed configmaps forbidden\n=> unknown lacks configmaps of namespace kube-system"
        ));
    }
}
