//! Attempts at others that a program's log tells of: against which address, and with which outcome. The outcome is in the words of
//! the system (errno(3), gai_strerror(3)), which every runtime passes on in one spelling or another; the address is whatever in the
//! line is written like one. A line alone names no cause: it counts together with the object that it points to.
//!
//! | runtime | for example |
//! |--|--|
//! | Go | `dial tcp 10.0.0.9:5432: connect: connection refused`, `dial tcp: lookup db on 10.0.0.2:53: no such host` |
//! | Java | `Connection to db:5432 refused`, `connection timed out: db/10.0.0.9:5432`, `UnknownHostException: db` |
//! | Python | `[Errno 111] Connection refused`, `HTTPConnectionPool(host='db', port=80)`, `Error 111 connecting to db:6379` |
//! | Node.js | `connect ECONNREFUSED 10.0.0.9:6379`, `getaddrinfo ENOTFOUND db` |
//! | .NET | `Connection refused (db:80)`, `UnableToConnect on db:6379` |
//! | load balancers | `No servers available for service: db`, `no healthy upstream` |
//! | TLS | `Get "https://db/": x509: certificate has expired or is not yet valid` |
//! | Rust | `tcp connect error: Connection refused (os error 111)` with the URL before it |

use crate::{
    drivers,
    evidence::{Citation, LogFile, Object},
    model::Model,
    subject::Subject,
};

/// What resolvers and those who call them say when a name has no address: glibc and musl (gai_strerror), Go (net.DNSError),
/// Java (java.net), Node.js (dns), libpq, nginx, curl.
const OF_NAMES: [&str; 11] = [
    "Name or service not known",
    "Temporary failure in name resolution",
    "Name does not resolve",
    "no such host",
    "server misbehaving",
    "UnknownHostException",
    "ENOTFOUND",
    "EAI_AGAIN",
    "could not translate host name",
    "host not found in upstream",
    "Could not resolve host",
];

/// Whether a text tells of a look-up that failed; Go names the server that did not answer: `lookup x on 10.0.0.1:53: ...`.
pub(crate) fn tells_of_names(text: &str) -> bool {
    let asked = text.split_once("lookup ").is_some_and(|(_, rest)| rest.contains(" on ") && rest.contains(":53: "));
    asked || OF_NAMES.iter().any(|words| text.contains(words))
}

/// Words of those who choose among several servers and have none (Spring Cloud LoadBalancer, Ribbon, Dubbo, Envoy, nginx), and of
/// clients that put errno in words of their own.
const OF_OTHERS: [&str; 9] = [
    "unabletoconnect",
    "no route to host",
    "name resolver error",
    "no servers available",
    "no instances available",
    "does not have available server",
    "no provider available",
    "no healthy upstream",
    "no live upstreams",
];

/// Words of those who turned back from a server whose certificate has expired (Go crypto/x509, OpenSSL and whoever is built on it,
/// Java security.cert, Node.js, rustls).
const OF_EXPIRY: [&str; 5] = [
    "certificate has expired",
    "certificateexpiredexception",
    "cert_has_expired",
    "invalid peer certificate: expired",
    "peer certificate expired",
];

/// Whether a line tells that a server's certificate has expired.
pub(crate) fn tells_of_expiry(line: &str) -> bool {
    ["xpired", "EXPIRED"].iter().any(|hint| line.contains(hint)) && {
        let lower = line.to_ascii_lowercase();
        OF_EXPIRY.iter().any(|words| lower.contains(words))
    }
}

/// Whether a line tells of an attempt that came to nothing.
pub(crate) fn tells(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    drivers::tells_of_no_connection(&lower)
        || tells_of_names(line)
        || OF_OTHERS.iter().any(|words| lower.contains(words))
        || tells_of_expiry(line)
        || line.contains("Connection to ") && line.contains(" refused")
}

/// The words of a line that may be addresses: `db:5432`, `10.0.0.9:80`, `host='db', port=80`, `db/10.0.0.9:5432`, `db`.
pub(crate) fn addresses(line: &str) -> impl Iterator<Item = &str> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    line.split(move |c| !part(c)).map(|word| word.trim_matches(['.', ':'])).filter(|word| !word.is_empty())
}

/// The Service that a word means to a pod; not its own.
pub(crate) fn service(model: &Model<'_>, pod: &Object, word: &str) -> Option<Subject> {
    let to = (word.len() > 3).then(|| model.resolve(word, Some(pod.namespace())))??;
    let own = || model.object(&to).is_some_and(|service| pod.is_selected(&service.map("/spec/selector")));
    (to.is("service") && !own()).then_some(to)
}

/// The Services that a pod tells of having asked in vain, again and again.
pub(crate) fn services(model: &Model<'_>, pod: &Object) -> Vec<(Subject, Citation)> {
    let mut found: Vec<(Subject, Citation)> = Vec::new();
    for log in model.evidence.logs.of(pod.subject()) {
        let lines = log.text.lines().rev().take(LINES).filter(|line| tells(line));
        let named: std::collections::BTreeSet<Subject> =
            lines.flat_map(addresses).filter_map(|word| service(model, pod, word)).collect();
        for to in named {
            if let Some(cited) = in_vain(log, |word| service(model, pod, word).as_ref() == Some(&to)) {
                found.push((to, cited));
            }
        }
    }
    found
}

/// How many of the last lines of a log are looked at: what was over long ago says nothing.
const LINES: usize = 100;

/// The last line of a log that tells of an attempt in vain at an address of which `wanted` holds, where it tells so more than once.
pub(crate) fn in_vain(log: &LogFile, wanted: impl Fn(&str) -> bool) -> Option<Citation> {
    let of = |line: &str| tells(line) && addresses(line).any(&wanted);
    let times = log.text.lines().rev().take(LINES).filter(|line| of(line)).count();
    (times > 1).then(|| log.last_line_within(LINES, of)).flatten()
}

/// The same of all logs of a pod.
pub(crate) fn of_pod(model: &Model<'_>, pod: &Subject, wanted: impl Fn(&str) -> bool) -> Option<Citation> {
    model.evidence.logs.of(pod).iter().filter_map(|log| in_vain(log, &wanted)).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_attempted_in_the_words_of_each_runtime() {
        for (line, address) in [
            ("dial tcp 10.0.0.9:5432: connect: connection refused", "10.0.0.9:5432"),
            ("Caused by: java.net.UnknownHostException: db: Name or service not known", "db"),
            ("io.netty.channel.ConnectTimeoutException: connection timed out: db/10.0.0.9:5432", "10.0.0.9:5432"),
            ("org.postgresql.util.PSQLException: Connection to db:5432 refused.", "db:5432"),
            ("HTTPConnectionPool(host='db', port=80): [Errno 111] Connection refused", "db"),
            ("Error: connect ECONNREFUSED 10.0.0.9:6379", "10.0.0.9:6379"),
            ("System.Net.Http.HttpRequestException: Connection refused (db:80)", "db:80"),
            (
                "error sending request for url (http://db:80/): tcp connect error: Connection refused (os error 111)",
                "db:80",
            ),
        ] {
            assert!(tells(line), "{line}");
            assert!(addresses(line).any(|word| word == address), "{line}");
        }
        assert!(!tells("listening on 0.0.0.0:80"));
    }

    #[test]
    fn once_is_not_again_and_again() {
        let log = |text: &str| LogFile { file: "x".to_owned(), text: text.to_owned() };
        let line = "dial tcp 10.0.0.9:80: connect: connection refused\n";
        assert!(in_vain(&log(line), |word| word == "10.0.0.9:80").is_none());
        assert!(in_vain(&log(&line.repeat(2)), |word| word == "10.0.0.9:80").is_some());
        assert!(in_vain(&log(&line.repeat(2)), |word| word == "10.0.0.8:80").is_none());
    }
}
