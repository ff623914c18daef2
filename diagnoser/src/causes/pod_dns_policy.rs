//! Pods ask another resolver than the cluster's DNS, and it knows nothing of Services.
//!
//! # What it looks like
//! The pods of one workload cannot resolve the names of Services; everybody else can, in the same namespace and on the same
//! node. Names outside the cluster may resolve well. It began with a rollout that changed `dnsPolicy`, `dnsConfig` or
//! `hostNetwork`.
//!
//! # Confirm by hand
//! `kubectl -n NS exec POD -- cat /etc/resolv.conf` names another server than the address of `service/kube-dns` in
//! `kube-system`; `kubectl -n NS get pod POD -o jsonpath='{.spec.dnsPolicy} {.spec.dnsConfig} {.spec.hostNetwork}'` says why.
//!
//! # Fix
//! Set `spec.dnsPolicy` of the pod template to `ClusterFirst` (in the node's network: `ClusterFirstWithHostNet`).
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, DNS for Services and Pods, "Pod's DNS Policy" and "Pod's DNS Config".

use std::collections::BTreeSet;

use crate::json::{Value, json};

use super::{Case, Cause, Finding, Lack, Proof, State, lookups};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Object, Outcome},
    model::{Model, Resolver, is_ready, resolver},
    policy::in_host_network,
    subject::Subject,
};

/// See the module's comment.
pub struct PodDnsPolicy;

impl Cause for PodDnsPolicy {
    fn id(&self) -> &'static str {
        "pod-dns-policy"
    }

    fn source(&self) -> &'static str {
        include_str!("pod_dns_policy.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let pods = case.model.evidence.objects.of_kind("pod");
        let elsewhere = pods.filter(|pod| pod.namespace() != "kube-system" && resolver(pod) != Resolver::Cluster);
        let workloads: BTreeSet<Subject> = elsewhere
            .map(|pod| case.model.workload_of(pod.subject()))
            .filter(|workload| !workload.is("node"))
            .collect();
        workloads.into_iter().map(|workload| examine(case.model, &workload)).collect()
    }
}

fn examine(model: &Model<'_>, workload: &Subject) -> Finding {
    let pods: Vec<&Object> = model.pods_of(workload).filter(|pod| resolver(pod) != Resolver::Cluster).collect();
    let of_the_cluster = |name: &str| pods.iter().any(|pod| model.resolve(name, Some(pod.namespace())).is_some());
    Finding {
        subject: workload.clone(),
        effects: lookups::effects(model, &pods, |name| of_the_cluster(name) || name.ends_with(".cluster.local")),
        state: state(model, workload, &pods),
    }
}

fn state(model: &Model<'_>, workload: &Subject, pods: &[&Object]) -> State {
    let Some(&pod) = pods.first() else { return State::excluded("it has no pod", vec![]) };
    let setting = setting(pod);
    match asks_the_cluster(model, pod) {
        Some(true) => return State::excluded("the server it names is the cluster's DNS", vec![setting]),
        Some(false) => {}
        None => {
            let why = "whether the servers it names are the cluster's DNS is not known".to_owned();
            return State::Undecided(vec![Lack::objects("services", Some("kube-system"), why)]);
        }
    }
    let own: BTreeSet<Subject> = pods.iter().map(|pod| pod.subject().clone()).collect();
    let service = |name: &str| model.resolve(name, Some(pod.namespace())).is_some();
    if let Some(answer) = lookups::tried(model, &own, |name, outcome| service(name) && outcome == Outcome::Answered) {
        return State::excluded("its resolver knows the cluster's names", vec![answer]);
    }
    let failed: Vec<Citation> = pods
        .iter()
        .flat_map(|pod| lookups::failed(model, pod.subject()))
        // A name of no Service is not the cluster's to know.
        .filter(|failed| failed.name().is_none_or(service))
        .map(|failed| failed.cited)
        .collect();
    if failed.is_empty() {
        let lacks: Vec<Lack> = pods.iter().filter_map(|pod| lookups::lack_log(model, pod)).collect();
        return if lacks.is_empty() {
            State::excluded("it tells of no look-up that failed", vec![setting])
        } else {
            State::Undecided(lacks)
        };
    }
    let mut evidence = vec![setting];
    evidence.extend(failed.into_iter().take(2));
    evidence.extend(lookups::tried(model, &own, |name, outcome| service(name) && outcome != Outcome::Answered));
    State::Holds(Box::new(Proof { evidence, fix: fix(model, workload, pod), wants: vec![], changed: None }))
}

/// The setting by which it asks whom it asks.
fn setting(pod: &Object) -> Citation {
    match resolver(pod) {
        Resolver::Own(servers) => pod.cite("/spec/dnsConfig/nameservers", format!("asks {} alone", servers.join(", "))),
        _ if in_host_network(pod) => pod.cite("/spec/hostNetwork", "in the node's network it asks the node's resolver"),
        _ => pod.cite("/spec/dnsPolicy", "asks the resolver of its node"),
    }
}

/// Whether what it asks is the cluster's DNS after all. Where the Service of that is not known: others that ask it do well,
/// and no Service's address is near the servers it names.
fn asks_the_cluster(model: &Model<'_>, pod: &Object) -> Option<bool> {
    let Resolver::Own(servers) = resolver(pod) else { return Some(false) };
    if let Some(address) = model.dns().and_then(|dns| dns.text("/spec/clusterIP")) {
        return Some(servers.contains(&address));
    }
    let near = |address: &str| address.rsplitn(3, '.').last().map(str::to_owned);
    let services = model.evidence.objects.of_kind("service").filter_map(|service| service.text("/spec/clusterIP"));
    let ranges: BTreeSet<Option<String>> = services.filter(|address| *address != "None").map(near).collect();
    let others_do_well = model.evidence.objects.in_namespace("pod", pod.namespace()).any(|other| {
        let asks = other.text("/spec/dnsPolicy").is_some() && resolver(other) == Resolver::Cluster;
        asks && is_ready(other) && lookups::failed(model, other.subject()).is_empty()
    });
    let apart = !ranges.is_empty() && servers.iter().all(|server| !ranges.contains(&near(server)));
    (others_do_well && apart && !servers.iter().any(|server| server.starts_with("169.254."))).then_some(false)
}

fn fix(model: &Model<'_>, workload: &Subject, pod: &Object) -> Fix {
    let right = if in_host_network(pod) { "ClusterFirstWithHostNet" } else { "ClusterFirst" };
    let template = if workload.is("pod") { "" } else { "/spec/template" };
    let path = format!("{template}/spec/dnsPolicy");
    let now = model.object(workload).and_then(|workload| workload.get(&path)).cloned().unwrap_or(Value::Null);
    let mut patch = vec![Change::Set { object: workload.clone(), path, from: now, to: json!(right) }];
    let servers = format!("{template}/spec/dnsConfig");
    if let Some(servers_now) = model.object(workload).and_then(|workload| workload.get(&servers)) {
        patch.push(Change::Unset { object: workload.clone(), path: servers, from: servers_now.clone() });
    }
    Fix { summary: format!("Let the pods of {workload} ask the cluster's DNS: dnsPolicy {right}"), patch }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    /// `web` does not find `api`; the setting under test is added to its pod.
    const WORLD: &str = "service a/web  selector app=web  80 -> 80
         service a/api  selector app=api  80 -> 80
         service kube-system/kube-dns  selector k8s-app=kube-dns  53 -> 53
         deployment a/web  app=web
         pod kube-system/dns-1  k8s-app=kube-dns  ready
         pod a/api-1  app=api  ready  listens 0.0.0.0:80
         pod a/web-1  app=web  ready  listens 0.0.0.0:80  calls api.a:80  owner deployment/a/web
         request hop=client method=GET path=/ seconds=0.02 status=502 upstream=web.a:80 pod=b/c-1 id=r at=-1 x9";

    const FAILS: &str = "request hop=web method=GET path=/ seconds=0.01 status=502 upstream=api.a:80 pod=a/web-1 id=r error=\"dns: x\" at=-1 x9";

    #[test]
    fn holds_with_the_resolver_of_the_node() {
        check(&format!("{WORLD}\n{FAILS}\nset pod/a/web-1 spec.dnsPolicy=Default\n=> pod-dns-policy deployment/a/web"));
    }

    #[test]
    fn holds_in_the_network_of_the_node() {
        check(&format!(
            "{WORLD}\n{FAILS}\nset pod/a/web-1 spec.hostNetwork=true spec.dnsPolicy=ClusterFirst\n=> pod-dns-policy deployment/a/web"
        ));
    }

    #[test]
    fn holds_with_a_server_of_its_own() {
        check(&format!(
            "{WORLD}\n{FAILS}\nset pod/a/web-1 spec.dnsPolicy=None spec.dnsConfig.nameservers[0]=192.0.2.9\n=> pod-dns-policy deployment/a/web"
        ));
    }

    /// The only pod of `web` is down, and asks a server of its own.
    const DOWN: &str = "service a/api  selector app=api  80 -> 80
         deployment a/web  app=web
         pod a/api-1  app=api  ready
         set pod/a/api-1 spec.dnsPolicy=ClusterFirst
         pod a/web-1  app=web  unready  owner deployment/a/web
         set pod/a/web-1 spec.dnsPolicy=None spec.dnsConfig.nameservers[0]=192.0.2.9";

    #[test]
    fn holds_where_it_keeps_the_pod_from_starting() {
        check(&format!("{DOWN}\nlog a/web-1  java.net.UnknownHostException: api\n=> pod-dns-policy deployment/a/web"));
    }

    #[test]
    fn holds_where_it_ends_again_and_again_for_it() {
        check(&format!(
            "{DOWN}
             set pod/a/web-1 status.containerStatuses[0].state={{\"waiting\":{{\"reason\":\"CrashLoopBackOff\"}}}}
             set pod/a/web-1 status.containerStatuses[0].lastState.terminated={{\"exitCode\":1,\"reason\":\"Error\"}}
             log a/web-1 error: dial tcp: lookup api on 192.0.2.9:53: read udp 10.0.0.1:39353->192.0.2.9:53: i/o timeout
             log a/web-1 error: giving up
             => pod-dns-policy deployment/a/web"
        ));
    }

    #[test]
    fn twin_the_server_it_names_is_the_clusters() {
        check(&format!(
            "{WORLD}\n{FAILS}\nset service/kube-system/kube-dns spec.clusterIP=10.96.0.10
             set pod/a/web-1 spec.dnsPolicy=None spec.dnsConfig.nameservers[0]=10.96.0.10\n=> unknown"
        ));
    }

    #[test]
    fn twin_what_fails_is_something_else() {
        check(&format!(
            "{WORLD}\nset pod/a/web-1 spec.dnsPolicy=Default
             request hop=web method=GET path=/ seconds=0.01 status=502 upstream=api.a:80 pod=a/web-1 id=r error=\"refused: x\" at=-1 x9
             => unknown"
        ));
    }

    #[test]
    fn unknown_without_its_log() {
        check(&format!("{WORLD}\nset pod/a/web-1 spec.dnsPolicy=Default\n=> unknown lacks logs/a_web-1_c.txt"));
    }

    #[test]
    fn unknown_when_the_dns_was_not_collected() {
        let rest = WORLD.replace("service kube-system/kube-dns  selector k8s-app=kube-dns  53 -> 53", "");
        check(&format!(
            "{rest}\n{FAILS}\nset pod/a/web-1 spec.dnsPolicy=None spec.dnsConfig.nameservers[0]=10.96.0.10
             => unknown lacks services of namespace kube-system"
        ));
    }
}
