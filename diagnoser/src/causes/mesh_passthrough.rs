//! The mesh does not know a host, so requests to it pass by without what it needs, or are held back.
//!
//! # What it looks like
//! The caller's own sidecar sends the requests to PassthroughCluster: as they are, to the address the name has, where mutual
//! TLS is demanded; 503 at once, UC. Or, where the mesh holds back what it does not know (REGISTRY_ONLY), to
//! BlackHoleCluster: 502 at once. PassthroughCluster alone proves nothing: it is the ordinary way out of the mesh.
//!
//! # Confirm by hand
//! `kubectl -n NS logs POD -c istio-proxy`: `upstream_cluster` and `authority` of the failing requests;
//! `istioctl proxy-config routes POD --name 80 | grep HOST` finds nothing. Compare `hosts` in
//! `kubectl -n NS get serviceentries -o yaml` with the name that the application asks for.
//!
//! # Fix
//! Let a ServiceEntry declare the very host that is asked for.
//!
//! # Who acts
//! The owner of the ServiceEntry.
//!
//! # Source
//! istio.io, Tasks / Accessing external services, "Envoy passthrough to external services"; Blog, "Monitoring blocked and
//! passthrough external service traffic" (PassthroughCluster, BlackHoleCluster).

use crate::json::{Value, json};

use super::{
    Case, Cause, Finding, Lack, State,
    mesh::{self, Way, cluster},
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Object},
    model::Model,
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct MeshPassthrough;

impl Cause for MeshPassthrough {
    fn id(&self) -> &'static str {
        "mesh-passthrough"
    }

    fn source(&self) -> &'static str {
        include_str!("mesh_passthrough.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let mut found: Vec<Finding> = Vec::new();
        for way in mesh::ways(case) {
            let Some((subject, state)) = examine(case.model, &way) else { continue };
            let effect = (way.suffers.clone(), Mode::RelaysRefused);
            match found.iter_mut().find(|known| known.subject == subject) {
                Some(known) => known.effects.push(effect),
                None => found.push(Finding { subject, effects: vec![effect], state }),
            }
        }
        found
    }
}

fn examine(model: &Model<'_>, way: &Way<'_>) -> Option<(Subject, State)> {
    let name = Subject::global("name", &way.host);
    let (held_back, address) = match way.turned {
        Some((_, record)) => match cluster(record) {
            "BlackHoleCluster" => (true, record.upstream.as_deref()),
            "PassthroughCluster" if way.says(&["UC"]) => (false, record.upstream.as_deref()),
            _ => return None,
        },
        None => (false, None),
    };
    match mesh::known(model, &way.host) {
        Fact::Seen(true) => return None,
        Fact::Seen(false) => {}
        Fact::Missed(why) => return Some((name, State::Undecided(vec![mesh::lack_known(&way.host, &why)]))),
    }
    let mut evidence: Vec<Citation> = way.cite().into_iter().collect();
    if way.turned.is_none() {
        return Some((name, State::Undecided(vec![way.lack()])));
    }
    if !held_back {
        // Passing by is no fault where it is let in at the other end.
        let pod = mesh::pods_behind(model, address?).into_iter().next()?;
        match mesh::takes(model, &pod) {
            Fact::Seen(("STRICT", cited)) => evidence.extend(cited),
            Fact::Seen(_) => return None,
            Fact::Missed(why) => {
                let lack = Lack::objects("peerauthentications", Some(pod.namespace()), why);
                return Some((name, State::Undecided(vec![lack])));
            }
        }
    }
    let (subject, fix) = match meant(model, way, address) {
        Some((entry, index)) => {
            let path = format!("/spec/hosts/{index}");
            let from = entry.get(&path).cloned().unwrap_or(Value::Null);
            let says = format!("{} declares {from}, which nobody asks for", entry.subject());
            evidence.push(entry.cite(&path, says));
            let summary = format!("Let {} declare {} and not {from}", entry.subject(), way.host);
            let patch = vec![Change::Set { object: entry.subject().clone(), path, from, to: json!(way.host) }];
            (entry.subject().clone(), Fix { summary, patch })
        }
        None => (name, Fix { summary: format!("Declare {} in a ServiceEntry", way.host), patch: vec![] }),
    };
    Some((subject, State::holds(evidence, fix)))
}

/// The ServiceEntry that is meant for a host, and the place of the host it declares in its stead: the one that leads to where
/// the requests arrived and declares what nobody asks for. Where they were held back, the only such one of the namespace.
fn meant<'e>(model: &Model<'e>, way: &Way<'_>, address: Option<&str>) -> Option<(&'e Object, usize)> {
    let arrived = address.map(|address| mesh::pods_behind(model, address));
    let asked = |host: &str| {
        let records = model.evidence.traffic.iter().filter_map(|record| Some((record.host()?, record.pod()?)));
        records.into_iter().any(|(own, pod)| mesh::covers(host, &mesh::asked(model, own, pod.namespace())))
    };
    let entries = model.evidence.objects.in_namespace("serviceentry", way.namespace());
    let candidates = entries.filter_map(|entry| {
        let hosts = entry.list("/spec/hosts").iter();
        let index = hosts.clone().position(|host| host.as_str().is_some_and(|host| !asked(host)))?;
        let leads_there = arrived.as_ref().is_none_or(|arrived| {
            let mut ends = entry.list("/spec/endpoints").iter().filter_map(|end| end["address"].as_str());
            ends.any(|end| !mesh::pods_behind(model, end).is_disjoint(arrived))
        });
        leads_there.then_some((entry, index))
    });
    <[_; 1]>::try_from(candidates.collect::<Vec<_>>()).ok().map(|[one]| one)
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"service shop/web  selector app=web  80 -> 80
         service shop/api  selector app=api  80 -> 80
         pod shop/web-1  app=web  ready  listens 0.0.0.0:80
         set pod/shop/web-1  spec.containers[1].name=istio-proxy
         pod shop/api-1  app=api  ready  listens 0.0.0.0:80
         set pod/shop/api-1  spec.containers[1].name=istio-proxy status.podIP=10.244.7.7
         pod c/c-1  app=c  ready
         ingress shop/web  shop.test -> web
         request hop=client method=GET path=/ status=503 seconds=0.004 upstream=shop.test:80 pod=c/c-1 id=s x6
         request hop=web method=GET path=/ status=503 seconds=0.003 upstream=stock.test:80 pod=shop/web-1 id=s x6"#;
    const ENTRY: &str = r#"object ServiceEntry shop/stock  spec.hosts=["stocks.test"] spec.endpoints=[{"address":"api.shop.svc.cluster.local"}]"#;
    const STRICT: &str = "object PeerAuthentication shop/api  spec.selector.matchLabels.app=api spec.mtls.mode=STRICT";

    fn turned(cluster: &str, flag: &str) -> String {
        format!(
            "request hop=sidecar method=GET path=/s status=503 seconds=0.001 host=stock.test upstream=10.244.7.7:80 \
             upstream_cluster={cluster} response_flags={flag} pod=shop/web-1 id=s x6"
        )
    }

    #[test]
    fn holds() {
        let turned = turned("PassthroughCluster", "UC");
        check(&format!("{WORLD}\n{ENTRY}\n{STRICT}\n{turned}\n=> mesh-passthrough serviceentry/shop/stock"));
    }

    #[test]
    fn holds_for_a_name_that_no_entry_is_meant_for() {
        let turned = turned("PassthroughCluster", "UC");
        check(&format!("{WORLD}\n{STRICT}\n{turned}\n=> mesh-passthrough name/stock.test"));
    }

    #[test]
    fn twin_passing_by_is_let_in_and_something_else_closes_the_connection() {
        let turned = turned("PassthroughCluster", "UC");
        check(&format!("{WORLD}\n{ENTRY}\n{turned}\n=> unknown"));
    }

    #[test]
    fn twin_the_host_is_known_and_its_rule_turns_tls_off() {
        let turned = turned("outbound|80||stock.test", "UC");
        let (entry, rule) = (
            ENTRY.replace("stocks", "stock"),
            "object DestinationRule shop/stock  spec.host=stock.test spec.trafficPolicy.tls.mode=DISABLE",
        );
        check(&format!(
            "{WORLD}\n{entry}\n{rule}\n{STRICT}\n{turned}\n=> mesh-mtls-mismatch destinationrule/shop/stock"
        ));
    }

    #[test]
    fn unknown_without_the_entries_or_what_the_other_end_takes() {
        let turned = turned("PassthroughCluster", "UC");
        let world = format!("{WORLD}\n{ENTRY}\n{STRICT}\n{turned}");
        check(&format!("{world}\nmissed serviceentries forbidden\n=> unknown lacks serviceentries"));
        check(&format!(
            "{world}\nmissed peerauthentications forbidden\n=> unknown lacks peerauthentications of namespace shop"
        ));
    }
}
