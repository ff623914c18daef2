//! What a line at the prompt asks for. Pure.

use crate::LabError;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// An empty line: go on showing.
    Nothing,
    /// What can be done.
    Help,
    /// What the pager said.
    Brief,
    /// The causes there are, or those with this word.
    Causes(String),
    /// The next hint.
    Hint,
    /// A cause and a subject.
    Answer(String),
    /// Tell it all.
    GiveUp,
    /// Leave, and keep nothing.
    Leave,
    /// A reading of the recording.
    Show(Vec<String>),
    /// kubectl with these arguments.
    Kubectl(Vec<String>),
}

/// What can be done.
pub(super) const HELP: &str = "\
kubectl ...              the cluster, read-only where it is recorded: get, logs
show                     what there is to look at
show requests [WORD]     requests as each hop logged them, or those with a word
show probes              attempts to reach things, and what they came to
show changes             what was changed when
show HOST [COMMAND]      a machine: what ss, ip route, df, journalctl ... printed
show logs [POD]          logs of containers
show objects [KIND]      objects; show KIND/NAMESPACE/NAME shows one
  ... | grep WORD        also | head N and | tail N, of all of these
hint                     the next hint, from broad to narrow; it costs
causes [WORD]            what can be answered
answer CAUSE, OBJECT     in your words; the object as KIND/NAMESPACE/NAME, HOST
                         several parted by ;    or: answer healthy
brief                    what the pager said
give up                  be told; quit leaves and keeps nothing
";

const NAMES: [&str; 12] =
    ["answer", "brief", "causes", "exit", "give up", "help", "hint", "kubectl", "lab show", "quit", "show", "more"];

/// Reads a line.
///
/// # Errors
/// When it is no command of this prompt, with the nearest one, or a quotation does not end.
pub(super) fn parse(line: &str) -> Result<Command, LabError> {
    let line = line.trim();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    Ok(match first.to_lowercase().as_str() {
        "" | "more" => Command::Nothing,
        "help" | "?" => Command::Help,
        "brief" => Command::Brief,
        "causes" => Command::Causes(rest.to_owned()),
        "hint" => Command::Hint,
        "answer" => Command::Answer(rest.to_owned()),
        "give" if rest == "up" => Command::GiveUp,
        "quit" | "exit" => Command::Leave,
        "show" => Command::Show(words(rest)?),
        "lab" if rest == "show" || rest.starts_with("show ") => Command::Show(words(&rest[4..])?),
        "kubectl" | "k" => Command::Kubectl(words(rest)?),
        _ => {
            let all = "kubectl and show look at the system, help lists the commands.";
            return Err(LabError::unknown_name("command", first, NAMES, all));
        }
    })
}

/// The words of a line; quotation marks hold words together, as in a shell.
fn words(line: &str) -> Result<Vec<String>, LabError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(LabError::BadInput {
            place: "the line".to_owned(),
            what: format!("a quotation is opened with {open} and does not end"),
            next: "Write it again with the mark at its end.".to_owned(),
        });
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        assert_eq!(parse("  ").expect("nothing"), Command::Nothing);
        assert_eq!(parse("give up").expect("it is known"), Command::GiveUp);
        assert_eq!(parse("lab show app ss").expect("it is known"), Command::Show(vec!["app".into(), "ss".into()]));
        assert_eq!(parse("lab show").expect("it is known"), Command::Show(vec![]));
        assert_eq!(
            parse("kubectl get pods -o 'jsonpath={.items[0] .x}'").expect("it is known"),
            Command::Kubectl(["get", "pods", "-o", "jsonpath={.items[0] .x}"].map(str::to_owned).into())
        );
        assert_eq!(parse("answer a, b/c").expect("it is known"), Command::Answer("a, b/c".to_owned()));
    }

    #[test]
    fn what_is_unknown_says_what_was_meant() {
        let error = parse("anwser x").expect_err("no command").render();
        assert!(error.contains("did you mean `answer`?"), "{error}");
        assert!(parse("show 'x").expect_err("it does not end").render().contains("does not end"));
    }
}
