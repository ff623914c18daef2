//! Images that a node could not pull, and what was said about it: by the registry, or of the way to it.
//!
//! Source: the kubelet's reasons (kubernetes/pkg/kubelet/images/types.go); containerd's errors (core/remotes/docker); the OCI
//! distribution specification, "Error Codes"; Go's net package, whose words for a failed dial or look-up are passed on.

use super::{
    Lack,
    stuck::{Look, put_back, waiting},
};
use crate::{
    diagnosis::Fix,
    evidence::{Citation, Fact, Object},
    model::Model,
    subject::Subject,
    symptoms::events_of,
};

/// How a pull failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The registry answered that there is no such repository or tag.
    Absent,
    /// The registry could not be asked.
    Unreachable,
    /// Anything else: access, certificates, a registry in trouble.
    Other,
}

/// Whether a pod waits for an image whose pull failed in this way.
pub(super) fn look(model: &Model<'_>, pod: &Object, wanted: Failure) -> Option<Look> {
    let (place, image, message) = failing(pod)?;
    let told = events_of(model.evidence, pod.subject());
    let events = told.iter().filter(|(_, text)| text.starts_with("Failed to pull image") && text.contains(&image));
    let said = [(pod.cite(&format!("{place}/message"), message), message)];
    let said: Vec<(Citation, &str)> =
        said.into_iter().chain(events.map(|(event, text)| (event.cite("/message", *text), *text))).collect();
    let Some((cited, failure)) = said.into_iter().find_map(|(cited, text)| Some((cited, classify(text, &image)?)))
    else {
        let why = match model.evidence.listed("event", "events") {
            Fact::Missed(why) => why,
            Fact::Seen(()) => "those that said why the pull failed are gone".to_owned(),
        };
        return Some(Look::Unclear(vec![Lack::objects("events", Some(pod.namespace()), why)]));
    };
    let reason = pod.cite(&format!("{place}/reason"), format!("{} cannot be pulled", image));
    Some(if failure == wanted {
        Look::Yes(vec![reason, cited])
    } else {
        Look::No(because(failure).to_owned(), vec![cited])
    })
}

fn because(failure: Failure) -> &'static str {
    match failure {
        Failure::Absent => "the registry answered, and has no such image",
        Failure::Unreachable => "the registry could not be asked",
        Failure::Other => "the pull failed for another reason",
    }
}

/// The first container that waits for its image: where that stands, the image, and the message.
fn failing(pod: &Object) -> Option<(String, String, &str)> {
    let pulls = ["ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"];
    let (place, name, _, message) = waiting(pod).find(|(_, _, reason, _)| pulls.contains(reason))?;
    let specs = pod.list("/spec/initContainers").iter().chain(pod.list("/spec/containers"));
    let image = specs.filter(|spec| spec["name"] == name).find_map(|spec| spec["image"].as_str())?;
    Some((place, image.to_owned(), message))
}

/// What a message says of the pull of an image; `None` where it only says that there was one.
fn classify(message: &str, image: &str) -> Option<Failure> {
    // The image's own name may contain any word.
    let text = message.replace(image, "").to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    // A request that got no answer: the words of Go's net and net/http.
    const NO_ANSWER: [&str; 10] = [
        "dial tcp",
        "no such host",
        "i/o timeout",
        "connection refused",
        "connection reset",
        "network is unreachable",
        "no route to host",
        "deadline exceeded",
        "client.timeout",
        "tls handshake timeout",
    ];
    // An answer of the registry.
    const NO_IMAGE: [&str; 5] = ["not found", "manifest unknown", "manifest_unknown", "name unknown", "name_unknown"];
    if any(&NO_ANSWER) {
        Some(Failure::Unreachable)
    } else if any(&["401", "403", "unauthorized", "forbidden", "denied"]) {
        // Some registries answer so of what does not exist, others of what one may not see: undecidable from here.
        Some(Failure::Other)
    } else if any(&NO_IMAGE) {
        Some(Failure::Absent)
    } else {
        (!text.trim().is_empty() && !text.starts_with("back-off pulling image")).then_some(Failure::Other)
    }
}

/// Back to the image before.
pub(super) fn back_to_the_image_before(model: &Model<'_>, owner: &Subject, summary: String) -> Fix {
    put_back(model, owner, summary, |field| field.ends_with("/image"))
}
