//! What is told when an exercise is over. Eighty columns, calm.

use super::layout::{Style, ends, hang, harmless};
use crate::train::{Debrief, Ending, RootTold, Twin};

/// More readings of a root than these are counted.
const MOST_READINGS: usize = 6;
/// The levels of the investigation pyramid, broad to narrow.
const LEVELS: [u8; 4] = [1, 2, 3, 4];

/// All of it.
pub fn render(debrief: &Debrief, style: Style) -> String {
    let parts = [
        result(debrief, style),
        truth(debrief, style),
        titled("how an expert would have narrowed it, and what you looked at", &expert(debrief), style),
        titled("what you said", &own(debrief, None), style),
        titled("skipped", &debrief.skipped.iter().map(|why| hang("  - ", why)).collect::<String>(), style),
        titled("what would have told its twins apart", &debrief.twins.iter().map(twin).collect::<String>(), style),
        format!("lab scenario {} shows the whole diagnosis.\n", debrief.scenario),
    ];
    let shown: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("\n{}", shown.join("\n"))
}

fn result(debrief: &Debrief, style: Style) -> String {
    let Debrief { ending, points, seconds, hints, answers, .. } = debrief;
    let took = took(*seconds);
    let hints = counted(*hints as u64, "hint");
    let answers = counted(u64::from(*answers), "answer");
    let words = match ending {
        Ending::Found => format!("Exact, in {took} with {hints} and {answers}"),
        Ending::GaveUp => format!("Given up after {took}, with {hints} and {answers}"),
    };
    let line = ends(&words, &format!("{points} of 100 points"));
    let painted = if *ending == Ending::Found { style.good(&words) } else { style.bad(&words) };
    line.replacen(&words, &painted, 1)
}

fn truth(debrief: &Debrief, style: Style) -> String {
    let title = format!("{}\n", style.head(&debrief.title));
    if debrief.roots.is_empty() {
        return title + "  healthy: nothing is wrong from anyone's point of view\n";
    }
    title + &debrief.roots.iter().map(root).collect::<String>()
}

fn root(root: &RootTold) -> String {
    let RootTold { cause, subject, evidence, fix } = root;
    let mut out = hang("  ", &format!("{cause} in {subject}"));
    for (says, place) in evidence.iter().take(MOST_READINGS) {
        out.push_str(&hang("    ", &harmless(says)));
        out.push_str(&hang("      ", &harmless(place)));
    }
    if evidence.len() > MOST_READINGS {
        out.push_str(&format!("    and {} more readings\n", evidence.len() - MOST_READINGS));
    }
    if fix.is_empty() { out } else { out + &hang("  fix: ", &harmless(fix)) }
}

/// In prose, and level by level as the steps of the diagnoser, the trainee's looks of the same level under them.
fn expert(debrief: &Debrief) -> String {
    let mut out = if debrief.expert.is_empty() { String::new() } else { hang("  ", &debrief.expert) };
    for level in LEVELS {
        for step in debrief.expert_steps.iter().filter(|step| step.level == level && step.step != "fix") {
            out.push_str(&hang(&format!("  {level} {:<10} ", step.step), &harmless(&step.answer)));
        }
        let looks = own(debrief, Some(level));
        out.push_str(if looks.is_empty() { "      you        looked at nothing of this level\n" } else { &looks });
    }
    out
}

/// The trainee's looks of a level; without one, hints and answers.
fn own(debrief: &Debrief, level: Option<u8>) -> String {
    let steps = debrief.own_steps.iter().filter(|step| step.level == level);
    steps.map(|step| hang(&format!("      you {:>5}  ", clock(step.seconds)), &harmless(&step.says))).collect()
}

fn twin(twin: &Twin) -> String {
    let Twin { name, causes, there, here } = twin;
    hang("  ", &format!("{name} ({})", causes.join(", "))) + &hang("    there: ", there) + &hang("    here:  ", here)
}

fn titled(title: &str, text: &str, style: Style) -> String {
    if text.is_empty() { String::new() } else { format!("{}\n{text}", style.head(title)) }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `6 min 40 s`.
fn took(seconds: i64) -> String {
    if seconds < 60 { format!("{seconds} s") } else { format!("{} min {} s", seconds / 60, seconds % 60) }
}

/// `6:40`.
fn clock(seconds: i64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}
