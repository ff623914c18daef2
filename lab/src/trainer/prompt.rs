//! The prompt: reads lines, and shows long texts a screen at a time where somebody looks at a terminal. Where lines come from
//! a file or a program they are shown as well, so that what comes out reads as it would have at a terminal.

use std::io::{self, BufRead, IsTerminal};

use rustyline::{DefaultEditor, error::ReadlineError};

use super::{signals, terminal};
use crate::{LabError, report};

const PROMPT: &str = "train> ";
/// Columns and rows, where the terminal does not say.
const USUAL: (u16, u16) = (80, 24);
/// The last lines of a screen: what is left, and the prompt.
const KEPT_FREE: usize = 2;

/// What was typed.
pub(super) enum Line {
    /// A line.
    Text(String),
    /// The input ended, or the trainee wants to leave.
    End,
    /// Ctrl-C.
    Interrupted,
}

/// A prompt, and what is still to be shown.
pub(super) struct Prompt {
    editor: Option<DefaultEditor>,
    rest: Vec<String>,
    ended: bool,
}

impl Prompt {
    /// At the terminal, or at whatever stdin is.
    pub(super) fn new() -> Self {
        let at_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        if at_terminal {
            terminal::remember();
        }
        Self { editor: at_terminal.then(|| DefaultEditor::new().ok()).flatten(), rest: vec![], ended: false }
    }

    /// The next line.
    pub(super) fn read(&mut self) -> Line {
        if self.ended {
            return Line::End;
        }
        if signals::ended() {
            return Line::Interrupted;
        }
        let Some(editor) = &mut self.editor else { return read_plain() };
        match editor.readline(PROMPT) {
            Ok(line) => {
                if !line.trim().is_empty() {
                    editor.add_history_entry(&line).ok();
                }
                Line::Text(line)
            }
            Err(ReadlineError::Interrupted) => Line::Interrupted,
            // Ctrl-D, or a terminal that is gone.
            Err(_) => Line::End,
        }
    }

    /// The trainee wants to leave.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Shows a text, at a terminal as much as its height allows.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn show(&mut self, text: &str) -> Result<(), LabError> {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let fits = match &mut self.editor {
            Some(editor) => {
                let (columns, rows) = editor.dimensions().unwrap_or(USUAL);
                on_a_screen(&lines, usize::from(columns).max(1), usize::from(rows).saturating_sub(KEPT_FREE))
            }
            None => lines.len(),
        };
        self.rest = lines.split_off(fits);
        let mut shown: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        if !self.rest.is_empty() {
            shown.push_str(&format!("... {} more lines: Enter goes on, | grep WORD shows less\n", self.rest.len()));
        }
        report::print(&shown)
    }

    /// What was not shown yet.
    pub(super) fn more(&mut self) -> String {
        self.rest.drain(..).flat_map(|line| [line, "\n".to_owned()]).collect()
    }
}

/// How many of the lines fill these rows; a long line takes several. One at least, so that it goes on.
fn on_a_screen(lines: &[String], columns: usize, rows: usize) -> usize {
    let mut filled = 0;
    let fits = lines.iter().take_while(|line| {
        filled += line.chars().count().max(1).div_ceil(columns);
        filled <= rows
    });
    fits.count().max(1).min(lines.len())
}

/// A line of whatever stdin is.
fn read_plain() -> Line {
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(0) | Err(_) => Line::End,
        Ok(_) => {
            let line = line.trim_end_matches(['\n', '\r']).to_owned();
            // Where it cannot be written, neither can what it asks for, and that is said.
            report::print(&format!("{PROMPT}{line}\n")).ok();
            Line::Text(line)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_take_several_rows() {
        let lines: Vec<String> = ["a", &"b".repeat(25), "c", "d"].map(str::to_owned).into();
        assert_eq!(on_a_screen(&lines, 10, 10), 4);
        assert_eq!(on_a_screen(&lines, 10, 4), 2);
        assert_eq!(on_a_screen(&lines, 10, 3), 1);
        assert_eq!(on_a_screen(&lines, 10, 0), 1, "it goes on, however small the screen");
        assert_eq!(on_a_screen(&[], 10, 0), 0);
    }
}
