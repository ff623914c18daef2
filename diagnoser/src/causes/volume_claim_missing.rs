//! A pod's volume is claimed by a name that no claim on storage has, so the pod gets no node.
//!
//! # What it looks like
//! The pods stay Pending without a node, and a Service with no other pods has no endpoint. The scheduler says
//! `persistentvolumeclaim "NAME" not found`.
//!
//! # Confirm by hand
//! `kubectl -n NS get pvc` beside `kubectl -n NS get pod POD -o jsonpath={.spec.volumes[*].persistentVolumeClaim.claimName}`.
//!
//! # Fix
//! Create the claim, or name the one that is meant. `kubectl -n NS get resourcequota` shows whether it may be created at all.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Persistent Volumes, "Claims As Volumes"; kube-scheduler's plugin VolumeBinding.

use super::{
    Case, Cause, Finding, Lack, quotas,
    stuck::{self, Look, events_of, not_listed, put_back},
};
use crate::{
    evidence::{Citation, Fact, Object},
    model::{Model, is_down},
    subject::Subject,
};

/// See the module's comment.
pub struct VolumeClaimMissing;

impl Cause for VolumeClaimMissing {
    fn id(&self) -> &'static str {
        "volume-claim-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("volume_claim_missing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        stuck::findings(
            case.model,
            |pod| look(case.model, pod),
            |owner, _| {
                let summary = format!("Create the claim that {owner} names, or let it name one that exists");
                put_back(case.model, owner, summary, |field| field.starts_with("/spec/volumes"))
            },
        )
    }
}

fn look(model: &Model<'_>, pod: &Object) -> Option<Look> {
    let (name, named) = absent(model, pod)?;
    let told = events_of(model.evidence, pod.subject()).into_iter();
    let word = told.filter(|(_, text)| says_so(text, name)).map(|(event, text)| event.cite("/message", text)).next();
    let conditions = pod.list("/status/conditions").iter().enumerate();
    let condition = conditions.filter_map(|(i, condition)| Some((i, condition["message"].as_str()?)));
    let word = word.or_else(|| {
        let (i, text) = condition.into_iter().find(|(_, text)| says_so(text, name))?;
        Some(pod.cite(&format!("/status/conditions/{i}/message"), text))
    });
    let list = model.evidence.listed("persistentvolumeclaim", "persistentvolumeclaims");
    let mut evidence = vec![named];
    match (list, word) {
        (Fact::Missed(why), None) => {
            return Some(Look::Unclear(vec![Lack::objects("persistentvolumeclaims", Some(pod.namespace()), why)]));
        }
        (Fact::Missed(_), Some(word)) => evidence.push(word),
        (Fact::Seen(()), word) => {
            evidence.push(not_listed("persistentvolumeclaims", format!("there is no claim {name}")));
            evidence.extend(word);
        }
    }
    Some(match quotas::refuses_claims(model, pod.namespace()) {
        Some(readings) => Look::No("a quota does not let it be made".to_owned(), readings),
        None => Look::Yes(evidence),
    })
}

fn says_so(text: &str, name: &str) -> bool {
    text.contains(&format!("persistentvolumeclaim \"{name}\" not found"))
}

/// The first claim that a pod without a node names and that is not there.
fn absent<'e>(model: &Model<'_>, pod: &'e Object) -> Option<(&'e str, Citation)> {
    if pod.node().is_some() {
        return None;
    }
    pod.list("/spec/volumes").iter().enumerate().find_map(|(place, volume)| {
        let name = volume["persistentVolumeClaim"]["claimName"].as_str()?;
        let claim = Subject::namespaced("persistentvolumeclaim", pod.namespace(), name);
        let says = format!("{} names {claim}", pod.subject());
        let cited = pod.cite(&format!("/spec/volumes/{place}/persistentVolumeClaim/claimName"), says);
        model.object(&claim).is_none().then_some((name, cited))
    })
}

/// The pods of a namespace that wait for claims that are known not to exist, each with where it names one.
pub(super) fn waiting<'e>(model: &Model<'e>, namespace: &str) -> Vec<(&'e Object, Citation)> {
    if let Fact::Missed(_) = model.evidence.listed("persistentvolumeclaim", "persistentvolumeclaims") {
        return vec![];
    }
    let pods = model.evidence.objects.in_namespace("pod", namespace).filter(|pod| is_down(pod));
    pods.filter_map(|pod| Some((pod, absent(model, pod)?.1))).collect()
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"deployment a/s  app=s
         service a/s  selector app=s  80 -> 80
         pod a/s-1  app=s  creating  owner deployment/a/s
         set pod/a/s-1  spec.nodeName=null  status.containerStatuses=null  spec.volumes[0].persistentVolumeClaim.claimName=data
         probe service/a/s:80  refused in 1ms"#;
    const SAYS: &str =
        r#"event pod/a/s-1  FailedScheduling  0/1 nodes are available: persistentvolumeclaim "data" not found."#;

    #[test]
    fn holds_by_the_list_or_by_the_word_of_the_scheduler() {
        check(&format!("{WORLD}\n=> volume-claim-missing deployment/a/s"));
        check(&format!(
            "{WORLD}\n{SAYS}\nmissed persistentvolumeclaims forbidden\n=> volume-claim-missing deployment/a/s"
        ));
    }

    #[test]
    fn twin_the_claim_is_there_and_waits_itself() {
        let claim = "object PersistentVolumeClaim a/data  spec.storageClassName=gone  status.phase=Pending";
        check(&format!("{WORLD}\n{claim}\n=> storage-class-missing persistentvolumeclaim/a/data"));
    }

    #[test]
    fn twin_the_pod_has_a_node_and_waits_for_something_else() {
        check(&format!("{WORLD}\nset pod/a/s-1  spec.nodeName=n1\n=> unknown"));
    }

    #[test]
    fn unknown_without_the_list() {
        check(&format!(
            "{WORLD}\nmissed persistentvolumeclaims forbidden\n=> unknown lacks persistentvolumeclaims of namespace a"
        ));
    }
}
