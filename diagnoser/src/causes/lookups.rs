//! Look-ups of names as those who made them tell of them: what the causes about names share.

use std::collections::BTreeSet;

use super::Lack;
pub(super) use crate::attempts::tells_of_names as tells;
use crate::{
    evidence::{Citation, Object, Outcome, ProbeKind, Target},
    model::{Model, is_down},
    propagation::Mode,
    subject::Subject,
};

/// How many of the last lines of a log are looked at: what was over long ago says nothing.
const LINES: usize = 200;

/// A look-up that failed.
pub(super) struct Failed {
    pub cited: Citation,
    /// The name, or the line that may have it.
    text: String,
    exact: bool,
}

impl Failed {
    /// Whether it was this name that was looked up.
    pub(super) fn is_of(&self, name: &str) -> bool {
        self.is_like(|looked_up| looked_up == name)
    }

    /// Whether it was a name like that.
    pub(super) fn is_like(&self, wanted: impl Fn(&str) -> bool) -> bool {
        let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
        self.exact && wanted(&self.text)
            || !self.exact && self.text.split(|c| !part(c)).any(|word| wanted(word.trim_end_matches('.')))
    }

    /// The name, where it is known for sure.
    pub(super) fn name(&self) -> Option<&str> {
        self.exact.then_some(self.text.as_str())
    }
}

/// Look-ups of its own that a pod tells of and that failed, the latest of each kind: in its records of requests, where the
/// last one to that name failed so, and in the last lines of its logs.
pub(super) fn failed(model: &Model<'_>, pod: &Subject) -> Vec<Failed> {
    let mut found: Vec<Failed> = Vec::new();
    let mut done = BTreeSet::new();
    for (index, record) in model.records_of(pod).rev() {
        let Some((host, _)) = record.upstream.as_deref().and_then(|upstream| upstream.rsplit_once(':')) else {
            continue;
        };
        if !done.insert(host) {
            continue;
        }
        if let Some(error) = record.error.as_deref().filter(|error| is_of_names(error)) {
            let cited = Citation::line("traffic.jsonl", index + 1, format!("{pod} -> {host}: {error}"));
            found.push(Failed { cited, text: host.to_owned(), exact: true });
        }
    }
    for log in model.evidence.logs.of(pod) {
        let lines: Vec<&str> = log.text.lines().collect();
        let from = lines.len().saturating_sub(LINES);
        let mut latest: Vec<(usize, &str)> = lines.iter().copied().enumerate().skip(from).collect();
        latest.retain(|(_, line)| tells(line));
        for (index, line) in latest.into_iter().rev().take(3) {
            let said: String = line.chars().take(200).collect();
            found.push(Failed {
                cited: Citation::line(&log.file, index + 1, said),
                text: line.to_owned(),
                exact: false,
            });
        }
    }
    found
}

/// Whether an error speaks of a name that has no address.
pub(super) fn is_of_names(error: &str) -> bool {
    error.split([':', ' ']).next() == Some("dns") || tells(error)
}

/// Whether a pod's own records say that requests fail, and of none that it is for a name.
pub(super) fn fails_otherwise(model: &Model<'_>, pod: &Subject) -> bool {
    let failed = model.records_of(pod).filter(|(_, record)| record.failed());
    let mut errors = failed.filter_map(|(_, record)| record.error.as_deref()).peekable();
    errors.peek().is_some() && !errors.any(is_of_names)
}

/// Look-ups made from these pods by hand, of which `wanted` holds.
pub(super) fn tried(
    model: &Model<'_>,
    pods: &BTreeSet<Subject>,
    wanted: impl Fn(&str, Outcome) -> bool,
) -> Option<Citation> {
    let probes = model.evidence.probes.iter().enumerate().filter(|(_, probe)| probe.kind == ProbeKind::Dns);
    let mut own = probes.filter(|(_, probe)| probe.from.as_ref().is_some_and(|from| pods.contains(from)));
    let (index, probe) = own.find(|(_, probe)| match probe.target() {
        Target::Name(name) => wanted(&name, probe.outcome),
        _ => false,
    })?;
    Some(probe.cite(index))
}

/// What pods produce for whom no name resolves, or not these: they answer errors and may not even stay up.
pub(super) fn effects(model: &Model<'_>, pods: &[&Object], names: impl Fn(&str) -> bool) -> Vec<(Subject, Mode)> {
    let mut effects = BTreeSet::new();
    for pod in pods {
        let subject = pod.subject();
        let asked = model.names_asked(subject).into_iter().filter(|name| names(&name.name));
        effects.extend(asked.map(|name| (name, Mode::Unresolved)));
        if !fails_otherwise(model, subject) {
            effects.insert((subject.clone(), Mode::Errors));
        }
        if is_down(pod) && !failed(model, subject).is_empty() {
            effects.insert((subject.clone(), Mode::Down));
        }
    }
    effects.into_iter().collect()
}

/// The log of a pod, where nothing of it was collected.
pub(super) fn lack_log(model: &Model<'_>, pod: &Object) -> Option<Lack> {
    let told = !model.evidence.logs.of(pod.subject()).is_empty() || model.records_of(pod.subject()).next().is_some();
    let container = pod.text("/spec/containers/0/name").unwrap_or("c");
    (!told).then(|| Lack::log(pod.subject(), Some(container), "whether its look-ups of names fail stands in it"))
}
