//! An unknown that is as useful as an answer: what remains, what each lacks, and the commands that collect it.

use std::collections::BTreeSet;

use diagnoser::Diagnosis;

use super::layout::{Style, hang, harmless};

/// The part of the report that stands where a root cause would.
pub(super) fn render(diagnosis: &Diagnosis, style: Style) -> String {
    let remain = match diagnosis.candidates.len() {
        0 if diagnosis.symptoms.is_empty() => {
            "nothing that was seen fails, and that is too little for healthy".to_owned()
        }
        0 => "no known cause explains it".to_owned(),
        1 => "one cause remains".to_owned(),
        n => format!("{n} causes remain"),
    };
    let mut out = hang(
        "unknown. ",
        &format!("{}{remain}{}", lost_between(diagnosis), if diagnosis.candidates.is_empty() { "." } else { ":" }),
    );
    out = out.replacen("unknown.", &style.bad("unknown."), 1);
    let widest =
        diagnosis.candidates.iter().map(|c| c.cause.len() + c.subject.to_string().len() + 4).max().unwrap_or_default();
    for candidate in &diagnosis.candidates {
        let name = format!("{} on {}", candidate.cause, candidate.subject);
        let unexplained = diagnosis.symptoms.iter().find(|symptom| !candidate.explains.contains(&symptom.id));
        let needs = match unexplained {
            _ if !candidate.lacks.is_empty() => format!("needs: {}", candidate.lacks.join(", ")),
            Some(symptom) => format!("holds, and leaves this unexplained: {}", symptom.says),
            None => "holds, as another one does; nothing collected tells which".to_owned(),
        };
        if widest <= 40 {
            out.push_str(&hang(&format!("  {name:<widest$}   "), &harmless(&needs)));
        } else {
            out.push_str(&format!("  {name}\n"));
            out.push_str(&hang("    ", &harmless(&needs)));
        }
    }
    for missing in &diagnosis.missing {
        out.push_str(&hang("  missing   ", &harmless(&format!("{} ({})", missing.what, missing.why))));
    }
    // Commands are copied by hand: never wrapped, each once.
    let commands: BTreeSet<&str> = diagnosis.missing.iter().map(|missing| missing.how.as_str()).collect();
    for (index, command) in commands.into_iter().enumerate() {
        out.push_str(&format!("{}{}\n", if index == 0 { "Collect:    " } else { "            " }, harmless(command)));
    }
    out
}

/// Between which hops the failing request is lost, where the path tells.
fn lost_between(diagnosis: &Diagnosis) -> String {
    let reached = diagnosis.path.iter().rev().find(|hop| hop.reached == Some(true));
    let never = diagnosis.path.iter().find(|hop| hop.reached == Some(false));
    match (reached, never) {
        (Some(reached), Some(never)) => {
            format!("The request leaves {} and never reaches {}; ", reached.name, never.name)
        }
        (Some(reached), None) if diagnosis.path.len() > 1 => format!("The request is last seen at {}; ", reached.name),
        _ => String::new(),
    }
}
