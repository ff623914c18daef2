//! Text in 80 columns: wrapping, hanging indentation, and colour that only adds.

/// The width of every report.
pub(super) const WIDTH: usize = 80;

/// Whether colour may be used. The words are the same either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Words only.
    Plain,
    /// Words, with colour.
    Colour,
}

impl Style {
    /// What names a part of the report.
    pub(super) fn head(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What is broken or wrong.
    pub(super) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// What is right, or makes it right.
    pub(super) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What may be passed over at first reading.
    pub(super) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// The width of a text in columns, as far as characters tell.
pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}

/// Breaks a text into lines of at most `columns`; a longer word stands alone and sticks out.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// `head` and then `text`, wrapped, the further lines indented like the first word.
pub(super) fn hang(head: &str, text: &str) -> String {
    let indent = " ".repeat(width(head));
    let lines = wrap(text, WIDTH.saturating_sub(width(head)));
    format!("{head}{}\n", lines.join(&format!("\n{indent}")))
}

/// `left` and, flush with the right margin, `right`.
pub(super) fn ends(left: &str, right: &str) -> String {
    let gap = WIDTH.saturating_sub(width(left) + width(right)).max(2);
    format!("{left}{}{right}\n", " ".repeat(gap))
}

/// Control characters made harmless: evidence is anyone's text and must not steer the reader's terminal.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_with_a_hanging_indentation() {
        let text = "word ".repeat(20);
        let shown = hang("1 observe     ", &text);
        assert!(shown.lines().all(|line| width(line) <= WIDTH), "{shown}");
        assert!(shown.lines().nth(1).is_some_and(|line| line.starts_with("              word")), "{shown}");
    }

    #[test]
    fn a_long_word_is_not_lost() {
        assert_eq!(wrap("a bbbbbbbb c", 4), ["a", "bbbbbbbb", "c"]);
    }
}
