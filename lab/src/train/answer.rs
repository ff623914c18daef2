//! What a trainee answered: free text, or exact ids, to causes in subjects.

use diagnoser::Subject;
use serde::Serialize;

use super::{Exercise, causes, judgement};

/// One cause in one object, as it was understood.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Claim {
    /// The id of the cause.
    pub cause: &'static str,
    /// The object.
    pub subject: Subject,
}

/// An answer that was not understood. It costs nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub enum Unclear {
    /// No object was named.
    #[error("Where? Name the object as well, like: answer {0}, KIND/NAMESPACE/NAME")]
    NoSubject(String),
    /// No cause was named.
    #[error("What is wrong with {0}? Name the cause as well, like: answer CAUSE, {0}")]
    NoCause(String),
    /// No cause has these words.
    #[error("No cause is called \"{0}\"; `causes` lists all, `causes WORD` those with a word.")]
    UnknownCause(String),
    /// Several causes have these words.
    #[error("Which cause do you mean by \"{said}\": {}?", of.join(", "))]
    WhichCause {
        /// What was said.
        said: String,
        /// What it may mean.
        of: Vec<&'static str>,
    },
    /// No object has this name.
    #[error("Nothing here is called \"{0}\"; name it as kind/namespace/name or host/name.")]
    UnknownSubject(String),
    /// Several objects have this name.
    #[error("Which do you mean by \"{said}\": {}?", of.join(", "))]
    WhichSubject {
        /// What was said.
        said: String,
        /// What it may mean, some of it.
        of: Vec<String>,
    },
}

/// What stands for: nothing is wrong.
const HEALTHY: [&str; 7] = ["all is well", "all well", "healthy", "none", "nothing", "nothing is wrong", "no problem"];

/// More objects than these are not asked about.
const MOST: usize = 6;

/// Reads an answer: `CAUSE, SUBJECT`, several of them parted by `;` or `and`, or `healthy`, which claims nothing.
///
/// # Errors
/// When a part of it may mean nothing, or several things.
pub fn parse(text: &str, exercise: &Exercise) -> Result<Vec<Claim>, Unclear> {
    let text = text.trim().trim_end_matches('.');
    if HEALTHY.contains(&text.to_lowercase().as_str()) {
        return Ok(vec![]);
    }
    let mut claims: Vec<Claim> = parts(text).into_iter().map(|part| claim(part, exercise)).collect::<Result<_, _>>()?;
    claims.sort();
    claims.dedup();
    Ok(claims)
}

/// `and` parts answers only where an object stands on both sides: it may be a word of a cause as well.
fn parts(text: &str) -> Vec<&str> {
    let whole = text.split([';', '\n']).map(str::trim).filter(|part| !part.is_empty());
    let parted = whole.flat_map(|part| match part.split_once(" and ") {
        Some((one, other)) if one.contains('/') && other.contains('/') => vec![one.trim(), other.trim()],
        _ => vec![part],
    });
    let parts: Vec<&str> = parted.collect();
    if parts.is_empty() { vec![""] } else { parts }
}

fn claim(text: &str, exercise: &Exercise) -> Result<Claim, Unclear> {
    let (said, object) = halves(text);
    if object.is_empty() {
        return Err(Unclear::NoSubject(if said.is_empty() { "CAUSE".to_owned() } else { said }));
    }
    if said.is_empty() {
        return Err(Unclear::NoCause(object));
    }
    let subjects = exercise.subjects.meant(&object);
    let subject = match subjects[..] {
        [] => return Err(Unclear::UnknownSubject(object)),
        [one] => one.clone(),
        _ => workload(&subjects, exercise).ok_or_else(|| Unclear::WhichSubject {
            said: object,
            of: subjects.iter().take(MOST).map(ToString::to_string).collect(),
        })?,
    };
    match causes::meant(&said, &subject.kind)[..] {
        [] => Err(Unclear::UnknownCause(said)),
        [cause] => Ok(Claim { cause, subject }),
        ref several => Err(Unclear::WhichCause { said, of: several.to_vec() }),
    }
}

/// The workload that makes all of these: who names replicas by what their names share means it.
fn workload(subjects: &[&Subject], exercise: &Exercise) -> Option<Subject> {
    let mut workloads = subjects.iter().map(|subject| judgement::owners(subject, exercise).pop());
    let first = workloads.next()??;
    workloads.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

/// The words of the cause, and those of the object: what follows the last comma, `in` or colon, or else the word with a slash.
fn halves(text: &str) -> (String, String) {
    let clean = |text: &str| text.trim().trim_matches([',', ':']).trim().to_owned();
    for mark in [",", " in ", ": "] {
        if let Some((said, object)) = text.rsplit_once(mark) {
            let object = object.trim().trim_start_matches("in ").trim_start_matches("the ");
            return (clean(said), clean(object));
        }
    }
    let (objects, said): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(|word| word.contains('/'));
    (clean(&said.join(" ")), objects.last().map(|object| clean(object)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cause_and_object_are_found_in_either_order() {
        let both = |text| halves(text);
        let wanted = ("port mismatch".to_owned(), "service/shop/web".to_owned());
        for text in [
            "port mismatch, service/shop/web",
            "port mismatch in service/shop/web",
            "port mismatch in the service/shop/web",
            "port mismatch service/shop/web",
            "service/shop/web port mismatch",
        ] {
            assert_eq!(both(text), wanted, "{text}");
        }
        assert_eq!(both("disk full, broker 1").1, "broker 1");
        assert_eq!(both("port mismatch"), ("port mismatch".to_owned(), String::new()));
    }

    #[test]
    fn several_are_parted_and_a_cause_with_and_is_not() {
        assert_eq!(parts("a, x/y and b, z/w; c, q/r"), ["a, x/y", "b, z/w", "c, q/r"]);
        assert_eq!(parts("up and down, x/y"), ["up and down, x/y"]);
        assert_eq!(parts("  "), [""]);
    }
}
