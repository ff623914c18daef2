//! A ResourceQuota leaves no room for the pods that a workload needs, so they are not made.
//!
//! # What it looks like
//! The workload has too few pods or none, and nobody is to be seen that fails: the refusal stands at whoever makes them. A
//! Service without pods has no endpoint, which an ingress controller answers with 503 at once. Often a rollout, or a restart
//! after the quota was lowered, brings it to light: pods that run already are left alone.
//!
//! # Confirm by hand
//! `kubectl -n NS describe quota` shows used beside hard; `kubectl -n NS describe rs -l app=NAME` says
//! `exceeded quota: NAME, requested: ..., used: ..., limited: ...`.
//!
//! # Fix
//! Raise the quota to what the workloads need, or lower what they request. Controllers try again later and later;
//! `kubectl rollout restart` makes them try at once.
//!
//! # Who acts
//! Whoever grants resources to the namespace, with the owner of the workload.
//!
//! # Source
//! kubernetes.io, Resource Quotas, "How Kubernetes ResourceQuotas work"; apiserver's resourcequota admission controller.

use std::collections::BTreeMap;

use crate::json::{Value, json};

use super::{Case, Cause, Finding, Lack, State, quotas};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Object, Quantity},
    model::Model,
    propagation::Mode,
    subject::Subject,
    symptoms::Lacking,
};

/// See the module's comment.
pub struct ResourceQuotaExceeded;

impl Cause for ResourceQuotaExceeded {
    fn id(&self) -> &'static str {
        "resource-quota-exceeded"
    }

    fn source(&self) -> &'static str {
        include_str!("resource_quota_exceeded.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let mut found = quotas::of_services(case);
        found.extend(quotas::of_claims(model));
        let Fact::Seen(all) = case.model.lacking() else { return found };
        found.extend(all.iter().filter_map(|lacking| blind(model, lacking)));
        for quota in model.evidence.objects.of_kind("resourcequota") {
            let here: Vec<&Lacking<'_>> = all.iter().filter(|l| l.workload.namespace() == quota.namespace()).collect();
            let (stopped, others): (Vec<_>, Vec<_>) = here.into_iter().partition(|l| short(quota, l).is_some());
            found.extend((!stopped.is_empty()).then(|| holds(model, quota, &stopped)));
            found.extend((!others.is_empty()).then(|| Finding {
                subject: quota.subject().clone(),
                effects: effects(&others),
                state: State::excluded(
                    "it has room for the pods that are missing, or something else refused them",
                    vec![quota.cite("/status/used", "used so far")],
                ),
            }));
        }
        found
    }
}

fn effects(lacking: &[&Lacking<'_>]) -> Vec<(Subject, Mode)> {
    lacking.iter().map(|lacking| (lacking.workload.subject().clone(), Mode::Down)).collect()
}

/// A refusal that names a quota which was not collected.
fn blind(model: &Model<'_>, lacking: &Lacking<'_>) -> Option<Finding> {
    let namespace = lacking.workload.namespace();
    let Fact::Missed(why) = model.evidence.listed("resourcequota", "resourcequotas") else { return None };
    let refusal = lacking.refusal.as_ref()?.0;
    let name = refusal.split_once("exceeded quota: ")?.1.split(',').next()?;
    Some(Finding {
        subject: Subject::namespaced("resourcequota", namespace, name),
        effects: effects(&[lacking]),
        state: State::Undecided(vec![Lack::objects("resourcequotas", Some(namespace), why)]),
    })
}

/// What one pod of the workload needs of each resource that the quota has too little of. `None` where there is room for it, or
/// where whoever makes the pods was refused by somebody else.
fn short(quota: &Object, lacking: &Lacking<'_>) -> Option<BTreeMap<String, f64>> {
    let refusal = lacking.refusal.as_ref().map(|(text, _)| *text);
    let named = refusal.map(|text| text.contains(&format!("exceeded quota: {},", quota.name())));
    // A quota with scopes counts some pods only; its own word is needed to know that it counts these.
    let scoped = !quota.list("/spec/scopes").is_empty() || quota.get("/spec/scopeSelector").is_some();
    if named == Some(false) || scoped && named.is_none() {
        return None;
    }
    let requested = refusal.map(requested).unwrap_or_default();
    let hard = quota.get("/status/hard").or_else(|| quota.get("/spec/hard"))?.as_object()?;
    let short: BTreeMap<String, f64> = hard
        .iter()
        .filter_map(|(resource, hard)| {
            let used = amount(&quota.get("/status/used")?[resource.as_str()])?;
            let needed = requested.get(resource.as_str()).copied().or_else(|| need(lacking.workload, resource))?;
            (needed > 0.0 && used + needed > amount(hard)?).then_some((resource.to_string(), needed))
        })
        .collect();
    (!short.is_empty()).then_some(short)
}

/// `exceeded quota: q, requested: pods=1,requests.cpu=2, used: pods=4, limited: pods=4`: what was requested.
fn requested(refusal: &str) -> BTreeMap<String, f64> {
    let list =
        refusal.split_once("requested: ").and_then(|(_, rest)| rest.split(", used: ").next()).unwrap_or_default();
    let pairs = list.split(',').filter_map(|pair| pair.split_once('='));
    pairs.filter_map(|(resource, text)| Some((resource.to_owned(), Quantity::parse(text)?.value))).collect()
}

/// What one pod of a workload counts for.
fn need(workload: &Object, resource: &str) -> Option<f64> {
    let of_containers = |kind: &str, resource: &str| -> f64 {
        let containers = workload.list("/spec/template/spec/containers").iter();
        // A request that is not written is taken from the limit.
        let amounts = containers.filter_map(|container| {
            let resources = &container["resources"];
            amount(&resources[kind][resource]).or_else(|| amount(&resources["limits"][resource]))
        });
        amounts.sum()
    };
    match resource {
        "pods" | "count/pods" => Some(1.0),
        "cpu" | "memory" | "ephemeral-storage" => Some(of_containers("requests", resource)),
        _ => {
            let (kind, resource) = resource.split_once('.')?;
            matches!(kind, "requests" | "limits").then(|| of_containers(kind, resource))
        }
    }
}

pub(super) fn amount(value: &Value) -> Option<f64> {
    value.as_str().map_or_else(|| value.as_f64(), |text| Some(Quantity::parse(text)?.value))
}

fn holds(model: &Model<'_>, quota: &Object, stopped: &[&Lacking<'_>]) -> Finding {
    let mut wanted: BTreeMap<String, f64> = BTreeMap::new();
    for lacking in stopped {
        for (resource, needed) in short(quota, lacking).unwrap_or_default() {
            *wanted.entry(resource).or_default() += needed * lacking.missing as f64;
        }
    }
    let first = stopped[0];
    let mut evidence: Vec<Citation> = Vec::new();
    let mut patch = Vec::new();
    let mut words = Vec::new();
    for (resource, more) in wanted {
        let key = resource.replace('~', "~0").replace('/', "~1");
        let used = quota.get("/status/used").map(|used| used[resource.as_str()].clone()).unwrap_or_default();
        let from = quota.get(&format!("/spec/hard/{key}")).cloned().unwrap_or(Value::Null);
        evidence.push(quota.cite(&format!("/status/used/{key}"), format!("{resource}: {used} used of {from}")));
        let to = written(&resource, amount(&used).unwrap_or_default() + more);
        words.push(format!("{resource} {from} -> {to}"));
        let object = quota.subject().clone();
        patch.push(Change::Set { object, path: format!("/spec/hard/{key}"), from, to: json!(to) });
    }
    evidence.push(first.cited.clone());
    evidence.extend(first.refusal.as_ref().map(|(_, cited)| cited.clone()));
    patch.extend(stopped.iter().filter(|lacking| lacking.none).filter_map(|lacking| restart(model, lacking.workload)));
    let fix = Fix { summary: format!("Raise {}: {}", quota.subject(), words.join(", ")), patch };
    Finding { subject: quota.subject().clone(), effects: effects(stopped), state: State::holds(evidence, fix) }
}

/// An amount as a quantity that loses nothing: cores in thousandths, all else in whole units.
fn written(resource: &str, value: f64) -> String {
    if resource.ends_with("cpu") { format!("{}m", (value * 1000.0).ceil()) } else { format!("{}", value.ceil()) }
}

/// Makes a workload without pods try at once, as `kubectl rollout restart` does.
fn restart(model: &Model<'_>, workload: &Object) -> Option<Change> {
    let path = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt".to_owned();
    let from = workload.get(&path).cloned().unwrap_or(Value::Null);
    let at = model.now?.to_string();
    Some(Change::Set { object: workload.subject().clone(), path, from, to: json!(at) })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             set deployment/a/s  spec.replicas=2  spec.template.spec.containers[0].resources.requests.memory=300Mi
             object ServiceAccount a/default
             object ReplicaSet a/s-1  spec.replicas=2  metadata.ownerReferences[0].kind=Deployment  metadata.ownerReferences[0].name=s
             ingress a/s  s.example.test -> s
             probe http://s.example.test/  503 in 2ms"#;

    const MEMORY: &str = "object ResourceQuota a/most  spec.hard.requests~memory=3Gi  status.hard.requests~memory=3Gi  status.used.requests~memory=3000Mi";

    #[test]
    fn holds_by_the_sum_alone() {
        check(&format!("{WORLD}\n{MEMORY}\n=> resource-quota-exceeded resourcequota/a/most"));
    }

    #[test]
    fn holds_by_the_sum_and_the_refusal_and_not_for_the_quota_beside_it() {
        check(&format!(
            "{WORLD}
             {MEMORY}
             object ResourceQuota a/count  spec.hard.pods=\"2\"  status.hard.pods=\"2\"  status.used.pods=\"2\"
             event replicaset/a/s-1  FailedCreate  pods \"s-1-x\" is forbidden: exceeded quota: count, requested: pods=1, used: pods=2, limited: pods=2
             => resource-quota-exceeded resourcequota/a/count"
        ));
    }

    #[test]
    fn holds_for_a_job_and_not_for_one_that_waits() {
        let job = "object Job a/j  spec.parallelism=1  spec.template.spec.containers[0].name=c
             object ServiceAccount a/default
             object ResourceQuota a/count  spec.hard.pods=\"2\"  status.hard.pods=\"2\"  status.used.pods=\"2\"
             event job/a/j  FailedCreate  Error creating: pods \"j-x\" is forbidden: exceeded quota: count, requested: pods=1, used: pods=2, limited: pods=2";
        check(&format!("{job}\n=> resource-quota-exceeded resourcequota/a/count"));
        check(&format!("{job}\nset job/a/j spec.suspend=true\n=> unknown"));
    }

    #[test]
    fn twin_there_is_room_now() {
        check(&format!(
            "{WORLD}
             object ResourceQuota a/count  spec.hard.pods=\"9\"  status.hard.pods=\"9\"  status.used.pods=\"2\"
             event replicaset/a/s-1  FailedCreate  pods \"s-1-x\" is forbidden: exceeded quota: count, requested: pods=1, used: pods=2, limited: pods=2
             => unknown"
        ));
    }

    #[test]
    fn twin_a_full_quota_harms_nobody_whose_pods_are_there() {
        check(
            "service a/s  selector app=s  80 -> 80
             deployment a/s  app=s
             pod a/s-1  app=s  ready  listens 0.0.0.0:80  owner deployment/a/s
             object ResourceQuota a/count  spec.hard.pods=\"1\"  status.hard.pods=\"1\"  status.used.pods=\"1\"
             probe service/a/s:80  connected in 1ms
             => healthy",
        );
    }

    #[test]
    fn unknown_without_the_quotas() {
        check(&format!(
            "{WORLD}
             missed resourcequotas forbidden
             event replicaset/a/s-1  FailedCreate  pods \"s-1-x\" is forbidden: exceeded quota: count, requested: pods=1, used: pods=2, limited: pods=2
             => unknown lacks resourcequotas of namespace a"
        ));
    }
}
