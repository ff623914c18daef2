//! What clients of databases tell in their logs, in the words of the drivers and of the servers that these pass on. A line
//! says what became of an attempt; that a cause is at work takes the object it points to as well.
//!
//! Source: MySQL, Server Error Message Reference (1040, 1045, 1203, 1290, 1836) and Connector/J; PostgreSQL, Appendix A (28P01, 28000,
//! 25006, 53300); MongoDB error codes 18 and 10107; Redis, ACL and replication (WRONGPASS, NOAUTH, READONLY, maxclients); SQL Server 18456, 3906;
//! RabbitMQ, Access Control (ACCESS_REFUSED); errno(3) as Go, Java, Python, Node.js, .NET and Rust print it.

use crate::{
    evidence::{Citation, LogFile},
    model::Model,
    subject::Subject,
};

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// No connection could be made.
    NoConnection,
    /// The server turned the log-in down.
    Denied,
    /// The server has no connection left for one more.
    Full,
    /// The server takes no writes.
    ReadOnly,
}

const NO_CONNECTION: [&str; 9] = [
    "communications link failure",
    "can't connect to mysql server",
    "connection refused",
    "connection timed out",
    "connect timed out",
    "econnrefused",
    "etimedout",
    "i/o timeout",
    "no connection could be made because the target machine actively refused it",
];

const DENIED: [&str; 8] = [
    "access denied for user",
    "password authentication failed for user",
    "authentication failed.",
    "error validating the login",
    "wrongpass invalid username-password pair",
    "noauth authentication required",
    "login failed for user",
    "access_refused - login was refused",
];

const READ_ONLY: [&str; 8] = [
    "running with the --read-only option",
    "running with the --super-read-only option",
    "running with the --innodb-read-only option",
    "running in read only mode",
    "in a read-only transaction",
    "notwritableprimary",
    "readonly you can't write against a read only replica",
    "because the database is read-only",
];

const FULL: [&str; 7] = [
    "too many connections",
    "sorry, too many clients already",
    "remaining connection slots are reserved",
    "max number of clients reached",
    "has already more than 'max_user_connections'",
    "no more connections allowed",
    "connection refused because too many open connections",
];

impl Told {
    /// What a line tells, if anything.
    pub fn of(line: &str) -> Option<Self> {
        let lower = line.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| lower.contains(words));
        if says(&READ_ONLY) {
            Some(Self::ReadOnly)
        } else if says(&FULL) {
            Some(Self::Full)
        } else if says(&DENIED) {
            Some(Self::Denied)
        } else {
            tells_of_no_connection(&lower).then_some(Self::NoConnection)
        }
    }
}

/// Whether a line, in lower case, tells that no connection could be made.
pub(crate) fn tells_of_no_connection(lower: &str) -> bool {
    NO_CONNECTION.iter().any(|words| lower.contains(words))
}

/// How many of the last lines of a log are looked at: what was over long ago says nothing, and stack traces are long.
const LINES: usize = 600;

/// The last line of a pod's logs that tells this, of whichever run was the last to tell.
pub(crate) fn last(model: &Model<'_>, pod: &Subject, told: Told) -> Option<Citation> {
    // Most logs have nothing of the kind, and that is soon seen.
    let hints: &[&str] = match told {
        Told::ReadOnly => &["ead-only", "ead only", "READONLY", "NotWritable"],
        Told::Full => {
            &["oo many", "slots are reserved", "number of clients", "user_connections", "more connections allowed"]
        }
        Told::NoConnection | Told::Denied => &[""],
    };
    let logs = model.evidence.logs.of(pod).iter().filter(|log| hints.iter().any(|hint| log.text.contains(hint)));
    logs.filter_map(|log| log.last_line_within(LINES, |line| Told::of(line) == Some(told))).next_back()
}

/// Whom the server turned down, where the last line that tells it says so: `user 'app'@'10.0.0.7'`, `user "app"`.
pub(crate) fn denied(log: &LogFile) -> Option<&str> {
    let line = log.text.lines().rev().take(LINES).find(|line| Told::of(line) == Some(Told::Denied))?;
    let lower = line.to_ascii_lowercase();
    let rest = &line[lower.find("user ")? + "user ".len()..];
    let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    rest[1..].split(quote).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let told = |line| Told::of(line);
        assert_eq!(told("com.x: Communications link failure"), Some(Told::NoConnection));
        assert_eq!(told("dial tcp 10.0.0.1:5432: connect: connection refused"), Some(Told::NoConnection));
        assert_eq!(told("Access denied for user 'a'@'10.0.0.1' (using password: YES)"), Some(Told::Denied));
        assert_eq!(told("FATAL: password authentication failed for user \"a\""), Some(Told::Denied));
        assert_eq!(told("ERROR: cannot execute INSERT in a read-only transaction"), Some(Told::ReadOnly));
        assert_eq!(
            told("Data source rejected establishment of connection, message: Too many connections"),
            Some(Told::Full)
        );
        assert_eq!(told("FATAL: sorry, too many clients already"), Some(Told::Full));
        assert_eq!(told("started"), None);
        let log = |text: &str| LogFile { file: "x".to_owned(), text: text.to_owned() };
        assert_eq!(denied(&log("Access denied for user 'a'@'10.0.0.1'\nbye")), Some("a"));
        assert_eq!(denied(&log("WRONGPASS invalid username-password pair")), None);
    }
}
