//! What a trainee reads while an exercise goes on, and how one stands. The debrief is a file of its own.

use std::path::Path;

use diagnoser::causes::references;

use super::{
    layout::{Style, hang, width},
    reference,
};
use crate::train::{Brief, Judgement, Standing};

/// What the pager says, and what can be done.
pub fn brief(brief: &Brief, style: Style) -> String {
    let Brief { number, of, seed, message, called, system, tags, difficulty, hints, kubernetes } = brief;
    let variant = if *seed == 0 { String::new() } else { format!(", variant {seed}") };
    let called = called.map(|called| format!("  called {}", called.strftime("%H:%M:%SZ"))).unwrap_or_default();
    let head = format!("[{number} of {of}{variant}] ");
    let look = if *kubernetes { "kubectl works here. Commands: " } else { "Commands: " };
    [
        hang("", &format!("{head}\"{message}\"{called}")).replacen(&head, &style.head(&head), 1),
        hang("system      ", system),
        hang("difficulty  ", &format!("{difficulty:.1}; {hints} hints; {}", tags.join(", "))),
        hang(
            "",
            &format!("{look}show, show HOST COMMAND, hint, causes, answer CAUSE, OBJECT (or healthy), give up, help."),
        ),
    ]
    .concat()
}

/// What is real where the world runs.
pub fn live<'a>(kubeconfig: Option<&Path>, machines: impl Iterator<Item = &'a str>) -> String {
    let machines = machines.collect::<Vec<_>>().join(", ");
    let cluster = kubeconfig
        .map(|file| format!("kubectl is the real one, and in another terminal: export KUBECONFIG={}\n", file.display()))
        .unwrap_or_default();
    let says = "show HOST COMMAND runs the command there; requests, probes and changes are as they were when you were called. \
                What you change goes with the world.";
    cluster + &hang("", &format!("Machines: {machines}. {says}"))
}

/// A hint, and what it cost.
pub fn hint(hint: &str, cost: u32, left: usize) -> String {
    hang("", &format!("{hint} (-{cost}; {left} left)"))
}

/// What is said of an answer.
pub fn judgement(judgement: &Judgement, style: Style) -> String {
    let mut out = String::new();
    for remark in &judgement.remarks {
        let near = if remark.relation.is_near() { " (near miss)" } else { "" };
        let head = match &remark.claim {
            Some(claim) if judgement.remarks.len() > 1 => format!("{} in {}: ", claim.cause, claim.subject),
            _ => String::new(),
        };
        out.push_str(&hang("", &format!("{head}{}{near}", remark.says)));
    }
    if judgement.incomplete {
        out.push_str("That is not all: something else is wrong as well, by itself. Name both.\n");
    }
    if judgement.exact { style.good(out.trim_end()) + "\n" } else { out }
}

/// The causes that can be answered, those with a word where one is given.
pub fn causes(word: &str, style: Style) -> String {
    let word = word.trim().to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&word);
    let found: Vec<_> = references().into_iter().filter(|cause| has(cause.id) || has(&cause.title)).collect();
    if found.is_empty() { format!("No cause has \"{word}\" in its words.\n") } else { reference::list(&found, style) }
}

/// A text in lines.
pub fn paragraph(text: &str) -> String {
    hang("", text)
}

/// How one stands, the weakest first.
pub fn standings(standings: &[Standing], done: usize, of: usize) -> String {
    if standings.is_empty() {
        return format!("Nothing was finished yet; there are {of} exercises. Begin: lab train\n");
    }
    let widest = standings.iter().map(|standing| width(&standing.tag)).max().unwrap_or_default();
    let row = |standing: &Standing| {
        let Standing { tag, done, of, points } = standing;
        format!("{tag:<widest$}  {points:>3} points  {done:>3} of {of}\n")
    };
    let rows: String = standings.iter().map(row).collect();
    format!("{done} of {of} exercises finished; the weakest tags first, on average\n\n{rows}")
}
