//! A registry gives an image only to those it knows, and the pod brings nothing to be known by: it names no pull secret, nor does
//! its service account, or the one that is named does not exist.
//!
//! # What it looks like
//! New pods stay in ErrImagePull or ImagePullBackOff; pods on nodes that have the image run. The registry, or the server that
//! gives out its tokens, answers 401 or 403: `failed to authorize`, `failed to fetch anonymous token`, `no basic auth
//! credentials`. Many registries answer the same of a repository that does not exist.
//!
//! # Confirm by hand
//! `kubectl -n NS get pod POD -o jsonpath={.spec.imagePullSecrets}` and `kubectl -n NS get serviceaccount NAME -o
//! jsonpath={.imagePullSecrets}` name nothing, or something that `kubectl -n NS get secrets` does not have. `skopeo inspect
//! docker://IMAGE` is refused without `--creds` and answered with them.
//!
//! # Fix
//! `kubectl -n NS create secret docker-registry NAME --docker-server=REGISTRY ...`, and name it in the template's
//! imagePullSecrets or in the service account.
//!
//! # Who acts
//! The owner of the workload, with whoever gives out access to the registry.
//!
//! # Source
//! kubernetes.io, Pull an Image from a Private Registry; Images, "Specifying imagePullSecrets on a Pod"; distribution
//! specification, "Token Authentication"; kubelet's event FailedToRetrieveImagePullSecret (pkg/kubelet/kubelet_pods.go).

use std::collections::BTreeSet;

use super::{
    Case, Cause, Finding, Lack,
    pulls::{self, Failure, Pull},
    rollout,
    stuck::{self, Look, events_of, not_listed, put_back},
};
use crate::{
    evidence::{Citation, Fact, Object},
    model::Model,
    subject::Subject,
};

/// See the module's comment.
pub struct ImagePullSecretMissing;

const FIELD: &str = "/spec/imagePullSecrets";

impl Cause for ImagePullSecretMissing {
    fn id(&self) -> &'static str {
        "image-pull-secret-missing"
    }

    fn source(&self) -> &'static str {
        include_str!("image_pull_secret_missing.rs")
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        stuck::findings(
            case.model,
            |pod| look(case.model, pod),
            |owner, _| {
                let summary = format!("Let {owner} name a pull secret that exists and that its registry accepts");
                put_back(case.model, owner, summary, |field| field.starts_with(FIELD))
            },
        )
    }
}

fn look(model: &Model<'_>, pod: &Object) -> Option<Look> {
    let pull = pulls::of(model, pod)?;
    let Some((text, failure, cited)) = pull.said else { return Some(Look::Unclear(vec![Pull::lack(model, pod)])) };
    if failure != Failure::Refused {
        return Some(Look::No(pulls::because(failure).to_owned(), cited));
    }
    let evidence: Vec<Citation> = [pull.reason].into_iter().chain(cited).collect();
    let named = named(model, pod);
    Some(if named.is_empty() {
        brings_nothing(model, pod, &pull.image, text, evidence)
    } else {
        brings_what_is_not_there(model, pod, &named, evidence)
    })
}

/// The secrets that the pod names, or its account for it.
fn named<'e>(model: &Model<'e>, pod: &'e Object) -> BTreeSet<&'e str> {
    let account = account(model, pod).into_iter().flat_map(|account| account.list("/imagePullSecrets"));
    pod.list(FIELD).iter().chain(account).filter_map(|secret| secret["name"].as_str()).collect()
}

fn account<'e>(model: &Model<'e>, pod: &Object) -> Option<&'e Object> {
    let name = pod.text("/spec/serviceAccountName").unwrap_or("default");
    model.object(&Subject::namespaced("serviceaccount", pod.namespace(), name))
}

fn brings_nothing(model: &Model<'_>, pod: &Object, image: &str, text: &str, mut evidence: Vec<Citation>) -> Look {
    let workload = model.workload_of(pod.subject());
    let (registry, path, _) = pulls::parts(image);
    if let Some(earlier) = rollout::previous(model, &workload) {
        let before = earlier.get("/spec/containers").and_then(|list| list.as_array()).into_iter().flatten();
        let mut before = before.filter_map(|container| container["image"].as_str()).map(pulls::parts);
        if earlier.get(FIELD).is_some() {
            evidence.push(earlier.cite(FIELD, "the template before named one"));
        } else if !before.any(|(host, other, _)| (host, other) == (registry, path)) {
            return Look::Unclear(vec![whether_it_exists(image, "the last rollout brought another name as well")]);
        }
    } else if text.contains("does not exist") {
        return Look::Unclear(vec![whether_it_exists(image, "the registry does not say")]);
    }
    evidence.push(pod.cite(FIELD, format!("{} names no pull secret", pod.subject())));
    evidence.extend(account(model, pod).map(|account| account.cite("/imagePullSecrets", "nor does its account")));
    Look::Yes(evidence)
}

fn whether_it_exists(image: &str, why: &str) -> Lack {
    Lack {
        what: format!("whether {image} exists"),
        why: why.to_owned(),
        how: format!("skopeo inspect --creds USER docker://{image}"),
        request: None,
    }
}

fn brings_what_is_not_there(
    model: &Model<'_>,
    pod: &Object,
    named: &BTreeSet<&str>,
    mut evidence: Vec<Citation>,
) -> Look {
    let there = |name: &str| model.object(&Subject::namespaced("secret", pod.namespace(), name));
    let absent: Vec<&&str> = named.iter().filter(|name| there(name).is_none()).collect();
    let Some(first) = absent.first() else {
        return Look::No("the pull secrets that it names exist".to_owned(), evidence);
    };
    let told = events_of(model.evidence, pod.subject()).into_iter();
    let event = told
        .filter(|(event, text)| {
            event.text("/reason") == Some("FailedToRetrieveImagePullSecret")
                && absent.iter().any(|n| text.contains(**n))
        })
        .map(|(event, text)| event.cite("/message", text))
        .next();
    evidence.push(pod.cite(FIELD, format!("{} names {first}", pod.subject())));
    match (model.evidence.listed("secret", "secrets"), event) {
        (Fact::Missed(why), None) => {
            return Look::Unclear(vec![Lack::objects("secrets", Some(pod.namespace()), why)]);
        }
        (Fact::Missed(_), Some(event)) => evidence.push(event),
        (Fact::Seen(()), event) => {
            evidence.push(not_listed("secrets", format!("there is no secret {first}")));
            evidence.extend(event);
        }
    }
    Look::Yes(evidence)
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"deployment a/s  app=s
             service a/s  selector app=s  80 -> 80
             pod a/s-1  app=s  creating  owner deployment/a/s
             set pod/a/s-1  spec.containers[0].image=reg.test/x/own:2  status.containerStatuses[0].state.waiting.reason=ErrImagePull
             ingress a/s  s.example.test -> s
             probe http://s.example.test/  503 in 2ms"#;

    const REFUSED: &str = "event pod/a/s-1  Failed  Failed to pull image \"reg.test/x/own:2\": failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://reg.test/token: 401 Unauthorized";

    #[test]
    fn holds_where_none_is_named() {
        check(&format!("{WORLD}\n{REFUSED}\n=> image-pull-secret-missing deployment/a/s"));
    }

    #[test]
    fn holds_where_the_one_that_is_named_does_not_exist() {
        let named = "set pod/a/s-1  spec.imagePullSecrets[0].name=keys";
        check(&format!("{WORLD}\n{named}\n{REFUSED}\n=> image-pull-secret-missing deployment/a/s"));
        let event = "event pod/a/s-1  FailedToRetrieveImagePullSecret  Unable to retrieve some image pull secrets (keys); attempting to pull the image may not succeed.";
        check(&format!(
            "{WORLD}\n{named}\n{REFUSED}\n{event}\nmissed secrets forbidden\n=> image-pull-secret-missing deployment/a/s"
        ));
        check(&format!(
            "{WORLD}\n{named}\n{REFUSED}\nmissed secrets forbidden\n=> unknown lacks secrets of namespace a"
        ));
        let account = "object ServiceAccount a/default  imagePullSecrets[0].name=keys";
        check(&format!("{WORLD}\n{account}\n{REFUSED}\n=> image-pull-secret-missing deployment/a/s"));
    }

    #[test]
    fn twin_the_secret_is_there_and_is_not_accepted() {
        check(&format!(
            "{WORLD}\nset pod/a/s-1  spec.imagePullSecrets[0].name=keys\nobject Secret a/keys  type=kubernetes.io/dockerconfigjson\n{REFUSED}\n=> unknown"
        ));
    }

    #[test]
    fn twin_the_registry_does_not_say_whether_it_exists() {
        let says = "event pod/a/s-1  Failed  Failed to pull image \"reg.test/x/own:2\": pull access denied, repository does not exist or may require authorization";
        check(&format!("{WORLD}\n{says}\n=> unknown lacks whether reg.test/x/own:2 exists"));
        let earlier = "set deployment/a/s  spec.template.spec.containers[0].image=reg.test/x/own:2\nearlier deployment/a/s 1  spec.containers[0].image=reg.test/x/one:1";
        check(&format!("{WORLD}\n{earlier}\n{REFUSED}\n=> unknown lacks whether reg.test/x/own:2 exists"));
        let earlier = earlier.replace("x/one:1", "x/own:1");
        check(&format!("{WORLD}\n{earlier}\n{says}\n=> image-pull-secret-missing deployment/a/s"));
    }

    #[test]
    fn twin_a_slip_of_the_pen_and_an_official_image_are_not_there_at_all() {
        check(&format!(
            "{WORLD}\nset pod/a/s-1  spec.containers[0].name=owner  status.containerStatuses[0].name=owner  spec.containers[0].image=reg.test/x/onwer:2\n{}\n=> image-tag-missing deployment/a/s",
            REFUSED.replace("own:2", "onwer:2")
        ));
        let says = "event pod/a/s-1  Failed  Failed to pull image \"owm\": pull access denied, repository does not exist or may require authorization";
        check(&format!(
            "{WORLD}\nset pod/a/s-1  spec.containers[0].image=owm\n{says}\n=> image-tag-missing deployment/a/s"
        ));
    }
}
