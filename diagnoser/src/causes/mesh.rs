//! What the causes of the service mesh share: the requests that a pod's own sidecar turned away, and what Istio's objects say
//! of the host that was asked for.
//!
//! Source: envoyproxy.io, "Access logging" (response flags, cluster names); istio.io, Reference / VirtualService,
//! DestinationRule, ServiceEntry, PeerAuthentication.

use std::collections::BTreeSet;

use crate::json::Value;

use super::{Case, Lack};
use crate::{
    evidence::{Citation, Fact, Object, RequestRecord, SIDECAR, selects},
    model::{Model, Relation},
    subject::Subject,
    symptoms::Symptom,
};

/// How Istio names the container of a sidecar.
const PROXY: &str = "istio-proxy";

/// A kind of request that fails, and a request to a host that a pod of the mesh makes for its sake.
pub(super) struct Way<'e> {
    /// What suffers: the kind of request where it goes by a name, else the pod.
    pub suffers: Subject,
    /// The pod that asks.
    pub client: Subject,
    /// The whole name of the host it asks.
    pub host: String,
    /// What its sidecar answered in place of that host, and the line; `None` where the sidecar's log was not collected.
    pub turned: Option<(usize, &'e RequestRecord)>,
}

/// Every way, once for each kind of request, pod and host.
pub(super) fn ways<'e>(case: &Case<'_, 'e>) -> Vec<Way<'e>> {
    let mut found: Vec<Way<'e>> = Vec::new();
    for symptom in case.symptoms {
        for way in of(case.model, symptom) {
            let same = |other: &Way<'_>| {
                (&other.suffers, &other.client, &other.host) == (&way.suffers, &way.client, &way.host)
            };
            if !found.iter().any(same) {
                found.push(way);
            }
        }
    }
    found
}

fn of<'e>(model: &Model<'e>, symptom: &Symptom) -> Vec<Way<'e>> {
    let Some(origin) = &symptom.origin else { return Vec::new() };
    let records = model.evidence.traffic.iter().enumerate();
    let own = records.filter(|(_, record)| record.id.as_ref().is_some_and(|id| origin.ids.contains(id)));
    let ways = own.filter_map(|(index, record)| {
        let client = record.pod().filter(|pod| origin.pods.contains(pod) && has_sidecar(model, pod))?;
        let (host, turned) = if record.made_by_sidecar() && !cluster(record).starts_with("inbound|") {
            (record.host()?, Some((index, record)))
        } else if record.hop != SIDECAR && !logged(model, &client) {
            (record.upstream.as_deref()?.rsplit_once(':')?.0, None)
        } else {
            return None;
        };
        let suffers = symptom.asked().map_or_else(|| client.clone(), |asked| asked.subject());
        Some(Way { suffers, host: asked(model, host, client.namespace()), client, turned })
    });
    ways.collect()
}

impl Way<'_> {
    /// Whether the sidecar says one of these of the response, at once: nobody was waited for.
    pub fn says(&self, flags: &[&str]) -> bool {
        self.turned.is_none_or(|(_, record)| {
            let said = record.response_flags.as_deref().unwrap_or_default();
            record.seconds.is_none_or(|seconds| seconds < 1.0) && said.split(',').any(|flag| flags.contains(&flag))
        })
    }

    /// What the sidecar says.
    pub fn cite(&self) -> Option<Citation> {
        let (index, record) = self.turned?;
        let flags = record.response_flags.as_deref().unwrap_or_default();
        let cluster = record.upstream_cluster.as_deref().unwrap_or("no cluster");
        let says = format!("the sidecar of {} on {} {}: {flags}, {cluster}", self.client, record.method, self.host);
        Some(Citation::line("traffic.jsonl", index + 1, says))
    }

    /// The sidecar's log, where it is lacking.
    pub fn lack(&self) -> Lack {
        let (namespace, pod) = (self.client.namespace(), &self.client.name);
        Lack {
            what: format!("logs/{namespace}_{pod}_{PROXY}.txt"),
            why: "only the sidecar says what it did with the request".to_owned(),
            how: format!(
                "kubectl -n {namespace} logs {pod} -c {PROXY}   (meshConfig.accessLogFile: /dev/stdout, accessLogEncoding: JSON)"
            ),
            request: None,
        }
    }

    /// The namespace from which it asks.
    pub fn namespace(&self) -> &str {
        self.client.namespace()
    }
}

/// The cluster of a record, or the empty text.
pub(super) fn cluster(record: &RequestRecord) -> &str {
    record.upstream_cluster.as_deref().unwrap_or_default()
}

/// Whether a pod has a sidecar.
pub(super) fn has_sidecar(model: &Model<'_>, pod: &Subject) -> bool {
    model.object(pod).is_some_and(|pod| {
        let containers = pod.list("/spec/containers").iter().chain(pod.list("/spec/initContainers"));
        containers.into_iter().any(|container| container["name"] == PROXY)
    })
}

fn logged(model: &Model<'_>, pod: &Subject) -> bool {
    model.records_of(pod).any(|(_, record)| record.hop == SIDECAR)
}

/// The whole name of a host as an object of a namespace writes it: one without dots is a Service there.
pub(super) fn whole(host: &str, namespace: &str) -> String {
    let host = host.trim_end_matches('.');
    if host.contains('.') { host.to_owned() } else { format!("{host}.{namespace}.svc.cluster.local") }
}

/// The whole name of a host as a client in a namespace asks for it: `api.shop` is a Service where there is one.
pub(super) fn asked(model: &Model<'_>, host: &str, namespace: &str) -> String {
    match model.resolve(host, Some(namespace)) {
        Some(known) if known.is("service") => format!("{}.{}.svc.cluster.local", known.name, known.namespace()),
        _ => whole(host, namespace),
    }
}

/// The Service a host is the name of.
pub(super) fn service<'e>(model: &Model<'e>, host: &str) -> Option<&'e Object> {
    model.resolve(host, None).filter(|subject| subject.is("service")).and_then(|subject| model.object(&subject))
}

/// Whether the mesh knows a host: a Service that it is shown, or what a ServiceEntry declares.
pub(super) fn known(model: &Model<'_>, host: &str) -> Fact<bool> {
    let evidence = model.evidence;
    let hidden = |service: &Object| {
        service.text("/spec/type") == Some("ExternalName")
            || service.map("/metadata/annotations").get("networking.istio.io/exportTo") == Some(&"~")
    };
    if service(model, host).is_some_and(|service| !hidden(service)) || declaring(model, host).is_some() {
        return Fact::Seen(true);
    }
    for (kind, resource) in [("service", "services"), ("serviceentry", "serviceentries")] {
        if let Fact::Missed(why) = evidence.listed(kind, resource) {
            return Fact::Missed(format!("{resource}: {why}"));
        }
    }
    // Of a namespace from which nothing was collected nobody can say what it has.
    let mut labels = host.split('.');
    let namespace = labels.nth(1).filter(|_| labels.next() == Some("svc"));
    match namespace {
        Some(namespace) if !evidence.objects.of_kind("service").any(|service| service.namespace() == namespace) => {
            Fact::Missed(format!("services: none of namespace {namespace} were collected"))
        }
        _ => Fact::Seen(false),
    }
}

/// What is lacking to know a host.
pub(super) fn lack_known(host: &str, why: &str) -> Lack {
    let (resource, why) = why.split_once(": ").unwrap_or(("services", why));
    let namespace = host.split('.').nth(1).filter(|_| host.contains(".svc."));
    Lack::objects(resource, namespace, why.to_owned())
}

/// The ServiceEntry that declares a host.
pub(super) fn declaring<'e>(model: &Model<'e>, host: &str) -> Option<&'e Object> {
    let mut entries = model.evidence.objects.of_kind("serviceentry");
    entries.find(|entry| entry.list("/spec/hosts").iter().any(|own| own.as_str().is_some_and(|own| covers(own, host))))
}

/// Whether a host as objects write it, with a wildcard or without, is this one.
pub(super) fn covers(own: &str, host: &str) -> bool {
    own.strip_prefix('*').map_or(own == host, |end| host.ends_with(end))
}

/// The object of a kind whose host, at this pointer, is this one.
pub(super) fn rule<'e>(model: &Model<'e>, host: &str) -> Fact<Option<&'e Object>> {
    let mut rules = model.evidence.objects.of_kind("destinationrule");
    let own = |rule: &&Object| rule.text("/spec/host").is_some_and(|own| covers(&whole(own, rule.namespace()), host));
    match (rules.find(own), model.evidence.listed("destinationrule", "destinationrules")) {
        (None, Fact::Missed(why)) => Fact::Missed(why),
        (rule, _) => Fact::Seen(rule),
    }
}

/// The VirtualService by which sidecars route a host. One that is bound to gateways alone is none of theirs.
pub(super) fn routing<'e>(model: &Model<'e>, host: &str) -> Fact<Option<&'e Object>> {
    let mut all = model.evidence.objects.of_kind("virtualservice");
    let own = |routing: &&Object| {
        let for_sidecars = routing.get("/spec/gateways").is_none()
            || routing.list("/spec/gateways").iter().any(|gateway| gateway == "mesh");
        let mut hosts = routing.list("/spec/hosts").iter().filter_map(Value::as_str);
        for_sidecars && hosts.any(|own| covers(&whole(own, routing.namespace()), host))
    };
    match (all.find(own), model.evidence.listed("virtualservice", "virtualservices")) {
        (None, Fact::Missed(why)) => Fact::Missed(why),
        (routing, _) => Fact::Seen(routing),
    }
}

/// The pods that an address or a host leads to.
pub(super) fn pods_behind(model: &Model<'_>, address: &str) -> BTreeSet<Subject> {
    let reached = model.closure(model.resolve(address, None), |_, edge| {
        matches!(edge.relation, Relation::RoutesTo | Relation::ForwardsTo)
    });
    reached.into_iter().filter(|subject| subject.is("pod")).collect()
}

/// What a pod's sidecar takes: STRICT, PERMISSIVE or DISABLE, and where that stands. The policy that selects the pod decides,
/// then that of its namespace, then that of the mesh; what says nothing inherits.
pub(super) fn takes<'e>(model: &Model<'e>, pod: &Subject) -> Fact<(&'e str, Option<Citation>)> {
    if let Fact::Missed(why) = model.evidence.listed("peerauthentication", "peerauthentications") {
        return Fact::Missed(why);
    }
    let Some(object) = model.object(pod) else { return Fact::Missed(format!("{pod} was not collected")) };
    let labels = object.labels();
    let policies = || model.evidence.objects.of_kind("peerauthentication");
    let selecting = policies().filter(|policy| {
        policy.namespace() == pod.namespace() && selects(&policy.map("/spec/selector/matchLabels"), &labels)
    });
    let wide = |namespace: &'static str| policies().filter(move |policy| policy.namespace() == namespace);
    let general = policies().filter(|policy| policy.namespace() == pod.namespace()).chain(wide("istio-system"));
    let general = general.filter(|policy| policy.map("/spec/selector/matchLabels").is_empty());
    for policy in selecting.chain(general) {
        if let Some(mode) = policy.text("/spec/mtls/mode").filter(|mode| *mode != "UNSET") {
            let says = format!("{} takes {mode}", policy.subject());
            return Fact::Seen((mode, Some(policy.cite("/spec/mtls/mode", says))));
        }
    }
    Fact::Seen(("PERMISSIVE", None))
}

/// Whether labels of a subset are all among a pod's.
pub(super) fn carries(labels: &Value, pod: &Object) -> bool {
    let own = pod.labels();
    let wanted = labels.as_object().into_iter().flatten();
    wanted.into_iter().all(|(key, value)| own.get(key.as_str()).copied() == value.as_str())
}
