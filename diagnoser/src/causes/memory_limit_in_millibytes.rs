//! A memory limit written with the suffix `m` (thousandths of a byte) instead of `M` or `Mi`: no container fits in it.
//!
//! # What it looks like
//! New pods stay in ContainerCreating. Volumes kept in memory are sized by the limit, so the kubelet reports
//! `MountVolume.SetUp failed for volume "kube-api-access-..." : write ...: no space left on device`, although neither disk
//! nor inodes of the node are used up; without such a volume the runtime refuses the limit. The API server only warned.
//!
//! # Confirm by hand
//! `kubectl -n NS get deploy NAME -o jsonpath={..limits.memory}` prints a number with a small m;
//! `kubectl -n NS describe pod POD` shows the FailedMount events; `df` and `df -i` on the node show free space.
//!
//! # Fix
//! Write the limit (and the request) in `Mi`.
//!
//! # Who acts
//! The owner of the workload.
//!
//! # Source
//! kubernetes.io, Resource Management, "Memory resource units": "requesting 400m of memory is actually 0.4 bytes";
//! kubernetes/pkg/volume/emptydir/empty_dir.go (size of memory-backed volumes).

use crate::json::{Value, json};

use super::{Case, Cause, Finding, Lack, Proof, State, space};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Object, Quantity},
    model::{Model, is_down},
    propagation::Mode,
    subject::Subject,
};

/// See the module's comment.
pub struct MemoryLimitInMillibytes;

/// The smallest limit a runtime accepts is some megabytes; below this nobody can have meant it.
const LEAST: f64 = 1024.0;

impl Cause for MemoryLimitInMillibytes {
    fn id(&self) -> &'static str {
        "memory-limit-in-millibytes"
    }

    fn source(&self) -> &'static str {
        include_str!("memory_limit_in_millibytes.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        let model = case.model;
        let objects = &model.evidence.objects;
        let workloads = ["daemonset", "deployment", "statefulset"].into_iter().flat_map(|kind| objects.of_kind(kind));
        let bare = model.workloads().iter().filter(|owner| owner.is("pod")).filter_map(|pod| model.object(pod));
        let mut found: Vec<Finding> = workloads
            .map(|workload| (workload, "/spec/template/spec"))
            .chain(bare.map(|pod| (pod, "/spec")))
            .filter_map(|(object, spec)| examine(model, object, spec))
            .collect();
        // Where the workload itself was not collected its pods stand for it.
        for owner in model.workloads().iter().filter(|owner| model.object(owner).is_none()) {
            let finding = model.pods_of(owner).find_map(|pod| examine(model, pod, "/spec"));
            found.extend(finding.map(|finding| of_the_owner(finding, owner)));
        }
        found.extend(blind(case));
        found
    }
}

/// What holds for a pod made from a template holds for the template, where it would be changed.
fn of_the_owner(mut finding: Finding, owner: &Subject) -> Finding {
    finding.subject = owner.clone();
    finding.effects = vec![(owner.clone(), Mode::Down)];
    if let State::Holds(proof) = &mut finding.state {
        for change in &mut proof.fix.patch {
            if let Change::Set { object, path, .. } = change {
                *object = owner.clone();
                *path = format!("/spec/template{path}");
            }
        }
    }
    finding
}

/// Pods stuck for want of space, whose workload and own spec do not show any limit at all.
fn blind<'a>(case: &'a Case<'_, '_>) -> impl Iterator<Item = Finding> + 'a {
    let pods = case.model.down().filter(|pod| space::event_of(case.model, pod).is_some());
    pods.filter_map(|pod| {
        let owner = case.model.workload_of(pod.subject());
        let shown = pod.list("/spec/containers").iter().any(|c| !c["resources"].is_null());
        (!shown && case.model.object(&owner).is_none()).then(|| Finding {
            effects: vec![(owner.clone(), Mode::Down)],
            state: State::Undecided(vec![Lack::objects(
                &format!("{}s", owner.kind),
                Some(pod.namespace()),
                "not collected".to_owned(),
            )]),
            subject: owner,
        })
    })
}

fn examine(model: &Model<'_>, object: &Object, spec: &str) -> Option<Finding> {
    let pointer = |c: usize, kind: &str| format!("{spec}/containers/{c}/resources/{kind}/memory");
    let containers = object.list(&format!("{spec}/containers")).len();
    let tiny: Vec<(usize, &Value)> = (0..containers)
        .filter_map(|c| Some((c, object.get(&pointer(c, "limits"))?)))
        .filter(|(_, value)| quantity(value).is_some_and(|quantity| quantity.milli && quantity.value < LEAST))
        .collect();
    let down = || model.pods_of(object.subject()).filter(|pod| is_down(pod));
    let effects = vec![(object.subject().clone(), Mode::Down)];
    let finding = |state| Some(Finding { subject: object.subject().clone(), effects: effects.clone(), state });
    if tiny.is_empty() {
        // Worth a word only where pods of it are stuck.
        let stuck = down().find(|pod| space::event_of(model, pod).is_some())?;
        return finding(State::excluded(
            "its memory limits are whole bytes",
            vec![stuck.cite("/spec/containers", "its limits")],
        ));
    }
    let mut evidence: Vec<Citation> =
        tiny.iter().map(|(c, value)| object.cite(&pointer(*c, "limits"), value.as_str().unwrap_or_default())).collect();
    let pods: Vec<&Object> = down().collect();
    if pods.is_empty() {
        return finding(State::excluded("no pod of it is stuck", evidence));
    }
    let stuck: Vec<Citation> =
        pods.iter().filter_map(|pod| space::event_of(model, pod).or_else(|| limit_refused(pod))).collect();
    if stuck.is_empty() {
        return match model.evidence.listed("event", "events") {
            Fact::Missed(why) => {
                finding(State::Undecided(vec![Lack::objects("events", Some(object.namespace()), why)]))
            }
            Fact::Seen(()) => {
                finding(State::excluded("no pod of it reports that it cannot start for want of space", evidence))
            }
        };
    }
    evidence.extend(stuck);
    let mut patch = Vec::new();
    for (c, _) in tiny {
        for kind in ["limits", "requests"] {
            let path = pointer(c, kind);
            if let Some(from) = object.get(&path).filter(|value| quantity(value).is_some_and(|quantity| quantity.milli))
            {
                let to = from.as_str().unwrap_or_default().replace('m', "Mi");
                patch.push(Change::Set { object: object.subject().clone(), path, from: from.clone(), to: json!(to) });
            }
        }
    }
    let summary = format!("Write the memory limit of {} in Mi: m means thousandths of a byte", object.subject());
    finding(State::Holds(Box::new(Proof { evidence, fix: Fix { summary, patch }, wants: vec![], changed: None })))
}

fn quantity(value: &Value) -> Option<Quantity> {
    Quantity::parse(value.as_str()?)
}

/// A container that the runtime refused to make, in its own words about the memory limit.
fn limit_refused(pod: &Object) -> Option<Citation> {
    pod.list("/status/containerStatuses").iter().enumerate().find_map(|(i, status)| {
        let message = status["state"]["waiting"]["message"].as_str()?;
        let about = message.to_lowercase();
        (about.contains("memory") && (about.contains("limit") || about.contains("too low")))
            .then(|| pod.cite(&format!("/status/containerStatuses/{i}/state/waiting/message"), message))
    })
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const FAILED: &str = "event pod/a/p-1  FailedMount  MountVolume.SetUp failed for volume kube-api-access-x : write token: no space left on device";

    #[test]
    fn holds() {
        check(&format!(
            "deployment a/p  app=p  limit 256m
             pod a/p-1  app=p  creating  owner deployment/a/p
             {FAILED}
             => memory-limit-in-millibytes deployment/a/p"
        ));
    }

    #[test]
    fn holds_for_the_workload_where_only_its_pods_were_collected() {
        check(&format!(
            "pod a/p-1  app=p  creating  owner deployment/a/p  limit 256m
             {FAILED}
             => memory-limit-in-millibytes deployment/a/p"
        ));
    }

    #[test]
    fn unknown_without_events() {
        check(
            "deployment a/p  app=p  limit 256m
             pod a/p-1  app=p  unready  owner deployment/a/p
             service a/p  selector app=p  80 -> 80
             probe service/a/p:80  refused in 1ms
             missed events forbidden
             => unknown lacks events of namespace a",
        );
    }

    #[test]
    fn twin_the_node_has_no_inodes() {
        check(&format!(
            "deployment a/p  app=p  limit 256Mi
             pod a/p-1  app=p  creating  owner deployment/a/p  mounts /srv/p
             inodes n1  /srv 0 of 5000 free
             space n1  /srv 4000 of 5000 free
             {FAILED}
             => inode-exhaustion node/n1"
        ));
    }

    #[test]
    fn twin_a_limit_in_mebibytes_is_not_blamed() {
        check(&format!(
            "deployment a/p  app=p  limit 512Mi
             pod a/p-1  app=p  creating  owner deployment/a/p
             {FAILED}
             => unknown"
        ));
    }
}
