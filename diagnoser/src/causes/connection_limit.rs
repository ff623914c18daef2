//! A server has as many connections open as it is set to take, and closes what comes on top.
//!
//! # What it looks like
//! One request is answered, many connections at once are not: those over a number are accepted and closed at once, or idle
//! ones are closed to make room. The server is well otherwise, and says in its log that it has no place left.
//!
//! # Confirm by hand
//! `journalctl -u UNIT` (or the error log): nginx `N worker_connections are not enough`; sshd `drop connection ... past MaxStartups`;
//! systemd `Too many incoming connections`. Beside it the setting (`nginx -T | grep worker_connections`, `sshd -T | grep maxstartups`,
//! `systemctl cat X.socket`) and the count, `ss -tn state established '( sport = :80 )' | wc -l`.
//!
//! # Fix
//! Raise the limit, together with the open files a process may have; or have clients open fewer connections and use them
//! again. nginx counts connections to its own upstreams as well.
//!
//! # Who acts
//! The owner of the server's configuration.
//!
//! # Source
//! nginx.org, `worker_connections`, src/core/ngx_connection.c; sshd_config(5), `MaxStartups`; systemd.socket(5), `MaxConnections=`.

use super::{
    Case, Cause, Finding, Lack, State,
    cut_off::{self, Configuration, Cut, shell},
};
use crate::{
    diagnosis::{Change, Fix},
    evidence::{Citation, Fact, Hosts, JournalLine},
    model::Model,
};

/// See the module's comment.
pub struct ConnectionLimit;

/// How far apart, in seconds, an end and the word of it may be: servers say it once in a while.
const NEAR: i64 = 5;
/// nginx's own setting where none is made.
const USUAL: u32 = 512;

/// Programs by the words in which they say that they are full.
const WORDS: [(&str, &str); 5] = [
    ("worker_connections are not enough", "nginx"),
    ("past MaxStartups", "sshd"),
    ("MaxStartups throttling", "sshd"),
    ("Too many incoming connections", "systemd"),
    ("Too many incoming sources", "systemd"),
];

impl Cause for ConnectionLimit {
    fn id(&self) -> &'static str {
        "connection-limit"
    }

    fn source(&self) -> &'static str {
        include_str!("connection_limit.rs")
    }

    fn owner(&self) -> &'static str {
        "application"
    }

    fn examine(&self, case: &Case<'_, '_>) -> Vec<Finding> {
        cut_off::examine(case.model, examine)
    }
}

fn examine(model: &Model<'_>, cut: &Cut<'_>) -> State {
    let hosts = &model.evidence.hosts;
    let journals: Vec<&str> = hosts.fact_names(cut.host).filter(|fact| fact.starts_with("journal")).collect();
    for fact in &journals {
        let lines = hosts.journal_file(cut.host, fact).seen().unwrap_or_default();
        let said = lines.iter().rev().find_map(|line| {
            let (_, program) = WORDS.iter().find(|(words, _)| line.message.contains(words))?;
            near(cut, line).then_some((line, *program))
        });
        let Some((line, program)) = said else { continue };
        let mut evidence = vec![Hosts::cite(cut.host, fact, line.line, line.message.trim())];
        let fix = fix(model, cut, program, fact, &mut evidence);
        evidence.extend(cut.cites());
        return State::holds(evidence, fix);
    }
    let program = match &cut.process {
        Fact::Seen(Some(program)) => program.as_str(),
        Fact::Seen(None) => "UNIT",
        Fact::Missed(why) if journals.is_empty() => {
            return State::Undecided(vec![Lack::host_fact(cut.host, "ss", "ss -tlnp", why.clone())]);
        }
        Fact::Missed(_) => "UNIT",
    };
    let unit = if program == "sshd" { "ssh" } else { program };
    let read = |fact: &&&str| fact.contains(unit) || **fact == "journal" || unit == "UNIT";
    if journals.iter().any(|fact| read(&fact)) {
        let cited = Citation::new(Hosts::file(cut.host, journals[0]), "", "no such word");
        return State::excluded(format!("{program} of {} says of no limit", cut.host), vec![cited]);
    }
    let lack = Lack::host_fact(
        cut.host,
        &format!("journal-{unit}"),
        &format!("journalctl -u {unit}"),
        "not collected".to_owned(),
    );
    State::Undecided(vec![lack])
}

/// Whether a line was written when a connection was closed.
fn near(cut: &Cut<'_>, line: &JournalLine) -> bool {
    let times = cut.resets.iter().map(|attempt| attempt.time.zip(line.at));
    times.into_iter().any(|both| both.is_none_or(|(reset, said)| reset.duration_since(said).as_secs().abs() <= NEAR))
}

fn fix(model: &Model<'_>, cut: &Cut<'_>, program: &str, fact: &str, evidence: &mut Vec<Citation>) -> Fix {
    let run = |command| vec![Change::Run { host: cut.host.to_owned(), command }];
    let more = format!("Let {program} of {} take more connections, or open fewer at once", cut.host);
    match program {
        "nginx" => {
            let Some(configuration) = Configuration::of(model, cut.host).seen() else {
                return Fix { summary: more, patch: vec![] };
            };
            let limits = super::nginx::all(&configuration.directives, "worker_connections");
            let Some((directive, own)) =
                limits.first().and_then(|directive| Some((*directive, directive.words.get(1)?.parse::<u32>().ok()?)))
            else {
                return Fix { summary: more, patch: vec![] };
            };
            evidence.push(configuration.cite(model, directive));
            let raised = USUAL.max(own.saturating_mul(2));
            Fix {
                summary: format!("{more}: worker_connections {own} -> {raised}"),
                patch: run(configuration.replace(directive, &format!("worker_connections {raised};"))),
            }
        }
        "sshd" => Fix {
            summary: format!("{more}: MaxStartups"),
            patch: run(shell(
                "mkdir -p /etc/ssh/sshd_config.d && echo 'MaxStartups 100:30:200' >/etc/ssh/sshd_config.d/00-connections.conf && systemctl reload ssh"
                    .to_owned(),
            )),
        },
        _ => {
            let unit = fact.trim_start_matches("journal-").trim_end_matches(".socket");
            Fix {
                summary: format!("{more}: MaxConnections= of {unit}.socket"),
                patch: run(shell(format!(
                    "mkdir -p /etc/systemd/system/{unit}.socket.d && printf '[Socket]\\nMaxConnections=256\\n' >/etc/systemd/system/{unit}.socket.d/connections.conf && systemctl daemon-reload && systemctl restart {unit}.socket"
                ))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sketch::check;

    const WORLD: &str = r#"machine client 10.80.1.10/24
        machine app 10.80.1.20/24
        file hosts/app/ss.txt | LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=175,fd=4))
        request from=host/client hop=client method=GET path=/ status=200 seconds=0.4 upstream=app.example.test:80 address=10.80.1.20:80 id=a at=-9.9 x20
        probe host/client -> tcp://app.example.test:80  reset in 3ms  at 10.80.1.20:80"#;
    const JOURNAL: &str = "file hosts/app/journal-nginx.txt | 2026-01-01T12:00:00+00:00 app systemd[1]: Started nginx.service - A server.";
    const FULL: &str = " | 2026-01-01T12:00:00+00:00 app nginx[162]: 2026/11/24 14:42:53 [alert] 162#162: 24 worker_connections are not enough";

    #[test]
    fn holds() {
        check(&format!("{WORLD}\n{JOURNAL}{FULL}\n=> connection-limit host/app"));
        let sshd = WORLD.replace(":80", ":22").replace("nginx", "sshd");
        check(&format!(
            "{sshd}\nfile hosts/app/journal-ssh.txt | 2026-01-01T12:00:00+00:00 app sshd[9]: drop connection #10 from [10.80.1.10]:4 on [10.80.1.20]:22 past MaxStartups\n=> connection-limit host/app"
        ));
    }

    #[test]
    fn twin_nothing_is_said_of_a_limit() {
        check(&format!("{WORLD}\n{JOURNAL}\n=> unknown"));
    }

    #[test]
    fn twin_it_was_said_at_another_time() {
        let earlier = FULL.replace("2026-01-01", "2020-01-01");
        let timed = r#"request from=host/client hop=client method=GET path=/ error="reset: closed" seconds=0.01 upstream=app.example.test:80 address=10.80.1.20:80 id=b at=-3 x5"#;
        let world = WORLD.lines().filter(|line| !line.contains("probe")).collect::<Vec<_>>().join("\n");
        check(&format!("{world}\n{timed}\n{JOURNAL}{earlier}\n=> unknown"));
    }

    #[test]
    fn twin_refused() {
        let refused = WORLD.replace("reset in 3ms", "refused in 3ms");
        check(&format!("{refused}\n{JOURNAL}{FULL}\n=> unknown"));
    }

    #[test]
    fn unknown_without_the_journal() {
        check(&format!("{WORLD}\n=> unknown lacks hosts/app/journal-nginx.txt"));
    }
}
