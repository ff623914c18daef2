//! The others' truth: a table of folder, cause and subject, separated by tabs.

use std::{fs, path::Path};

use serde::Serialize;

use crate::LabError;

/// What is true of one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The evidence folder, below the root.
    pub folder: String,
    /// Every root; none where nothing is broken.
    pub roots: Vec<ForeignRoot>,
}

/// A cause and a subject in the others' words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForeignRoot {
    /// Their name of the cause.
    pub cause: String,
    /// Their name of the object: `app/web`, `node/n1`.
    pub subject: String,
}

/// Reads the table. Empty lines and lines that begin with `#` are passed over; a folder on several lines has several roots;
/// `healthy` without a subject says that nothing is broken.
///
/// # Errors
/// When the file cannot be read, or a line has not three fields; the error names line and column.
pub(super) fn read(file: &Path) -> Result<Vec<Case>, LabError> {
    let text = fs::read_to_string(file).map_err(|error| LabError::file(file, error))?;
    parse(&text).map_err(|(line, column, what)| LabError::BadInput {
        place: format!("{}:{line}:{column}", file.display()),
        what,
        next: "Each line is: folder, cause, subject, separated by tabs; `folder<TAB>healthy` where nothing is broken."
            .to_owned(),
    })
}

fn parse(text: &str) -> Result<Vec<Case>, (usize, usize, String)> {
    let mut cases: Vec<Case> = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
    {
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let root = match fields[..] {
            [folder, "healthy"] | [folder, "healthy", ""] if !folder.is_empty() => None,
            [folder, cause, subject] if ![folder, cause, subject].contains(&"") => {
                Some(ForeignRoot { cause: cause.to_owned(), subject: subject.to_owned() })
            }
            _ => {
                let column = line.find('\t').map_or(line.chars().count() + 1, |at| line[..at].chars().count() + 1);
                return Err((index + 1, column, format!("{} fields where three are wanted", fields.len())));
            }
        };
        match cases.iter_mut().find(|case| case.folder == fields[0]) {
            Some(case) => case.roots.extend(root),
            None => cases.push(Case { folder: fields[0].to_owned(), roots: root.into_iter().collect() }),
        }
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_roots_and_healthy_folders() {
        let cases = parse("# all\na\tx\tapp/web\n\na\ty\tnode/n1\nb\thealthy\n").unwrap();
        let root = |cause: &str, subject: &str| ForeignRoot { cause: cause.to_owned(), subject: subject.to_owned() };
        assert_eq!(cases[0].roots, [root("x", "app/web"), root("y", "node/n1")]);
        assert_eq!(cases[1], Case { folder: "b".to_owned(), roots: vec![] });
    }

    #[test]
    fn a_line_that_lacks_a_field_is_named() {
        assert_eq!(parse("a\tx\tapp/web\nb\tx\n").unwrap_err(), (2, 2, "2 fields where three are wanted".to_owned()));
    }
}
