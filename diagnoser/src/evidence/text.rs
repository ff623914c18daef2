//! What all readers of printed text share: lines with their numbers and without colours, and the times they begin with.

use std::borrow::Cow;

use jiff::Timestamp;

/// The lines of a text, counted from 1, without colours and hyperlinks.
pub(super) fn lines(text: &str) -> impl DoubleEndedIterator<Item = (usize, Cow<'_, str>)> {
    let all: Vec<&str> = text.lines().collect();
    all.into_iter().enumerate().map(|(index, line)| (index + 1, plain(line)))
}

/// A line without its control sequences (ECMA-48 CSI and OSC, as terminals get them).
fn plain(line: &str) -> Cow<'_, str> {
    let line = line.trim_end_matches('\r');
    if !line.contains('\x1b') {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\x1b' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('[') => while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
            Some(']') => {
                while let Some(c) = chars.next() {
                    if c == '\x07' || c == '\x1b' && chars.next_if_eq(&'\\').is_some() {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    Cow::Owned(out)
}

/// The first word of a text and what follows it, without the blanks between.
pub(super) fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// The number at the beginning of a text (`12` of `12p,`).
pub(super) fn leading(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The time that a line begins with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stamp {
    /// As printed.
    pub text: String,
    /// The instant, where the form says which one it is (with an offset, or seconds of the epoch).
    pub at: Option<Timestamp>,
    /// Seconds since the machine started, where the form counts these.
    pub seconds: Option<f64>,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The time that a log line begins with, and the rest: `Nov 24 13:38:31.5`, ISO 8601, `Tue 2026-11-24 13:38:31 UTC`,
/// `[  12.345]`, `[Tue Nov 24 13:38:31 2026]` or seconds of the epoch.
pub(super) fn stamp(line: &str) -> Option<(Stamp, &str)> {
    if let Some(rest) = line.strip_prefix('[') {
        let (inside, rest) = rest.split_once(']')?;
        let inside = inside.trim();
        let seconds = inside.parse().ok().filter(|_| inside.starts_with(|c: char| c.is_ascii_digit()));
        let named = inside.get(..3).is_some_and(|day| DAYS.contains(&day));
        return (seconds.is_some() || named).then(|| {
            let stamp = Stamp { text: inside.to_owned(), at: None, seconds };
            (stamp, rest.strip_prefix(' ').unwrap_or(rest))
        });
    }
    let (first, rest) = word(line);
    let simple = |text: &str, rest| Some((Stamp { text: text.to_owned(), ..Stamp::default() }, rest));
    if MONTHS.contains(&first) {
        let (day, rest) = word(rest);
        let (time, rest) = word(rest);
        return if leading(day).is_some() && is_clock(time) {
            simple(&format!("{first} {day} {time}"), rest)
        } else {
            None
        };
    }
    if DAYS.contains(&first) {
        let (date, rest) = word(rest);
        let (time, rest) = word(rest);
        let (zone, rest) = word(rest);
        let at = if zone == "UTC" { instant(&format!("{date}T{time}Z")) } else { None };
        return (is_date(date) && is_clock(time))
            .then(|| (Stamp { text: format!("{first} {date} {time} {zone}"), at, seconds: None }, rest));
    }
    if first.get(..10).is_some_and(is_date) && first.get(10..11) == Some("T") && is_clock(first.get(11..)?) {
        return Some((Stamp { text: first.to_owned(), at: instant(first), seconds: None }, rest));
    }
    // Seconds of the epoch, with their fraction; ten digits last until 2286.
    let (whole, fraction) = first.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() == 10 && digits(whole) && digits(fraction) {
        let at = Timestamp::from_second(whole.parse().ok()?).ok();
        return Some((Stamp { text: first.to_owned(), at, seconds: None }, rest));
    }
    None
}

/// An instant in ISO 8601; with a comma before the fraction, as dmesg prints it, too.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    text.replace(',', ".").parse().ok()
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() })
}

/// `13:38:31`, with anything after it.
pub(super) fn is_clock(text: &str) -> bool {
    let shape = |i: usize, b: u8| if i == 2 || i == 5 { b == b':' } else { b.is_ascii_digit() };
    text.len() >= 8 && text.bytes().take(8).enumerate().all(|(i, b)| shape(i, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_hyperlinks_go() {
        let link = "\x1b]8;;file://h/x\x1b\\x.service\x1b]8;;\x1b\\";
        assert_eq!(plain(&format!("\x1b[0;1;32m●\x1b[0m {link}\r")), "● x.service");
        assert_eq!(plain("\x1b[0;1"), "");
        assert_eq!(plain("a\x1b"), "a");
    }

    #[test]
    fn times() {
        let parts = |line| stamp(line).map(|(stamp, rest)| (stamp.text, stamp.at.is_some(), stamp.seconds, rest));
        assert_eq!(parts("Nov  4 13:38:31 h x: m"), Some(("Nov 4 13:38:31".into(), false, None, "h x: m")));
        assert_eq!(parts("2026-11-24T13:38:31+0000 h"), Some(("2026-11-24T13:38:31+0000".into(), true, None, "h")));
        assert_eq!(
            parts("2026-11-24T13:38:31,123456+00:00 m"),
            Some(("2026-11-24T13:38:31,123456+00:00".into(), true, None, "m"))
        );
        assert_eq!(
            parts("Tue 2026-11-24 13:38:31 UTC h"),
            Some(("Tue 2026-11-24 13:38:31 UTC".into(), true, None, "h"))
        );
        assert_eq!(parts("[   12.5] m"), Some(("12.5".into(), false, Some(12.5), "m")));
        assert_eq!(parts("[Tue Nov 24 13:38:31 2026] m"), Some(("Tue Nov 24 13:38:31 2026".into(), false, None, "m")));
        assert_eq!(parts("1732455511.123456 h"), Some(("1732455511.123456".into(), true, None, "h")));
        for other in ["", "[", "[x] m", "Nov", "10.0.0.1 x", "Tue x", "2026-11-24", "é 13:38:31"] {
            assert_eq!(stamp(other), None, "{other}");
        }
    }
}
