//! `tc -s qdisc`: what the interfaces of a host do to packets on their way out (tc(8)).

use super::{Fact, Hosts, text};

/// A queueing discipline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Qdisc {
    /// `netem`, `tbf`, `fq_codel`, `noqueue`.
    pub kind: String,
    /// `8001:`
    pub handle: String,
    /// The interface.
    pub device: String,
    /// Whether it is the interface's own, not below a class of another.
    pub root: bool,
    /// All that it was told, as printed.
    pub parameters: String,
    /// Bits a second that it lets through, where it limits them.
    pub rate: Option<f64>,
    /// Seconds that it delays packets, where it does.
    pub delay: Option<f64>,
    /// The share of packets that it is told to drop, 0 to 1.
    pub loss: Option<f64>,
    /// Packets sent; `None` without statistics, as are the following.
    pub packets: Option<u64>,
    /// Packets dropped.
    pub dropped: Option<u64>,
    /// How often it had to hold packets back.
    pub overlimits: Option<u64>,
    /// Bytes that wait now.
    pub backlog_bytes: Option<u64>,
    /// Packets that wait now.
    pub backlog_packets: Option<u64>,
    /// The line in the file, from 1.
    pub line: usize,
    /// The line of the statistics.
    pub statistics_line: Option<usize>,
}

impl Hosts {
    /// The queueing disciplines of a host (fact `tc`, or `tc.earlier`). Every host has some: an empty file is no reading.
    pub fn qdiscs(&self, host: &str, fact: &str) -> Fact<Vec<Qdisc>> {
        self.parsed(host, fact, |text| {
            let found = parse(text);
            if found.is_empty() { Err("no queueing discipline in it") } else { Ok(found) }
        })
    }
}

fn parse(text: &str) -> Vec<Qdisc> {
    let mut found: Vec<Qdisc> = Vec::new();
    // Classes and filters, which tc prints in the same manner, end a discipline.
    let mut within = false;
    for (line, said) in text::lines(text) {
        if !said.starts_with(char::is_whitespace) {
            let row = row(line, &said);
            within = row.is_some();
            found.extend(row);
        } else if let Some(qdisc) = found.last_mut().filter(|_| within) {
            statistics(qdisc, line, said.trim());
        }
    }
    found
}

/// `qdisc netem 8001: dev eth0 root refcnt 2 limit 1000 delay 200ms loss 10%`
fn row(line: usize, said: &str) -> Option<Qdisc> {
    let words: Vec<&str> = said.split_whitespace().collect();
    let ["qdisc", kind, handle, rest @ ..] = words.as_slice() else { return None };
    let rest = if rest.first() == Some(&"[deleted]") { &rest[1..] } else { rest };
    let ["dev", device, rest @ ..] = rest else { return None };
    // Cut within the name of the interface it would be another's.
    let place = rest.first()?;
    let after = |key: &str| rest.iter().position(|word| *word == key).and_then(|at| rest.get(at + 1)).copied();
    Some(Qdisc {
        kind: (*kind).to_owned(),
        handle: (*handle).to_owned(),
        device: (*device).to_owned(),
        root: *place == "root",
        parameters: rest.join(" "),
        rate: after("rate").and_then(rate),
        delay: after("delay").and_then(seconds),
        loss: after("loss").filter(|word| *word != "random").or_else(|| after("random")).and_then(share),
        line,
        ..Qdisc::default()
    })
}

/// ` Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0)`, ` backlog 0b 0p requeues 0`
fn statistics(qdisc: &mut Qdisc, line: usize, said: &str) {
    let words: Vec<&str> = said.split([' ', ',', '(', ')']).filter(|word| !word.is_empty()).collect();
    let after = |key: &str| {
        let at = words.iter().position(|word| *word == key)?;
        words.get(at + 1)?.parse::<u64>().ok()
    };
    match words.first() {
        Some(&"Sent") => {
            let packets = words.iter().position(|word| word.starts_with("pkt")).and_then(|at| at.checked_sub(1));
            qdisc.packets = packets.and_then(|at| words[at].parse().ok());
            (qdisc.dropped, qdisc.overlimits) = (after("dropped"), after("overlimits"));
            qdisc.statistics_line = Some(line);
        }
        Some(&"backlog") => {
            let mut amounts = words[1..].iter();
            qdisc.backlog_bytes = amounts.next().and_then(|word| bytes(word));
            qdisc.backlog_packets =
                amounts.next().and_then(|word| word.strip_suffix('p')).and_then(|word| word.parse().ok());
        }
        _ => {}
    }
}

/// A number and its unit.
fn parts(word: &str) -> Option<(f64, &str)> {
    let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
    Some((word[..end].parse().ok()?, &word[end..]))
}

/// `1Mbit` (powers of ten), `1Mibit`, `125KBps` (bytes).
fn rate(word: &str) -> Option<f64> {
    let (number, unit) = parts(word)?;
    let unit = unit.to_ascii_lowercase();
    let (prefix, bits) = match (unit.strip_suffix("bit"), unit.strip_suffix("bps")) {
        (Some(prefix), _) => (prefix, 1.0),
        (_, Some(prefix)) => (prefix, 8.0),
        _ => return None,
    };
    let factor = match prefix {
        "" => 1.0,
        "k" => 1e3,
        "m" => 1e6,
        "g" => 1e9,
        "t" => 1e12,
        "ki" => 1024.0,
        "mi" => 1024.0 * 1024.0,
        "gi" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(number * factor * bits)
}

/// `200ms`, `1.5s`, `100us`
fn seconds(word: &str) -> Option<f64> {
    let (number, unit) = parts(word)?;
    match unit {
        "s" | "sec" => Some(number),
        "ms" | "msec" => Some(number / 1e3),
        "us" | "usec" => Some(number / 1e6),
        _ => None,
    }
}

fn share(word: &str) -> Option<f64> {
    Some(word.strip_suffix('%')?.parse::<f64>().ok()? / 100.0)
}

/// `1514b`, `12Kb` (of 1024)
fn bytes(word: &str) -> Option<u64> {
    let (number, unit) = parts(word)?;
    let factor = match unit {
        "b" => 1.0,
        "Kb" | "K" => 1024.0,
        "Mb" | "M" => 1024.0 * 1024.0,
        _ => return None,
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Some((number * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::trials;

    const TC: &str = "qdisc noqueue 0: dev lo root refcnt 2
 Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0)
 backlog 0b 0p requeues 0
qdisc netem 8001: dev eth0 root refcnt 2 limit 1000 delay 200ms  20ms loss 10%
 Sent 9000 bytes 90 pkt (dropped 10, overlimits 0 requeues 0)
 backlog 1514b 1p requeues 0
class htb 1:10 root rate 10Mbit ceil 10Mbit
 Sent 5 bytes 5 pkt (dropped 5, overlimits 5 requeues 0)
qdisc tbf 8002: dev eth1 root refcnt 2 rate 1Mbit burst 32Kb lat 400ms
 Sent 6449647 bytes 55505 pkt (dropped 7, overlimits 812 requeues 2)
 backlog 12Kb 9p requeues 2
qdisc fq_codel 0: dev eth2 parent :1 limit 10240p flows 1024 quantum 1514 target 5ms interval 100ms
";

    #[test]
    fn what_they_do() {
        let found = parse(TC);
        assert_eq!(
            found.iter().map(|qdisc| qdisc.kind.as_str()).collect::<Vec<_>>(),
            ["noqueue", "netem", "tbf", "fq_codel"]
        );
        let netem = &found[1];
        assert_eq!((netem.delay, netem.loss, netem.dropped, netem.packets), (Some(0.2), Some(0.1), Some(10), Some(90)));
        assert_eq!(
            (netem.backlog_bytes, netem.backlog_packets, netem.line, netem.statistics_line),
            (Some(1514), Some(1), 4, Some(5))
        );
        let tbf = &found[2];
        assert_eq!(
            (tbf.rate, tbf.overlimits, tbf.backlog_bytes, tbf.device.as_str()),
            (Some(1e6), Some(812), Some(12 << 10), "eth1")
        );
        assert!(tbf.root && !found[3].root && found[3].packets.is_none());
        assert_eq!(rate("125KBps"), Some(1e6));
        assert_eq!(parse("qdisc netem 1: dev eth0 root loss random 5%\n")[0].loss, Some(0.05));
    }

    #[test]
    fn stands() {
        // The statistics come on lines of their own.
        trials::stands(&[TC], |text| {
            parse(text).into_iter().map(|qdisc| (qdisc.handle, qdisc.device, qdisc.line)).collect()
        });
    }
}
