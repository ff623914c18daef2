//! `services/<machine>/<name>.txt` or `.json`: what servers say of themselves.

use std::collections::BTreeMap;

use crate::json::Value;

use super::{Citation, Fact, tables::Table};

/// All such words, by machine and by the name of the file.
#[derive(Clone, Debug, Default)]
pub struct Services {
    files: BTreeMap<String, BTreeMap<String, String>>,
}

impl Services {
    /// Adds `<machine>/<name>.txt` or `.json`; a name may have folders in it, other names are left alone.
    pub(super) fn add(&mut self, name: &str, text: &str) {
        if let Some((machine, file)) = name.split_once('/')
            && (file.ends_with(".txt") || file.ends_with(".json"))
        {
            self.files.entry(machine.to_owned()).or_default().insert(file.to_owned(), text.to_owned());
        }
    }

    /// The machines that have any.
    pub fn machines(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The names of a machine's files, with their endings.
    pub fn names(&self, machine: &str) -> impl Iterator<Item = &str> {
        self.files.get(machine).into_iter().flat_map(|files| files.keys().map(String::as_str))
    }

    /// The file that a name (with or without its ending) is kept in, relative to the evidence folder; `.txt` where there is none.
    pub fn file(&self, machine: &str, name: &str) -> String {
        let kept = self.find(machine, name).map(|(file, _)| file.to_owned());
        let ends = name.ends_with(".txt") || name.ends_with(".json");
        let file = kept.unwrap_or_else(|| if ends { name.to_owned() } else { format!("{name}.txt") });
        format!("services/{machine}/{file}")
    }

    /// A citation of a line.
    pub fn cite(&self, machine: &str, name: &str, line: usize, says: impl Into<String>) -> Citation {
        Citation::line(&self.file(machine, name), line, says)
    }

    /// A citation of a place in JSON.
    pub fn cite_json(&self, machine: &str, name: &str, pointer: &str, says: impl Into<String>) -> Citation {
        Citation::new(self.file(machine, name), pointer, says)
    }

    /// The text of a file.
    pub fn text(&self, machine: &str, name: &str) -> Fact<&str> {
        match self.find(machine, name) {
            Some((_, text)) => Fact::Seen(text),
            None => Fact::Missed("not collected".to_owned()),
        }
    }

    /// A file as JSON, whatever its ending.
    pub fn json(&self, machine: &str, name: &str) -> Fact<Value> {
        match self.text(machine, name) {
            Fact::Missed(why) => Fact::Missed(why),
            Fact::Seen(text) => match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
                Ok(value) => Fact::Seen(value),
                Err(_) if text.trim().is_empty() => Fact::Missed("it is empty".to_owned()),
                Err(error) if error.is_eof() => Fact::Missed("it was cut off in the middle of a value".to_owned()),
                Err(error) => Fact::Missed(format!("it is no JSON ({error})")),
            },
        }
    }

    /// A file as the table that psql (or a client like it) printed.
    pub fn table(&self, machine: &str, name: &str) -> Fact<Table> {
        match self.text(machine, name) {
            Fact::Missed(why) => Fact::Missed(why),
            Fact::Seen(text) => {
                Table::parse(text).map_or_else(|| Fact::Missed("no table in it".to_owned()), Fact::Seen)
            }
        }
    }

    fn find(&self, machine: &str, name: &str) -> Option<(&str, &str)> {
        let files = self.files.get(machine)?;
        let names = [name.to_owned(), format!("{name}.json"), format!("{name}.txt")];
        let (file, text) = names.iter().find_map(|name| files.get_key_value(name))?;
        Some((file, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_what_is_none() {
        let mut services = Services::default();
        services.add("db/health.json", "{\"status\":\"red\"}\n");
        services.add("db/cut.json", "{\"status\":\"re");
        services.add("db/text.txt", "curl: (7) Failed to connect");
        services.add("db/empty.json", "");
        services.add("stray.txt", "");
        assert_eq!(services.json("db", "health").seen().unwrap()["status"], "red");
        let why = |name| match services.json("db", name) {
            Fact::Missed(why) => why,
            Fact::Seen(_) => String::new(),
        };
        assert_eq!(why("cut"), "it was cut off in the middle of a value");
        assert_eq!((why("empty.json").as_str(), why("none").as_str()), ("it is empty", "not collected"));
        assert!(why("text").starts_with("it is no JSON"));
        assert_eq!(services.machines().collect::<Vec<_>>(), ["db"]);
        assert_eq!(services.names("db").count(), 4);
        assert_eq!(services.cite_json("db", "health", "/status", "red").source, "services/db/health.json");
        assert_eq!(services.file("db", "none"), "services/db/none.txt");
    }
}
