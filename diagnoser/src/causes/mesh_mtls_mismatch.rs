//! The two ends of a connection in the mesh disagree on mutual TLS: one speaks plain text to who takes nothing but TLS, or
//! TLS to who takes none.
//!
//! # What it looks like
//! 503 at once, said by the caller's own sidecar: UC (the upstream closed the connection) where plain text meets TLS, UF with
//! a TLS error where TLS meets plain text. The cluster is that of the host, so the route is right. Where TLS is demanded,
//! clients without a sidecar are reset as well.
//!
//! # Confirm by hand
//! `kubectl -n NS get destinationrules -o yaml`: `trafficPolicy.tls.mode` for that host (of the subset first), against
//! `kubectl get peerauthentications -A -o yaml` for the pods behind it. `istioctl x describe pod POD` compares both.
//!
//! # Fix
//! Let the DestinationRule say ISTIO_MUTUAL, or nothing at all: then sidecars find out by themselves.
//!
//! # Who acts
//! The owner of the DestinationRule.
//!
//! # Source
//! istio.io, Operations / Common problems / Traffic management, "503 errors after setting destination rule"; Concepts / Security,
//! "Peer authentication"; envoyproxy.io, "Response flags" (UC, UF).

use crate::json::{Value, json};

use super::{
    Case, Cause, Finding, Lack, State,
    mesh::{self, Way, cluster, has_sidecar},
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Object},
    model::Model,
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct MeshMtlsMismatch;

impl Cause for MeshMtlsMismatch {
    fn id(&self) -> &'static str {
        "mesh-mtls-mismatch"
    }

    fn source(&self) -> &'static str {
        include_str!("mesh_mtls_mismatch.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let mut found: Vec<Finding> = Vec::new();
        for way in mesh::ways(case).iter().filter(|way| way.says(&["UC", "UF"])) {
            let Some((subject, state)) = examine(case.model, way) else { continue };
            // Those that are turned away have nobody behind the sidecar, like those that are refused.
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
    let lacking = |subject: Subject, lack: Lack| Some((subject, State::Undecided(vec![lack])));
    if way.turned.is_some_and(|(_, record)| !cluster(record).starts_with("outbound|")) {
        return None;
    }
    let rule = match mesh::rule(model, &way.host) {
        Fact::Seen(rule) => rule?,
        Fact::Missed(why) => {
            let lack = Lack::objects("destinationrules", Some(way.namespace()), why);
            return lacking(Subject::global("name", &way.host), lack);
        }
    };
    let subset = way.turned.and_then(|(_, record)| cluster(record).split('|').nth(2)).unwrap_or_default();
    let (pointer, speaks) = speaks(rule, subset)?;
    let address = way.turned.and_then(|(_, record)| record.upstream.as_deref()).unwrap_or(&way.host);
    let pod = mesh::pods_behind(model, address).into_iter().next()?;
    let (takes, cited) = match mesh::takes(model, &pod) {
        Fact::Seen(seen) => seen,
        Fact::Missed(why) => {
            let lack = Lack::objects("peerauthentications", Some(pod.namespace()), why);
            return lacking(rule.subject().clone(), lack);
        }
    };
    let because = format!("{} says {speaks} to {}", rule.subject(), way.host);
    let said = rule.cite(&pointer, because.clone());
    let tls = |(_, record): (usize, &crate::evidence::RequestRecord)| {
        record.transport_failure.as_deref().is_some_and(|why| why.contains("TLS"))
    };
    let closed = way.says(&["UC"]);
    let holds = match speaks {
        "DISABLE" => takes == "STRICT" && closed,
        "ISTIO_MUTUAL" | "MUTUAL" => {
            (takes == "DISABLE" || !has_sidecar(model, &pod)) && (closed || way.turned.is_none_or(tls))
        }
        _ => return None,
    };
    if !holds {
        let because = format!("{because}, and {pod} takes that ({takes})");
        return Some((rule.subject().clone(), State::excluded(because, vec![said])));
    }
    if way.turned.is_none() {
        return lacking(rule.subject().clone(), way.lack());
    }
    let mode = if speaks == "DISABLE" { "ISTIO_MUTUAL" } else { "DISABLE" };
    let evidence: Vec<Citation> = way.cite().into_iter().chain([said]).chain(cited).collect();
    let fix = Fix {
        summary: format!("Let {} say {mode} to {}", rule.subject(), way.host),
        patch: vec![Change::Set {
            object: rule.subject().clone(),
            path: pointer.clone(),
            from: rule.get(&pointer).cloned().unwrap_or(Value::Null),
            to: json!(mode),
        }],
    };
    Some((rule.subject().clone(), State::holds(evidence, fix)))
}

/// What clients are told to speak to a subset of the host, and where: the subset's own policy decides.
fn speaks<'e>(rule: &'e Object, subset: &str) -> Option<(String, &'e str)> {
    let subsets = rule.list("/spec/subsets").iter();
    let own = subsets.clone().position(|own| own["name"] == subset).map(|index| format!("/spec/subsets/{index}"));
    let pointers = own.into_iter().chain(["/spec".to_owned()]).map(|base| format!("{base}/trafficPolicy/tls/mode"));
    pointers.into_iter().find_map(|pointer| rule.text(&pointer).map(|mode| (pointer.clone(), mode)))
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"service shop/web  selector app=web  80 -> 80
         service shop/api  selector app=api  80 -> 80
         pod shop/web-1  app=web  ready  listens 0.0.0.0:80  calls api.shop:80
         set pod/shop/web-1  spec.containers[1].name=istio-proxy
         pod shop/api-1  app=api  ready  listens 0.0.0.0:80
         set pod/shop/api-1  spec.containers[1].name=istio-proxy status.podIP=10.244.7.7
         pod c/c-1  app=c  ready
         ingress shop/web  shop.test -> web
         request hop=client method=POST path=/orders status=503 seconds=0.004 upstream=shop.test:80 pod=c/c-1 id=s x6
         request hop=web method=POST path=/orders status=503 seconds=0.003 upstream=api.shop:80 pod=shop/web-1 id=s x6"#;
    const PLAIN: &str =
        "object DestinationRule shop/api  spec.host=api.shop.svc.cluster.local spec.trafficPolicy.tls.mode=DISABLE";
    const STRICT: &str = "object PeerAuthentication shop/api  spec.selector.matchLabels.app=api spec.mtls.mode=STRICT";

    fn turned(says: &str) -> String {
        format!(
            "request hop=sidecar method=POST path=/o status=503 seconds=0.001 host=api.shop upstream=10.244.7.7:80 \
             upstream_cluster=outbound|80||api.shop.svc.cluster.local {says} pod=shop/web-1 id=s x6"
        )
    }

    #[test]
    fn holds_where_plain_text_meets_tls() {
        let turned = turned("response_flags=UC");
        check(&format!("{WORLD}\n{PLAIN}\n{STRICT}\n{turned}\n=> mesh-mtls-mismatch destinationrule/shop/api"));
    }

    #[test]
    fn holds_where_tls_meets_plain_text() {
        let turned = turned("response_flags=UF transport_failure=TLS_error:WRONG_VERSION_NUMBER");
        let (tls, disabled) = (PLAIN.replace("DISABLE", "ISTIO_MUTUAL"), STRICT.replace("STRICT", "DISABLE"));
        check(&format!("{WORLD}\n{tls}\n{disabled}\n{turned}\n=> mesh-mtls-mismatch destinationrule/shop/api"));
    }

    #[test]
    fn twin_plain_text_is_allowed() {
        let turned = turned("response_flags=UC");
        let permissive = STRICT.replace("STRICT", "PERMISSIVE");
        check(&format!("{WORLD}\n{PLAIN}\n{permissive}\n{turned}\n=> unknown"));
    }

    #[test]
    fn twin_the_connection_was_refused() {
        let turned = turned("response_flags=UF transport_failure=delayed_connect_error:_Connection_refused");
        check(&format!("{WORLD}\n{PLAIN}\n{STRICT}\n{turned}\n=> unknown"));
    }

    #[test]
    fn unknown_without_either_ends_rule_or_the_sidecars_word() {
        let turned = turned("response_flags=UC");
        let lacking = |missed: &str| {
            check(&format!(
                "{WORLD}\n{PLAIN}\n{STRICT}\n{turned}\nmissed {missed} forbidden\n=> unknown lacks {missed} of namespace shop"
            ));
        };
        lacking("destinationrules");
        lacking("peerauthentications");
        check(&format!("{WORLD}\n{PLAIN}\n{STRICT}\n=> unknown lacks logs/shop_web-1_istio-proxy.txt"));
    }
}
