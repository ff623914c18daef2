//! Evidence as pages of lines that can be pointed at: a text by its lines, a JSON array by its elements, an object of the
//! cluster by its fields. A citation leads to one of them.

use std::collections::BTreeMap;

use diagnoser::{Subject, evidence::Citation};
use serde_json::Value;

use crate::evidence_folder::subject;

/// The list of objects, which is shown object by object.
pub const OBJECTS: &str = "objects.json";

/// One line of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What a citation calls it: `line 3`, `/24`, `/spec/ports/0/targetPort`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Whose word a file of the evidence is, by its name, and what it is called there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'f> {
    /// Of the system as a whole: `traffic.jsonl`.
    System(&'f str),
    /// A container's: `<namespace>_<pod>_<container>`.
    Log(&'f str),
    /// A machine's, and the command that printed it.
    Machine(&'f str, &'f str),
    /// A server's on a machine.
    Server(&'f str, &'f str),
}

impl<'f> Origin<'f> {
    /// Of a file, relative to the evidence folder.
    pub fn of(file: &'f str) -> Self {
        let mut parts = file.splitn(3, '/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("logs"), Some(log), None) => Self::Log(log.trim_end_matches(".txt")),
            (Some("hosts"), Some(host), Some(command)) => Self::Machine(host, command.trim_end_matches(".txt")),
            (Some("services"), Some(host), Some(server)) => Self::Server(host, server.trim_end_matches(".txt")),
            _ => Self::System(file),
        }
    }
}

/// The evidence of one system, as pages: `file/hosts/app/ss.txt`, `object/service/shop/web`.
#[derive(Debug, Default)]
pub struct Readings<'e> {
    files: Option<&'e BTreeMap<String, String>>,
    objects: Vec<(Subject, Value)>,
}

impl<'e> Readings<'e> {
    /// The pages of these files.
    pub fn new(files: &'e BTreeMap<String, String>) -> Self {
        let list: Value = files.get(OBJECTS).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let items = match list {
            Value::Object(mut list) => list.remove("items"),
            _ => None,
        };
        let items = match items {
            Some(Value::Array(items)) => items,
            _ => vec![],
        };
        // An object that has no name keeps its place in the list.
        let named = |object: Value| (subject(&object).unwrap_or_else(|| Subject::global("object", "?")), object);
        Self { files: Some(files), objects: items.into_iter().map(named).collect() }
    }

    /// The names of all files but the list of objects.
    pub fn files(&self) -> impl Iterator<Item = &'e str> {
        self.files.into_iter().flatten().map(|(name, _)| name.as_str()).filter(|name| *name != OBJECTS)
    }

    /// The objects.
    pub fn objects(&self) -> impl Iterator<Item = &Subject> {
        self.objects.iter().map(|(subject, _)| subject)
    }

    /// The lines of a page; none where there is no such page.
    pub fn lines(&self, page: &str) -> Option<Vec<Line>> {
        if let Some(name) = page.strip_prefix("object/") {
            let wanted: Subject = name.parse().ok()?;
            let (_, object) = self.objects.iter().find(|(subject, _)| *subject == wanted)?;
            let mut lines = Vec::new();
            fields(object, "", "", "", &mut lines);
            return Some(lines);
        }
        let name = page.strip_prefix("file/").filter(|name| *name != OBJECTS)?;
        let text = self.files?.get(name)?;
        Some(match serde_json::from_str::<Vec<Value>>(text) {
            Ok(list) => list
                .iter()
                .enumerate()
                .map(|(at, one)| Line { path: format!("/{at}"), text: one.to_string() })
                .collect(),
            Err(_) => {
                let lines = text.lines().enumerate();
                lines.map(|(at, line)| Line { path: format!("line {}", at + 1), text: line.to_owned() }).collect()
            }
        })
    }

    /// The page a citation is about, and the path of the line on it, empty for the whole page.
    pub fn place(&self, cited: &Citation) -> (String, String) {
        let in_object = || {
            let (index, field) = cited.path.strip_prefix("/items/")?.split_once('/').unwrap_or((&cited.path[7..], ""));
            let (subject, _) = self.objects.get(index.parse::<usize>().ok()?)?;
            let field = if field.is_empty() { String::new() } else { format!("/{field}") };
            Some((format!("object/{subject}"), field))
        };
        let of_list = (cited.source == OBJECTS).then(in_object).flatten();
        of_list.unwrap_or_else(|| (format!("file/{}", cited.source), cited.path.clone()))
    }
}

/// Where a citation leads, below the evidence of its incident: `file/hosts/app/ss.txt#line-3`.
pub fn href(page: &str, path: &str) -> String {
    if path.is_empty() { page.to_owned() } else { format!("{page}#{}", anchor(path)) }
}

/// The id of a line: `line-3`, `-spec-ports-0-targetPort`.
pub fn anchor(path: &str) -> String {
    path.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' }).collect()
}

/// The fields of a value as lines, close to how kubectl prints YAML. `head` stands before the first of them.
fn fields(value: &Value, path: &str, head: &str, indent: &str, lines: &mut Vec<Line>) {
    let line = |path: &str, text: String| Line { path: path.to_owned(), text };
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut head = head.to_owned();
            // As kubectl sorts them, whichever order the map keeps.
            for (key, inner) in map.iter().collect::<BTreeMap<_, _>>() {
                let below = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                match inner {
                    Value::Object(map) if !map.is_empty() => {
                        lines.push(line(&below, format!("{head}{key}:")));
                        let deeper = format!("{indent}  ");
                        fields(inner, &below, &deeper, &deeper, lines);
                    }
                    Value::Array(list) if !list.is_empty() => {
                        lines.push(line(&below, format!("{head}{key}:")));
                        fields(inner, &below, indent, indent, lines);
                    }
                    _ => scalar(inner, &below, &format!("{head}{key}: "), indent, lines),
                }
                head = indent.to_owned();
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (at, inner) in list.iter().enumerate() {
                fields(inner, &format!("{path}/{at}"), &format!("{indent}- "), &format!("{indent}  "), lines);
            }
        }
        _ => scalar(value, path, head, indent, lines),
    }
}

fn scalar(value: &Value, path: &str, head: &str, indent: &str, lines: &mut Vec<Line>) {
    let mut push = |text: String| lines.push(Line { path: path.to_owned(), text });
    match value.as_str() {
        Some(text) if text.trim_end().contains('\n') => {
            push(format!("{head}|"));
            text.lines().for_each(|line| push(format!("{indent}  {line}")));
        }
        Some(text) => push(format!("{head}{text}")),
        None => push(format!("{head}{value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> BTreeMap<String, String> {
        let objects = r#"{"items":[{"kind":"Service","metadata":{"namespace":"shop","name":"web"},
            "spec":{"ports":[{"port":80,"targetPort":8080}],"selector":{}},"text":"a\nb"}]}"#;
        [(OBJECTS, objects), ("probes.json", r#"[{"kind":"tcp"},{"kind":"dns"}]"#), ("hosts/n/ss.txt", "one\ntwo\n")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into()
    }

    #[test]
    fn a_citation_leads_to_a_line_of_its_page() {
        let files = files();
        let readings = Readings::new(&files);
        for (source, path, text) in [
            ("objects.json", "/items/0/spec/ports/0/targetPort", "    targetPort: 8080"),
            ("probes.json", "/1", r#"{"kind":"dns"}"#),
            ("hosts/n/ss.txt", "line 2", "two"),
        ] {
            let (page, path) = readings.place(&Citation::new(source, path, ""));
            let lines = readings.lines(&page).expect("a page");
            let line = lines.iter().find(|line| line.path == path).expect("a line");
            assert_eq!(line.text, text);
        }
        assert_eq!(href("file/hosts/n/ss.txt", "line 2"), "file/hosts/n/ss.txt#line-2");
        assert_eq!(
            readings.place(&Citation::new("objects.json", "/items/0", "")),
            ("object/service/shop/web".to_owned(), String::new())
        );
    }

    #[test]
    fn an_object_reads_as_kubectl_prints_it() {
        let files = files();
        let lines = Readings::new(&files).lines("object/service/shop/web").expect("an object");
        let text: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let wanted = "kind: Service\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  ports:\n  - port: 80\n    targetPort: 8080\n  selector: {}\ntext: |\n  a\n  b";
        assert_eq!(text.join("\n"), wanted);
    }

    #[test]
    fn a_file_says_whose_word_it_is() {
        assert_eq!(Origin::of("traffic.jsonl"), Origin::System("traffic.jsonl"));
        assert_eq!(Origin::of("logs/a_b_c.previous.txt"), Origin::Log("a_b_c.previous"));
        assert_eq!(Origin::of("hosts/app/ss.txt"), Origin::Machine("app", "ss"));
        assert_eq!(Origin::of("services/db/a/b.json"), Origin::Server("db", "a/b.json"));
    }

    #[test]
    fn only_evidence_is_a_page() {
        let files = files();
        let readings = Readings::new(&files);
        for page in ["file/objects.json", "file/../meta.json", "object/pod/a/b", "object/", "", "scenario.yaml"] {
            assert!(readings.lines(page).is_none(), "{page}");
        }
    }
}
