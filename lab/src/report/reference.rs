//! The reference of the causes: what `lab explain` shows, and docs/causes.md.

use std::fmt::Write;

use diagnoser::causes::Reference;

use super::layout::{Style, hang, width};

/// One cause, for a person at a terminal.
pub fn explain(reference: &Reference, style: Style) -> String {
    let mut out = format!("{}\n\n{}", style.head(reference.id), paragraphs("", &reference.title));
    for (heading, text) in &reference.sections {
        write!(out, "\n{}\n{}", style.head(heading), paragraphs("  ", text)).ok();
    }
    out
}

/// All causes, a line each.
pub fn list(references: &[Reference], style: Style) -> String {
    let widest = references.iter().map(|reference| width(reference.id)).max().unwrap_or_default();
    let mut out = String::new();
    for reference in references {
        let line = hang(&format!("{:<widest$}  ", reference.id), first_sentence(&reference.title));
        out.push_str(&line.replacen(reference.id, &style.head(reference.id), 1));
    }
    out
}

/// The whole of docs/causes.md.
pub fn markdown(references: &[Reference]) -> String {
    let mut out = String::from(
        "# Causes\n\nGenerated from the doc comments of diagnoser/src/causes/ by `just docs`; change it there.\n\n",
    );
    for reference in references {
        writeln!(
            out,
            "- [{}](#{}): {}",
            reference.id,
            reference.id,
            first_sentence(&reference.title).replace('\n', " ")
        )
        .ok();
    }
    for reference in references {
        write!(out, "\n## {}\n\n{}\n", reference.id, reference.title).ok();
        for (heading, text) in &reference.sections {
            write!(out, "\n### {heading}\n\n{text}\n").ok();
        }
    }
    out
}

fn first_sentence(text: &str) -> &str {
    text.split_once("\n\n").map_or(text, |(first, _)| first)
}

/// Paragraphs wrapped anew; what is indented in the source (commands, tables) keeps its lines.
fn paragraphs(indent: &str, text: &str) -> String {
    let blocks = text.split("\n\n").map(|block| {
        if block.lines().any(|line| line.starts_with(' ') || line.starts_with("- ") || line.starts_with('|')) {
            block.lines().map(|line| format!("{indent}{line}\n")).collect::<String>()
        } else {
            hang(indent, block)
        }
    });
    blocks.collect::<Vec<_>>().join("\n")
}
