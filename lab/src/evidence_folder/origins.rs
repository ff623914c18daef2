//! Where each piece of the evidence stood before it was brought into one form, so that a reading can be looked up by hand.

use std::collections::BTreeMap;

use diagnoser::{Diagnosis, Subject, evidence::Citation};

/// Where the items of `objects.json` and the lines of logs were. Empty where the folder had the lab's own form.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    /// Of each item the file, the pointer to it there, and what it is.
    pub(super) objects: Vec<(String, String, Subject)>,
    /// Of a file of the lab's form: the file its lines were in, and how many stood before them.
    pub(super) lines: BTreeMap<String, (String, usize)>,
}

impl Origins {
    /// Has a diagnosis cite the files that were given.
    pub fn restore(&self, diagnosis: &mut Diagnosis) {
        let roots = diagnosis.root_causes.iter_mut().flat_map(|root| &mut root.evidence);
        let symptoms = diagnosis.symptoms.iter_mut().flat_map(|symptom| &mut symptom.evidence);
        roots.chain(symptoms).for_each(|citation| self.restore_one(citation));
    }

    fn restore_one(&self, citation: &mut Citation) {
        if let Some((source, before)) = self.lines.get(&citation.source) {
            let line = citation.path.strip_prefix("line ").and_then(|line| line.parse::<usize>().ok());
            if let Some(line) = line {
                citation.path = format!("line {}", before + line);
            }
            citation.source.clone_from(source);
        } else if citation.source == "objects.json"
            && let Some(rest) = citation.path.strip_prefix("/items/")
        {
            let (index, field) = rest.split_once('/').unwrap_or((rest, ""));
            let origin = index.parse::<usize>().ok().and_then(|index| self.objects.get(index));
            if let Some((source, pointer, _)) = origin {
                citation.path = format!("{pointer}/{field}").trim_end_matches('/').to_owned();
                citation.source.clone_from(source);
            }
        }
    }

    /// Every object with its file and the pointer to it there.
    pub fn objects(&self) -> impl Iterator<Item = (&str, &str, &Subject)> {
        self.objects.iter().map(|(file, pointer, subject)| (file.as_str(), pointer.as_str(), subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_cited_where_it_was() {
        let origins = Origins {
            objects: vec![("a.yaml".to_owned(), "/2/items/7".to_owned(), Subject::global("node", "n"))],
            lines: [("logs/s_p_c.txt".to_owned(), ("s/p/logs.txt".to_owned(), 40))].into(),
        };
        let restored = |source: &str, path: &str| {
            let mut citation = Citation::new(source, path, "");
            origins.restore_one(&mut citation);
            format!("{} {}", citation.source, citation.path)
        };
        assert_eq!(restored("objects.json", "/items/0/spec/x"), "a.yaml /2/items/7/spec/x");
        assert_eq!(restored("objects.json", "/items/0"), "a.yaml /2/items/7");
        assert_eq!(restored("objects.json", "/items/1/spec"), "objects.json /items/1/spec");
        assert_eq!(restored("logs/s_p_c.txt", "line 3"), "s/p/logs.txt line 43");
        assert_eq!(restored("hosts/n/ss.txt", "line 3"), "hosts/n/ss.txt line 3");
    }
}
