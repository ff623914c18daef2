//! What `tcpdump -n` printed: packets, one a line (with `-v` two). The questions asked of them are in `conversations`.

use super::{
    Fact, Hosts,
    packets::{CapturedPacket, Head, packet},
    text,
};

/// A capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// In order. IP only.
    pub packets: Vec<CapturedPacket>,
    /// How many the kernel had to leave out, where that is said; then what is not here may have been there.
    pub lost: Option<u64>,
}

impl Hosts {
    /// A capture of a host (`tcpdump-<n>`). One without packets is a reading where tcpdump's own words say that it ran; they
    /// go to standard error, and an empty file may be that of a tcpdump that is not there.
    pub fn capture(&self, host: &str, fact: &str) -> Fact<Capture> {
        self.parsed(host, fact, parse)
    }

    /// The names of a host's captures, `tcpdump` and `tcpdump-<n>`.
    pub fn captures(&self, host: &str) -> Vec<&str> {
        let named = |fact: &&str| *fact == "tcpdump" || fact.starts_with("tcpdump-");
        self.fact_names(host).filter(named).collect()
    }
}

pub(super) fn parse(text: &str) -> Result<Capture, &'static str> {
    let mut found = Capture::default();
    let (mut ran, mut strange) = (false, false);
    // With -v: what the line before began.
    let mut begun: Option<Head<'_>> = None;
    let lines: Vec<(usize, std::borrow::Cow<'_, str>)> = text::lines(text).collect();
    for (line, said) in &lines {
        if let Some(head) = begun.take()
            && said.starts_with(char::is_whitespace)
        {
            found.packets.extend(packet(*line, &head, said.trim_start()));
            continue;
        }
        // What an ICMP message quotes of the packet it is about is set in.
        if said.starts_with(char::is_whitespace) {
            continue;
        }
        let trimmed = said.trim();
        let counted = |words: &str| trimmed.ends_with(words).then(|| text::leading(trimmed)).flatten();
        if let Some(lost) = counted("dropped by kernel") {
            (found.lost, ran) = (Some(lost), true);
        } else if counted("captured").is_some()
            || counted("received by filter").is_some()
            || trimmed.contains("listening on ")
        {
            ran = true;
        } else if let Some((head, rest)) = head(trimmed) {
            ran = true;
            if rest.starts_with('(') {
                begun = Some(head);
            } else {
                found.packets.extend(packet(*line, &head, rest));
            }
        } else if trimmed.contains(" ARP, ") || trimmed.starts_with("ARP, ") {
            ran = true;
        } else {
            strange |= !trimmed.is_empty()
                && !trimmed.starts_with("tcpdump: verbose output")
                && !trimmed.starts_with("tcpdump: data link");
        }
    }
    match (ran, strange) {
        (true, _) => Ok(found),
        (false, true) => Err("no capture in it"),
        (false, false) => Err("it is empty and does not say whether it ran"),
    }
}

/// Reads `13:38:31.123456 eth0  In  IP `, with a date or without, with link-level addresses (`-e`) or without.
fn head(said: &str) -> Option<(Head<'_>, &str)> {
    let mut head = Head { time: None, interface: None, out: None };
    let mut rest = said;
    if let (first, after) = text::word(rest)
        && !matches!(first, "IP" | "IP6")
    {
        let (second, later) = text::word(after);
        if text::is_clock(first) {
            (head.time, rest) = (Some(first.to_owned()), after);
        } else if text::is_clock(second) && first.len() == 10 {
            (head.time, rest) = (Some(format!("{first} {second}")), later);
        } else if let Some((stamp, after)) = text::stamp(rest) {
            (head.time, rest) = (Some(stamp.text), after);
        } else if first
            .split_once('.')
            .is_some_and(|(seconds, _)| !seconds.is_empty() && seconds.bytes().all(|b| b.is_ascii_digit()))
        {
            // Seconds of the epoch, or since the packet before (-ttt prints a clock).
            (head.time, rest) = (Some(first.to_owned()), after);
        }
    }
    // ` In 02:42:0a:00:00:05 ethertype IPv4 (0x0800), length 74: 10.0.0.5.40000 > ..`
    if let Some((before, after)) = rest.split_once("ethertype IPv") {
        let (_, after) = after.split_once(": ")?;
        place(&mut head, before);
        return Some((head, after));
    }
    let (before, after) = match (rest.strip_prefix("IP ").or_else(|| rest.strip_prefix("IP6 ")), rest.split_once(" IP"))
    {
        (Some(after), _) => ("", after),
        (None, Some((before, after))) => (before, after.strip_prefix("6 ").or_else(|| after.strip_prefix(' '))?),
        _ => return None,
    };
    // Only the interface and the direction may stand there.
    if before.split_whitespace().count() > 2 {
        return None;
    }
    place(&mut head, before);
    Some((head, after.trim_start()))
}

/// `eth0  In`, or a direction alone (before libpcap knew the interface).
fn place<'t>(head: &mut Head<'t>, before: &'t str) {
    let mut last = None;
    for word in before.split_whitespace().take(2) {
        match word {
            "In" | "Out" => {
                head.out = Some(word == "Out");
                head.interface = last;
                return;
            }
            _ => last = Some(word),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::evidence::{
        packets::{Icmp, Payload},
        trials,
    };

    pub const PLAIN: &str = "tcpdump: verbose output suppressed, use -v[v]... for full protocol decode
listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes
13:38:31.000001 IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 100, win 64240, options [mss 1460,sackOK,TS val 1 ecr 0], length 0
13:38:31.000101 IP 10.0.0.2.80 > 10.0.0.1.40000: Flags [S.], seq 900, ack 101, win 65160, length 0
13:38:31.000201 IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [P.], seq 1:1449, ack 1, win 502, length 1448: HTTP: GET / HTTP/1.1
13:38:31.200201 IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [P.], seq 1:1449, ack 1, win 502, length 1448: HTTP: GET / HTTP/1.1
13:38:31.200301 IP 10.0.0.254 > 10.0.0.1: ICMP 10.0.0.2 unreachable - need to frag (mtu 1300), length 556
13:38:31.300201 ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28
13:38:32.000001 IP 10.0.0.1.40001 > 10.0.0.2.81: Flags [S], seq 7, win 64240, length 0
13:38:32.000101 IP 10.0.0.2.81 > 10.0.0.1.40001: Flags [R.], seq 0, ack 8, win 0, length 0
13:38:33.000001 IP 10.0.0.1.40002 > 10.0.0.53.53: 4242+ A? db.example.test. (33)
8 packets captured
9 packets received by filter
1 packet dropped by kernel
";
    const ANY: &str = "2026-11-24 13:38:31.000001 eth0  In  IP 10.0.0.1.40000 > 10.0.9.2.80: Flags [S], seq 100, win 64240, length 0
2026-11-24 13:38:31.000011 eth1  Out IP 10.0.0.1.40000 > 10.0.9.2.80: Flags [S], seq 100, win 64240, length 0
1732455511.000001 eth1  In  IP 10.0.9.254 > 10.0.0.1: ICMP host 10.0.9.2 unreachable - admin prohibited, length 36
IP6 fd00::1.40000 > fd00::2.80: Flags [S], seq 100, win 64800, length 0
13:38:31.000001  In 02:42:0a:00:00:05 ethertype IPv4 (0x0800), length 76: 10.0.0.1.40000 > 10.0.9.2.80: Flags [F.], seq 5, ack 1, win 502, length 0
";
    const VERBOSE: &str = "13:38:31.000001 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60)
    10.0.0.1.40000 > 10.0.0.2.80: Flags [S], cksum 0x1 (correct), seq 100, win 64240, length 0
13:38:32.000001 IP (tos 0xc0, ttl 64, id 2, offset 0, flags [none], proto ICMP (1), length 88)
    10.0.0.2 > 10.0.0.1: ICMP 10.0.0.2 tcp port 80 unreachable, length 68
\tIP (tos 0x0, ttl 63, id 1, offset 0, flags [DF], proto TCP (6), length 60)
    10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 100, win 64240, length 0
";

    #[test]
    fn forms() {
        let found = parse(PLAIN).unwrap();
        assert_eq!((found.packets.len(), found.lost), (8, Some(1)));
        let sent = &found.packets[2];
        assert_eq!((sent.line, sent.destination_port, sent.time.as_deref()), (5, Some(80), Some("13:38:31.000201")));
        let Payload::Tcp { flags, sequence, length } = sent.payload else { panic!("{sent:?}") };
        assert_eq!((flags.push, flags.ack, flags.syn, sequence, length), (true, true, false, Some(1), 1448));
        let destination = "10.0.0.2".parse().unwrap();
        assert_eq!(found.packets[4].payload, Payload::Icmp(Icmp::TooBig { destination, mtu: Some(1300) }));
        assert_eq!((&found.packets[7].payload, found.packets[7].destination_port), (&Payload::Other, Some(53)));
        let found = parse(ANY).unwrap().packets;
        let seen: Vec<_> = found.iter().map(|packet| (packet.interface.as_deref(), packet.out)).collect();
        assert_eq!(
            seen,
            [
                (Some("eth0"), Some(false)),
                (Some("eth1"), Some(true)),
                (Some("eth1"), Some(false)),
                (None, None),
                (None, Some(false))
            ]
        );
        let destination = "10.0.9.2".parse().unwrap();
        let how = "host - admin prohibited".to_owned();
        assert_eq!(found[2].payload, Payload::Icmp(Icmp::Unreachable { destination, how }));
        assert_eq!(found[3].source_port, Some(40000));
        let found = parse(VERBOSE).unwrap().packets;
        assert_eq!(found.iter().map(|packet| packet.line).collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn what_is_no_reading() {
        assert!(parse("").is_err());
        assert_eq!(parse("0 packets captured\n"), Ok(Capture::default()));
        assert!(parse("tcpdump: eth9: No such device exists\n").is_err());
        assert!(parse("bash: tcpdump: command not found\n").is_err());
    }

    #[test]
    fn stands() {
        trials::stands(&[PLAIN, ANY, VERBOSE], |text| parse(text).unwrap_or_default().packets);
    }
}
