//! `ip -s link` and `ifconfig`: what the interfaces of a host counted.

use super::{Fact, Hosts, text};

/// Counts of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Packets.
    pub packets: u64,
    /// Damaged or failed ones.
    pub errors: u64,
    /// Dropped for want of room or of somebody to take them.
    pub dropped: u64,
    /// Received ones lost because they came too fast (`overrun`, `missed`), sent ones that collided.
    pub overruns: u64,
    /// The line that says so, from 1.
    pub line: usize,
}

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Without `@if5`.
    pub name: String,
    /// Whether it was set up (the flag UP).
    pub up: bool,
    /// Whether it has a carrier (the flag LOWER_UP or RUNNING).
    pub carrier: bool,
    /// The largest packet.
    pub mtu: Option<u32>,
    /// Received; `None` without statistics.
    pub received: Option<LinkCounts>,
    /// Sent.
    pub sent: Option<LinkCounts>,
    /// The line in the file, from 1.
    pub line: usize,
}

impl Hosts {
    /// The interfaces of a host with their counts (fact `ip-link`, else `ifconfig`), and the fact that said so.
    pub fn links(&self, host: &str) -> Fact<(Vec<Link>, &'static str)> {
        let read = |fact: &'static str| {
            self.parsed(host, fact, |text| {
                let found = parse(text);
                if found.is_empty() { Err("no interface in it") } else { Ok((found, fact)) }
            })
        };
        match read("ip-link") {
            Fact::Missed(why) => match read("ifconfig") {
                Fact::Missed(_) => Fact::Missed(why),
                seen => seen,
            },
            seen => seen,
        }
    }
}

fn parse(text: &str) -> Vec<Link> {
    let mut found: Vec<Link> = Vec::new();
    // The headings above a row of `ip -s link`, and whether it is of what was received.
    let mut heading: Option<(bool, Vec<String>)> = None;
    for (line, said) in text::lines(text) {
        if !said.starts_with(char::is_whitespace) {
            heading = None;
            found.extend(by_ip(line, &said).or_else(|| by_ifconfig(line, &said)));
            continue;
        }
        let Some(link) = found.last_mut() else { continue };
        let words: Vec<&str> = said.split_whitespace().collect();
        if let Some((received, columns)) = heading.take() {
            let counts = row(line, &columns, &words);
            let side = if received { &mut link.received } else { &mut link.sent };
            *side = counts.or(*side);
            continue;
        }
        match words.as_slice() {
            ["RX:", "bytes", columns @ ..] => heading = Some((true, columns.iter().map(|c| (*c).to_owned()).collect())),
            ["TX:", "bytes", columns @ ..] => {
                heading = Some((false, columns.iter().map(|c| (*c).to_owned()).collect()))
            }
            [side @ ("RX" | "TX"), rest @ ..] => {
                let side = if *side == "RX" { &mut link.received } else { &mut link.sent };
                counts(side, line, rest);
            }
            _ => flags(link, &words),
        }
    }
    found
}

/// `2: eth0@if5: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP`
fn by_ip(line: usize, said: &str) -> Option<Link> {
    let (index, rest) = said.split_once(": ")?;
    index.parse::<u32>().ok()?;
    let (name, rest) = rest.split_once(": ")?;
    let (flags, rest) = rest.strip_prefix('<')?.split_once('>')?;
    let has = |flag: &str| flags.split(',').any(|each| each == flag);
    // Without a word after it the number may have been cut.
    let mtu = rest.split_once("mtu ").and_then(|(_, rest)| rest.split_once(' ')?.0.parse().ok());
    let name = name.split('@').next()?.to_owned();
    Some(Link { name, up: has("UP"), carrier: has("LOWER_UP"), mtu, line, ..Link::default() })
}

/// `eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500`, `eth0      Link encap:Ethernet  HWaddr ..`
fn by_ifconfig(line: usize, said: &str) -> Option<Link> {
    if let Some((name, _)) = said.split_once(" Link encap:") {
        return Some(Link { name: name.trim().to_owned(), line, ..Link::default() });
    }
    let (name, rest) = said.split_once(": flags=")?;
    let (flags, rest) = rest.split_once('<')?.1.split_once('>')?;
    let has = |flag: &str| flags.split(',').any(|each| each == flag);
    let mtu = rest.trim().strip_prefix("mtu ").and_then(|mtu| mtu.trim().parse().ok());
    Some(Link { name: name.to_owned(), up: has("UP"), carrier: has("RUNNING"), mtu, line, ..Link::default() })
}

/// `UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1`
fn flags(link: &mut Link, words: &[&str]) {
    let mtu = words.iter().find_map(|word| word.strip_prefix("MTU:"));
    if let Some(mtu) = mtu.filter(|_| words.iter().any(|word| word.starts_with("Metric:"))) {
        (link.up, link.carrier) = (words.contains(&"UP"), words.contains(&"RUNNING"));
        link.mtu = mtu.parse().ok();
    }
}

fn row(line: usize, columns: &[String], words: &[&str]) -> Option<LinkCounts> {
    let numbers: Vec<u64> = words.iter().map_while(|word| word.parse().ok()).collect();
    // The bytes stand before the columns.
    let column = |names: &[&str]| {
        let at = columns.iter().position(|column| names.contains(&column.as_str()))?;
        numbers.get(at + 1).copied()
    };
    Some(LinkCounts {
        packets: column(&["packets"])?,
        errors: column(&["errors"])?,
        dropped: column(&["dropped"])?,
        overruns: column(&["overrun", "missed", "collsns"]).unwrap_or_default(),
        line,
    })
}

/// `errors 0  dropped 0  overruns 0  frame 0`, `packets:10 errors:0 dropped:0 overruns:0 frame:0`; other lines say bytes.
fn counts(side: &mut Option<LinkCounts>, line: usize, words: &[&str]) {
    let parts: Vec<&str> = words.iter().flat_map(|word| word.split(':')).collect();
    let value = |name: &str| {
        let at = parts.iter().position(|word| *word == name)?;
        parts.get(at + 1)?.parse::<u64>().ok()
    };
    let mut found = side.unwrap_or_default();
    found.packets = value("packets").unwrap_or(found.packets);
    if let (Some(errors), Some(dropped)) = (value("errors"), value("dropped")) {
        let overruns = value("overruns").unwrap_or_default();
        *side = Some(LinkCounts { errors, dropped, overruns, line, ..found });
    } else if value("packets").is_some() {
        *side = Some(LinkCounts { line, ..found });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::trials;

    const IP: &str =
        "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    RX:  bytes packets errors dropped  missed   mcast
    1330793260  977936      0       0       0       0
    RX errors:  length    crc   frame    fifo overrun
                     0      0       0       0       0
    TX:  bytes packets errors dropped carrier collsns
    1330793260  977936      1       2       0       3
2: eth0@if5: <BROADCAST,MULTICAST> mtu 1300 qdisc noop state DOWN mode DEFAULT group default qlen 32
    link/ether c2:68:94:61:24:70 brd ff:ff:ff:ff:ff:ff
    RX: bytes  packets  errors  dropped overrun mcast
    500        5        0       7       9       0
";
    const IFCONFIG: &str = "eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500
        inet 172.18.0.1  netmask 255.255.0.0  broadcast 172.18.255.255
        RX packets 10  bytes 1000 (1000.0 B)
        RX errors 1  dropped 2  overruns 3  frame 0
        TX packets 20  bytes 2000 (2.0 KB)
        TX errors 0  dropped 4 overruns 0  carrier 0  collisions 0

";
    /// busybox 1.35, and net-tools before 2.
    const BUSYBOX: &str = "eth0      Link encap:Ethernet  HWaddr 02:42:0A:00:00:05
          inet addr:10.0.0.5  Bcast:10.0.0.255  Mask:255.255.255.0
          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1
          RX packets:10 errors:1 dropped:2 overruns:3 frame:0
          TX packets:20 errors:0 dropped:4 overruns:0 carrier:0
          collisions:0 txqueuelen:0
          RX bytes:1000 (1000.0 B)  TX bytes:2000 (2.0 KiB)
";

    #[test]
    fn forms() {
        let found = parse(IP);
        let (lo, eth0) = (&found[0], &found[1]);
        assert_eq!(lo.received, Some(LinkCounts { packets: 977_936, line: 4, ..LinkCounts::default() }));
        assert_eq!(lo.sent, Some(LinkCounts { packets: 977_936, errors: 1, dropped: 2, overruns: 3, line: 8 }));
        assert_eq!((eth0.name.as_str(), eth0.up, eth0.mtu, eth0.sent), ("eth0", false, Some(1300), None));
        assert_eq!(eth0.received, Some(LinkCounts { packets: 5, errors: 0, dropped: 7, overruns: 9, line: 12 }));
        for text in [IFCONFIG, BUSYBOX] {
            let found = parse(text);
            let link = &found[0];
            assert!(found.len() == 1 && link.up && link.carrier && link.mtu == Some(1500));
            let received = link.received.unwrap();
            assert_eq!(
                (received.packets, received.errors, received.dropped, received.overruns, received.line),
                (10, 1, 2, 3, 4)
            );
            assert_eq!(link.sent.map(|sent| (sent.packets, sent.dropped)), Some((20, 4)));
        }
    }

    #[test]
    fn stands() {
        // Flags and counts come on lines of their own.
        trials::stands(&[IP, IFCONFIG, BUSYBOX], |text| {
            parse(text).into_iter().map(|link| (link.name, link.line)).collect()
        });
    }
}
