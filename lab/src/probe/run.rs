//! Creates the pod, waits for it, reads what it wrote, and removes it, whatever happened.

use std::time::Duration;

use diagnoser::{Evidence, Subject};
use jiff::Timestamp;
use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    core::v1::Pod,
};
use kube::{
    Api, Client,
    api::{DeleteParams, LogParams, PostParams},
};
use serde_json::Value;
use tokio::time::timeout;

use super::{add, plan::plan, pod, tried};
use crate::{
    LabError,
    gate::interrupt,
    replay::Files,
    report,
    rigs::{Now, until},
};

/// What is done with the pod, as RBAC has it: resource and verbs.
pub(super) const RIGHTS: [(&str, &[&str]); 2] = [("pods", &["create", "delete", "get"]), ("pods/log", &["get"])];

/// How long the image may take to be pulled and all attempts to be made.
const PATIENCE: Duration = Duration::from_secs(110);
/// How long the API server may take to be told that the pod is to go.
const REMOVAL: Duration = Duration::from_secs(20);
/// States that waiting does not change (kubelet's reasons of a container that waits).
const HOPELESS: [&str; 6] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImagePull",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
];

/// Adds what a pod in `namespace` sees to the evidence. A pod that cannot do its work is said, and the evidence then lacks it.
///
/// # Errors
/// When one may not do that there, when the pod could not be removed (with how to), or when the user interrupts.
pub async fn run(
    client: &Client,
    context: &str,
    namespace: &str,
    image: &str,
    files: &mut Files,
) -> Result<(), LabError> {
    let name = format!("probe-{:x}", Timestamp::now().as_microsecond());
    let evidence = Evidence::from_files(files)?;
    let empty = pod::manifest(namespace, &name, image, &super::plan::Plan::default());
    let plan = plan(&evidence, namespace, &pod::as_object(&empty));
    for (what, why) in &plan.skipped {
        tracing::info!("not tried: {what}: {why}");
    }
    if plan.attempts.is_empty() {
        tracing::warn!("nothing can be tried from {namespace}: {}", plan.skipped.first().map_or("", |(_, why)| why));
        return add(files, None, &[], &plan.skipped);
    }
    allowed(client, namespace).await?;
    let manifest = pod::manifest(namespace, &name, image, &plan);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let remove = format!("kubectl --context {context} -n {namespace} delete pod {name}");
    report::say(&format!(
        "{} attempts from pod/{namespace}/{name}, which is removed at the end (else: {remove})",
        plan.attempts.len()
    ));
    let worked = interrupt::or(work(&pods, &name, &manifest)).await;
    gone(&pods, &name, &remove).await?;
    let mut missed = plan.skipped;
    match worked {
        Ok((pod, log)) => {
            let probes = tried::probes(&log, &Subject::namespaced("pod", namespace, &name));
            add(files, Some(pod), &probes, &missed)
        }
        Err(LabError::Live { what, why, .. }) => {
            tracing::warn!("no probes: {what}: {why}");
            missed.push(("probes.json".to_owned(), format!("{what}: {why}")));
            add(files, None, &[], &missed)
        }
        Err(other) => Err(other),
    }
}

/// The pod as it was when it had ended, and its log.
async fn work(pods: &Api<Pod>, name: &str, manifest: &Value) -> Result<(Value, String), LabError> {
    let failed = |what: &str, error: &kube::Error| LabError::Live {
        what: what.to_owned(),
        why: error.to_string(),
        next: "Without --probe the cluster is only read.".to_owned(),
    };
    let pod: Pod = serde_json::from_value(manifest.clone()).map_err(|error| LabError::Live {
        what: "writing the pod for the probes".to_owned(),
        why: error.to_string(),
        next: "This is a bug; please report it.".to_owned(),
    })?;
    pods.create(&PostParams::default(), &pod)
        .await
        .map_err(|error| failed("creating the pod for the probes", &error))?;
    let ended = until("the probes", PATIENCE, async || {
        let pod = pods.get(name).await.map_err(|error| failed("looking after the pod for the probes", &error))?;
        let pod = serde_json::to_value(&pod).unwrap_or_default();
        state(&pod).map(|state| match state {
            None => Now::Holds(pod),
            Some(seen) => Now::NotYet(seen),
        })
    });
    let mut pod = ended.await?;
    (pod["apiVersion"], pod["kind"]) = ("v1".into(), "Pod".into());
    let parameters = LogParams { timestamps: true, ..Default::default() };
    let log = pods.logs(name, &parameters).await.map_err(|error| failed("reading what the probes came to", &error))?;
    Ok((pod, log))
}

/// What a pod is still doing; `None` when it has ended as it should.
fn state(pod: &Value) -> Result<Option<String>, LabError> {
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let waiting = "/status/containerStatuses/0/state/waiting";
    let reason = text(&format!("{waiting}/reason"));
    let hopeless = |why: String| LabError::Live {
        what: "the pod for the probes".to_owned(),
        why,
        next: "--probe-image names another image; it needs sh, /agnhost, dig and curl.".to_owned(),
    };
    match text("/status/phase").as_deref() {
        Some("Succeeded") => Ok(None),
        Some("Failed") => {
            Err(hopeless(text("/status/message").or(text("/status/reason")).unwrap_or_else(|| "it failed".to_owned())))
        }
        phase => match reason {
            Some(reason) if HOPELESS.contains(&reason.as_str()) => {
                let message = text(&format!("{waiting}/message")).unwrap_or_default();
                Err(hopeless(format!("{reason}: {message}").trim_end_matches(": ").to_owned()))
            }
            Some(reason) => Ok(Some(reason)),
            None => {
                let unscheduled = pod["status"]["conditions"].as_array().into_iter().flatten();
                let mut unscheduled = unscheduled.filter(|condition| condition["status"] == "False");
                let message = unscheduled.find_map(|condition| condition["message"].as_str()).map(str::to_owned);
                Ok(Some(message.unwrap_or_else(|| phase.unwrap_or("nothing").to_owned())))
            }
        },
    }
}

/// Removes the pod; that it is not there is as well.
async fn gone(pods: &Api<Pod>, name: &str, remove: &str) -> Result<(), LabError> {
    let left = |why: String| LabError::Live {
        what: format!("removing pod {name}"),
        why,
        next: format!("It ends by itself; remove it with: {remove}"),
    };
    match timeout(REMOVAL, pods.delete(name, &DeleteParams::default().grace_period(0))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(()),
        Ok(Err(error)) => Err(left(error.to_string())),
        Err(_) => Err(left(format!("no answer within {REMOVAL:?}"))),
    }
}

/// Asks the API server whether all that is to be done may be done, removal before all: nothing is begun that cannot be ended.
async fn allowed(client: &Client, namespace: &str) -> Result<(), LabError> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let mut forbidden = Vec::new();
    let each = RIGHTS.iter().flat_map(|(resource, verbs)| verbs.iter().map(move |verb| (*verb, *resource)));
    for (verb, resource) in each {
        let review = review(namespace, verb, resource);
        let answer = reviews.create(&PostParams::default(), &review).await.map_err(|error| LabError::Live {
            what: format!("asking whether one may {verb} {resource} in {namespace}"),
            why: error.to_string(),
            next: "Without --probe the cluster is only read.".to_owned(),
        })?;
        if !answer.status.is_some_and(|status| status.allowed) {
            forbidden.push(format!("{verb} {resource}"));
        }
    }
    refused(namespace, &forbidden)
}

fn review(namespace: &str, verb: &str, resource: &str) -> SelfSubjectAccessReview {
    let (resource, subresource) = resource.split_once('/').map_or((resource, None), |(of, sub)| (of, Some(sub)));
    let attributes = ResourceAttributes {
        namespace: Some(namespace.to_owned()),
        resource: Some(resource.to_owned()),
        subresource: subresource.map(str::to_owned),
        verb: Some(verb.to_owned()),
        ..Default::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    SelfSubjectAccessReview { spec, ..Default::default() }
}

fn refused(namespace: &str, forbidden: &[String]) -> Result<(), LabError> {
    if forbidden.is_empty() {
        return Ok(());
    }
    Err(LabError::Live {
        what: format!("probing from {namespace}"),
        why: format!("you may not {} there; nothing was done", forbidden.join(", ")),
        next: "docs/probe-role.yaml is a role that allows just that. Without --probe the cluster is only read."
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_waited_for_until_it_has_ended_or_never_will() {
        assert!(matches!(state(&json!({"status": {"phase": "Succeeded"}})), Ok(None)));
        let waits = |reason: &str| json!({"status": {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": reason, "message": "m"}}}]}});
        assert!(matches!(state(&waits("ContainerCreating")), Ok(Some(seen)) if seen == "ContainerCreating"));
        let error = state(&waits("ErrImagePull")).expect_err("it waits for good").to_string();
        assert_eq!(error, "the pod for the probes: ErrImagePull: m");
        let unscheduled = json!({"status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]}});
        assert!(matches!(state(&unscheduled), Ok(Some(seen)) if seen == "0/3 nodes"));
        assert!(state(&json!({"status": {"phase": "Failed", "reason": "DeadlineExceeded"}})).is_err());
    }

    #[test]
    fn what_is_forbidden_is_named() {
        assert!(refused("shop", &[]).is_ok());
        let error =
            refused("shop", &["create pods".to_owned(), "delete pods".to_owned()]).expect_err("refused").render();
        assert!(error.contains("you may not create pods, delete pods there; nothing was done"), "{error}");
        let asked = review("shop", "get", "pods/log").spec.resource_attributes.expect("what is asked");
        assert_eq!((asked.resource.as_deref(), asked.subresource.as_deref()), (Some("pods"), Some("log")));
    }
}
