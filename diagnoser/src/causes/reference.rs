//! The reference of a cause, read from the doc comment of its own file, so that it is written once.

use super::{Cause, all};

/// The sections every cause has, in this order.
#[cfg(test)]
pub(super) const HEADINGS: [&str; 5] = ["What it looks like", "Confirm by hand", "Fix", "Who acts", "Source"];

/// The reference of a cause: `lab explain`, `docs/causes.md` and the debrief are made from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The id.
    pub id: &'static str,
    /// What is wrong: the first paragraph.
    pub title: String,
    /// (heading, text), in the fixed order.
    pub sections: Vec<(String, String)>,
}

/// The references of every cause, sorted by id.
pub fn references() -> Vec<Reference> {
    all().iter().map(|cause| reference(*cause)).collect()
}

/// The reference of one cause.
pub fn reference(cause: &dyn Cause) -> Reference {
    let mut title = String::new();
    let mut sections: Vec<(String, String)> = Vec::new();
    let comment = cause
        .source()
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line));
    for line in comment {
        if let Some(heading) = line.strip_prefix("# ") {
            sections.push((heading.trim().to_owned(), String::new()));
        } else {
            let text = sections.last_mut().map_or(&mut title, |(_, text)| text);
            text.push_str(line);
            text.push('\n');
        }
    }
    for text in sections.iter_mut().map(|(_, text)| text).chain([&mut title]) {
        *text = text.trim().to_owned();
    }
    Reference { id: cause.id(), title, sections }
}
