//! What a folder of whatever layout came to, brought into the lab's own form.

use std::collections::{BTreeMap, BTreeSet};

use diagnoser::Subject;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Evidence,
    documents::{self, Found},
    origins::Origins,
    tree::Tree,
};
use crate::{
    LabError,
    collect::{as_list, changes_of, lines, pretty, requests_of},
    replay::Files,
    rigs::{Kind, kind_of, kinds},
};

/// So many requests are read out of access logs, the last ones.
const REQUESTS: usize = 1000;

/// What was found so far.
#[derive(Default)]
pub(super) struct Gathered {
    /// Files that have the lab's form as they are.
    pub(super) files: Files,
    /// Objects by what they are, with file and pointer; of two snapshots of one object the last counts.
    objects: BTreeMap<Subject, (Value, String, String)>,
    origins: Origins,
    /// The kinds of which there were lists, so that what is not in them does not exist.
    listed: BTreeSet<&'static str>,
    missed: BTreeMap<String, String>,
    /// The namespaces that were looked into, where the layout says it.
    pub(super) namespaces: BTreeSet<String>,
    /// When, where the layout says it.
    pub(super) collected: Option<Timestamp>,
    nameless: usize,
}

impl Gathered {
    /// Takes the objects out of a file; says whether it has any, or is a list of none.
    ///
    /// # Errors
    /// When it does not parse, with the place.
    pub(super) fn objects(&mut self, tree: &Tree, name: &str, hint: Option<&'static Kind>) -> Result<bool, LabError> {
        self.objects_in(tree, name, &tree.text(name)?, hint)
    }

    /// The same of text that was read already.
    pub(super) fn objects_in(
        &mut self,
        tree: &Tree,
        name: &str,
        text: &str,
        hint: Option<&'static Kind>,
    ) -> Result<bool, LabError> {
        let found = documents::objects(&tree.shown(name).display().to_string(), text, hint)?;
        Ok(self.add(name, found, hint))
    }

    /// The same of a file that a program wrote among thousands: one that is broken is said and missed, and stops nothing.
    pub(super) fn objects_if_whole(&mut self, tree: &Tree, name: &str, hint: Option<&'static Kind>) -> bool {
        self.objects(tree, name, hint).unwrap_or_else(|error| {
            tracing::warn!("{error}; passed over");
            self.miss(hint.map_or(name, |hint| hint.plural), &error.to_string());
            true
        })
    }

    fn add(&mut self, name: &str, found: Found, hint: Option<&'static Kind>) -> bool {
        let any = found.lists || !found.objects.is_empty();
        self.nameless += if any { found.nameless } else { 0 };
        if found.lists {
            let of_lists = found.kinds.iter().filter_map(|kind| kind_of(kind).ok());
            self.listed.extend(of_lists.chain(hint).map(|kind| kind.plural));
        }
        for (object, pointer) in found.objects {
            if let Some(subject) = documents::subject(&object) {
                self.objects.insert(subject, (object, name.to_owned(), pointer));
            }
        }
        any
    }

    /// The log of a container, whose first line stood after `before` others in the file `name`.
    pub(super) fn log(
        &mut self,
        [namespace, pod, container]: [&str; 3],
        previous: bool,
        text: String,
        name: &str,
        before: usize,
    ) {
        let file = format!("logs/{namespace}_{pod}_{container}{}.txt", if previous { ".previous" } else { "" });
        self.origins.lines.insert(file.clone(), (name.to_owned(), before));
        self.files.insert(file, text);
    }

    /// A resource (plural) or a file of the lab's form that could not be had.
    pub(super) fn miss(&mut self, what: &str, why: &str) {
        self.missed.entry(what.to_owned()).or_insert_with(|| why.to_owned());
    }

    /// `23 objects and 7 logs`.
    pub(super) fn counted(&self) -> String {
        let logs = self.files.keys().filter(|name| name.starts_with("logs/")).count();
        format!("{} objects and {logs} logs", self.objects.len())
    }

    /// All of it in the lab's form. Evidence that had it already stays as it was.
    ///
    /// # Errors
    /// When `objects.json` has to be read and does not parse.
    pub(super) fn finish(mut self, tree: &Tree) -> Result<Evidence, LabError> {
        const OBJECTS: &str = "objects.json";
        if let Some(text) = self.files.get(OBJECTS) {
            match plain(text).filter(|_| self.objects.is_empty()) {
                Some(subjects) => {
                    let place = |(index, subject)| (OBJECTS.to_owned(), format!("/items/{index}"), subject);
                    self.origins.objects = subjects.into_iter().enumerate().map(place).collect();
                }
                None => drop(self.objects_in(tree, OBJECTS, &text.clone(), None)?),
            }
        }
        if self.nameless > 0 {
            tracing::warn!("{} objects without kind or name are passed over", self.nameless);
        }
        let items: Vec<Value> =
            if self.objects.is_empty() && self.listed.is_empty() { Vec::new() } else { self.write_objects() };
        if !self.files.contains_key("traffic.jsonl") && self.files.keys().any(|name| name.starts_with("logs/")) {
            let requests = requests_of(&self.files, &items, REQUESTS);
            if !requests.is_empty() {
                self.files.insert("traffic.jsonl".to_owned(), requests);
            }
        }
        Ok(Evidence { files: self.files, origins: self.origins, notice: String::new() })
    }

    /// Writes `objects.json`, and what is known of it where the folder does not say that itself.
    fn write_objects(&mut self) -> Vec<Value> {
        let plurals: BTreeMap<String, &str> =
            kinds().map(|kind| (kind.kind.to_ascii_lowercase(), kind.plural)).collect();
        let mut listed: BTreeMap<&str, usize> = self.listed.iter().map(|plural| (*plural, 0)).collect();
        let mut items = Vec::new();
        for (subject, (object, name, pointer)) in std::mem::take(&mut self.objects) {
            if let Some(count) = plurals.get(subject.kind.as_str()).and_then(|plural| listed.get_mut(plural)) {
                *count += 1;
            }
            items.push(object);
            self.origins.objects.push((name, pointer, subject));
        }
        let missed: Vec<Value> = self.missed.iter().map(|(what, why)| json!({"what": what, "why": why})).collect();
        let coverage = json!({
            "collected": self.collected,
            "namespaces": self.namespaces,
            "listed": listed,
            "missed": missed,
        });
        let found = [("coverage.json", pretty(&coverage)), ("changes.json", lines(&changes_of(&items)))];
        for (name, text) in found {
            self.files.entry(name.to_owned()).or_insert(text);
        }
        self.files.insert("objects.json".to_owned(), as_list(&items));
        items
    }
}

/// The items of a List of which every one says its kind and name, as the diagnoser reads it; none where it is broken, which that
/// says best.
fn plain(text: &str) -> Option<Vec<Subject>> {
    #[derive(Deserialize)]
    struct List {
        items: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        #[serde(default)]
        kind: String,
        #[serde(default)]
        metadata: Metadata,
    }
    #[derive(Default, Deserialize)]
    struct Metadata {
        #[serde(default)]
        name: String,
        namespace: Option<String>,
    }
    let subject = |Item { kind, metadata: Metadata { name, namespace } }: Item| {
        let named = !kind.is_empty() && !name.is_empty();
        named.then(|| match namespace.filter(|namespace| !namespace.is_empty()) {
            Some(namespace) => Subject::namespaced(&kind, &namespace, &name),
            None => Subject::global(&kind, &name),
        })
    };
    match serde_json::from_str::<List>(text) {
        Ok(list) => list.items.into_iter().map(subject).collect(),
        Err(error) => error.is_eof().then(Vec::new),
    }
}

/// Whether a file may be an export of objects, by its ending.
pub(super) fn is_export(file: &str) -> bool {
    [".json", ".yaml", ".yml"].iter().any(|ending| file.ends_with(ending))
}

/// A file's name without its ending.
pub(super) fn stem(file: &str) -> &str {
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

/// The kind that a file or folder is named after: `pods`, `network-policy`, `pvcs`.
pub(super) fn kind_named(name: &str) -> Option<&'static Kind> {
    let name = match name {
        "pvs" => "persistentvolumes",
        "pvcs" => "persistentvolumeclaims",
        name => name,
    };
    kind_of(&name.replace('-', "")).ok()
}
