//! What machines found out when they asked for names: found, told that there is no such name, or told nothing.

use std::collections::BTreeMap;

use crate::{
    connections::{Attempt, Connection},
    evidence::{Citation, Outcome},
    model::Model,
};

/// After so many seconds without an answer nobody answered: servers of names answer within milliseconds, resolvers ask again
/// after one second at the earliest (resolv.conf(5), `timeout`).
const SILENCE: f64 = 1.0;

/// What one machine heard of one name, last.
#[derive(Clone, Debug)]
pub(super) struct Asked<'m> {
    /// The machine.
    pub host: &'m str,
    /// The name.
    pub name: &'m str,
    /// It was found: a look-up, or a connection that got an address.
    pub found: Option<Citation>,
    /// An answer came, that there is no such name.
    pub not_found: Option<Citation>,
    /// No answer came.
    pub silent: Option<Citation>,
}

/// What every machine heard of every name it asked for.
pub(super) fn asked<'m>(model: &'m Model<'_>) -> Vec<Asked<'m>> {
    let mut latest: BTreeMap<(&str, &str), &Attempt> = BTreeMap::new();
    for connection in model.connections() {
        let (Some(host), Some(_)) = (connection.client(), connection.name()) else { continue };
        let Some(last) = told(connection) else { continue };
        let known = latest.entry((host, connection.to.as_str())).or_insert(last);
        if last.time > known.time {
            *known = last;
        }
    }
    latest
        .into_iter()
        .map(|((host, name), attempt)| {
            let cited = || Some(attempt.cited.clone());
            let lost = attempt.outcome == Outcome::NameNotFound;
            let silent = lost && is_silence(attempt) || !found(attempt) && !lost;
            Asked {
                host,
                name,
                found: cited().filter(|_| found(attempt)),
                not_found: cited().filter(|_| lost && !silent),
                silent: cited().filter(|_| silent),
            }
        })
        .collect()
}

/// The last attempt that tells anything of the name.
fn told(connection: &Connection) -> Option<&Attempt> {
    connection
        .attempts
        .iter()
        .rev()
        .find(|attempt| found(attempt) || attempt.outcome == Outcome::NameNotFound || connection.port.is_none())
}

/// Whether the name had an address.
fn found(attempt: &Attempt) -> bool {
    attempt.outcome != Outcome::NameNotFound && (attempt.address.is_some() || !attempt.failed)
}

/// EAI_AGAIN in the words of C libraries (gai_strerror(3) of glibc, musl's own), or a time in which an answer would have come.
fn is_silence(attempt: &Attempt) -> bool {
    let said = attempt.text.as_deref().unwrap_or_default().to_ascii_lowercase();
    let again = ["temporary failure in name resolution", "try again"].iter().any(|words| said.contains(words));
    let never = ["name or service not known", "name does not resolve", "nxdomain", "no such host"];
    again
        || attempt.seconds.is_some_and(|seconds| seconds >= SILENCE) && !never.iter().any(|words| said.contains(words))
}
