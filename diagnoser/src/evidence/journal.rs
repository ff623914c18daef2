//! What a service wrote: `journalctl -u` in its forms, or a file of syslog.

use jiff::Timestamp;

use super::{Citation, Fact, Hosts, text, units::bare};

/// A line of a journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JournalLine {
    /// The time as printed, where it is.
    pub time: Option<String>,
    /// The instant, where the form says which one it is.
    pub at: Option<Timestamp>,
    /// Who wrote it (`systemd`, `postgres`), where printed.
    pub identifier: Option<String>,
    /// The process that wrote it, where printed.
    pub pid: Option<u32>,
    /// What it says.
    pub message: String,
    /// The line in the file, from 1.
    pub line: usize,
}

/// How much of a journal counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// All that was collected.
    Ever,
    /// Since the unit was started last (as far as that is in it).
    Start,
}

impl Hosts {
    /// The journal of a unit (fact `journal-<unit>`). One without entries is a reading.
    pub fn journal(&self, host: &str, unit: &str) -> Fact<Vec<JournalLine>> {
        self.journal_file(host, &self.journal_fact(host, unit))
    }

    /// The same of any fact that holds such lines, such as a file of syslog.
    pub fn journal_file(&self, host: &str, fact: &str) -> Fact<Vec<JournalLine>> {
        self.parsed(host, fact, |text| {
            let found = parse(text);
            let refused = |line: &JournalLine| {
                line.time.is_none()
                    && ["No journal files were", "Failed to ", "journalctl: ", "bash: ", "sh: ", "/bin/sh: "]
                        .iter()
                        .any(|start| line.message.starts_with(start))
            };
            if found.iter().any(|line| !refused(line)) || found.is_empty() {
                Ok(found)
            } else {
                Err("no journal in it")
            }
        })
    }

    /// The last line of a unit's journal whose message satisfies `wanted`, cited. `None` where there is none such.
    pub fn last_said(
        &self,
        host: &str,
        unit: &str,
        since: Since,
        wanted: impl Fn(&str) -> bool,
    ) -> Fact<Option<Citation>> {
        let fact = self.journal_fact(host, unit);
        match self.journal_file(host, &fact) {
            Fact::Missed(why) => Fact::Missed(why),
            Fact::Seen(lines) => {
                let from = if since == Since::Start { newest_start(&lines) } else { 0 };
                let found = lines[from..].iter().rfind(|line| wanted(&line.message));
                Fact::Seen(found.map(|line| Self::cite(host, &fact, line.line, short(&line.message))))
            }
        }
    }

    /// `journal-<unit>`, with or without `.service`, whichever is there.
    fn journal_fact(&self, host: &str, unit: &str) -> String {
        let names =
            [format!("journal-{unit}"), format!("journal-{}", bare(unit)), format!("journal-{}.service", bare(unit))];
        let there = names.iter().find(|fact| self.text(host, fact).seen().is_some());
        there.unwrap_or(&names[0]).clone()
    }
}

/// Cut to what a report can hold.
fn short(message: &str) -> String {
    const MAX: usize = 160;
    let message = message.trim();
    if message.chars().count() <= MAX {
        message.to_owned()
    } else {
        message.chars().take(MAX).chain("...".chars()).collect()
    }
}

/// The index from which on lines are of the newest start of the unit: systemd's `Starting`, else its `Started`.
pub(super) fn newest_start(lines: &[JournalLine]) -> usize {
    let manager = |line: &JournalLine| line.identifier.as_deref().is_none_or(|name| name == "systemd");
    let starting =
        |line: &JournalLine| manager(line) && line.message.starts_with("Starting ") && line.message.ends_with("...");
    let started =
        |line: &JournalLine| manager(line) && line.message.starts_with("Started ") && line.message.ends_with('.');
    let boots = |line: &JournalLine| line.message.starts_with("-- Boot ") || line.message == "-- Reboot --";
    let Some(last) = lines.iter().rposition(|line| starting(line) || started(line) || boots(line)) else { return 0 };
    if !started(&lines[last]) {
        return last;
    }
    // What is run before the start is reported writes between the two.
    let before = lines[..last].iter().rposition(|line| starting(line) || started(line) || boots(line));
    before.filter(|at| starting(&lines[*at])).unwrap_or(last)
}

fn parse(text: &str) -> Vec<JournalLine> {
    text::lines(text).filter_map(|(number, said)| line(number, &said)).collect()
}

fn line(number: usize, said: &str) -> Option<JournalLine> {
    let said = said.trim_end();
    let heading = said.starts_with("-- ") && !said.starts_with("-- Boot ") && said != "-- Reboot --";
    if said.trim().is_empty() || heading || said.starts_with("Hint: ") {
        return None;
    }
    if said.starts_with('{') && said.contains("\"MESSAGE\"") {
        return json(number, said);
    }
    let plain = || JournalLine { message: said.trim_start().to_owned(), line: number, ..JournalLine::default() };
    let unmarked = priority(said);
    let Some((stamp, rest)) = text::stamp(unmarked) else { return Some(plain()) };
    let mut found = JournalLine {
        time: Some(stamp.text),
        at: stamp.at,
        message: rest.to_owned(),
        line: number,
        ..JournalLine::default()
    };
    let (first, after) = text::word(rest);
    // The host is left out by --no-hostname; busybox writes facility and severity after it.
    let named = match identifier(first) {
        Some(named) => Some((named, after)),
        None => {
            let (second, rest) = text::word(after);
            let (word, rest) = if is_severity(second) { text::word(rest) } else { (second, rest) };
            identifier(word).map(|named| (named, rest))
        }
    };
    match named {
        Some(((name, pid), rest)) => {
            (found.identifier, found.pid) = (Some(name.to_owned()), pid);
            found.message = rest.to_owned();
        }
        None => found.message = after.to_owned(),
    }
    Some(found)
}

/// Without the `<30>` of RFC 3164.
fn priority(said: &str) -> &str {
    let inside = said.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    inside.filter(|(number, _)| number.parse::<u16>().is_ok()).map_or(said, |(_, rest)| rest)
}

/// `kubelet[287]:`, `kernel:`
fn identifier(word: &str) -> Option<(&str, Option<u32>)> {
    let name = word.strip_suffix(':').filter(|name| !name.is_empty())?;
    match name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) {
        Some((name, pid)) => Some((name, pid.parse().ok())),
        None => Some((name, None)),
    }
}

/// `daemon.info`
fn is_severity(word: &str) -> bool {
    const LEVELS: [&str; 9] = ["emerg", "alert", "crit", "err", "error", "warn", "notice", "info", "debug"];
    word.split_once('.').is_some_and(|(facility, level)| {
        LEVELS.contains(&level) && facility.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// `journalctl -o json`
fn json(number: usize, said: &str) -> Option<JournalLine> {
    let fields: serde_json::Value = serde_json::from_str(said).ok()?;
    let text = |key: &str| fields[key].as_str().map(str::to_owned);
    let micros = text("__REALTIME_TIMESTAMP").and_then(|micros| micros.parse().ok());
    Some(JournalLine {
        at: micros.and_then(|micros| Timestamp::from_microsecond(micros).ok()),
        time: text("__REALTIME_TIMESTAMP"),
        identifier: text("SYSLOG_IDENTIFIER").or_else(|| text("_COMM")),
        pid: text("_PID").and_then(|pid| pid.parse().ok()),
        message: text("MESSAGE")?,
        line: number,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::trials;

    const SHORT: &str = "-- Logs begin at Tue 2026-11-24 08:00:00 UTC, end at Tue 2026-11-24 13:40:00 UTC. --
Nov 24 13:28:49 h systemd[1]: Starting PostgreSQL database server...
Nov 24 13:28:50 h postgres[812]: LOG:  database system is ready
Nov 24 13:28:50 h systemd[1]: Started PostgreSQL database server.
Nov 24 13:30:00 h postgres[812]: FATAL:  could not write: No space left on device
                                 DETAIL:  more of it
-- Boot 4facc99828604967b78be9d354c7df45 --
Nov 24 13:31:00 h systemd[1]: Starting PostgreSQL database server...
Nov 24 13:31:01 h postgres[12]: LOG:  redo done
Nov 24 13:31:02 h systemd[1]: Started PostgreSQL database server.
Nov 24 13:31:03 h postgres[12]: LOG:  checkpoint starting: time
";
    const ISO: &str = "2026-11-24T13:30:47+0000 lab kubelet[287]: I1124 x: y
2026-11-24T13:30:48.123456+00:00 lab app: a message
";
    /// Alpine's syslogd, rsyslog's raw form, journalctl -o short-full and --no-hostname.
    const OTHERS: &str = "Nov 24 13:28:49 h daemon.err nginx[7]: bind() failed
<30>Nov 24 13:28:49 h sshd[9]: Server listening
Tue 2026-11-24 13:28:49 UTC h sshd[9]: Received signal 15
Nov 24 13:28:49 sshd[9]: bye
[   12.345678] h systemd[1]: Started a thing.
{\"__REALTIME_TIMESTAMP\":\"1732455511000000\",\"MESSAGE\":\"hello\",\"_PID\":\"3\",\"SYSLOG_IDENTIFIER\":\"app\"}
";
    const CAT: &str = "Started app.service - An application.
listening on 0.0.0.0:80
panic: no space
";

    #[test]
    fn forms() {
        let found = parse(SHORT);
        assert_eq!(found.len(), 10);
        assert_eq!((found[1].identifier.as_deref(), found[1].pid, found[1].line), (Some("postgres"), Some(812), 3));
        assert_eq!((found[4].time.as_deref(), found[4].message.as_str()), (None, "DETAIL:  more of it"));
        let found = parse(ISO);
        assert_eq!((found[0].message.as_str(), found[0].at.is_some()), ("I1124 x: y", true));
        assert_eq!((found[1].identifier.as_deref(), found[1].pid, found[1].at.is_some()), (Some("app"), None, true));
        let found = parse(OTHERS);
        let messages: Vec<_> = found.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(
            messages,
            ["bind() failed", "Server listening", "Received signal 15", "bye", "Started a thing.", "hello"]
        );
        assert_eq!(found.iter().filter_map(|line| line.pid).collect::<Vec<_>>(), [7, 9, 9, 9, 1, 3]);
        assert_eq!(parse("-- No entries --\n"), []);
    }

    #[test]
    fn since_the_newest_start() {
        let mut hosts = Hosts::default();
        hosts.add("n/journal-db.txt", SHORT);
        let full = |text: &str| text.contains("No space left");
        let cited = hosts.last_said("n", "db.service", Since::Ever, full).seen().unwrap().unwrap();
        assert_eq!(
            (cited.path.as_str(), cited.says.as_str()),
            ("line 5", "FATAL:  could not write: No space left on device")
        );
        assert_eq!(hosts.last_said("n", "db", Since::Start, full), Fact::Seen(None));
        let redo = |text: &str| text.contains("redo");
        assert!(hosts.last_said("n", "db", Since::Start, redo).seen().unwrap().is_some());
        assert!(hosts.last_said("n", "other", Since::Ever, full).seen().is_none());
        hosts.add("n/journal-x.txt", "No journal files were found.\n-- No entries --\n");
        assert!(hosts.journal("n", "x").seen().is_none());
        hosts.add("n/journal-x.txt", "-- No entries --\n");
        assert_eq!(hosts.journal("n", "x"), Fact::Seen(vec![]));
        assert_eq!(newest_start(&parse(CAT)), 0);
    }

    #[test]
    fn stands() {
        trials::stands(&[SHORT, ISO, OTHERS, CAT], parse);
        trials::stands(&[SHORT, CAT], |text| {
            newest_start(&parse(text));
            Vec::<()>::new()
        });
    }
}
