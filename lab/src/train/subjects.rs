//! Everything that an answer can name, and which of it a trainee means by `svc web`, `web-7d4f` or `service/shop/web`.

use std::collections::BTreeSet;

use diagnoser::{Diagnosis, Evidence, Subject};

use crate::replay::Files;

/// Short names of kinds, as kubectl knows them, and what people say of machines.
const SHORT: [(&str, &str); 20] = [
    ("cj", "cronjob"),
    ("cm", "configmap"),
    ("deploy", "deployment"),
    ("dep", "deployment"),
    ("ds", "daemonset"),
    ("ep", "endpoints"),
    ("ing", "ingress"),
    ("machine", "host"),
    ("netpol", "networkpolicy"),
    ("no", "node"),
    ("ns", "namespace"),
    ("po", "pod"),
    ("policy", "networkpolicy"),
    ("pv", "persistentvolume"),
    ("pvc", "persistentvolumeclaim"),
    ("quota", "resourcequota"),
    ("rs", "replicaset"),
    ("sa", "serviceaccount"),
    ("sts", "statefulset"),
    ("svc", "service"),
];

/// A shorter beginning of a name is no name.
const SHORTEST: usize = 3;

/// All subjects of an exercise.
#[derive(Clone, Debug, Default)]
pub(super) struct Subjects(BTreeSet<Subject>);

impl Subjects {
    /// Objects, machines, and whatever else the diagnosis or the truth speaks of.
    pub(super) fn of<'a>(
        files: &Files,
        evidence: &Evidence,
        diagnosis: &'a Diagnosis,
        roots: impl Iterator<Item = &'a Subject>,
    ) -> Self {
        let mut all: BTreeSet<Subject> = evidence.objects.all().map(|object| object.subject().clone()).collect();
        let machines = files.keys().filter_map(|file| file.strip_prefix("hosts/")?.split('/').next());
        all.extend(machines.map(|host| evidence.machine(host)));
        all.extend(diagnosis.symptoms.iter().map(|symptom| symptom.subject.clone()));
        all.extend(diagnosis.path.iter().flat_map(|hop| hop.subjects.iter().cloned()));
        all.extend(roots.cloned());
        Self(all)
    }

    /// The subjects that a text may mean, the best kind of match only.
    pub(super) fn meant(&self, text: &str) -> Vec<&Subject> {
        let words: Vec<String> =
            text.split(['/', ' ']).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
        let parts: Vec<&str> = words.iter().map(String::as_str).collect();
        let fits: Box<dyn Fn(&Subject) -> bool> = match parts[..] {
            [_] => Box::new(|_| true),
            [a, _] => Box::new(move |subject| is_kind(subject, a) || subject.namespace() == a),
            [kind, namespace, _] => Box::new(move |subject| is_kind(subject, kind) && subject.namespace() == namespace),
            _ => return vec![],
        };
        let name = parts.last().copied().unwrap_or_default();
        let found = |same: &dyn Fn(&str) -> bool| -> Vec<&Subject> {
            self.0.iter().filter(|subject| fits(subject) && same(&subject.name)).collect()
        };
        let exact = found(&|other| other == name);
        if exact.is_empty() && name.len() >= SHORTEST { found(&|other| other.starts_with(name)) } else { exact }
    }
}

/// Whether a word names the kind of a subject: `svc`, `services`, `node` also for what is called a host and the reverse.
fn is_kind(subject: &Subject, word: &str) -> bool {
    let long = SHORT.iter().find(|(short, _)| *short == word).map_or(word, |(_, long)| long);
    let singular = |kind: &str| {
        kind == subject.kind
            || kind.strip_suffix("ies").is_some_and(|stem| format!("{stem}y") == subject.kind)
            || kind.strip_suffix("es").is_some_and(|stem| stem == subject.kind)
            || kind.strip_suffix('s').is_some_and(|stem| stem == subject.kind)
    };
    singular(long) || (matches!(long, "host" | "node") && matches!(subject.kind.as_str(), "host" | "node"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(text: &str) -> Vec<String> {
        let all =
            ["service/shop/web", "pod/shop/web-7d4f-x", "deployment/shop/web", "node/worker-1", "service/ops/api"];
        let subjects = Subjects(all.iter().map(|text| text.parse().expect("a subject")).collect());
        subjects.meant(text).into_iter().map(ToString::to_string).collect()
    }

    #[test]
    fn short_and_long_forms_mean_the_same() {
        for text in ["service/shop/web", "svc/web", "services web", "Service shop/web"] {
            assert_eq!(meant(text), ["service/shop/web"], "{text}");
        }
        assert_eq!(meant("pod/shop/web-7d4f"), ["pod/shop/web-7d4f-x"]);
        assert_eq!(meant("host/worker-1"), ["node/worker-1"]);
        assert_eq!(meant("api"), ["service/ops/api"]);
        assert_eq!(meant("web"), ["deployment/shop/web", "service/shop/web"], "which, is for the trainee to say");
        assert!(meant("nobody").is_empty());
        assert!(meant("a/b/c/d").is_empty());
    }
}
