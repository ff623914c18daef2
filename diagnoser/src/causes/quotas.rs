//! Quotas that keep Services and claims on storage from being made. Nobody writes down such a refusal: it is told to whoever
//! applied the object, and the object is not there.
//!
//! Source: kubernetes.io, Resource Quotas, "Object count quota" and "Storage resource quota"; apiserver's resourcequota admission.

use std::collections::BTreeSet;

use crate::json::{Value, json};

use super::{Case, Finding, State, lookups, resource_quota_exceeded::amount, stuck::not_listed, volume_claim_missing};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Object, selects},
    model::Model,
    propagation::Mode,
    subject::Subject,
};

/// What a quota leaves of a resource, and where that stands.
fn left(quota: &Object, resource: &str) -> Option<(f64, Citation)> {
    let hard = quota.get("/status/hard").or_else(|| quota.get("/spec/hard"))?;
    let hard = amount(&hard[resource])?;
    let used = amount(&quota.get("/status/used")?[resource])?;
    let key = resource.replace('~', "~0").replace('/', "~1");
    Some((hard - used, quota.cite(&format!("/status/used/{key}"), format!("{resource}: {used} used of {hard}"))))
}

/// The first of some countable resources of which not one more may be made.
fn used_up(quota: &Object, resources: &[&'static str]) -> Option<(&'static str, Citation)> {
    resources.iter().find_map(|resource| {
        let (left, cited) = left(quota, resource)?;
        (left < 1.0).then_some((*resource, cited))
    })
}

fn raise(quota: &Object, resource: &str, by: f64) -> Fix {
    let path = format!("/spec/hard/{}", resource.replace('~', "~0").replace('/', "~1"));
    let from = quota.get(&path).cloned().unwrap_or(Value::Null);
    let hard = amount(&from).unwrap_or_default();
    let to = json!(format!("{}", (hard + by).ceil()));
    let summary =
        format!("Raise {resource} of {} from {from} to {to}, and apply again what was refused", quota.subject());
    Fix { summary, patch: vec![Change::Set { object: quota.subject().clone(), path, from, to }] }
}

/// Services that are asked for and do not exist, though the workload of their name does and no other leads to it.
pub(super) fn of_services(case: &Case<'_, '_>) -> Vec<Finding> {
    let model = case.model;
    let quotas = model.evidence.objects.of_kind("resourcequota");
    let found = quotas.filter_map(|quota| {
        let (resource, full) = used_up(quota, &["services", "count/services"])?;
        let namespace = quota.namespace();
        let Fact::Seen(()) = model.evidence.listed("service", "services") else { return None };
        let asked = case.symptoms.iter().filter_map(|symptom| Some((symptom, name(&symptom.subject, namespace)?)));
        let absent: Vec<(&Subject, &Object)> = asked
            .filter(|(_, name)| model.object(&Subject::namespaced("service", namespace, name)).is_none())
            .filter_map(|(symptom, name)| Some((&symptom.subject, workload(model, namespace, name)?)))
            .filter(|(_, workload)| !is_reached(model, workload))
            .collect();
        let (_, first) = absent.first()?;
        let missing = not_listed("services", format!("there is no Service {} in {namespace}", first.name()));
        let evidence = vec![full, missing, first.cite("/metadata/name", format!("{} is there", first.subject()))];
        let modes = [Mode::Unresolved, Mode::Empty, Mode::Silent];
        let mut effects: Vec<_> =
            absent.iter().flat_map(|(subject, _)| modes.map(|mode| ((*subject).clone(), mode))).collect();
        let names: BTreeSet<&str> = absent.iter().map(|(_, workload)| workload.name()).collect();
        effects.extend(of_callers(model, namespace, &names));
        let state = State::holds(evidence, raise(quota, resource, names.len() as f64));
        Some(Finding { subject: quota.subject().clone(), effects, state })
    });
    found.collect()
}

/// What those suffer who tell that they look these names up in vain.
fn of_callers(model: &Model<'_>, namespace: &str, names: &BTreeSet<&str>) -> Vec<(Subject, Mode)> {
    let one_of = |name: &str| {
        let mut labels = name.split('.');
        labels.next().is_some_and(|first| names.contains(first)) && labels.next().is_none_or(|ns| ns == namespace)
    };
    let tells = |pod: &&Object| lookups::failed(model, pod.subject()).iter().any(|failed| failed.is_like(one_of));
    let pods: Vec<&Object> = model.evidence.objects.in_namespace("pod", namespace).filter(tells).collect();
    lookups::effects(model, &pods, one_of)
}

/// The name of the Service of a namespace that a subject means.
fn name<'s>(subject: &'s Subject, namespace: &str) -> Option<&'s str> {
    if subject.is("service") {
        return (subject.namespace() == namespace).then_some(subject.name.as_str());
    }
    let mut labels = subject.is("name").then(|| subject.name.split('.'))?;
    let first = labels.next()?;
    labels.next().is_none_or(|second| second == namespace).then_some(first)
}

fn workload<'e>(model: &Model<'e>, namespace: &str, name: &str) -> Option<&'e Object> {
    let kinds = ["deployment", "statefulset", "daemonset"];
    kinds.into_iter().find_map(|kind| model.object(&Subject::namespaced(kind, namespace, name)))
}

/// Whether any Service leads to a workload.
fn is_reached(model: &Model<'_>, workload: &Object) -> bool {
    let labels = workload.map("/spec/template/metadata/labels");
    model.evidence.objects.in_namespace("service", workload.namespace()).any(|service| {
        let selector = service.map("/spec/selector");
        !selector.is_empty() && selects(&selector, &labels)
    })
}

/// Claims that pods wait for and that could not be made.
pub(super) fn of_claims(model: &Model<'_>) -> Vec<Finding> {
    let quotas = model.evidence.objects.of_kind("resourcequota");
    let found = quotas.filter_map(|quota| {
        let (resource, by, readings) = no_claim(model, quota)?;
        let pods: Vec<_> = volume_claim_missing::waiting(model, quota.namespace());
        let (_, first) = pods.first()?;
        let mut evidence = vec![first.clone()];
        evidence.extend(readings);
        let effects = pods.iter().map(|(pod, _)| (pod.subject().clone(), Mode::Down)).collect();
        let state = State::holds(evidence, raise(quota, resource, by));
        Some(Finding { subject: quota.subject().clone(), effects, state })
    });
    found.collect()
}

/// Why no claim can be made in a namespace, as far as one of its quotas says.
pub(super) fn refuses_claims(model: &Model<'_>, namespace: &str) -> Option<Vec<Citation>> {
    let mut quotas = model.evidence.objects.in_namespace("resourcequota", namespace);
    quotas.find_map(|quota| Some(no_claim(model, quota)?.2))
}

/// The resource by which a quota lets no claim be made, how much more of it would do, and what shows it. Storage that is left
/// is too little where volumes are not made on demand, and every one that is free is larger.
fn no_claim(model: &Model<'_>, quota: &Object) -> Option<(&'static str, f64, Vec<Citation>)> {
    if let Some((resource, cited)) = used_up(quota, &["persistentvolumeclaims", "count/persistentvolumeclaims"]) {
        return Some((resource, 1.0, vec![cited]));
    }
    const STORAGE: &str = "requests.storage";
    let (left, cited) = left(quota, STORAGE)?;
    let objects = &model.evidence.objects;
    let listed = [("storageclass", "storageclasses"), ("persistentvolume", "persistentvolumes")];
    if listed.iter().any(|(kind, resource)| matches!(model.evidence.listed(kind, resource), Fact::Missed(_))) {
        return None;
    }
    if objects.of_kind("storageclass").any(|class| class.text("/provisioner") != Some("kubernetes.io/no-provisioner")) {
        return None;
    }
    let free = objects
        .of_kind("persistentvolume")
        .filter(|volume| volume.text("/status/phase") == Some("Available") && volume.get("/spec/claimRef").is_none());
    let sizes = free.map(|volume| Some((volume, amount(volume.get("/spec/capacity/storage")?)?)));
    let sizes: Vec<(&Object, f64)> = sizes.collect::<Option<_>>()?;
    let (smallest, size) = sizes.into_iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let says = format!("{} is the smallest that is free, and larger than what is left", smallest.subject());
    (size > left).then(|| (STORAGE, size - left, vec![cited, smallest.cite("/spec/capacity/storage", says)]))
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const SERVICE: &str = "deployment a/s  app=s
         pod a/s-1  app=s  ready  listens 0.0.0.0:80  owner deployment/a/s
         service a/t  selector app=t  80 -> 80
         pod a/t-1  app=t  ready  listens 0.0.0.0:80
         probe service/a/s:80  failed in 1ms";

    #[test]
    fn a_service_that_could_not_be_made() {
        let full = "object ResourceQuota a/q  spec.hard.services=\"1\"  status.hard.services=\"1\"  status.used.services=\"1\"";
        check(&format!("{SERVICE}\n{full}\n=> resource-quota-exceeded resourcequota/a/q"));
        let two = "deployment a/r  app=r\npod a/r-1  app=r  ready  listens 0.0.0.0:80  owner deployment/a/r\nprobe service/a/r:80  failed in 1ms
             pod a/t-2  app=t  unready\nset pod/a/t-2  status.containerStatuses[0].state.waiting.reason=CrashLoopBackOff\nlog a/t-2  dial tcp: lookup r.a on 10.0.0.10:53: no such host";
        check(&format!("{SERVICE}\n{two}\n{full}\n=> resource-quota-exceeded resourcequota/a/q"));
        // There is room for it: somebody forgot it, or its name is wrong.
        check(&format!(
            "{SERVICE}\n{}\n=> unknown",
            full.replace("services=\"1\"  status.used", "services=\"2\"  status.used")
        ));
        // Another leads to the pods: that is asked for by a wrong name.
        check(&format!("{SERVICE}\n{full}\nservice a/u  selector app=s  80 -> 80\n=> unknown"));
        check(&format!("{SERVICE}\n{full}\nmissed services forbidden\n=> unknown"));
    }

    const CLAIM: &str = r#"deployment a/s  app=s
         service a/s  selector app=s  80 -> 80
         pod a/s-1  app=s  creating  owner deployment/a/s
         set pod/a/s-1  spec.nodeName=null  status.containerStatuses=null  spec.volumes[0].persistentVolumeClaim.claimName=data
         event pod/a/s-1  FailedScheduling  0/1 nodes are available: persistentvolumeclaim "data" not found.
         object StorageClass plain  provisioner=kubernetes.io/no-provisioner
         object PersistentVolume v  spec.capacity.storage=2Gi  status.phase=Available
         probe service/a/s:80  refused in 1ms"#;
    const STORAGE: &str = "object ResourceQuota a/q  spec.hard.requests~storage=1Gi  status.hard.requests~storage=1Gi  status.used.requests~storage=\"0\"";

    #[test]
    fn a_claim_that_could_not_be_made() {
        check(&format!("{CLAIM}\n{STORAGE}\n=> resource-quota-exceeded resourcequota/a/q"));
        let count = "object ResourceQuota a/q  spec.hard.persistentvolumeclaims=\"3\"  status.used.persistentvolumeclaims=\"3\"";
        check(&format!("{CLAIM}\n{count}\n=> resource-quota-exceeded resourcequota/a/q"));
    }

    #[test]
    fn a_claim_that_could_have_been_made() {
        check(&format!("{CLAIM}\n{}\n=> volume-claim-missing deployment/a/s", STORAGE.replace("=1Gi", "=3Gi")));
        let made = CLAIM.replace("kubernetes.io/no-provisioner", "disks.test");
        check(&format!("{made}\n{STORAGE}\n=> volume-claim-missing deployment/a/s"));
    }
}
