//! `| grep WORD`, `| head N` and `| tail N` after a command: what of its lines is shown. Pure.

use crate::LabError;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Filter {
    Grep { word: String, not: bool, any_case: bool },
    Head(usize),
    Tail(usize),
}

/// All that stand after a command, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filters(Vec<Filter>);

impl Filters {
    /// A line without its filters, and these. A bar inside quotation marks is none.
    ///
    /// # Errors
    /// When one of them is another program.
    pub(super) fn split(line: &str) -> Result<(&str, Self), LabError> {
        let mut parts = Vec::new();
        let (mut from, mut quote) = (0, None);
        for (at, c) in line.char_indices() {
            match (c, quote) {
                (c, Some(open)) if c == open => quote = None,
                ('\'' | '"', None) => quote = Some(c),
                ('|', None) => {
                    parts.push(&line[from..at]);
                    from = at + 1;
                }
                _ => {}
            }
        }
        parts.push(&line[from..]);
        let filters = parts[1..].iter().map(|part| filter(part)).collect::<Result<_, _>>()?;
        Ok((parts[0], Self(filters)))
    }

    /// What of a text passes.
    pub(super) fn apply(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        let mut lines: Vec<&str> = text.lines().collect();
        for filter in &self.0 {
            match filter {
                Filter::Grep { word, not, any_case } => lines.retain(|line| {
                    let found = if *any_case {
                        line.to_lowercase().contains(&word.to_lowercase())
                    } else {
                        line.contains(word)
                    };
                    found != *not
                }),
                Filter::Head(count) => lines.truncate(*count),
                Filter::Tail(count) => drop(lines.drain(..lines.len().saturating_sub(*count))),
            }
        }
        lines.into_iter().flat_map(|line| [line, "\n"]).collect()
    }
}

fn filter(part: &str) -> Result<Filter, LabError> {
    const USUAL: usize = 10;
    let words: Vec<&str> = part.split_whitespace().collect();
    let number = |word: &str| word.trim_start_matches("-n").trim_start_matches('-').parse().ok();
    match words[..] {
        ["grep", ref options @ .., word]
            if options.iter().all(|option| matches!(*option, "-i" | "-v" | "-iv" | "-vi" | "-E")) =>
        {
            let has = |letter| options.iter().any(|option: &&str| option.contains(letter));
            let word = word.trim_matches(['\'', '"']).to_owned();
            Ok(Filter::Grep { word, not: has('v'), any_case: has('i') })
        }
        ["head"] => Ok(Filter::Head(USUAL)),
        ["tail"] => Ok(Filter::Tail(USUAL)),
        ["head", .., word] if number(word).is_some() => Ok(Filter::Head(number(word).unwrap_or(USUAL))),
        ["tail", .., word] if number(word).is_some() => Ok(Filter::Tail(number(word).unwrap_or(USUAL))),
        _ => Err(LabError::BadInput {
            place: format!("| {}", part.trim()),
            what: "only grep WORD (-i, -v), head N and tail N work here".to_owned(),
            next: "The exercise is its own prompt; no shell runs.".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        let (_, filters) = Filters::split(line).expect("filters");
        filters.apply("one\ntwo\nTwo\nthree\n")
    }

    #[test]
    fn lines_pass_or_do_not() {
        assert_eq!(shown("show x"), "one\ntwo\nTwo\nthree\n");
        assert_eq!(shown("show x | grep two"), "two\n");
        assert_eq!(shown("show x | grep -i two | tail -n 1"), "Two\n");
        assert_eq!(shown("show x | grep -v 'o' | head -3"), "three\n");
        assert_eq!(Filters::split("kubectl get -o 'a|b'").expect("none").0, "kubectl get -o 'a|b'");
    }

    #[test]
    fn other_programs_do_not_run() {
        assert!(Filters::split("show x | sh").expect_err("no shell").render().contains("only grep"));
    }
}
