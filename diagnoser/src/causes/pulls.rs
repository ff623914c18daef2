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
    /// The registry, or whoever gives out its tokens, wants to know who asks, or does not let those have it who do.
    Refused,
    /// The registry has it, and not for the node's kind of machine.
    Platform,
    /// The registry gives no more for now.
    RateLimited,
    /// Its certificate is not trusted, or it has none.
    Untrusted,
    /// Anything else: a mirror that forbids, a registry in trouble.
    Other,
}

/// A pull that failed, as far as it is told.
pub(super) struct Pull<'e> {
    /// The image, as the container names it.
    pub image: String,
    /// That its container waits for it.
    pub reason: Citation,
    /// What was said of it that tells how it failed: the words, how, and where that stands.
    pub said: Option<(&'e str, Failure, Vec<Citation>)>,
}

/// The pull that a pod waits for; `None` where it waits for none that failed.
pub(super) fn of<'e>(model: &Model<'e>, pod: &'e Object) -> Option<Pull<'e>> {
    let (place, container, image, message) = failing(pod)?;
    let told = events_of(model.evidence, pod.subject());
    let events = told.into_iter().filter(|(_, text)| text.starts_with("Failed to pull image") && text.contains(&image));
    let said = [(pod.cite(&format!("{place}/message"), message), message)].into_iter();
    let mut said = said.chain(events.map(|(event, text)| (event.cite("/message", text), text)));
    let said = said.find_map(|(cited, text)| Some((text, classify(text, &image)?, vec![cited]))).map(|said| {
        let (text, failure, mut cited) = said;
        let refuses = failure == Failure::Refused || failure == Failure::Other && text.contains("403 Forbidden");
        let slip = slip_of(model, pod, container, &image).filter(|_| refuses);
        // Official images of Docker Hub are there for everybody: who is refused one asks for what is not there.
        let nobody_s = refuses && is_official(&image) && text.contains("does not exist");
        let failure = if slip.is_some() || nobody_s { Failure::Absent } else { failure };
        cited.extend(slip);
        (text, failure, cited)
    });
    let reason = pod.cite(&format!("{place}/reason"), format!("{image} cannot be pulled"));
    Some(Pull { image: image.clone(), reason, said })
}

impl Pull<'_> {
    /// What there is no telling without.
    pub fn lack(model: &Model<'_>, pod: &Object) -> Lack {
        let why = match model.evidence.listed("event", "events") {
            Fact::Missed(why) => why,
            Fact::Seen(()) => "those that said why the pull failed are gone".to_owned(),
        };
        Lack::objects("events", Some(pod.namespace()), why)
    }
}

/// Whether a pod waits for an image whose pull failed in this way.
pub(super) fn look(model: &Model<'_>, pod: &Object, wanted: Failure) -> Option<Look> {
    let pull = of(model, pod)?;
    let Some((_, failure, cited)) = pull.said else { return Some(Look::Unclear(vec![Pull::lack(model, pod)])) };
    Some(if failure == wanted {
        Look::Yes([pull.reason].into_iter().chain(cited).collect())
    } else {
        Look::No(because(failure).to_owned(), cited)
    })
}

pub(super) fn because(failure: Failure) -> &'static str {
    match failure {
        Failure::Absent => "the registry answered, and has no such image",
        Failure::Unreachable => "the registry could not be asked",
        Failure::Refused => "the registry answered, and does not let this one have it",
        Failure::RateLimited => "the registry answered, and gives no more for now",
        Failure::Untrusted => "the registry's certificate is not trusted",
        Failure::Platform => "the registry has the image, for other kinds of machine",
        Failure::Other => "the pull failed for another reason",
    }
}

/// The parts of an image's name: its registry, where one is named, its path, and what comes last of it, without tag and digest.
pub(super) fn parts(image: &str) -> (Option<&str>, &str, &str) {
    let name = image.split('@').next().unwrap_or(image);
    let (registry, path) = match name.split_once('/') {
        Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), path),
        _ => (None, name),
    };
    let path = path.split(':').next().unwrap_or(path);
    (registry, path, path.rsplit('/').next().unwrap_or(path))
}

/// Whether it is one of Docker Hub's official images (docs.docker.com, "Docker Official Images"): those without an owner.
fn is_official(image: &str) -> bool {
    let (registry, path, last) = parts(image);
    matches!(registry, None | Some("docker.io" | "index.docker.io"))
        && (path == last || path == format!("library/{last}"))
}

/// What an image is named after, where its name is that but for one letter: its container, or an image of others. Names with
/// numbers in them differ by one letter for good.
fn slip_of(model: &Model<'_>, pod: &Object, container: &str, image: &str) -> Option<Citation> {
    let (.., own) = parts(image);
    let letters = |name: &str| name.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
    let meant = model.workload_of(pod.subject()).name == own || own == container;
    if own.len() < 4 || !letters(own) || meant {
        return None;
    }
    let slips = |name: &str| letters(name) && strsim::osa_distance(own, name) == 1;
    if slips(container) {
        return Some(pod.cite("/spec/containers", format!("the container is called {container}, the image {own}")));
    }
    model.evidence.objects.of_kind("pod").find_map(|other| {
        let images = other.list("/spec/containers").iter().filter_map(|spec| spec["image"].as_str());
        let alike = images.into_iter().find(|other| slips(parts(other).2))?;
        Some(other.cite("/spec/containers", format!("there is an image {alike}")))
    })
}

/// The first container that waits for its image: where that stands, its name, the image, and the message.
fn failing(pod: &Object) -> Option<(String, &str, String, &str)> {
    let pulls = ["ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"];
    let (place, name, _, message) = waiting(pod).find(|(_, _, reason, _)| pulls.contains(reason))?;
    let specs = pod.list("/spec/initContainers").iter().chain(pod.list("/spec/containers"));
    let image = specs.filter(|spec| spec["name"] == name).find_map(|spec| spec["image"].as_str())?;
    Some((place, name, image.to_owned(), message))
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
    // An answer of the registry, or of its token server: containerd's words and the error codes of the specification.
    const NO_IMAGE: [&str; 5] = ["not found", "manifest unknown", "manifest_unknown", "name unknown", "name_unknown"];
    const REFUSED: [&str; 8] = [
        "401",
        "unauthorized",
        "failed to authorize",
        "authorization failed",
        "authentication required",
        "no basic auth credentials",
        "access denied",
        "denied:",
    ];
    if any(&["no match for platform", "no matching manifest for"]) {
        Some(Failure::Platform)
    } else if any(&["429 too many requests", "toomanyrequests"]) {
        Some(Failure::RateLimited)
    } else if any(&["x509: ", "server gave http response to https client", "certificate verify failed"]) {
        Some(Failure::Untrusted)
    } else if any(&NO_ANSWER) {
        Some(Failure::Unreachable)
    } else if any(&REFUSED) {
        Some(Failure::Refused)
    } else if any(&["403", "forbidden", "denied"]) {
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
