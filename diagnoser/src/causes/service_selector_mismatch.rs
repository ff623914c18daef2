//! A Service's selector matches no pod and no workload, although the pods it is meant for exist.
//!
//! # What it looks like
//! The Service has no endpoints: an ingress controller answers 503 at once, direct connections are refused at once. The
//! pods run and are ready. A Service without endpoints alone proves nothing: its pods may be missing, unready or scaled away.
//!
//! # Confirm by hand
//! `kubectl -n NS get svc NAME -o jsonpath={.spec.selector}` and `kubectl -n NS get pods --show-labels`: no pod carries all
//! those labels; `kubectl -n NS get endpointslices -l kubernetes.io/service-name=NAME` shows no endpoint.
//!
//! # Fix
//! Set `spec.selector` of the Service to labels that its pods carry.
//!
//! # Who acts
//! The owner of the Service.
//!
//! # Source
//! kubernetes.io, Debug Services, "Does the Service have any EndpointSlices?"; Concepts / Labels and Selectors.

use std::collections::BTreeMap;

use crate::json::json;

use super::{Case, Cause, Finding, Lack, Proof, State};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Fact, Object, Objects, selects},
    model::Model,
    propagation::Mode,
};

/// See the module's comment.
pub struct ServiceSelectorMismatch;

impl Cause for ServiceSelectorMismatch {
    fn id(&self) -> &'static str {
        "service-selector-mismatch"
    }

    fn source(&self) -> &'static str {
        include_str!("service_selector_mismatch.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let services = case.model.evidence.objects.of_kind("service");
        services
            // Where nobody suffers only what holds is worth a word.
            .filter(|service| case.model.selected_pods(service).is_empty() || case.in_scope(service.subject()))
            .filter(|service| !service.map("/spec/selector").is_empty())
            .map(|service| Finding {
                subject: service.subject().clone(),
                effects: vec![(service.subject().clone(), Mode::Empty)],
                state: examine(case.model, service),
            })
            .collect()
    }
}

fn examine(model: &Model<'_>, service: &Object) -> State {
    let evidence = model.evidence;
    let selector = service.map("/spec/selector");
    if let Some(pod) = model.selected_pods(service).first() {
        return State::excluded(
            format!("it selects {}", pod.subject()),
            vec![pod.cite("/metadata/labels", "matches the selector")],
        );
    }
    if let Fact::Missed(why) = evidence.listed("pod", "pods") {
        return State::Undecided(vec![Lack::objects("pods", Some(service.namespace()), why)]);
    }
    let workloads: Vec<&Object> = ["daemonset", "deployment", "replicaset", "statefulset"]
        .into_iter()
        .flat_map(|kind| evidence.objects.in_namespace(kind, service.namespace()))
        .collect();
    if let Some(workload) = workloads.iter().find(|w| selects(&selector, &w.map("/spec/template/metadata/labels"))) {
        let because = format!("it selects the pods of {}, of which there are none", workload.subject());
        return State::excluded(because, vec![workload.cite("/spec/template/metadata/labels", "matches the selector")]);
    }
    let Some((meant, labels)) = meant(model, service, &selector) else {
        return State::excluded(
            "no workload of the namespace could be meant",
            vec![service.cite("/spec/selector", shown(&selector))],
        );
    };
    let mut cited = vec![
        service.cite("/spec/selector", shown(&selector)),
        meant.cite("/metadata/labels", format!("{} carries {}", meant.subject(), shown(&labels))),
    ];
    match model.endpoints(service) {
        Fact::Seen((endpoints, places)) => {
            if endpoints.iter().any(|endpoint| endpoint.ready) {
                return State::excluded("it has endpoints of its own", places);
            }
            cited.extend(places);
        }
        // The selector and the labels decide alone: endpoints follow from them.
        Fact::Missed(_) => {}
    }
    let change = Change::Set {
        object: service.subject().clone(),
        path: "/spec/selector".to_owned(),
        from: json!(selector),
        to: json!(labels),
    };
    let summary = format!("Let {} select its pods: {} -> {}", service.subject(), shown(&selector), shown(&labels));
    State::Holds(Box::new(Proof {
        evidence: cited,
        fix: Fix { summary, patch: vec![change] },
        wants: vec![],
        changed: None,
    }))
}

/// The labels of the pods that a Service without a selector is meant for, where they can be told.
pub(super) fn meant_labels<'e>(model: &Model<'e>, service: &Object) -> Option<BTreeMap<&'e str, &'e str>> {
    meant(model, service, &BTreeMap::new()).map(|(_, labels)| labels)
}

/// A pod of those that are meant, and the labels that select them.
type Meant<'e> = (&'e Object, BTreeMap<&'e str, &'e str>);

/// The pods the Service is meant for, by a pod of them and the labels that select them: of the workloads of the namespace
/// whose pods no other Service selects, the one that has most in common with the Service.
fn meant<'e>(model: &Model<'e>, service: &Object, selector: &BTreeMap<&str, &str>) -> Option<Meant<'e>> {
    let mut best: BTreeMap<u32, Vec<Meant<'e>>> = BTreeMap::new();
    let objects: &'e Objects = &model.evidence.objects;
    let mut seen = Vec::new();
    for pod in objects.in_namespace("pod", service.namespace()) {
        let workload = model.workload_of(pod.subject());
        // One that it selects already and that does not count any more is not what it misses.
        let gone = pod.get("/metadata/deletionTimestamp").is_some() || pod.is_selected(selector);
        if gone || workload.is("job") || seen.contains(&workload) {
            continue;
        }
        seen.push(workload.clone());
        let others = model
            .dependents(pod.subject())
            .iter()
            .filter(|(s, r)| s.is("service") && *r == crate::model::Relation::ForwardsTo);
        let taken = others.count() > 0;
        let labels = pod.labels();
        let stable: BTreeMap<&str, &str> = labels
            .iter()
            .filter(|(key, _)| !matches!(**key, "pod-template-hash" | "controller-revision-hash"))
            .map(|(key, value)| (*key, *value))
            .collect();
        // What the selector has in common with the labels, keys before values; names and ports count too.
        let same_key = selector.keys().filter(|key| stable.contains_key(*key)).count() as u32;
        let same_pair = selector.iter().filter(|(key, value)| stable.get(*key) == Some(value)).count() as u32;
        let same_name =
            u32::from(workload.name == service.name() || stable.values().any(|value| *value == service.name()));
        let same_port = u32::from(ports_agree(service, pod));
        let score = 4 * same_pair + 2 * same_key + 4 * same_name + same_port;
        if score == 0 || taken && same_name == 0 {
            continue;
        }
        let keys_stay: BTreeMap<&str, &str> =
            stable.iter().filter(|(key, _)| selector.contains_key(*key)).map(|(k, v)| (*k, *v)).collect();
        let labels = if !selector.is_empty() && keys_stay.len() == selector.len() {
            keys_stay
        } else {
            own_selector(model, &workload).unwrap_or(stable)
        };
        best.entry(score).or_default().push((pod, labels));
    }
    let (_, candidates) = best.pop_last()?;
    // Two that fit alike: nobody can say which was meant.
    (candidates.len() == 1).then(|| candidates.into_iter().next())?
}

/// The labels by which the workload itself selects its pods.
fn own_selector<'e>(model: &Model<'e>, workload: &crate::Subject) -> Option<BTreeMap<&'e str, &'e str>> {
    Some(model.object(workload)?.map("/spec/selector/matchLabels")).filter(|labels| !labels.is_empty())
}

/// Whether a port the Service forwards to is one the pod declares.
fn ports_agree(service: &Object, pod: &Object) -> bool {
    service.list("/spec/ports").iter().any(|port| {
        let target = port.get("targetPort").unwrap_or(&port["port"]);
        pod.list("/spec/containers")
            .iter()
            .flat_map(|c| c["ports"].as_array().into_iter().flatten())
            .any(|declared| declared["containerPort"] == *target || (target.is_string() && declared["name"] == *target))
    })
}

fn shown(labels: &BTreeMap<&str, &str>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    #[test]
    fn holds() {
        check(
            "service shop/web  selector app=wbe  80 -> 80
             pod shop/web-1  app=web  ready  listens 0.0.0.0:80  declares 80
             service shop/api  selector app=api  80 -> 80
             pod shop/api-1  app=api  ready  listens 0.0.0.0:80  declares 80
             ingress shop/web  shop.example.test -> web
             probe http://shop.example.test/  503 in 2ms
             => service-selector-mismatch service/shop/web",
        );
    }

    #[test]
    fn twin_pods_that_are_not_ready() {
        check(
            "service shop/web  selector app=web  80 -> 80
             pod shop/web-1  app=web  unready  listens 0.0.0.0:80
             ingress shop/web  shop.example.test -> web
             probe http://shop.example.test/  503 in 2ms
             => unknown",
        );
    }

    #[test]
    fn twin_limit_in_millibytes_leaves_the_service_empty_too() {
        check(
            "service shop/web  selector app=web  80 -> 80
             deployment shop/web  app=web  limit 512m
             pod shop/web-1  app=web  creating  owner deployment/shop/web
             event pod/shop/web-1  FailedMount  MountVolume.SetUp failed for volume kube-api-access-x : write token: no space left on device
             ingress shop/web  shop.example.test -> web
             probe http://shop.example.test/  503 in 2ms
             => memory-limit-in-millibytes deployment/shop/web",
        );
    }

    #[test]
    fn unknown_when_pods_were_not_listed() {
        check(
            "service shop/web  selector app=wbe  80 -> 80
             ingress shop/web  shop.example.test -> web
             probe http://shop.example.test/  503 in 2ms
             missed pods forbidden
             => unknown lacks pods of namespace shop",
        );
    }
}
