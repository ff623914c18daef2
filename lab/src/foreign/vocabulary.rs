//! What the others' words mean in ours: their names of causes, and their kinds of objects.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use diagnoser::{Subject, causes};

use crate::LabError;

/// Their words, with ours. A word that is not in it means itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    causes: BTreeMap<String, BTreeSet<String>>,
    kinds: BTreeMap<String, BTreeSet<String>>,
}

/// Kinds whose objects are called after the workload they belong to: `web-5d9c7-x2x4k`, `web-data`.
const CALLED_AFTER: [&str; 4] = ["pod", "replicaset", "persistentvolumeclaim", "job"];

impl Vocabulary {
    /// Reads a table of their word and ours, separated by tabs: `their_cause`, then one or several of our causes; `app/NAME`, then
    /// the kinds of ours that an object so called can be (`deployment`, `pod`, `service`). Several stand in fields of their own,
    /// or with commas.
    ///
    /// # Errors
    /// When the file cannot be read, a line says nothing, or a cause of ours does not exist; the error names line and column.
    pub fn read(file: &Path) -> Result<Self, LabError> {
        let text = fs::read_to_string(file).map_err(|error| LabError::file(file, error))?;
        Self::parse(&text).map_err(|(line, column, what)| LabError::BadInput {
            place: format!("{}:{line}:{column}", file.display()),
            what,
            next:
                "Each line is: their cause, our causes; or app/NAME, our kinds; separated by tabs. lab explain lists \
                   our causes."
                    .to_owned(),
        })
    }

    fn parse(text: &str) -> Result<Self, (usize, usize, String)> {
        let known: BTreeSet<&str> = causes::all().iter().map(|cause| cause.id()).collect();
        let mut vocabulary = Self::default();
        for (index, line) in
            text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        {
            let column = |word: &str| line.find(word).map_or(1, |at| line[..at].chars().count() + 1);
            let (theirs, ours) = line.split_once('\t').unwrap_or((line, ""));
            let theirs = theirs.trim();
            let ours: Vec<&str> = ours.split(['\t', ',']).map(str::trim).filter(|word| !word.is_empty()).collect();
            if ours.is_empty() {
                return Err((index + 1, line.chars().count() + 1, format!("nothing of ours for `{theirs}`")));
            }
            let words = match theirs.split_once('/') {
                Some((kind, _)) => {
                    let kinds = ours.iter().map(|word| word.split('/').next().unwrap_or(word).to_ascii_lowercase());
                    vocabulary.kinds.entry(kind.to_ascii_lowercase()).or_default().extend(kinds);
                    continue;
                }
                None => vocabulary.causes.entry(theirs.to_owned()).or_default(),
            };
            for word in ours {
                if !known.contains(word) {
                    return Err((index + 1, column(word), format!("no cause `{word}`")));
                }
                words.insert(word.to_owned());
            }
        }
        Ok(vocabulary)
    }

    /// Whether one of our causes is what they mean.
    pub fn means_cause(&self, theirs: &str, ours: &str) -> bool {
        self.causes.get(theirs).map_or(theirs == ours, |words| words.contains(ours))
    }

    /// Whether one of our subjects is the object they mean: of a kind that theirs may be, with its name, or called after it. Their
    /// `namespace/NAME` is also met by what stands in that namespace, where its kind is among those.
    pub fn means_subject(&self, theirs: &str, ours: &Subject) -> bool {
        let mut parts = theirs.split('/');
        let (Some(kind), Some(name)) = (parts.next(), parts.next_back()) else { return false };
        let kind = kind.to_ascii_lowercase();
        let in_namespace = parts.next().is_none_or(|namespace| namespace == ours.namespace());
        let kinds = self.kinds.get(&kind);
        if !in_namespace || !kinds.map_or(kind == ours.kind, |kinds| kinds.contains(ours.kind.as_str())) {
            return false;
        }
        let after = ours.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
        ours.name == name
            || after && CALLED_AFTER.contains(&ours.kind.as_str())
            || kind == "namespace" && ours.namespace() == name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(text: &str) -> Subject {
        text.parse().unwrap()
    }

    #[test]
    fn their_words_and_ours() {
        let ours = Vocabulary::parse(
            "wrong_port\tservice-port-mismatch\tservice-named-port-missing\napp/NAME\tdeployment, service,pod\nnamespace/NAME\tresourcequota\n",
        )
        .unwrap();
        assert!(ours.means_cause("wrong_port", "service-named-port-missing"));
        assert!(!ours.means_cause("wrong_port", "disk-full"));
        assert!(ours.means_cause("disk-full", "disk-full"));
        assert!(ours.means_subject("app/web", &subject("deployment/shop/web")));
        assert!(ours.means_subject("app/web", &subject("pod/shop/web-5d9c7-x2x4k")));
        assert!(!ours.means_subject("app/web", &subject("service/shop/web-external")));
        assert!(!ours.means_subject("app/web", &subject("configmap/shop/web")));
        assert!(ours.means_subject("app/shop/web", &subject("service/shop/web")));
        assert!(!ours.means_subject("app/blog/web", &subject("service/shop/web")));
        assert!(ours.means_subject("namespace/shop", &subject("resourcequota/shop/pods")));
        assert!(ours.means_subject("node/n1", &subject("node/n1")));
    }

    #[test]
    fn a_cause_that_does_not_exist_is_named() {
        assert_eq!(Vocabulary::parse("x\tdisk-ful\n").unwrap_err(), (1, 3, "no cause `disk-ful`".to_owned()));
        assert_eq!(Vocabulary::parse("x\n").unwrap_err(), (1, 2, "nothing of ours for `x`".to_owned()));
    }
}
