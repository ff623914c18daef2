//! `logs/<namespace>_<pod>_<container>.txt`, and `.previous.txt` of the instance before a restart.

use std::collections::BTreeMap;

use super::Citation;
use crate::subject::Subject;

/// One container's log.
#[derive(Clone, Debug)]
pub struct LogFile {
    /// Relative to the evidence folder.
    pub file: String,
    /// The text as collected.
    pub text: String,
}

impl LogFile {
    /// Whether it is of this container, of whichever run.
    pub fn is_of(&self, container: &str) -> bool {
        let name = self.file.rsplit('_').next().unwrap_or_default();
        name.strip_prefix(container).is_some_and(|rest| rest.starts_with('.'))
    }

    /// The last line that satisfies `wanted`, cited.
    pub fn last_line(&self, wanted: impl Fn(&str) -> bool) -> Option<Citation> {
        self.last_line_within(usize::MAX, wanted)
    }

    /// The same among the last `most` lines.
    pub fn last_line_within(&self, most: usize, wanted: impl Fn(&str) -> bool) -> Option<Citation> {
        let lines: Vec<&str> = self.text.lines().collect();
        let from = lines.len().saturating_sub(most);
        let index = from + lines[from..].iter().rposition(|line| wanted(line))?;
        Some(Citation::line(&self.file, index + 1, short(lines[index])))
    }
}

/// What a line says: of a structured line its error or message, otherwise all of it; cut to what a report can hold.
fn short(line: &str) -> String {
    const MAX: usize = 160;
    let fields: Option<serde_json::Value> = serde_json::from_str(line).ok();
    let said =
        fields.as_ref().and_then(|fields| ["error", "message", "msg"].iter().find_map(|key| fields[*key].as_str()));
    let text = said.filter(|text| !text.is_empty()).unwrap_or(line).trim();
    if text.chars().count() <= MAX { text.to_owned() } else { text.chars().take(MAX).chain("...".chars()).collect() }
}

/// All container logs, by pod.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    by_pod: BTreeMap<Subject, Vec<LogFile>>,
}

impl Logs {
    /// Adds a file named `<namespace>_<pod>_<container>[.previous].txt`; other names are left alone.
    pub(super) fn add(&mut self, name: &str, text: &str) {
        let mut parts = name.split('_');
        if let (Some(namespace), Some(pod), Some(_container)) = (parts.next(), parts.next(), parts.next()) {
            let log = LogFile { file: format!("logs/{name}"), text: text.to_owned() };
            let logs = self.by_pod.entry(Subject::namespaced("pod", namespace, pod)).or_default();
            match logs.binary_search_by(|known| known.file.cmp(&log.file)) {
                Ok(place) => logs[place] = log,
                Err(place) => logs.insert(place, log),
            }
        }
    }

    /// The logs of a pod's containers; empty where none was collected.
    pub fn of(&self, pod: &Subject) -> &[LogFile] {
        self.by_pod.get(pod).map_or(&[], Vec::as_slice)
    }

    /// Whether any of them has requests in it, as access logs write them: `"GET / HTTP/1.1"`, `"method":"GET"`.
    pub fn have_requests(&self) -> bool {
        const METHODS: [&str; 6] = ["\"GET", "\"POST", "\"PUT", "\"PATCH", "\"DELETE", "\"HEAD"];
        let after = |line: &str, method: &str| {
            line.split_once(method).is_some_and(|(_, rest)| rest.starts_with('"') || rest.starts_with(" /"))
        };
        let lines = self.by_pod.values().flatten().flat_map(|log| log.text.lines());
        lines.into_iter().any(|line| METHODS.iter().any(|method| after(line, method)))
    }
}
